#include "detect/level.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace tidewaiter::detect {
namespace {

constexpr double season_step = 0.3;
constexpr std::size_t season_rows_min = 4;
constexpr std::uint64_t settled_rows = 288, rows_per_rank = 1000;

void move(double& mean, double value, double rows) { mean += (value - mean) / rows; }

}  // namespace

Level::Level(std::size_t rows_per_day) {
  if (rows_per_day < season_rows_min || rows_per_day > season_rows_max) return;
  season_.resize(rows_per_day);
  season_known_.resize(rows_per_day);
}

double Level::Range::novelty(double x) {
  if (rows_ == 0) low_ = high_ = x;
  const double range = high_ - low_, beyond = std::max({x - high_, low_ - x, 0.0});
  low_ = std::min(low_, x);
  high_ = std::max(high_, x);
  const double known = std::min(1.0, static_cast<double>(rows_++) / settled_rows);
  if (range > 0) return known * beyond / range;
  return beyond > 0 ? known : 0;
}

double Level::Steps::novelty(double step) {
  const double usual = largest_[std::min<std::uint64_t>(rows_ / rows_per_rank, kept - 1)];
  const auto place = std::upper_bound(largest_.begin(), largest_.end(), step, std::greater<>());
  if (place != largest_.end()) {
    std::move_backward(place, largest_.end() - 1, largest_.end());
    *place = step;
  }
  return rows_++ < settled_rows || usual <= 0 ? 0 : std::max(0.0, 2 * (step / usual - 2));
}

double Level::Peak::pass(double score) {
  while (begin_ < end_ && entries_[begin_ % entries_.size()].row + rows < row_) ++begin_;
  const bool highest = begin_ == end_ || score > entries_[begin_ % entries_.size()].score;
  while (begin_ < end_ && entries_[(end_ - 1) % entries_.size()].score <= score) --end_;
  entries_[end_++ % entries_.size()] = {row_++, score};
  return highest ? score : 0;
}

double Level::observe(double value) {
  if (!std::isfinite(value)) return 0;
  double residual = value;
  bool known = true;
  if (!season_.empty()) {
    const std::size_t slot = row_ % season_.size();
    const double usual = season_[slot];
    known = season_known_[slot];
    residual = known ? value - usual : 0;
    season_[slot] = static_cast<float>(known ? usual + season_step * residual : value);
    season_known_[slot] = true;
  }
  if (row_ == 0) {
    mean_of_12_ = mean_of_24_ = mean_of_288_ = last_ = value;
    residual_of_6_ = residual;
  }
  ++row_;
  move(mean_of_12_, value, 12);
  move(mean_of_24_, value, 24);
  move(residual_of_6_, residual, 6);
  const double novelty = std::max({value_.novelty(value), mean_.novelty(mean_of_12_),
                                   shift_.novelty(mean_of_24_ - mean_of_288_), known ? residual_.novelty(residual_of_6_) : 0,
                                   steps_.novelty(std::abs(value - std::exchange(last_, value)))});
  move(mean_of_288_, value, static_cast<double>(std::min<std::uint64_t>(row_, 288)));
  return peak_.pass(novelty / (1 + novelty));
}

}  // namespace tidewaiter::detect
