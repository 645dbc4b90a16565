// eval scenarios: a generated company through ingest's parser and the service's engine, as the service runs them, to alerts
// and incidents; and through what others do, beside it.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/config_template.hpp"
#include "app/yaml_tree.hpp"
#include "bench/eval.hpp"
#include "bench/eval_baselines.hpp"
#include "bench/eval_hours.hpp"
#include "bench/eval_incidents.hpp"
#include "core/body.hpp"
#include "core/metrics.hpp"
#include "core/text.hpp"
#include "detect/engine.hpp"
#include "detect/policy.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::bench {
namespace {

using detect::Key;
using Json = nlohmann::ordered_json;
constexpr double enough_expected = 35;  // p-values, for a ratio to say something by itself
constexpr std::size_t commit_events = 1000;
constexpr double budget_spent = 0.4;  // share of the budget that false alerts may take: the rest is for true ones
constexpr std::int64_t backlog_read_ns = 4'102'444'800ll * 1'000'000'000;  // files are read after all of their events

double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

Result<detect::Policy> default_policy(std::string& json) {
  std::vector<app::Finding> wrong;
  const app::YamlTree tree = app::read_yaml(std::string(app::policy_template()), "policy.yaml", false, wrong);
  if (!wrong.empty()) return Error{Code::invalid_argument, "the built-in policy: " + wrong[0].message};
  json = tree.value.dump();
  return detect::Policy::parse(json);
}

std::string detector_names() {
  std::string names;
  for (const auto& known : detect::detector_switches) names.append(names.empty() ? "" : ", ").append(known.name);
  for (const auto& part : detect::ablation_switches) names.append(", ").append(part.name);
  return names;
}

// One detector that others use: rows or hours in, findings out.
struct Baseline {
  Baseline(std::string_view name_, std::int64_t from_ns)
      : name(name_), rows(make_edge_baseline(name_)), hours(make_hour_detector(name_)), findings(from_ns) {}
  std::string name;
  std::unique_ptr<EdgeBaseline> rows;
  std::unique_ptr<HourDetector> hours;
  Findings findings;
  double ns = 0;
};

constexpr std::string_view baseline_names[] = {"static-threshold",  "windowed-gaussian", "half-space-trees",
                                               "random-cut-forest", "midas-f",           "count",
                                               "never-seen"};

class ScenariosRun {
 public:
  static Result<std::unique_ptr<ScenariosRun>> create(const EvalOptions& options, Truth truth) {
    auto run = std::unique_ptr<ScenariosRun>(new ScenariosRun(std::move(truth)));
    run->budget_ = options.budget_per_day;
    auto policy = default_policy(run->policy_json_);
    if (!policy) return policy.error();
    run->policy_.emplace(std::move(*policy));
    auto parser = ingest::Parser::create();
    if (!parser) return parser.error();
    run->parser_ = std::move(*parser);
    detect::EngineConfig config;
    config.budget.per_day = static_cast<std::uint32_t>(options.budget_per_day);
    config.false_alerts_per_day =
        options.false_alerts_per_day > 0 ? options.false_alerts_per_day : budget_spent * options.budget_per_day;
    for (const std::string& name : options.without) {
      if (const auto part = std::ranges::find(detect::ablation_switches, name, &detect::AblationSwitch::name);
          part != std::end(detect::ablation_switches)) {
        config.parts.*part->on = false;
        continue;
      }
      const auto known = std::ranges::find(detect::detector_switches, name, &detect::DetectorSwitch::name);
      if (known == std::end(detect::detector_switches))
        return Error{Code::invalid_argument, "--without " + name + ": it is one of " + detector_names()};
      config.*known->on = false;
    }
    auto engine = detect::Engine::create(config, run->metrics_);
    if (!engine) return engine.error();
    run->engine_ = std::move(*engine);
    if (options.detector == "all")
      for (const std::string_view name : baseline_names) run->baselines_.emplace_back(name, run->truth_.learning_end_ns);
    return run;
  }

  Result<void> read(std::FILE* file, const std::string& path) {
    commit({policy_record(), tick("active")});
    char* line = nullptr;
    std::size_t capacity = 0;
    ssize_t length = 0;
    Result<void> done;
    while (done && (length = ::getline(&line, &capacity, file)) > 0) {
      const std::string_view text(line, static_cast<std::size_t>(length - (line[length - 1] == '\n' ? 1 : 0)));
      done = add(text, path);
    }
    std::free(line);
    if (!done) return done;
    commit({});
    commit({tick("idle")});
    close_hours();
    return {};
  }

