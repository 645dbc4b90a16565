#include "detect/engine.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "detect/calibration_metrics.hpp"
#include "detect/control.hpp"
#include "detect/engine_gauges.hpp"
#include "detect/explain.hpp"
#include "detect/feedback.hpp"
#include "detect/incidents.hpp"
#include "detect/receipts.hpp"
#include "detect/rules.hpp"
#include "detect/scorers.hpp"
#include "detect/shares.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t memory_min = 16ull << 20;
constexpr std::string_view magic = "tidewaiter-detect";
constexpr std::uint32_t snapshot_version = 23;
constexpr std::size_t block_events = 16;  // hashed and prefetched before they are judged: few enough for the first-level cache

/// visit_control(record), visit_block(events): the records of a commit in order, events some at a time.
template <class Control, class Block>
void walk(const Commit& commit, Control visit_control, Block visit_block) {
  std::array<Scored, block_events> block;
  std::size_t size = 0;
  const auto visit = [&] {
    if (size > 0) visit_block(std::span(block).first(size));
    size = 0;
  };
  for (const Record& record : commit.records) {
    if (record.kind == RecordKind::control) {
      visit();
      visit_control(record);
    }
    if (is_own(record.kind)) continue;
    for (std::uint32_t i = 0; i < record.event_count; ++i) {
      const Event& event = commit.events[record.first_event + i];
      prefetch_columns(event);
      block[size++] = {.event = &event, .record = &record};
      if (size == block_events) visit();
    }
  }
  visit();
}

}  // namespace

struct Engine::State {
  State(EngineConfig engine_config, Metrics& metrics)
      : config(std::move(engine_config)),
        watermark(config.out_of_order_ns),
        names(config.memory_bytes / names_memory),
        alerting(config.log_names, watermark),
        receipts(config),
        incidents(config.false_alerts_per_day, config.budget, alerting),
        rules({config.memory_bytes / rules_memory, config.memory_bytes / joins_memory},
              {config.approval_grace_ns, config.attestation_grace_ns}, alerting),
        scorers(config),
        volume(config.memory_bytes / volume_memory, config.false_alerts_per_day * volume_budget, config.volume_min_bytes, names,
               Incidents::handed_over, hot_of(config)),
        silence(config.memory_bytes / silence_memory),
        memory_bytes(names.table().memory_bytes() + rules.memory_bytes() + scorers.memory_bytes() + volume.memory_bytes() +
                     silence.memory_bytes()),
        events_total(metrics.counter("tidewaiter_detect_events_total", "Events judged")),
        late_total(metrics.counter("tidewaiter_detect_late_events_total", "Events behind the watermark, judged by policy only")),
        gauges(metrics) {
    each_tail([&](std::string_view detector, std::string_view tail_class, const TailCalibrator&) {
      calibration.add(metrics, detector, tail_class);
    });
    incidents.ablate(config.parts);
    volume.ablate(config.parts);
    gauges.memory_bytes.set(static_cast<double>(memory_bytes));
  }

  void begin(const Commit& commit, std::vector<OwnRecord>& alerts);
  void end();
  void control(const Record& record);
  void prefetch(std::span<const Scored> events);
  /// What the scorers found of them, and all that they do not judge; the first is number `first` in what was found.
  void judge(std::span<const Scored> events, std::size_t first);
  void judge(const EventKeys& keys, const Seen& seen);
  void close();
  void tell_receipt();
  void add_finding(Alert finding, Key who, Key where);
  void tell_scored(std::size_t event);
  void know(std::uint64_t evictions_by_scorers, std::uint64_t unscored_by_them, std::uint64_t slots_of_them) {
    scorers_evictions = evictions_by_scorers;
    scorers_unscored = unscored_by_them;
    scorers_slots = slots_of_them;
  }
  void tell_suppressed() { feedback.close(watermark.now(), [this](const Note& note) { alerting.tell(note); }); }
  void tell_volume();
  void publish();
  /// visit(detector, class, tail) for those that are on.
  template <class Visit>
  void each_tail(Visit visit) const {
    scorers.each_tail(visit);
    if (config.volume) volume.each_tail([&](std::string_view tail_class, const TailCalibrator& tail) { visit("volume", tail_class, tail); });
  }

