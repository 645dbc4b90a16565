#include "detect/engine.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "detect/calibration_metrics.hpp"
#include "detect/chain.hpp"
#include "detect/engine_gauges.hpp"
#include "detect/explain.hpp"
#include "detect/feedback.hpp"
#include "detect/incidents.hpp"
#include "detect/receipts.hpp"
#include "detect/rules.hpp"
#include "detect/scoring_sample.hpp"
#include "detect/surge.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t memory_min = 16ull << 20;
constexpr std::string_view magic = "tidewaiter-detect";
constexpr std::uint32_t snapshot_version = 21;
constexpr std::size_t block_events = 16;  // hashed and prefetched before they are judged: few enough for the first-level cache

// Shares of the memory bound and of the false alerts; the latter add up to 0.96: nobody needs what stretches do not any more.
constexpr std::uint64_t flow_memory = 4, volume_memory = 4, rules_memory = 12, names_memory = 16, silence_memory = 32,
                        joins_memory = 24, rhythm_memory = 16, surge_memory = 24, chain_memory = 16;
constexpr double flow_budget = 0.27, volume_budget = 0.35, rhythm_budget = 0.08, surge_budget = 0.24, chain_budget = 0.02;

// What is rarer than this, over all detectors, they learn winsorised, however much an operator wants to be told.
constexpr double hot_per_day = 0.25;
double hot_of(const EngineConfig& config) { return std::min(1.0, hot_per_day / config.false_alerts_per_day); }

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
        flow(config.memory_bytes / flow_memory, config.false_alerts_per_day * flow_budget, Incidents::handed_over, hot_of(config)),
        volume(config.memory_bytes / volume_memory, config.false_alerts_per_day * volume_budget, config.volume_min_bytes, names,
               Incidents::handed_over, hot_of(config)),
        silence(config.memory_bytes / silence_memory),
        rhythm(config.memory_bytes / rhythm_memory, config.false_alerts_per_day * rhythm_budget, Incidents::handed_over),
        surge(config.memory_bytes / surge_memory, config.false_alerts_per_day * surge_budget, Incidents::handed_over, hot_of(config)),
        chain(config.memory_bytes / chain_memory, config.false_alerts_per_day * chain_budget, Incidents::handed_over, hot_of(config)),
        events_total(metrics.counter("tidewaiter_detect_events_total", "Events judged")),
        late_total(metrics.counter("tidewaiter_detect_late_events_total", "Events behind the watermark, judged by policy only")),
        gauges(metrics) {
    each_tail([&](std::string_view detector, std::string_view tail_class, const TailCalibrator&) {
      calibration.add(metrics, detector, tail_class);
    });
    incidents.ablate(config.parts);
    flow.ablate(config.parts);
    volume.ablate(config.parts);
    rhythm.ablate(config.parts);
    surge.ablate(config.parts);
    chain.ablate(config.parts);
    gauges.memory_bytes.set(static_cast<double>(memory_bytes()));
  }

  void begin(const Commit& commit);
  void control(const Record& record);
  void tick(const nlohmann::json& json);
  void judge_block();
  void judge(const EventKeys& keys, const Seen& seen, const ScoringSample::Part& part);
  void close();
  void tell_receipt();
  void add_finding(Alert finding, Key who, Key where);
  void tell_suppressed() { feedback.close(watermark.now(), [this](const Note& note) { alerting.tell(note); }); }
  /// Whether the principal reached a destination for the first time.
  bool tell_flow(const EventKeys& keys, const Seen& seen, const ScoringSample::Part& part);
  void tell_surge(const EventKeys& keys, const Seen& seen, bool new_destination);
  void tell_chain(const EventKeys& keys, const Seen& seen);
  void tell_volume();
  void tell_rhythm(const EventKeys& keys, const Seen& seen);
  void publish();
  /// visit(detector, class, tail) for those that are on.
  template <class Visit>
  void each_tail(Visit visit) const {
    const auto of = [&](bool on, std::string_view name, const auto& detector) {
      if (on) detector.each_tail([&](std::string_view tail_class, const TailCalibrator& tail) { visit(name, tail_class, tail); });
    };
    of(config.flow, "flow", flow);
    of(config.volume, "volume", volume);
    of(config.burst, "burst", surge);
    of(config.sequence, "sequence", chain);
    of(config.rhythm, "rhythm", rhythm);
  }

  std::uint64_t memory_bytes() const {
    return names.table().memory_bytes() + rules.memory_bytes() + flow.memory_bytes() + volume.memory_bytes() +
           silence.memory_bytes() + rhythm.memory_bytes() + surge.memory_bytes() + chain.memory_bytes();
  }
  std::uint64_t evictions() const {
    return names.table().evictions() + rules.evictions() + flow.evictions() + volume.evictions() +
           volume.closed_early() + silence.untracked() + rhythm.evictions() + surge.evictions() + chain.evictions() + incidents.closed_early();
  }
  std::uint64_t slots_used() const {
    return names.table().used() + rules.slots_used() + flow.slots_used() + volume.slots_used() +
           rhythm.slots_used() + surge.slots_used() + chain.slots_used();
  }

  const EngineConfig config;
  Watermark watermark;
  Names names;
  Alerting alerting;
  Receipts receipts;
  Incidents incidents;
  Feedback feedback;
  Rules rules;
  ScoringSample sample;
  Flow flow;
  Volume volume;
  Silence silence;
  Rhythm rhythm;
  Surge surge;
  Chain chain;
  std::uint64_t commit_number = 0, events = 0, late_events = 0;  // the commit that is being judged, or was last

  // Scratch, empty between commits.
  struct Pending {
    const Event* event;
    const Record* record;
    EventKeys keys;
    ScoringSample::Part part;
  };
  std::vector<Pending> block;
  std::vector<Volume::Finding> volume_findings;
  std::vector<Silence::Finding> silence_findings;
  Rhythm::Findings rhythm_findings;
  std::vector<Surge::Finding> surge_findings;
  std::vector<Chain::Finding> chain_findings;

  Counter& events_total;
  Counter& late_total;
  EngineGauges gauges;
  CalibrationMetrics calibration;
};

