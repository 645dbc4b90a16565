#include "bench/eval_metrics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>

namespace tidewaiter::bench {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t join_ns = 3600 * second_ns, span_ns = 6 * join_ns, day_ns = 24 * join_ns;
constexpr std::uint32_t long_rows = 10;
constexpr double none = std::numeric_limits<double>::quiet_NaN();

}  // namespace

// The bits of a float that is not negative are ordered as it is.
std::size_t RankCounts::bin_of(double score) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::max(score, 0.0)));
  return std::min<std::size_t>(bits >> 11, bins - 1);
}

RankCounts::RankCounts() : counts_(static_cast<Bin*>(std::calloc(bins, sizeof(Bin)))) {
  if (!counts_) throw std::bad_alloc();
}

std::uint64_t RankCounts::sum(std::uint64_t Bin::*count) const {
  std::uint64_t sum = 0;
  for (std::size_t bin = begin_; bin < end_; ++bin) sum += counts_[bin].*count;
  return sum;
}

double RankCounts::auc() const {
  const auto positives = static_cast<double>(attacks()), negatives = static_cast<double>(others());
  if (positives == 0 || negatives == 0) return none;
  double above = 0, area = 0;
  for (std::size_t bin = end_; bin-- > begin_;) {
    const auto here = static_cast<double>(counts_[bin].attacks);
    area += static_cast<double>(counts_[bin].others) * (above + here / 2);
    above += here;
  }
  return area / positives / negatives;
}

double RankCounts::average_precision() const {
  const auto positives = static_cast<double>(attacks());
  if (positives == 0) return none;
  double hits = 0, seen = 0, area = 0;
  for (std::size_t bin = end_; bin-- > begin_;) {
    const auto here = static_cast<double>(counts_[bin].attacks);
    hits += here;
    seen += static_cast<double>(in_bin(bin));
    if (here > 0) area += here / positives * hits / seen;
  }
  return area;
}

double RankCounts::recall_at_false_positive_rate(double rate) const {
  const double allowed = rate * static_cast<double>(others());
  double hits = 0, wrong = 0;
  for (std::size_t bin = end_; bin-- > begin_;) {
    wrong += static_cast<double>(counts_[bin].others);
    if (wrong > allowed) break;
    hits += static_cast<double>(counts_[bin].attacks);
  }
  return hits / static_cast<double>(attacks());
}

double RankCounts::recall_of_top(double rows) const {
  double hits = 0;
  for (std::size_t bin = end_; bin-- > begin_ && rows > 0;) {
    const auto here = static_cast<double>(in_bin(bin));
    if (here == 0) continue;
    const double taken = std::min(1.0, rows / here);  // ties: as many as there is room for, attacks in proportion
    hits += taken * static_cast<double>(counts_[bin].attacks);
    rows -= here;
  }
  return hits / static_cast<double>(std::max<std::uint64_t>(attacks(), 1));
}

EdgeMetrics::EdgeMetrics(std::size_t rows_held) : rows_held_(rows_held) { held_.reserve(rows_held); }

void EdgeMetrics::put_aside() {
  if (rows_ == nullptr) rows_.reset(std::tmpfile());
  if (rows_ == nullptr) throw std::runtime_error("no temporary file for the rows: set TMPDIR to a folder with room");
  if (std::fwrite(held_.data(), sizeof(Row), held_.size(), rows_.get()) != held_.size())
    throw std::runtime_error("the temporary file of rows cannot be written: is the disk full?");
  held_.clear();
}

template <class Visit>
void EdgeMetrics::each_row(Visit visit) const {
  if (rows_ != nullptr) {
    std::rewind(rows_.get());
    std::vector<Row> block(4096);
    while (const std::size_t got = std::fread(block.data(), sizeof(Row), block.size(), rows_.get()))
      for (std::size_t i = 0; i < got; ++i) visit(block[i]);
  }
  for (const Row& row : held_) visit(row);
}

std::int32_t EdgeMetrics::episode_of(std::string_view label, std::int64_t time_ns) {
  const auto next = static_cast<std::int32_t>(episodes_.size());
  const auto [newest, first] = newest_.try_emplace(std::string(label), next);
  if (first || time_ns - episodes_[static_cast<std::size_t>(newest->second)].last_ns >= join_ns) {
    newest->second = next;
    episodes_.push_back({time_ns, time_ns, 0});
  }
  Episode& episode = episodes_[static_cast<std::size_t>(newest->second)];
  episode.last_ns = time_ns;
  ++episode.rows;
  return newest->second;
}

void EdgeMetrics::add(double score, std::uint64_t source, std::uint64_t destination, std::int64_t time_ns,
                      std::string_view label) {
  const bool attack = !label.empty();
  const std::size_t bin = RankCounts::bin_of(score);
  ranks_.add_to_bin(bin, attack);
  if (const std::int64_t day = time_ns / day_ns; count_ == 0 || day != last_day_) days_.insert(last_day_ = day);
  first_ns_ = count_ == 0 ? time_ns : std::min(first_ns_, time_ns);
  last_ns_ = count_ == 0 ? time_ns : std::max(last_ns_, time_ns);
  if (held_.size() == rows_held_) put_aside();
  held_.push_back({time_ns, source, destination, static_cast<std::uint32_t>(bin), attack ? episode_of(label, time_ns) : -1});
  ++count_;
}

struct EdgeMetrics::Incident {
  std::int64_t start_ns;
  std::size_t parent;
};

