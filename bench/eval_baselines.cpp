#include "bench/eval_baselines.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tidewaiter::bench {
namespace {

using detect::Key;
constexpr std::int64_t minute_ns = 60'000'000'000;

class CountPerDestination : public EdgeBaseline {
 public:
  double observe(Key, Key destination, std::int64_t time_ns) override {
    Count& count = counts_[destination];
    const std::int64_t minute = time_ns / minute_ns;
    if (count.minute != minute) count = {minute, 0};
    return ++count.rows;
  }

 private:
  struct Count {
    std::int64_t minute = -1;
    double rows = 0;
  };
  std::unordered_map<Key, Count> counts_;
};

class NeverSeen : public EdgeBaseline {
 public:
  double observe(Key source, Key destination, std::int64_t) override {
    return edges_.insert(detect::combine(source, destination)).second ? 1 : 0;
  }

 private:
  std::unordered_set<Key> edges_;
};

// One of MIDAS-F's three: counts of this tick and of all time in count-min sketches, and the score each cell had last.
class FilteringSketch {
 public:
  double observe(Key key, double tick) {
    std::array<std::size_t, rows> cells;
    for (std::size_t i = 0; i < rows; ++i) cells[i] = i * columns + detect::combine(key, i + 1) % columns;
    double now = 1e300, all = 1e300;
    for (const std::size_t cell : cells) now = std::min(now, current_[cell] += 1);
    for (const std::size_t cell : cells) all = std::min(all, total_[cell]);
    double score = 0;
    if (all > 0 && tick > 1) {
      const double difference = now + all - now * tick;
      score = difference * difference / (all * (tick - 1));
    }
    for (const std::size_t cell : cells) scores_[cell] = score;
    return score;
  }
  // The conditional merge: what looks like an attack adds only what was expected.
  void end_tick(double tick) {
    for (std::size_t i = 0; i < total_.size(); ++i) {
      if (scores_[i] < threshold)
        total_[i] += current_[i];
      else if (tick > 1)
        total_[i] += total_[i] / (tick - 1);
      current_[i] *= decay;
    }
  }

 private:
  static constexpr std::size_t rows = 2, columns = 1024;
  static constexpr double threshold = 1000, decay = 0.5;
  std::vector<double> current_ = std::vector<double>(rows * columns), total_ = current_, scores_ = current_;
};

class MidasF : public EdgeBaseline {
 public:
  double observe(Key source, Key destination, std::int64_t time_ns) override {
    const std::int64_t minute = time_ns / minute_ns;
    if (first_) minute_ = minute;
    first_ = false;
    for (; minute_ < minute; ++minute_, ++tick_)
      for (FilteringSketch* sketch : {&edges_, &sources_, &destinations_}) sketch->end_tick(tick_);
    return std::max({edges_.observe(detect::combine(source, destination), tick_), sources_.observe(source, tick_),
                     destinations_.observe(destination, tick_)});
  }

 private:
  FilteringSketch edges_, sources_, destinations_;
  std::int64_t minute_ = 0;
  double tick_ = 1;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<EdgeBaseline> make_edge_baseline(std::string_view name) {
  if (name == "count") return std::make_unique<CountPerDestination>();
  if (name == "never-seen") return std::make_unique<NeverSeen>();
  if (name == "midas-f") return std::make_unique<MidasF>();
  return nullptr;
}

}  // namespace tidewaiter::bench