namespace {

void name_partitions(const nlohmann::json& list, bool idle, Watermark& watermark) {
  if (!list.is_array()) return;
  for (const auto& item : list) {
    if (!item.is_object()) continue;
    const auto bytes = from_hex(item.value("topic_id", std::string(32, '0')));
    TopicId topic_id{};
    if (!bytes || bytes->size() != topic_id.size()) continue;
    std::copy(bytes->begin(), bytes->end(), topic_id.begin());
    watermark.name(item.value("cluster", std::string()), topic_id, item.value("topic", std::string()),
                   item.value("partition", 0u), idle);
  }
}

}  // namespace

void Engine::State::begin(const Commit& commit) {
  const std::uint64_t next = commit_number + 1;
  if (commit_number != 0 && commit.number > next) {
    const std::int64_t time_ns = watermark.now() == Watermark::none ? commit.time_ns : watermark.now();
    alerting.emit(gap_alert(next, commit.number - 1, time_ns), "detection.gap", commit.number);
  }
  commit_number = commit.number;
}

// Control records are ours, but an old or foreign one must not stop a replay: what does not fit is passed over.
void Engine::State::control(const Record& record) {
  if (record.value.starts_with(R"({"type":"table")")) return;  // large, and their effect is in the columns already
  const auto json = nlohmann::json::parse(record.value, nullptr, false);
  if (!json.is_object()) return;
  try {
    const std::string type = json.value("type", std::string());
    if (type == "tick") tick(json);
    if (type == "policy" && json.contains("content") && rules.set_policy(json["content"].dump()))
      sample.set(rules.sampling(), watermark.now() == Watermark::none ? 0 : watermark.now());
    if (type == "verdict" || type == "suppression" || type == "suppression_end") {
      feedback.apply(json, watermark.now());
      tell_suppressed();
    }
  } catch (const nlohmann::json::exception&) {
    return;  // a member of another type than ours
  }
}

void Engine::State::tick(const nlohmann::json& json) {
  if (json.contains("idle")) name_partitions(json["idle"], true, watermark);
  if (json.contains("active")) name_partitions(json["active"], false, watermark);
  if (watermark.tick(json.value("event_time_ns", std::int64_t{0}))) close();
}

// Memory is what an event costs: each pass over the block asks for what the next one reads, for all its events at once.
void Engine::State::judge_block() {
  for (const Pending& pending : block) prefetch_texts(*pending.event);
  for (Pending& pending : block) {
    pending.keys = keys_of(*pending.event);
    rules.prefetch(pending.keys, *pending.event);
    if (config.flow && Flow::asks(pending.keys)) pending.part = sample.part_of(*pending.event);
    if (config.flow && pending.part.rate > 0) flow.prefetch(pending.keys, *pending.event);
    if (config.volume) volume.prefetch(pending.keys, *pending.event);
    if (config.silence) silence.prefetch(pending.keys);
    if (config.rhythm) rhythm.prefetch(pending.keys, *pending.event);
    if (config.burst) surge.prefetch(pending.keys, *pending.event);
    if (config.sequence) chain.prefetch(pending.keys);
  }
  for (const Pending& pending : block) {
    if (config.flow && pending.part.rate > 0) flow.prefetch_parents(pending.keys, *pending.event);
    if (config.volume) volume.prefetch_windows(pending.keys, *pending.event);
    if (config.silence) silence.prefetch_source(pending.keys);
    if (config.rhythm) rhythm.prefetch_hours(pending.keys, *pending.event);
    if (config.sequence) chain.prefetch_step(pending.keys, *pending.event);
  }
  for (const Pending& pending : block) {
    const std::uint32_t partition = watermark.partition_of(*pending.record);
    judge(pending.keys, {pending.event, pending.record, partition, watermark.late(pending.event->time_ns())}, pending.part);
  }
  block.clear();
}