  Json report() {
    Json out;
    out["command"] = "scenarios";
    out["generator"] = truth_.about["generator"];
    out["company"] = truth_.about["company"];
    out["events"] = events_;
    out["not_events"] = not_events_;
    out["late_events"] = engine_->status().late_events;
    out["calibration"] = calibration();
    out["parse_ns_per_event"] = parse_ns_ / static_cast<double>(events_);
    Json service = {{"detector", "service"}, {"budget_per_day", budget_}};
    service["ns_per_event"] = detect_ns_ / static_cast<double>(events_);
    Json figures = service_.figures(truth_, kinds_);
    service.update(figures);
    out["detectors"].push_back(std::move(service));
    // Each of the others at the budget of ten a day, and at as many incidents as the service makes.
    const double as_service = figures["incidents_per_day"];
    for (Baseline& baseline : baselines_)
      for (const double budget : {budget_, as_service}) {
        Json entry = {{"detector", baseline.name}, {"budget_per_day", budget}};
        entry["ns_per_event"] = baseline.ns / static_cast<double>(events_);
        entry.update(baseline.findings.figures_at(truth_, budget));
        out["detectors"].push_back(std::move(entry));
      }
    return out;
  }

 private:
  /// Levels of which enough p-values were to come; the truth's incidents, if there are any, are among those seen.
  Json calibration() const {
    Json out = Json::array();
    for (const detect::Calibration& of : engine_->calibration())
      for (std::size_t i = 0; i < detect::Pit::levels.size(); ++i) {
        const detect::Pit::Level& level = of.pit.counts()[i];
        if (level.expected < 1) continue;
        Json entry = {{"detector", of.detector}, {"class", of.tail_class}, {"level", detect::Pit::levels[i]},
                      {"seen", level.seen}, {"expected", level.expected}, {"ratio", level.seen / level.expected}, {"correction", of.correction[i]}};
        if (level.expected < enough_expected) entry["ratio_90"] = poisson_interval(level.seen, level.expected);
        out.push_back(std::move(entry));
      }
    return out;
  }
  /// 90 % interval of the ratio where `seen` came: Wilson and Hilferty's approximation of the gamma quantiles (1931).
  static Json poisson_interval(double seen, double expected) {
    constexpr double z = 1.645;
    const auto at = [](double shape, double quantile) {
      return shape * std::pow(std::max(0.0, 1 - 1 / (9 * shape) + quantile / (3 * std::sqrt(shape))), 3);
    };
    return {seen == 0 ? 0 : at(seen, -z) / expected, at(seen + 1, z) / expected};
  }

  explicit ScenariosRun(Truth truth) : truth_(std::move(truth)), service_(truth_.learning_end_ns) {}

  std::string policy_record() const { return R"({"type":"policy","content":)" + policy_json_ + "}"; }
  std::string tick(const char* list) const {
    const std::string partition = R"([{"cluster":"eval","topic_id":"01)" + std::string(30, '0') + R"(","partition":0}])";
    return R"({"type":"tick","event_time_ns":)" + std::to_string(newest_ns_) + ",\"" + list + "\":" + partition + "}";
  }

  Result<void> add(std::string_view text, const std::string& path) {
    BodyParts parts;
    parts.value = text;
    parts.receive_time_ns = backlog_read_ns;
    if (batch_.records.size() == commit_events || !append_message(batch_, origin_, 0, offset_, -1, parts)) {
      commit({});
      if (!append_message(batch_, origin_, 0, offset_, -1, parts))
        return Error{Code::invalid_argument, path + ", line " + std::to_string(offset_ + 1) + ": longer than a commit"};
    }
    ++offset_;
    return {};
  }

  void commit(const std::vector<std::string>& controls) {
    double before = cpu_ns();
    parser_->parse(batch_);
    double now = cpu_ns();
    parse_ns_ += now - before;
    Commit& made = commit_;
    made.number += 1;
    made.records.clear();
    for (const std::string& control : controls) {
      Record record;
      record.kind = RecordKind::control;
      record.value = control;
      made.records.push_back(record);
    }
    for (Record& record : batch_.records) {
      record.seq = seq_++;
      not_events_ += record.kind != RecordKind::event;
      made.records.push_back(record);
    }
    for (Event& event : batch_.events)
      if (event.has(Str::dst_host) || event.has(Addr::dst_ip))
        event.set(Str::dst_category, policy_->category_of(event.get(Str::dst_host), event.get(Addr::dst_ip)));
    made.events.swap(batch_.events);
    before = cpu_ns();
    engine_->process(made, alerts_);
    now = cpu_ns();
    detect_ns_ += now - before;
    events_ += made.events.size();
    for (const OwnRecord& alert : alerts_) take(alert.body);
    alerts_.clear();
    compare(made.events);
    batch_.arena.clear();
    batch_.records.clear();
    batch_.events.clear();
    batch_.strings.clear();
  }

