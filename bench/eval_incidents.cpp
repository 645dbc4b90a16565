#include "bench/eval_incidents.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <unordered_map>

#include "core/text.hpp"

namespace tidewaiter::bench {
namespace {

using detect::Key;
using Json = nlohmann::ordered_json;
constexpr std::int64_t second_ns = 1'000'000'000, minute_ns = 60 * second_ns, hour_ns = 60 * minute_ns, day_ns = 24 * hour_ns;
constexpr std::int64_t join_ns = 60 * minute_ns, span_ns = 6 * hour_ns, grace_ns = 5 * minute_ns;

std::int64_t time_of(const nlohmann::json& object, const char* key) {
  return object.contains(key) ? parse_rfc3339(object[key].get_ref<const std::string&>()).value_or(0) : 0;
}

bool names(const Truth::Planted& planted, const Finding& finding) {
  if (finding.principal != 0) return std::ranges::count(planted.principals, finding.principal) > 0;
  return finding.app != 0 && finding.app == planted.app;
}

bool overlaps(const Finding& finding, std::int64_t from_ns, std::int64_t to_ns) {
  return finding.end_ns >= from_ns && finding.start_ns <= to_ns + grace_ns;
}

struct Incident {
  std::int64_t first_ns, last_ns;
  bool justified = false, statistical = false;
  std::size_t merged_into;
};

// Findings in order of time, gathered by the rule.
class Gathering {
 public:
  void add(const Finding& finding, bool justified) {
    const std::size_t by_who = open(finding.principal != 0 ? finding.principal : finding.app, finding.time_ns);
    const std::size_t by_where = finding.destination == 0 ? none : open(detect::combine(finding.destination, 1), finding.time_ns);
    std::size_t at = by_who != none ? by_who : by_where;
    if (by_who != none && by_where != none && by_who != by_where) {
      Incident &into = incidents_[by_who], &from = incidents_[by_where];
      into.first_ns = std::min(into.first_ns, from.first_ns);
      into.justified |= from.justified;
      into.statistical |= from.statistical;
      from.merged_into = by_who;
    }
    if (at == none) {
      at = incidents_.size();
      incidents_.push_back({finding.time_ns, finding.time_ns, false, false, at});
    }
    Incident& incident = incidents_[at];
    incident.last_ns = std::max(incident.last_ns, finding.time_ns);
    incident.justified |= justified;
    incident.statistical |= finding.kind != 0;
    if (finding.principal != 0 || finding.app != 0) newest_[finding.principal != 0 ? finding.principal : finding.app] = at;
    if (finding.destination != 0) newest_[detect::combine(finding.destination, 1)] = at;
  }
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < incidents_.size(); ++i)
      if (incidents_[i].merged_into == i) visit(incidents_[i]);
  }
  std::size_t statistical() const {
    std::size_t count = 0;
    each([&](const Incident& incident) { count += incident.statistical; });
    return count;
  }

 private:
  static constexpr std::size_t none = SIZE_MAX;
  std::size_t open(Key key, std::int64_t time_ns) const {
    const auto found = newest_.find(key);
    if (key == 0 || found == newest_.end()) return none;
    std::size_t at = found->second;
    while (incidents_[at].merged_into != at) at = incidents_[at].merged_into;
    const Incident& incident = incidents_[at];
    return time_ns - incident.last_ns <= join_ns && time_ns - incident.first_ns <= span_ns ? at : none;
  }
  std::vector<Incident> incidents_;
  std::unordered_map<Key, std::size_t> newest_;
};

double median(std::vector<double> values) {
  if (values.empty()) return std::nan("");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<const Finding*> by_time(const std::vector<const Finding*>& findings) {
  std::vector<const Finding*> sorted = findings;
  std::ranges::stable_sort(sorted, {}, [](const Finding* finding) { return finding->time_ns; });
  return sorted;
}

Json report(const Truth& truth, const std::vector<const Finding*>& findings, const std::vector<std::string>& kinds) {
  struct Found {
    std::int64_t delay_ns = -1;
    std::set<std::uint32_t> kinds;
  };
  std::vector<Found> found(truth.planted.size());
  Gathering gathering;
  for (const Finding* finding : by_time(findings)) {
    bool justified = false;
    for (std::size_t i = 0; i < truth.planted.size(); ++i) {
      const Truth::Planted& planted = truth.planted[i];
      if (!names(planted, *finding) || !overlaps(*finding, planted.start_ns, planted.end_ns)) continue;
      justified = true;
      if (!overlaps(*finding, planted.counts_from_ns, planted.end_ns)) continue;
      const std::int64_t delay = std::max<std::int64_t>(0, finding->time_ns - planted.counts_from_ns);
      if (found[i].delay_ns < 0) found[i].delay_ns = delay;
      found[i].kinds.insert(finding->kind);
    }
    gathering.add(*finding, justified);
  }
  std::map<std::int64_t, int> on_day;
  std::uint64_t statistical = 0, false_statistical = 0, policy = 0, false_policy = 0;
  gathering.each([&](const Incident& incident) {
    (incident.statistical ? statistical : policy) += 1;
    if (!incident.justified) (incident.statistical ? false_statistical : false_policy) += 1;
    if (incident.statistical) ++on_day[incident.first_ns / day_ns];
  });
  int most = 0;
  for (const auto& [day, count] : on_day) most = std::max(most, count);
  Json out;
  out["findings"] = findings.size();
  out["incidents_per_day"] = static_cast<double>(statistical) / truth.judged_days();
  out["most_incidents_on_a_day"] = most;
  out["false_incidents_per_day"] = static_cast<double>(false_statistical) / truth.judged_days();
  if (!kinds.empty()) {
    out["policy_incidents_per_day"] = static_cast<double>(policy) / truth.judged_days();
    out["false_policy_incidents_per_day"] = static_cast<double>(false_policy) / truth.judged_days();
  }
  std::map<std::string, std::vector<std::size_t>> scenarios;
  for (std::size_t i = 0; i < truth.planted.size(); ++i) scenarios[truth.planted[i].scenario].push_back(i);
  out["scenarios"] = Json::array();
  for (const auto& [name, members] : scenarios) {
    std::vector<double> delays;
    std::map<std::string, int> by;
    for (std::size_t i : members) {
      if (found[i].delay_ns < 0) continue;
      delays.push_back(static_cast<double>(found[i].delay_ns) / 1e9);
      for (std::uint32_t kind : found[i].kinds) ++by[kind < kinds.size() ? kinds[kind] : "itself"];
    }
    Json entry = {{"scenario", name}, {"incidents", members.size()}, {"found", delays.size()},
                  {"recall", static_cast<double>(delays.size()) / static_cast<double>(members.size())}};
    entry["delays_s"] = delays;
    if (!delays.empty()) entry["median_s"] = median(delays);
    if (!kinds.empty()) entry["found_by"] = by;
    out["scenarios"].push_back(std::move(entry));
  }
  return out;
}

}  // namespace

