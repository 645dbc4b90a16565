#include "detect/scorers.hpp"

#include <nlohmann/json.hpp>

#include "detect/control.hpp"
#include "detect/explain.hpp"
#include "detect/incidents.hpp"
#include "detect/policy.hpp"
#include "detect/rule.hpp"
#include "detect/shares.hpp"

namespace tidewaiter::detect {

Scorers::Scorers(const EngineConfig& config)
    : config_(config),
      watermark_(config.out_of_order_ns),
      flow_(config.memory_bytes / flow_memory, config.false_alerts_per_day * flow_budget, Incidents::handed_over, hot_of(config)),
      rhythm_(config.memory_bytes / rhythm_memory, config.false_alerts_per_day * rhythm_budget, Incidents::handed_over),
      surge_(config.memory_bytes / surge_memory, config.false_alerts_per_day * surge_budget, Incidents::handed_over, hot_of(config)),
      chain_(config.memory_bytes / chain_memory, config.false_alerts_per_day * chain_budget, Incidents::handed_over, hot_of(config)),
      health_(config.memory_bytes / health_memory, config.false_alerts_per_day * health_budget, Incidents::handed_over, hot_of(config)) {
  flow_.ablate(config.parts);
  rhythm_.ablate(config.parts);
  surge_.ablate(config.parts);
  chain_.ablate(config.parts);
  health_.ablate(config.parts);
}

void Scorers::control(const Record& record) {
  read_control(record, [&](const std::string& type, const nlohmann::json& json) {
    if (type == "tick" && move_by_tick(json, watermark_)) sample_.forget(watermark_.now());
    if (type != "policy" || !json.contains("content")) return;
    if (const auto policy = Policy::parse(json["content"].dump()))
      sample_.set(policy->compiled().sampling, watermark_.now() == Watermark::none ? 0 : watermark_.now());
  });
}

// Memory is what an event costs: each pass over the block asks for what the next one reads, for all its events at once.
void Scorers::prepare(std::span<Scored> block) {
  for (const Scored& scored : block) prefetch_texts(*scored.event);
  for (Scored& scored : block) {
    scored.keys = keys_of(*scored.event);
    if (config_.flow && Flow::asks(scored.keys)) scored.part = sample_.part_of(*scored.event);
    if (config_.flow && scored.part.rate > 0) flow_.prefetch(scored.keys, *scored.event);
    if (config_.rhythm) rhythm_.prefetch(scored.keys, *scored.event);
    if (config_.burst) surge_.prefetch(scored.keys, *scored.event);
    if (config_.sequence) chain_.prefetch(scored.keys);
    if (config_.health) health_.prefetch(scored.keys, *scored.event);
  }
  for (const Scored& scored : block) {
    if (config_.flow && scored.part.rate > 0) flow_.prefetch_parents(scored.keys, *scored.event);
    if (config_.rhythm) rhythm_.prefetch_hours(scored.keys, *scored.event);
    if (config_.sequence) chain_.prefetch_step(scored.keys, *scored.event);
  }
}

void Scorers::judge(std::span<Scored> block, std::size_t first, std::vector<ScorerFinding>& found) {
  for (Scored& scored : block) {
    const Event& event = *scored.event;
    const std::uint32_t partition = watermark_.partition_of(*scored.record);
    // Of a conflict the first version of the offset was judged already.
    if (scored.record->kind != RecordKind::conflict) {
      judge(scored, {scored.keys, {&event, scored.record, partition, watermark_.late(event.time_ns())}, first, found});
      if (watermark_.advance(partition, *scored.record, event)) sample_.forget(watermark_.now());
    }
    scored.unscored = unscored();
    scored.evictions = evictions();
    ++first;
  }
}

void Scorers::judge(const Scored& scored, const Now& now) {
  if (now.seen.late) return;
  const bool new_destination = config_.flow && judge_flow(scored.part, now);
  if (config_.burst) judge_surge(new_destination, now);
  if (config_.sequence) judge_chain(now);
  if (config_.rhythm) judge_rhythm(now);
  if (config_.health) judge_health(now);
}

bool Scorers::judge_flow(const ScoringSample::Part& part, const Now& now) {
  if (!Flow::asks(now.keys)) return false;
  if (part.rate == 0) {
    sample_.leave_out(*now.seen.event);
    return false;
  }
  const Flow::Verdict verdict = flow_.observe(now.keys, *now.seen.event, part.share);
  if (verdict.rule.empty()) return verdict.new_destination;
  Alert alert = flow_alert(verdict, now.seen);
  alert.sample_rate = part.rate;
  tell(now, std::move(alert), now.keys.principal, now.keys.destination);
  return verdict.new_destination;
}

void Scorers::judge_surge(bool new_destination, const Now& now) {
  surge_.observe(now.keys, *now.seen.event, new_destination, surge_findings_);
  for (const Surge::Finding& finding : surge_findings_)
    tell(now, burst_alert(finding, now.seen), finding.kind == Surge::Kind::app ? now.keys.app : now.keys.principal);
  surge_findings_.clear();
}

void Scorers::judge_chain(const Now& now) {
  chain_.observe(now.keys, *now.seen.event, chain_findings_);
  for (const Chain::Finding& finding : chain_findings_) tell(now, sequence_alert(finding, now.seen), now.keys.principal);
  chain_findings_.clear();
}

void Scorers::judge_rhythm(const Now& now) {
  rhythm_.observe(now.keys, now.seen, rhythm_findings_);
  if (rhythm_findings_.empty()) return;
  const Key entity = now.keys.principal != 0 ? now.keys.principal : now.keys.app;
  for (const OddHours::Finding& finding : rhythm_findings_.odd_hours) tell(now, odd_hours_alert(finding, now.seen), entity);
  for (const Beacon::Finding& finding : rhythm_findings_.beacons)
    tell(now, beacon_alert(finding, now.seen), entity, now.keys.destination);
  rhythm_findings_.clear();
}

void Scorers::judge_health(const Now& now) {
  health_.observe(now.keys, *now.seen.event, health_findings_);
  for (const Health::Finding& finding : health_findings_) tell(now, health_alert(finding, now.seen), now.keys.app);
  health_findings_.clear();
}

void Scorers::tell(const Now& now, Alert alert, Key who, Key where) {
  now.found.push_back({now.event, who, where, std::move(alert)});
}

std::uint64_t Scorers::unscored() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : sample_.left_out()) sum += count;
  return sum;
}

void Scorers::save(SnapshotWriter& out) const {
  watermark_.save(out);
  sample_.save(out);
  flow_.save(out);
  rhythm_.save(out);
  surge_.save(out);
  chain_.save(out);
  health_.save(out);
}

bool Scorers::load(SnapshotReader& in) {
  watermark_.load(in);
  return sample_.load(in) && flow_.load(in) && rhythm_.load(in) && surge_.load(in) && chain_.load(in) && health_.load(in);
}

}  // namespace tidewaiter::detect