// Union-find over incidents, and which one each source and destination belonged to last.
struct EdgeMetrics::Incidents {
  struct Last {
    std::size_t incident;
    std::int64_t time_ns;
  };
  static constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();
  std::vector<Incident> all;
  std::unordered_map<std::uint64_t, Last> of_source, of_destination;
  std::uint64_t count = 0;

  std::size_t root(std::size_t at) {
    while (all[at].parent != at) at = all[at].parent = all[all[at].parent].parent;
    return at;
  }
  std::size_t open_one(const std::unordered_map<std::uint64_t, Last>& last, std::uint64_t key, std::int64_t time_ns) {
    const auto found = last.find(key);
    if (found == last.end() || time_ns - found->second.time_ns > join_ns) return nobody;
    const std::size_t incident = root(found->second.incident);
    return time_ns - all[incident].start_ns <= span_ns ? incident : nobody;
  }
  void add(const Row& row) {
    const std::size_t by_source = open_one(of_source, row.source, row.time_ns);
    const std::size_t by_destination = open_one(of_destination, row.destination, row.time_ns);
    std::size_t incident = by_source != nobody ? by_source : by_destination;
    if (incident == nobody) {
      incident = all.size();
      all.push_back({row.time_ns, incident});
      ++count;
    } else if (by_destination != nobody && by_destination != incident) {
      all[by_destination].parent = incident;
      all[incident].start_ns = std::min(all[incident].start_ns, all[by_destination].start_ns);
      --count;
    }
    of_source[row.source] = {incident, row.time_ns};
    of_destination[row.destination] = {incident, row.time_ns};
  }
};

EdgeMetrics::Pass EdgeMetrics::pass(std::uint32_t threshold_bin) const {
  Pass result;
  result.detected_ns.assign(episodes_.size(), -1);
  Incidents incidents;
  each_row([&](const Row& row) {
    if (row.bin < threshold_bin) return;
    incidents.add(row);
    if (row.episode < 0) return;
    std::int64_t& detected = result.detected_ns[static_cast<std::size_t>(row.episode)];
    if (detected < 0) detected = row.time_ns;
  });
  result.incidents = incidents.count;
  return result;
}

// From above, each letting in about an eighth more rows than the one before.
std::vector<std::uint32_t> EdgeMetrics::thresholds() const {
  std::vector<std::uint32_t> result;
  std::uint64_t rows = 0, next = std::max<std::uint64_t>(days_.size() / 4, 1);
  for (std::size_t bin = ranks_.end_bin(); bin-- > ranks_.first_bin();) {
    const std::uint64_t here = ranks_.in_bin(bin);
    rows += here;
    if (here == 0 || rows < next) continue;
    result.push_back(static_cast<std::uint32_t>(bin));
    next = rows + std::max<std::uint64_t>(rows / 8, 1);
  }
  return result;
}

void EdgeMetrics::fill(BudgetFigures& budget, const Pass& pass) const {
  std::vector<double> delays;
  std::uint64_t long_seen = 0, long_all = 0;
  for (std::size_t i = 0; i < episodes_.size(); ++i) {
    const bool is_long = episodes_[i].rows >= long_rows;
    long_all += is_long;
    if (pass.detected_ns[i] < 0) continue;
    long_seen += is_long;
    delays.push_back(static_cast<double>(pass.detected_ns[i] - episodes_[i].first_ns) / 60e9);
  }
  budget.incidents = pass.incidents;
  budget.recall = static_cast<double>(delays.size()) / static_cast<double>(std::max<std::size_t>(episodes_.size(), 1));
  budget.recall_of_long = static_cast<double>(long_seen) / static_cast<double>(std::max<std::uint64_t>(long_all, 1));
  if (delays.empty()) return;
  std::nth_element(delays.begin(), delays.begin() + static_cast<std::ptrdiff_t>(delays.size() / 2), delays.end());
  budget.median_delay_min = delays[delays.size() / 2];
}

EdgeFigures EdgeMetrics::figures() {
  EdgeFigures result;
  result.rows = count_;
  result.attacks = ranks_.attacks();
  result.episodes = episodes_.size();
  result.days = days_.size();
  result.days_elapsed = std::max(1.0, static_cast<double>(last_ns_ - first_ns_) / static_cast<double>(day_ns));
  for (const Episode& episode : episodes_) result.long_episodes += episode.rows >= long_rows;
  result.auc = ranks_.auc();
  result.average_precision = ranks_.average_precision();
  const std::vector<std::uint32_t> grid = thresholds();
  std::size_t at = 0;
  for (BudgetFigures& budget : result.budgets) {
    const double allowed = budget.incidents_per_day * static_cast<double>(days_.size());
    budget.rows_recall = ranks_.recall_of_top(budget.incidents_per_day * result.days_elapsed);
    std::uint32_t low = RankCounts::bins;  // the lowest threshold within the budget so far
    if (at > 0) low = grid[at - 1];
    Pass best = pass(low);
    for (; at < grid.size(); ++at) {
      Pass next = pass(grid[at]);
      if (static_cast<double>(next.incidents) > allowed) break;
      best = std::move(next);
      low = grid[at];
    }
    // Between the last that is within and the first that is not.
    std::uint32_t high = at < grid.size() ? grid[at] : low;
    while (low > high + 1) {
      const std::uint32_t middle = high + (low - high) / 2;
      Pass next = pass(middle);
      const bool within = static_cast<double>(next.incidents) <= allowed;
      if (within) best = std::move(next);
      (within ? low : high) = middle;
    }
    fill(budget, best);
  }
  return result;
}

}  // namespace tidewaiter::bench
