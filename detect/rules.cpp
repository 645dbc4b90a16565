#include "detect/rules.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "detect/volume.hpp"

namespace tidewaiter::detect {
namespace {

std::string who(const Event& event) {
  if (!event.has(Str::principal)) return "app " + std::string(event.get(Str::app));
  return format_principal(enums::principal_type.word(event.get(Num::principal_type)), event.get(Str::principal));
}

std::string of_app(const Event& event) {
  const std::string_view tier = enums::risk_tier.word(event.get(Num::risk_tier));
  if (!event.has(Str::app)) return {};
  return " of the " + (tier == "unknown" ? std::string() : std::string(tier) + "-tier ") + "app " +
         std::string(event.get(Str::app));
}

}  // namespace

Rules::Rules(Memory memory, Grace grace, Alerting& alerting)
    : alerting_(alerting),
      caps_(memory.rules_bytes / 2),
      approvals_(memory.rules_bytes / 2, grace.approval_ns),
      joins_(memory.joins_bytes, grace.attestation_ns, alerting) {}

bool Rules::set_policy(std::string_view json) {
  auto policy = Policy::parse(json);
  if (!policy) return false;
  policy_ = std::move(*policy);
  policy_json_ = json;
  return true;
}

void Rules::prefetch(const EventKeys& keys, const Event& event) const {
  joins_.prefetch(keys);
  if (!policy_ || !Volume::leaves(event)) return;
  for (const Rule& rule : policy_->compiled().rules)
    if (rule.type == RuleType::egress_cap) caps_.prefetch(rule, keys, event);
}

void Rules::observe(const EventKeys& keys, const Seen& seen, std::int64_t watermark_ns) {
  approvals_.note(keys, *seen.event);
  joins_.note(keys, seen);
  const ArtifactUse use = use_of(*seen.event);
  asked_.clear();
  if (policy_) judge_rules(keys, seen, use, watermark_ns);
  if (use != ArtifactUse::none) joins_.observe(use, keys, seen, asked_, compiled(), watermark_ns);
  // More wait than there is room for: at once, since a watermark that stands still would let them grow.
  if (joins_.overflowing() || approvals_.overflowing()) close(watermark_ns);
}

void Rules::judge_rules(const EventKeys& keys, const Seen& seen, ArtifactUse use, std::int64_t watermark_ns) {
  const Event& event = *seen.event;
  for (const Rule& rule : policy_->compiled().rules) {
    if (rule.type == RuleType::attestation && !(use == ArtifactUse::deploy ? rule.deploys : use == ArtifactUse::runtime && rule.runs))
      continue;
    if (!rule.applies(event)) continue;
    if (rule.type == RuleType::egress_cap) {
      if (Volume::leaves(event)) judge_cap(rule, keys, seen);
      continue;
    }
    if (rule.type == RuleType::attestation) {
      if (!excepted(rule, seen)) asked_.push_back(&rule);
      continue;
    }
    if (rule.type == RuleType::approval) {
      if (!excepted(rule, seen)) approvals_.wait(rule, keys, seen, watermark_ns);
      continue;
    }
    const auto what = violation(rule, event);
    if (what && !excepted(rule, seen)) raise(rule, seen, keys.principal != 0 ? keys.principal : keys.app, *what);
  }
}

bool Rules::excepted(const Rule& rule, const Seen& seen) {
  const Exception* exception = policy_->compiled().exception_for(rule, *seen.event);
  if (exception == nullptr) return false;
  alerting_.exception_used(exception->id, rule.id, exception->owner, exception->reason, seen);
  return true;
}

void Rules::describe(const Rule& rule, Alert& alert) {
  alert.detector = Detector::policy;
  alert.rule = rule.id;
  alert.severity = rule.severity;
  alert.explanation.text("rule_type", rule_type_words[static_cast<std::size_t>(rule.type)]);
  if (!rule.description.empty()) alert.explanation.text("rule_description", rule.description);
}

void Rules::raise(const Rule& rule, const Seen& seen, Key entity, const std::string& what) {
  const Event& event = *seen.event;
  if (alerting_.repeated(Detector::policy, rule.id, entity, event.time_ns())) return;
  Alert alert;
  alert.about(seen);
  describe(rule, alert);
  alert.title = who(event) + of_app(event) + ' ' + what;
  alert.explanation.text("observed", what);
  alert.explanation.text("expected", "nothing that breaks rule " + rule.id);
  alerting_.emit(alert, rule.id, entity);
}

void Rules::judge_cap(const Rule& rule, const EventKeys& keys, const Seen& seen) {
  const Caps::Breach breach = caps_.add(rule, keys, seen);
  if (breach.bytes == 0 || excepted(rule, seen)) return;
  const Key entity = rule.per_principal ? keys.principal : keys.app;
  const Event& event = *seen.event;
  if (alerting_.repeated(Detector::policy, rule.id, entity, event.time_ns())) return;
  Alert alert;
  alert.about(seen);
  describe(rule, alert);
  if (!rule.per_principal) {
    alert.entity_type = "app";
    alert.entity = alert.app;
  }
  alert.window_start_ns = breach.start_ns;
  alert.window_end_ns = breach.start_ns + rule.window_ns;
  if (breach.largest.seq != alert.evidence.front().seq || breach.largest.log != alert.evidence.front().log)
    alert.evidence.push_back(breach.largest);
  alert.title = (rule.per_principal ? who(event) : "app " + alert.app) + " sent " +
                format_bytes(static_cast<double>(breach.bytes)) + " out within " + format_span(rule.window_ns) +
                ", above its cap of " + format_bytes(static_cast<double>(rule.bytes));
  alert.explanation.count("observed", breach.bytes);
  alert.explanation.count("expected", rule.bytes);
  alert.explanation.text("unit", "bytes");
  alert.explanation.text("time_scale", format_span(rule.window_ns));
  alert.explanation.count("events", breach.events);
  alerting_.emit(alert, rule.id, entity);
}

void Rules::close(std::int64_t watermark_ns) {
  if (watermark_ns >= joins_.next_close_ns()) joins_.close(watermark_ns, compiled());
  if (!policy_ || watermark_ns < approvals_.next_close_ns()) return;
  std::vector<Approvals::Verdict> verdicts;
  approvals_.close(watermark_ns, policy_->compiled(), verdicts);
  for (const Approvals::Verdict& verdict : verdicts) judge_approval(verdict);
}

void Rules::judge_approval(const Approvals::Verdict& verdict) {
  const auto& rules = policy_->compiled().rules;
  const Rule& rule = *std::ranges::find(rules, verdict.action.rule, &Rule::key);
  Alert alert = verdict.action.alert;
  const Key entity = combine(hash_name(alert.tenant), hash_name(alert.entity));
  alert.time_ns = verdict.time_ns;
  if (alerting_.repeated(Detector::policy, rule.id, entity, alert.time_ns)) return;
  describe(rule, alert);
  alert.title = alert.entity + " did a sensitive action" + (alert.app.empty() ? "" : " in app " + alert.app) +
                " without a human approval: " + std::string(verdict.why);
  alert.explanation.text("observed", verdict.why);
  alert.explanation.text("expected", "an approval by a human before the action");
  alerting_.emit(alert, rule.id, entity);
}

void Rules::save(SnapshotWriter& out) const {
  out.put_text(policy_json_);
  caps_.table().save(out);
  approvals_.save(out);
  joins_.save(out);
}

bool Rules::load(SnapshotReader& in) {
  if (const std::string json = in.get_text(); !json.empty() && !set_policy(json)) return false;
  return caps_.table().load(in) && approvals_.load(in) && joins_.load(in);
}

}  // namespace tidewaiter::detect
