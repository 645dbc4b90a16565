#include "detect/season.hpp"

#include <algorithm>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double day_s = 86'400, week_s = 7 * day_s;
constexpr double pi = 3.14159265358979323846;
constexpr double forgetting = 0.9995;
constexpr double prior_variance = 0.05;
constexpr double covariance_max = 1.0;

}  // namespace

Season::Season() : weights_(Vector::Zero()), covariance_(Matrix::Identity() * prior_variance) {}

Season::Vector Season::features(double time_s) {
  Vector f;
  int at = 0;
  f[at++] = 1;
  for (int k = 1; k <= 4; ++k) {
    const double angle = 2 * pi * k * time_s / day_s;
    f[at++] = std::cos(angle);
    f[at++] = std::sin(angle);
  }
  for (int k = 1; k <= 2; ++k) {
    const double angle = 2 * pi * k * time_s / week_s;
    f[at++] = std::cos(angle);
    f[at++] = std::sin(angle);
  }
  const double days = std::floor(time_s / day_s);
  const double weekend = std::fmod(days + 3, 7) >= 5 ? 1 : 0;  // 1970-01-01 was a Thursday; UTC
  f[at++] = weekend;
  f[at++] = weekend * f[1];
  f[at++] = weekend * f[2];
  return f;
}

void Season::learn(const Vector& f, double residual, double noise) {
  const Vector gain_direction = covariance_ * f;
  const double variance = f.dot(gain_direction) + noise;
  const Vector gain = gain_direction / variance;
  weights_ += gain * (residual - weights_.dot(f));
  // Symmetric to the last bit, since products commute: nothing has to be evened out afterwards.
  const double inverse = 1 / variance;
  for (int column = 0; column < terms; ++column)
    covariance_.col(column) -= (gain_direction * gain_direction[column]) * inverse;
  // Without new information in a direction, forgetting alone would let its variance grow for ever.
  if (covariance_.trace() < terms * covariance_max) covariance_ *= 1 / forgetting;
  ++updates_;
}

void Season::save(SnapshotWriter& out) const {
  out.put_bytes(weights_.data(), sizeof(double) * terms);
  out.put_bytes(covariance_.data(), sizeof(double) * terms * terms);
  out.put(updates_);
}

void Season::load(SnapshotReader& in) {
  in.get_bytes(weights_.data(), sizeof(double) * terms);
  in.get_bytes(covariance_.data(), sizeof(double) * terms * terms);
  updates_ = in.get<std::uint64_t>();
}

SeasonTable::SeasonTable(std::uint64_t memory_bytes)
    : seasons_max_(std::max<std::size_t>(memory_bytes / (sizeof(Season) + 32), 4)) {
  seasons_.reserve(seasons_max_);
  keys_.reserve(seasons_max_);
}

Season& SeasonTable::of(Key key) {
  if (const std::uint32_t found = index_.find(key); found != KeyIndex::none) return seasons_[found];
  if (seasons_.size() == seasons_max_) return seasons_.front();
  index_.insert(key, static_cast<std::uint32_t>(seasons_.size()));
  keys_.push_back(key);
  return seasons_.emplace_back();
}

void SeasonTable::save(SnapshotWriter& out) const {
  out.put<std::uint64_t>(seasons_.size());
  for (std::size_t i = 0; i < seasons_.size(); ++i) {
    out.put(keys_[i]);
    seasons_[i].save(out);
  }
}

bool SeasonTable::load(SnapshotReader& in) {
  for (std::uint64_t n = in.get_count(8 + sizeof(double) * Season::terms * (Season::terms + 1)); n > 0 && in.ok(); --n) {
    if (seasons_.size() == seasons_max_) return false;
    of(in.get<Key>()).load(in);
  }
  return in.ok();
}

}  // namespace tidewaiter::detect
