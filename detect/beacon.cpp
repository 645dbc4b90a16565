#include "detect/beacon.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::uint32_t same_call_s = 30;
constexpr std::uint32_t gap_max_s = 4 * 3600;      // slower ones have no end of an hour's work to show
constexpr std::uint32_t span_min_s = 90 * 60;      // a batch of calls is no beacon
constexpr std::uint32_t stretch_gap_s = 72 * 3600;  // high scores so close are one stretch: work rests at night and on weekends
constexpr double gap_steps = 12, size_steps = 8;   // of an octave
constexpr int like_steps = 3, same_size_steps = 6;
constexpr int suffixes[] = {8, 12, 16, 24, 32};
constexpr double poisson_share = 0.15;
constexpr double role_rounds = 2;                  // what the role's usual share is worth to an edge
constexpr double rounds_max = 16, role_rounds_max = 128;
constexpr double hot_pace = 0.25;
constexpr double interesting_nats = 4, calibrated_days = 7;
constexpr double winsor_per_day = 0.02;            // scores rarer than that are learnt as the least that is so rare
constexpr double news_nats = 3, forget_nats_per_day = 1;
constexpr double nats_unit = 256;
constexpr double role_round_s = 12 * 3600;         // a round that took less counts less for the role

std::uint8_t code(double value, double steps) {
  return static_cast<std::uint8_t>(std::clamp(std::lround(steps * std::log2(std::max(value, 1.0))), 0l, 255l));
}
double seconds_of(std::uint8_t gap) { return std::exp2(gap / gap_steps); }

/// n KL(h/n || q), 0 when h is no more than expected.
double binomial_nats(int h, int n, double q) {
  const double share = static_cast<double>(h) / n;
  if (share <= q) return 0;
  const double rest = share < 1 ? (1 - share) * std::log((1 - share) / (1 - q)) : 0;
  return n * (share * std::log(share / q) + rest);
}

std::uint16_t to_units(double nats) { return static_cast<std::uint16_t>(std::min(nats * nats_unit, 65535.0)); }

}  // namespace

Beacon::Beacon(std::uint64_t memory_bytes, double findings_per_day, double handed_over)
    : findings_per_day_(findings_per_day),
      handed_over_(handed_over),
      edges_(memory_bytes - memory_bytes / 32),
      roles_(memory_bytes / 32),
      tail_(interesting_nats, 2.5, true) {
  tail_.set_name("beacon");
}

bool Beacon::asks(const EventKeys& keys, const Event& event) {
  if (keys.destination == 0 || (keys.principal == 0 && keys.app == 0)) return false;
  const auto direction = static_cast<Direction>(event.get(Num::direction));
  return (direction == Direction::egress || direction == Direction::unknown) && event.get(Str::dst_category) != "internal";
}

void Beacon::observe(const EventKeys& keys, const Seen& seen, std::vector<Finding>& out) {
  const auto time_s = static_cast<std::uint32_t>(seen.event->time_ns() / second_ns);
  const auto [edge, fresh] = edges_.find_or_insert(edge_key(keys), keys.quota);
  if (fresh) edge->first_s = time_s;
  const std::uint8_t size = code(static_cast<double>(seen.event->get(Num::bytes_out)) + 64, size_steps);
  const std::uint32_t gap_s = gap_before(*edge, time_s, size);
  if (gap_s == 0) return;
  const std::uint8_t gap = code(gap_s, gap_steps);
  const std::uint32_t mask = like_mask(*edge, gap);
  if (edge->peak != 0) end_stretch(*edge, time_s);
  if (gap_s <= gap_max_s) judge(*edge, gap, mask, usual_of(*edge, keys), seen, out);
  learn(*edge, gap, mask, keys);
}

std::uint32_t Beacon::gap_before(Edge& edge, std::uint32_t time_s, std::uint8_t size) {
  if (time_s < edge.last_s[0]) return 0;
  std::size_t at = 0;
  while (at < events_kept && edge.last_s[at] != 0 && std::abs(edge.sizes[at] - size) > same_size_steps) ++at;
  const std::uint32_t before = at < events_kept ? edge.last_s[at] : 0;
  if (before != 0 && time_s - before < same_call_s) return 0;
  for (std::size_t i = events_kept - 1; i > 0; --i) {
    edge.last_s[i] = edge.last_s[i - 1];
    edge.sizes[i] = edge.sizes[i - 1];
  }
  edge.last_s[0] = time_s;
  edge.sizes[0] = size;
  return before == 0 ? 0 : time_s - before;
}

std::uint32_t Beacon::like_mask(const Edge& edge, std::uint8_t gap) {
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < gaps_kept; ++i)
    mask |= static_cast<std::uint32_t>(std::abs(edge.gaps[i] - gap) <= like_steps) << i;
  if (edge.seen < gaps_kept) mask &= (1u << edge.seen) - 1;
  return std::rotr(mask, static_cast<int>(edge.seen % gaps_kept));
}

Beacon::Standing Beacon::stand(const Edge& edge, std::uint32_t mask, double usual) {
  Standing best;
  for (const int n : suffixes) {
    if (static_cast<std::uint32_t>(n) > edge.seen) break;
    const int like = std::popcount(mask >> (static_cast<int>(gaps_kept) - n));
    if (const double score = binomial_nats(like, n, usual); score > best.score) best = {like, n, score};
  }
  return best;
}

double Beacon::usual_of(const Edge& edge, const EventKeys& keys) const {
  double usual = edge.usual / 65535.0;
  if (edge.rounds < rounds_max) {
    const Role* role = roles_.find(keys.role);
    const double of_role = role == nullptr ? poisson_share : double{role->usual};
    usual = (edge.rounds * usual + role_rounds * of_role) / (edge.rounds + role_rounds);
  }
  return std::max(usual, poisson_share);
}