  std::uint64_t evictions() const {
    return names.table().evictions() + rules.evictions() + volume.evictions() + volume.closed_early() + silence.untracked() +
           incidents.closed_early() + scorers_evictions;
  }
  std::uint64_t slots_used() const {
    return names.table().used() + rules.slots_used() + volume.slots_used() + scorers_slots;
  }

  const EngineConfig config;
  Watermark watermark;
  Names names;
  Alerting alerting;
  Receipts receipts;
  Incidents incidents;
  Feedback feedback;
  Rules rules;
  Scorers scorers;
  Volume volume;
  Silence silence;
  const std::uint64_t memory_bytes;
  std::uint64_t commit_number = 0, events = 0, late_events = 0;  // the commit that is being judged, or was last
  std::uint64_t scorers_evictions = 0, scorers_unscored = 0, scorers_slots = 0;  // up to the last event judged

  // Scratch, empty between commits.
  std::vector<ScorerFinding> found;
  std::size_t next_found = 0;
  std::uint64_t events_before = 0, late_before = 0;
  std::vector<Volume::Finding> volume_findings;
  std::vector<Silence::Finding> silence_findings;

  Counter& events_total;
  Counter& late_total;
  EngineGauges gauges;
  CalibrationMetrics calibration;
};

void Engine::State::begin(const Commit& commit, std::vector<OwnRecord>& alerts) {
  alerting.begin(alerts, commit.time_ns);
  events_before = events;
  late_before = late_events;
  const std::uint64_t next = commit_number + 1;
  if (commit_number != 0 && commit.number > next) {
    const std::int64_t time_ns = watermark.now() == Watermark::none ? commit.time_ns : watermark.now();
    alerting.emit(gap_alert(next, commit.number - 1, time_ns), "detection.gap", commit.number);
  }
  commit_number = commit.number;
}

void Engine::State::end() {
  found.clear();
  events_total.add(events - events_before);
  late_total.add(late_events - late_before);
}

void Engine::State::control(const Record& record) {
  read_control(record, [&](const std::string& type, const nlohmann::json& json) {
    if (type == "tick" && move_by_tick(json, watermark)) close();
    if (type == "policy" && json.contains("content")) rules.set_policy(json["content"].dump());
    if (type == "verdict" || type == "suppression" || type == "suppression_end") {
      feedback.apply(json, watermark.now());
      tell_suppressed();
    }
  });
}

void Engine::State::prefetch(std::span<const Scored> scored) {
  for (const Scored& each : scored) {
    rules.prefetch(each.keys, *each.event);
    if (config.volume) volume.prefetch(each.keys, *each.event);
    if (config.silence) silence.prefetch(each.keys);
  }
  for (const Scored& each : scored) {
    if (config.volume) volume.prefetch_windows(each.keys, *each.event);
    if (config.silence) silence.prefetch_source(each.keys);
  }
}

void Engine::State::judge(std::span<const Scored> scored, std::size_t first) {
  for (const Scored& each : scored) {
    const std::uint32_t partition = watermark.partition_of(*each.record);
    const Seen seen = {each.event, each.record, partition, watermark.late(each.event->time_ns())};
    know(each.evictions, each.unscored, scorers_slots);
    ++events;
    late_events += seen.late;
    rules.observe(each.keys, seen, watermark.now());
    tell_scored(first++);
    if (each.record->kind != RecordKind::conflict) judge(each.keys, seen);
  }
}

void Engine::State::judge(const EventKeys& keys, const Seen& seen) {
  if (config.volume && !seen.late) volume.observe(keys, seen, volume_findings);
  if (config.silence) silence.observe(keys, seen, watermark);
  if (!volume_findings.empty()) tell_volume();
  if (watermark.advance(seen.partition, *seen.record, *seen.event)) close();
}

