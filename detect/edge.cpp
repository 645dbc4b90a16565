#include "detect/edge.hpp"

#include <algorithm>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double day_ns = 86'400e9;
constexpr double daily_score = 6.2;        // of a new edge that comes once a day
constexpr double rate_exponent = 0.2;
constexpr double settle_days = 2;
constexpr double settle_min = 1e-3;
constexpr double forget_half_life_days = 28, prior_days = 3;
constexpr double body_nats = 4, prior_excess_nats = 1.25;
constexpr std::uint64_t source_salt = 0x517e, destination_salt = 0xde57;
constexpr std::uint16_t one_quota = 1;   // rows have no roles: all keys share the tables

}  // namespace

EdgeScorer::EdgeScorer(std::uint64_t memory_bytes)
    : burst_(memory_bytes / 4), contact_(memory_bytes * 3 / 4), tail_(body_nats, prior_excess_nats) {}

void EdgeScorer::prefetch(Key source, Key destination) const {
  burst_.prefetch(combine(source, source_salt));
  burst_.prefetch(combine(destination, destination_salt));
  contact_.prefetch(source, destination);
}

double EdgeScorer::contact_score(const Contact::Verdict& verdict, std::int64_t time_ns) {
  if (verdict.known) return verdict.score;
  const double days = static_cast<double>(time_ns - first_ns_) / day_ns / settle_days;
  const double settled = std::clamp(days * days, settle_min, 1.0);
  const double elapsed_days = std::max(0.0, static_cast<double>(time_ns - exceeded_ns_) / day_ns);
  const double keep = std::exp2(-elapsed_days / forget_half_life_days);
  exceeded_ *= keep;
  exceeded_days_ = exceeded_days_ * keep + elapsed_days;
  exceeded_ns_ = time_ns;
  const double nominal = tail_.rate_per_day(verdict.score) / settled;
  const double rate = nominal * (exceeded_ + prior_days) / (exceeded_days_ + prior_days);
  exceeded_ += nominal <= 1;
  tail_.learn(verdict.score, time_ns);
  return std::max(0.0, daily_score - rate_exponent * std::log(rate));
}

EdgeScorer::Score EdgeScorer::observe(Key source, Key destination, std::int64_t time_ns, bool one_action) {
  if (!started_) first_ns_ = exceeded_ns_ = time_ns;
  started_ = true;
  Score result;
  result.burst = std::max(burst_.observe(combine(source, source_salt), one_quota, time_ns, one_action),
                          burst_.observe(combine(destination, destination_salt), one_quota, time_ns));
  Contact::Verdict contact = contact_.observe(source, destination, one_quota, time_ns);
  if (!affinity_) contact.score = std::max(0.0, contact.score + contact.affinity);  // any destination is as likely as any other
  result.contact = contact.score;
  result.known = contact.known;
  result.score = std::max(std::log1p(result.burst), contact_score(contact, time_ns));
  result.p_value = ranks_.p_value(result.score);
  ranks_.learn(result.score);
  return result;
}

}  // namespace tidewaiter::detect