Result<Truth> Truth::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Code::not_found, path + " cannot be read: it is what `tidewaiter generate --truth` writes"};
  const auto json = nlohmann::json::parse((std::ostringstream() << file.rdbuf()).str(), nullptr, false);
  if (!json.is_object() || !json.contains("generator") || !json.contains("incidents"))
    return Error{Code::invalid_argument, path + " is no truth file of `tidewaiter generate`"};
  Truth truth;
  try {
    const auto& generator = json.at("generator");
    truth.about = {{"generator", generator}, {"company", json.at("company")}};
    truth.events = generator.at("events").get<std::uint64_t>();
    truth.learning_end_ns = time_of(generator, "learning_end");
    truth.end_ns = time_of(generator, "start") + generator.at("days").get<std::int64_t>() * day_ns;
    for (const auto& entry : json.at("incidents")) {
      Planted planted;
      planted.scenario = entry.at("kind").get<std::string>();
      for (const auto& name : entry.at("principals")) planted.principals.push_back(detect::hash_name(name.get<std::string>()));
      planted.app = entry.contains("app") ? detect::hash_name(entry["app"].get<std::string>()) : 0;
      planted.start_ns = time_of(entry, "start");
      planted.end_ns = time_of(entry, "end");
      planted.counts_from_ns = entry.contains("counts_from") ? time_of(entry, "counts_from") : planted.start_ns;
      truth.planted.push_back(std::move(planted));
    }
  } catch (const nlohmann::json::exception& error) {
    return Error{Code::invalid_argument, path + ": " + error.what()};
  }
  if (truth.learning_end_ns == 0 || truth.end_ns <= truth.learning_end_ns)
    return Error{Code::invalid_argument, path + ": generator.learning_end lies not within the company's days"};
  return truth;
}

void Findings::add(const Finding& finding) {
  if (finding.time_ns < from_ns_) return;
  ranked_.push_back({finding, detect::combine(added_++, 0x746965)});
  if (ranked_.size() >= 2 * kept) cut();
}

void Findings::cut() {
  const auto higher = [](const Ranked& a, const Ranked& b) {
    return a.finding.score != b.finding.score ? a.finding.score > b.finding.score : a.tie > b.tie;
  };
  if (ranked_.size() > kept) {
    std::nth_element(ranked_.begin(), ranked_.begin() + kept, ranked_.end(), higher);
    ranked_.resize(kept);
  }
  std::sort(ranked_.begin(), ranked_.end(), higher);
}

Json Findings::figures(const Truth& truth, const std::vector<std::string>& kinds) {
  std::vector<const Finding*> all;
  for (const Ranked& ranked : ranked_) all.push_back(&ranked.finding);
  return report(truth, all, kinds);
}

Json Findings::figures_at(const Truth& truth, double incidents_per_day) {
  cut();
  const auto limit = static_cast<std::size_t>(incidents_per_day * truth.judged_days() + 1e-6);
  const auto highest = [&](std::size_t count) {
    std::vector<const Finding*> findings;
    for (std::size_t i = 0; i < count; ++i) findings.push_back(&ranked_[i].finding);
    return findings;
  };
  const auto fits = [&](std::size_t count) {
    Gathering gathering;
    for (const Finding* finding : by_time(highest(count))) gathering.add(*finding, false);
    return gathering.statistical() <= limit;
  };
  // Coming from above: far below, where findings flow together into few incidents, a threshold would fit again.
  std::size_t low = std::min(limit, ranked_.size()), high = low;
  while (high < ranked_.size() && fits(high = std::min(high + high / 10 + 1, ranked_.size()))) low = high;
  while (low + 1 < high) {
    const std::size_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  Json out = report(truth, highest(low), {});
  if (low > 0) out["threshold"] = ranked_[low - 1].finding.score;
  return out;
}

}  // namespace tidewaiter::bench
