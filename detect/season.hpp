// Season: the daily and weekly shape of log-volume that a role's members share, learnt online.
//
// Model: x(t) = level of the member + w . f(t), f = four daily and two weekly harmonics and a weekend term, w by
// recursive least squares with forgetting (Plackett 1950; Harvey, "Forecasting, Structural Time Series Models", 1989,
// for the harmonics). One update per role and window with the mean residual of its members, so its cost does not grow
// with events; a fixed 16 x 16 problem (Eigen). Residuals are clipped by the caller before they come here.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "detect/codec.hpp"
#include "detect/key_index.hpp"

namespace tidewaiter::detect {

class Season {
 public:
  static constexpr int terms = 16;
  using Vector = Eigen::Matrix<double, terms, 1>;
  using Matrix = Eigen::Matrix<double, terms, terms>;

  Season();
  /// f(t) of a window's middle, seconds since 1970 UTC.
  static Vector features(double time_s);
  double at(const Vector& f) const { return updates_ < warm_updates ? 0 : weights_.dot(f); }
  /// `noise` = variance of `residual` (a mean of few members is noisier).
  void learn(const Vector& f, double residual, double noise);

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  static constexpr std::uint64_t warm_updates = 48;
  Vector weights_;
  Matrix covariance_;
  std::uint64_t updates_ = 0;
};

/// Seasons by key (role and scale), at most `seasons_max`; what comes later shares the first one.
class SeasonTable {
 public:
  explicit SeasonTable(std::uint64_t memory_bytes);
  Season& of(Key key);
  std::uint64_t memory_bytes() const { return seasons_max_ * (sizeof(Season) + 32); }
  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  const std::size_t seasons_max_;
  std::vector<Season> seasons_;
  std::vector<Key> keys_;
  KeyIndex index_;
};

}  // namespace tidewaiter::detect