void Beacon::judge(Edge& edge, std::uint8_t gap, std::uint32_t mask, double usual, const Seen& seen,
                   std::vector<Finding>& out) {
  const std::uint32_t time_s = edge.last_s[0];
  const std::int64_t time_ns = std::int64_t{time_s} * second_ns;
  const bool calibrated = tail_.days() >= calibrated_days;
  tail_.learn_ordinary(time_ns);
  // At the beginning all that is regular would look new.
  if (!calibrated && edge.rounds == 0) return;
  const Standing at = stand(edge, mask, usual);
  if (at.score < interesting_nats) return;
  const double period_s = seconds_of(gap);
  if (edge.peak == 0) {
    edge.since_s = time_s - static_cast<std::uint32_t>(std::min(at.like * period_s, static_cast<double>(time_s - edge.first_s)));
    edge.first = seen.evidence();
  }
  edge.hot_s = time_s;
  double learnt = at.score;
  if (calibrated && time_s - edge.since_s >= span_min_s) {
    const double rate = tail_.rate_per_day(at.score);
    if (winsorising_ && rate < winsor_per_day) learnt = tail_.bar(at.score, winsor_per_day);
    if (rate < findings_per_day_ * handed_over_) {
      const double told = edge.told / nats_unit - forget_nats_per_day * static_cast<double>(time_s - edge.told_s) / 86'400;
      const double bar = tail_.bar(at.score, findings_per_day_);
      const bool first_above = rate < findings_per_day_ && told < bar;
      if (edge.told == 0 || first_above || at.score >= told + news_nats) {
        Finding& finding = out.emplace_back(find(edge, at, period_s, usual, bar, seen.evidence()));
        finding.rate_per_day = rate;
        edge.told = to_units(at.score);
        edge.told_s = time_s;
      }
    }
  }
  edge.peak = std::max(edge.peak, to_units(learnt));
}

Beacon::Finding Beacon::find(const Edge& edge, const Standing& at, double period_s, double usual, double bar,
                              const EvidenceRef& last) const {
  Finding finding;
  finding.period_ns = static_cast<std::int64_t>(period_s) * second_ns;
  finding.like = at.like;
  finding.gaps = at.gaps;
  finding.usual = usual;
  finding.not_below = at.like;
  while (finding.not_below > 1 && binomial_nats(finding.not_below - 1, at.gaps, usual) >= bar) --finding.not_below;
  finding.score = at.score;
  finding.bar_per_day = findings_per_day_;
  finding.p_value = tail_.p_value(at.score);
  finding.calibration = tail_.state_at(at.score);
  finding.since_ns = std::int64_t{edge.since_s} * second_ns;
  finding.first_ns = std::int64_t{edge.first_s} * second_ns;
  finding.events = edge.seen + 1;
  if (edge.first.seq != last.seq || edge.first.sub != last.sub) finding.first = edge.first;
  return finding;
}

void Beacon::end_stretch(Edge& edge, std::uint32_t time_s) {
  if (time_s - edge.hot_s < stretch_gap_s) return;
  tail_.learn(edge.peak / nats_unit, std::int64_t{time_s} * second_ns);
  edge.peak = 0;
}

// A round is learnt when the next one is over: what is judged now is not compared with itself.
void Beacon::learn(Edge& edge, std::uint8_t gap, std::uint32_t mask, const EventKeys& keys) {
  const auto known = std::min<std::uint32_t>(edge.seen, gaps_kept);
  if (known > 0)
    edge.alike = static_cast<std::uint16_t>(edge.alike + 256u * static_cast<unsigned>(std::popcount(mask)) / known);
  edge.gaps[edge.seen++ % gaps_kept] = gap;
  if (edge.seen % gaps_kept != 0) return;
  const double share = edge.alike / (256.0 * gaps_kept);
  edge.alike = 0;
  const bool learning = tail_.days() < calibrated_days;
  const double lesson = learning ? share : edge.pending / 255.0;
  const bool has_lesson = learning || edge.has_pending;
  edge.pending = static_cast<std::uint8_t>(share * 255);
  edge.has_pending = !learning;
  if (!has_lesson) return;
  const double usual = edge.usual / 65535.0;
  const double pace = edge.peak != 0 && !learning ? hot_pace : 1;
  const double learnt = usual + pace * (lesson - usual) / (std::min<double>(edge.rounds, rounds_max) + 1);
  edge.usual = static_cast<std::uint16_t>(learnt * 65535);
  edge.rounds = static_cast<std::uint16_t>(std::min<double>(edge.rounds + 1, rounds_max));
  learn_role(keys, lesson, std::min(1.0, gaps_kept * seconds_of(gap) / role_round_s), edge.last_s[0]);
}

void Beacon::learn_role(const EventKeys& keys, double share, double weight, std::uint32_t time_s) {
  const auto [role, fresh] = roles_.find_or_insert(keys.role, keys.quota);
  role->last_s = time_s;
  if (fresh) {
    role->usual = static_cast<float>(poisson_share);
    role->rounds = static_cast<float>(role_rounds);
  }
  const double rounds = std::min(double{role->rounds} + weight, role_rounds_max);
  role->usual += static_cast<float>(weight * (share - double{role->usual}) / rounds);
  role->rounds = static_cast<float>(rounds);
}

void Beacon::save(SnapshotWriter& out) const {
  edges_.save(out);
  roles_.save(out);
  tail_.save(out);
}

bool Beacon::load(SnapshotReader& in) {
  if (!edges_.load(in) || !roles_.load(in)) return false;
  tail_.load(in);
  return in.ok();
}

}  // namespace tidewaiter::detect