// All that waits for the watermark, in a fixed order.
void Engine::State::close() {
  const std::int64_t now = watermark.now();
  rules.close(now);
  if (config.volume && now >= volume.next_close_ns()) {
    volume.close(now, volume_findings);
    tell_volume();
  }
  if (config.silence && now >= silence.next_close_ns()) {
    silence.close(now, silence_findings);
    for (const Silence::Finding& finding : silence_findings)
      if (!alerting.repeated(Detector::silence, detector_name(Detector::silence), finding.source, finding.now_ns))
        add_finding(silence_alert(finding), finding.source, 0);
    silence_findings.clear();
  }
  incidents.close(now);
  tell_suppressed();
  alerting.close(now);
  if (receipts.due(now)) tell_receipt();
}

void Engine::State::tell_receipt() {
  Receipts::Totals totals;
  totals.commit = commit_number;
  totals.events = events;
  totals.late_events = late_events;
  totals.unscored_events = scorers_unscored;
  totals.held_back = alerting.suppressed();
  totals.evictions = evictions();
  totals.closed_early = volume.closed_early();
  for (std::size_t i = 0; i < detector_count; ++i) totals.alerts[i] = alerting.emitted(static_cast<Detector>(i));
  if (const auto note = receipts.close(watermark.now(), totals, rules.policy_hash())) alerting.tell(*note);
}

// Every finding of a statistical detector passes here: what people have said of such findings comes first.
void Engine::State::add_finding(Alert finding, Key who, Key where) {
  if (feedback.silences(finding)) return tell_suppressed();
  if (finding.bar_per_day == 0) return incidents.tell_alone(finding, who);
  incidents.add(std::move(finding), who, where);
}

void Engine::State::tell_scored(std::size_t event) {
  for (; next_found < found.size() && found[next_found].event == event; ++next_found) {
    ScorerFinding& finding = found[next_found];
    add_finding(std::move(finding.alert), finding.who, finding.where);
  }
}

void Engine::State::tell_volume() {
  for (const Volume::Finding& finding : volume_findings)
    add_finding(volume_alert(finding, names), volume_entity(finding), finding.window.destination);
  volume_findings.clear();
}