  void take(const std::string& body) {
    const auto alert = nlohmann::json::parse(body);
    if (alert.at("kind") != "alert") return;
    const auto time = [](const nlohmann::json& value) { return parse_rfc3339(value.get_ref<const std::string&>()).value_or(0); };
    const auto key = [&](const char* name) { return alert.contains(name) ? detect::hash_name(alert[name].get<std::string>()) : Key{0}; };
    Finding finding;
    finding.time_ns = time(alert.at("time"));
    finding.start_ns = time(alert.at("window").at("start"));
    finding.end_ns = time(alert.at("window").at("end"));
    const auto& entity = alert.at("entity");
    const Key id = detect::hash_name(entity.at("id").get<std::string>());
    const bool of_app = entity.at("type") == "app";
    finding.principal = entity["type"] == "principal" ? id : of_app ? 0 : key("principal");
    finding.app = of_app ? id : key("app");
    finding.destination = key("dst_host");
    const std::string name = alert.at("detector");
    const auto known = std::ranges::find(kinds_, name);
    finding.kind = static_cast<std::uint32_t>(known - kinds_.begin());
    if (known == kinds_.end()) kinds_.push_back(name);
    service_.add(finding);
  }

  void compare(const std::vector<Event>& events) {
    newest_ns_ = std::max(newest_ns_, events.empty() ? 0 : time_of(events.back()));
    if (baselines_.empty()) return;
    for (Baseline& baseline : baselines_)
      if (baseline.rows) score_rows(baseline, events);
    for (const Event& event : events) {
      if (!event.has(Str::principal)) continue;
      const std::int64_t time = time_of(event);
      if (hours_.over(time)) close_hours();
      const bool outside = event.has(Str::dst_category) && event.get(Str::dst_category) != "internal";
      const Key destination = event.has(Str::dst_host) ? detect::hash_name(event.get(Str::dst_host)) : 0;
      const double bytes = outside && event.has(Num::bytes_out) ? static_cast<double>(event.get(Num::bytes_out)) : 0;
      hours_.add(detect::hash_name(event.get(Str::principal)), detect::hash_name(event.get(Str::app)), destination, bytes, time);
    }
  }
  static std::int64_t time_of(const Event& event) { return static_cast<std::int64_t>(event.get(Num::time)); }

  void score_rows(Baseline& baseline, const std::vector<Event>& events) {
    const double before = cpu_ns();
    for (const Event& event : events) {
      if (!event.has(Str::principal) || !event.has(Str::dst_host)) continue;
      Finding finding;
      finding.principal = detect::hash_name(event.get(Str::principal));
      finding.destination = detect::hash_name(event.get(Str::dst_host));
      finding.time_ns = finding.start_ns = finding.end_ns = time_of(event);
      finding.kind = 1;
      finding.score = baseline.rows->observe(finding.principal, finding.destination, finding.time_ns);
      if (finding.score > 0) baseline.findings.add(finding);
    }
    baseline.ns += cpu_ns() - before;
  }

  void close_hours() {
    const std::vector<Hour>& closed = hours_.close();
    for (Baseline& baseline : baselines_) {
      if (!baseline.hours) continue;
      const double before = cpu_ns();
      for (const Hour& hour : closed) {
        Finding finding;
        finding.principal = hour.principal;
        finding.app = hour.app;
        finding.start_ns = hour.start_ns;
        finding.time_ns = finding.end_ns = hour.start_ns + Hours::hour_ns;
        finding.kind = 1;
        finding.score = baseline.hours->observe(hour);
        if (finding.score > 0) baseline.findings.add(finding);
      }
      baseline.ns += cpu_ns() - before;
    }
  }

  Truth truth_;
  double budget_ = 10;
  Findings service_;
  std::vector<std::string> kinds_ = {"policy"};  // detectors of the service, as they come
  std::vector<Baseline> baselines_;
  Hours hours_;
  std::string policy_json_;
  std::optional<detect::Policy> policy_;
  std::unique_ptr<ingest::Parser> parser_;
  Metrics metrics_;
  std::unique_ptr<detect::Engine> engine_;
  Batch batch_{8u << 20};
  Commit commit_;
  std::vector<OwnRecord> alerts_;
  const Origin* origin_ = intern_origin("eval", TopicId{1}, "events");
  std::uint64_t offset_ = 0, seq_ = 0, events_ = 0, not_events_ = 0;
  std::int64_t newest_ns_ = 0;
  double parse_ns_ = 0, detect_ns_ = 0;
};

}  // namespace

Result<Json> eval_scenarios(const EvalOptions& options) {
  const std::string path = options.files[0] + "/events.ndjson";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (file) std::ungetc(std::getc(file.get()), file.get());  // who writes both through a pipe has the truth written before the first event
  auto truth = Truth::read(options.files[0] + "/truth.json");
  if (!truth) return truth.error();
  auto run = ScenariosRun::create(options, std::move(*truth));
  if (!run) return run.error();
  if (!file) return Error{Code::not_found, path + " cannot be read"};
  if (auto read = (*run)->read(file.get(), path); !read) return read.error();
  return (*run)->report();
}

}  // namespace tidewaiter::bench
