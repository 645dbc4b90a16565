#include "detect/level.hpp"

#include <algorithm>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double season_step = 0.3;
constexpr std::size_t season_rows_min = 4;

void move(double& mean, double value, double rows) { mean += (value - mean) / rows; }

}  // namespace

Level::Level(std::size_t rows_per_day) {
  if (rows_per_day < season_rows_min || rows_per_day > season_rows_max) return;
  season_.resize(rows_per_day);
  season_known_.resize(rows_per_day);
}

double Level::Range::novelty(double x) {
  if (!started_) low_ = high_ = x;
  started_ = true;
  const double range = high_ - low_, beyond = std::max({x - high_, low_ - x, 0.0});
  low_ = std::min(low_, x);
  high_ = std::max(high_, x);
  if (range > 0) return beyond / range;
  return beyond > 0 ? 1 : 0;
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
  if (!season_.empty()) {
    const std::size_t slot = row_ % season_.size();
    const double usual = season_[slot];
    residual = season_known_[slot] ? value - usual : 0;
    season_[slot] = static_cast<float>(season_known_[slot] ? usual + season_step * residual : value);
    season_known_[slot] = true;
  }
  if (row_ == 0) {
    mean_of_12_ = mean_of_24_ = mean_of_288_ = value;
    residual_of_6_ = residual;
  }
  ++row_;
  move(mean_of_12_, value, 12);
  move(mean_of_24_, value, 24);
  move(residual_of_6_, residual, 6);
  const double novelty = std::max({value_.novelty(value), mean_.novelty(mean_of_12_),
                                   shift_.novelty(mean_of_24_ - mean_of_288_), residual_.novelty(residual_of_6_)});
  move(mean_of_288_, value, static_cast<double>(std::min<std::uint64_t>(row_, 288)));
  return peak_.pass(novelty / (1 + novelty));
}

}  // namespace tidewaiter::detect