void Engine::State::publish() {
  gauges.set({watermark, alerting, incidents, feedback, rules, scorers.sample(), slots_used(), evictions(), volume.open_windows()});
  std::size_t at = 0;
  each_tail([&](std::string_view, std::string_view, const TailCalibrator& tail) { calibration.set(at++, tail); });
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(EngineConfig config, Metrics& metrics) {
  if (config.memory_bytes < memory_min)
    return fail(Code::invalid_argument, "detection needs at least 16 MiB of memory");
  if (config.out_of_order_ns < 0 || config.approval_grace_ns < 0 ||
      config.attestation_grace_ns < 0 ||
      !(config.false_alerts_per_day > 0))
    return fail(Code::invalid_argument, "detection: limits and times must not be negative");
  try {
    return std::unique_ptr<Engine>(new Engine(std::make_unique<State>(std::move(config), metrics)));
  } catch (const std::bad_alloc&) {
    return fail(Code::unavailable, "the system refuses the memory for detection (memory_bytes)");
  }
}

void Engine::process(const Commit& commit, std::vector<OwnRecord>& alerts) {
  State& state = *state_;
  const auto control = [&](const Record& record) {
    state.scorers.control(record);
    state.control(record);
  };
  state.begin(commit, alerts);
  walk(commit, control, [&](std::span<Scored> block) {
    state.scorers.prepare(block);
    state.prefetch(block);
    state.found.clear();
    state.next_found = 0;
    state.scorers.judge(block, 0, state.found);
    state.judge(block, 0);
  });
  state.know(state.scorers.evictions(), state.scorers.unscored(), state.scorers.slots_used());
  state.end();
  state.publish();
}

struct Engine::Scores {
  std::vector<Scored> events;
  std::vector<ScorerFinding> found;
  std::uint64_t slots_used = 0;
};

std::shared_ptr<Engine::Scores> Engine::score(const Commit& commit) {
  Scorers& scorers = state_->scorers;
  auto scores = std::make_shared<Scores>();
  scores->events.reserve(commit.events.size());
  walk(commit, [&](const Record& record) { scorers.control(record); }, [&](std::span<Scored> block) {
    scorers.prepare(block);
    scorers.judge(block, scores->events.size(), scores->found);
    scores->events.insert(scores->events.end(), block.begin(), block.end());
  });
  scores->slots_used = scorers.slots_used();
  return scores;
}

void Engine::process(const Commit& commit, Scores& scores, std::vector<OwnRecord>& alerts) {
  State& state = *state_;
  state.begin(commit, alerts);
  state.found.swap(scores.found);
  state.next_found = 0;
  std::size_t first = 0;
  walk(commit, [&](const Record& record) { state.control(record); }, [&](std::span<Scored> block) {
    const auto scored = std::span<const Scored>(scores.events).subspan(first, block.size());
    state.prefetch(scored);
    state.judge(scored, first);
    first += block.size();
  });
  state.scorers_slots = scores.slots_used;
  state.end();
}

std::string Engine::snapshot() const {
  SnapshotWriter out;
  out.put_text(magic);
  out.put(snapshot_version);
  out.put(state_->config.memory_bytes);
  out.put(state_->commit_number);
  out.put(state_->events);
  out.put(state_->late_events);
  state_->watermark.save(out);
  state_->names.table().save(out);
  state_->alerting.save(out);
  state_->receipts.save(out);
  state_->incidents.save(out);
  state_->feedback.save(out);
  state_->rules.save(out);
  state_->scorers.save(out);
  state_->volume.save(out);
  state_->silence.save(out);
  out.put_text(magic);
  return std::move(out.bytes());
}

Result<void> Engine::restore(std::string_view snapshot) {
  SnapshotReader in(snapshot);
  if (in.get_text() != magic) return fail(Code::corruption, "this is no snapshot of detection");
  if (in.get<std::uint32_t>() != snapshot_version)
    return fail(Code::conflict, "the snapshot of detection has another version; replay from the start");
  if (in.get<std::uint64_t>() != state_->config.memory_bytes)
    return fail(Code::conflict, "the snapshot of detection was made with another memory_bytes; replay from the start");
  state_->commit_number = in.get<std::uint64_t>();
  state_->events = in.get<std::uint64_t>();
  state_->late_events = in.get<std::uint64_t>();
  state_->watermark.load(in);
  bool good = state_->names.table().load(in);
  state_->alerting.load(in);
  state_->receipts.load(in);
  state_->incidents.load(in);
  state_->feedback.load(in);
  good = good && state_->rules.load(in) && state_->scorers.load(in) && state_->volume.load(in) && state_->silence.load(in);
  if (!good || in.get_text() != magic || !in.ok() || !in.at_end())
    return fail(Code::corruption, "the snapshot of detection is damaged");
  state_->know(state_->scorers.evictions(), state_->scorers.unscored(), state_->scorers.slots_used());
  return {};
}

std::vector<Calibration> Engine::calibration() const {
  std::vector<Calibration> out;
  state_->each_tail([&](std::string_view detector, std::string_view tail_class, const TailCalibrator& tail) {
    out.push_back({detector, tail_class, tail.pit(), tail.correction().factors()});
  });
  return out;
}

Status Engine::status() const {
  const State& state = *state_;
  Status status;
  status.watermark_ns = state.watermark.now() == Watermark::none ? 0 : state.watermark.now();
  status.commit = state.commit_number;
  status.events = state.events;
  status.late_events = state.late_events;
  status.unscored_events = state.scorers_unscored;
  status.alerts = state.alerting.emitted();
  status.suppressed = state.alerting.suppressed();
  status.exceptions_used = state.alerting.exceptions_used();
  status.open_incidents = state.incidents.open();
  status.over_budget = state.incidents.over_budget();
  status.open_windows = state.volume.open_windows();
  status.pending_approvals = state.rules.pending();
  status.pending_attestations = state.rules.joins().pending();
  status.attestation_joins = state.rules.joins().told();
  status.evictions = state.evictions();
  status.memory_bytes = state.memory_bytes;
  status.slots_used = state.slots_used();
  status.partitions = state.watermark.partitions();
  status.partitions_idle = state.watermark.idle();
  status.policy_hash = state.rules.policy_hash();
  return status;
}

}  // namespace tidewaiter::detect