void Engine::State::judge(const EventKeys& keys, const Seen& seen, const ScoringSample::Part& part) {
  ++events;
  late_events += seen.late;
  rules.observe(keys, seen, watermark.now());
  if (seen.record->kind == RecordKind::conflict) return;  // the first version of this offset was judged already
  if (!seen.late) {
    const bool new_destination = config.flow && tell_flow(keys, seen, part);
    if (config.burst) tell_surge(keys, seen, new_destination);
    if (config.sequence) tell_chain(keys, seen);
    if (config.volume) volume.observe(keys, seen, volume_findings);
    if (config.rhythm) tell_rhythm(keys, seen);
  }
  if (config.silence) silence.observe(keys, seen, watermark);
  if (!volume_findings.empty()) tell_volume();
  if (watermark.advance(seen.partition, *seen.record, *seen.event)) close();
}

// All that waits for the watermark, in a fixed order.
void Engine::State::close() {
  const std::int64_t now = watermark.now();
  sample.forget(now);
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
  for (const std::uint64_t count : sample.left_out()) totals.unscored_events += count;
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

bool Engine::State::tell_flow(const EventKeys& keys, const Seen& seen, const ScoringSample::Part& part) {
  if (!Flow::asks(keys)) return false;
  if (part.rate == 0) {
    sample.leave_out(*seen.event);
    return false;
  }
  const Flow::Verdict verdict = flow.observe(keys, *seen.event, part.share);
  if (verdict.rule.empty()) return verdict.new_destination;
  Alert alert = flow_alert(verdict, seen);
  alert.sample_rate = part.rate;
  add_finding(std::move(alert), keys.principal, keys.destination);
  return verdict.new_destination;
}

void Engine::State::tell_surge(const EventKeys& keys, const Seen& seen, bool new_destination) {
  surge.observe(keys, *seen.event, new_destination, surge_findings);
  for (const Surge::Finding& finding : surge_findings)
    add_finding(burst_alert(finding, seen), finding.kind == Surge::Kind::app ? keys.app : keys.principal, 0);
  surge_findings.clear();
}

void Engine::State::tell_chain(const EventKeys& keys, const Seen& seen) {
  chain.observe(keys, *seen.event, chain_findings);
  for (const Chain::Finding& finding : chain_findings)
    add_finding(sequence_alert(finding, seen), keys.principal, 0);
  chain_findings.clear();
}

void Engine::State::tell_volume() {
  for (const Volume::Finding& finding : volume_findings)
    add_finding(volume_alert(finding, names), volume_entity(finding), finding.window.destination);
  volume_findings.clear();
}

void Engine::State::tell_rhythm(const EventKeys& keys, const Seen& seen) {
  rhythm.observe(keys, seen, rhythm_findings);
  if (rhythm_findings.empty()) return;
  const Key entity = keys.principal != 0 ? keys.principal : keys.app;
  for (const OddHours::Finding& finding : rhythm_findings.odd_hours) add_finding(odd_hours_alert(finding, seen), entity, 0);
  for (const Beacon::Finding& finding : rhythm_findings.beacons)
    add_finding(beacon_alert(finding, seen), entity, keys.destination);
  rhythm_findings.clear();
}

void Engine::State::publish() {
  gauges.set({watermark, alerting, incidents, feedback, rules, sample, slots_used(), evictions(), volume.open_windows()});
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
  state.alerting.begin(alerts, commit.time_ns);
  state.begin(commit);
  const std::uint64_t events_before = state.events, late_before = state.late_events;
  for (const Record& record : commit.records) {
    if (record.kind == RecordKind::control) {
      state.judge_block();
      state.control(record);
    }
    if (is_own(record.kind)) continue;
    for (std::uint32_t i = 0; i < record.event_count; ++i) {
      prefetch_columns(commit.events[record.first_event + i]);
      state.block.push_back({&commit.events[record.first_event + i], &record, {}, {}});
      if (state.block.size() == block_events) state.judge_block();
    }
  }
  state.judge_block();
  state.events_total.add(state.events - events_before);
  state.late_total.add(state.late_events - late_before);
  state.publish();
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
  state_->sample.save(out);
  state_->flow.save(out);
  state_->volume.save(out);
  state_->silence.save(out);
  state_->rhythm.save(out);
  state_->surge.save(out);
  state_->chain.save(out);
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
  good = good && state_->rules.load(in) && state_->sample.load(in) && state_->flow.load(in) && state_->volume.load(in) && state_->silence.load(in) &&
         state_->rhythm.load(in) && state_->surge.load(in) && state_->chain.load(in);
  if (!good || in.get_text() != magic || !in.ok() || !in.at_end())
    return fail(Code::corruption, "the snapshot of detection is damaged");
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
  for (const std::uint64_t count : state.sample.left_out()) status.unscored_events += count;
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
  status.memory_bytes = state.memory_bytes();
  status.slots_used = state.slots_used();
  status.partitions = state.watermark.partitions();
  status.partitions_idle = state.watermark.idle();
  status.policy_hash = state.rules.policy_hash();
  return status;
}

}  // namespace tidewaiter::detect
