#include "detect/joins.hpp"

#include <algorithm>
#include <limits>

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t waiting_bytes = 2048;  // what one waiting use may take, its names included

/// "sha256:0123456789ab": enough for people; the whole digest is in the explanation.
std::string short_digest(std::string_view digest) {
  constexpr std::size_t hex_shown = 12;
  const std::size_t colon = digest.find(':');
  return std::string(digest.substr(0, (colon == std::string_view::npos ? 0 : colon + 1) + hex_shown));
}

std::string kinds_text(std::uint64_t bits) {
  std::string text;
  for (std::size_t i = 1; i < std::size(enums::provenance_kind_words); ++i)
    if (bits >> i & 1) text.append(text.empty() ? "" : ", ").append(enums::provenance_kind_words[i]);
  return text;
}

const Rule* rule_of(Key key, const Policy::Compiled* policy) {
  if (policy == nullptr) return nullptr;
  const auto found = std::ranges::find(policy->rules, key, &Rule::key);
  return found != policy->rules.end() && found->enabled && found->type == RuleType::attestation ? &*found : nullptr;
}

std::string what_it_did(ArtifactUse use, const Alert& alert, std::string_view digest) {
  std::string text = alert.entity + (use == ArtifactUse::deploy ? " deployed " : " runs ");
  text += digest.empty() ? "an artifact" : short_digest(digest);
  if (!alert.app.empty() && alert.app != alert.entity) text += " of app " + alert.app;
  return text;
}

std::string standing_text(const Attestations::Found& found, std::string_view builder) {
  switch (found.standing) {
    case Standing::unattested: return "no attestation of it was seen";
    case Standing::unverified:
      return found.claimed ? "only its producer says that it is attested" : "no key at hand has signed its attestation";
    case Standing::failed: return "the signature of its attestation does not hold";
    case Standing::expired: return "its attestation was signed with a certificate outside of its time";
    case Standing::wrong_builder:
      return builder.empty() ? "its attestation names no builder" : "it was built by " + std::string(builder) + ", the wrong builder";
    case Standing::attested: return "attested";
  }
  return {};
}

}  // namespace

Joins::Joins(std::uint64_t memory_bytes, std::int64_t default_grace_ns, Alerting& alerting)
    : alerting_(alerting),
      default_grace_ns_(default_grace_ns),
      waiting_max_(std::max<std::size_t>(memory_bytes / 8 / waiting_bytes, 64)),
      attestations_(memory_bytes / 4 * 3),
      runs_(memory_bytes / 8) {}

std::uint64_t Joins::memory_bytes() const {
  return attestations_.table().memory_bytes() + runs_.memory_bytes() + waiting_max_ * waiting_bytes;
}

/// Why the artifact falls short of the rule; empty when it does not.
std::string Joins::complaint(const Attestations::Found& found, const Rule& rule, const Alert& alert) const {
  if (found.standing != Standing::attested) {
    const std::string needed = rule.kinds == 0 ? "" : " (needed: " + kinds_text(rule.kinds) + ")";
    return standing_text(found, found.builder) + needed;
  }
  if (rule.approved == Approved::no) return {};
  if (found.rejected) return "it was rejected";
  if (found.approver.empty()) return "nobody approved it";
  if (found.approver == alert.principal) return "who used it approved it";
  if (rule.approved == Approved::human && !found.by_human) return "no human approved it";
  return {};
}

bool Joins::settled(const Waiting& one, const Policy::Compiled* policy) const {
  bool any = false;
  for (const Key key : one.rules) {
    const Rule* rule = rule_of(key, policy);
    if (rule == nullptr) continue;
    any = true;
    if (!complaint(found_for(one, rule), *rule, one.alert).empty()) return false;
  }
  return any || found_for(one, nullptr).standing == Standing::attested;
}

/// A hash of all that a join record says of an artifact.
Key Joins::print(const Waiting& one, const Policy::Compiled* policy) const {
  const Attestations::Found found = found_for(one, nullptr);
  Key hash = combine(hash_name(policy == nullptr ? std::string_view() : policy->hash), static_cast<std::uint64_t>(found.standing));
  hash = combine(hash, hash_name(found.builder));
  hash = combine(hash, hash_name(found.approver));
  return combine(hash, static_cast<std::uint64_t>(found.claimed) << 1 | static_cast<std::uint64_t>(found.rejected));
}

/// Whether there is something new to say of an artifact that runs; `wait` when it is seen for the first time.
bool Joins::is_news(Waiting& one, const EventKeys& keys, const Seen& seen, const Policy::Compiled* policy, bool& wait) {
  one.run = run_key(keys);
  auto [run, inserted] = runs_.find_or_insert(one.run, keys.quota);
  run->newest_ns = std::max(run->newest_ns, seen.event->time_ns());
  wait = inserted;
  if (inserted) return true;
  if (run->told == 0) return false;
  // What was known and has been pushed out since is no news.
  return found_for(one, nullptr).known && print(one, policy) != run->told;
}

void Joins::observe(ArtifactUse use, const EventKeys& keys, const Seen& seen, const std::vector<const Rule*>& asked,
                    const Policy::Compiled* policy, std::int64_t watermark_ns) {
  // Where nobody signs and nobody asks, "unattested" would be said of everything.
  if (!attestations_.judged() && (policy == nullptr || !policy->demands_attestations)) return;
  Waiting one;
  one.use = use;
  one.tenant = keys.tenant;
  one.artifact = keys.artifact;
  if (one.artifact == 0 && asked.empty()) return;
  bool may_wait = true;
  if (use == ArtifactUse::runtime && !is_news(one, keys, seen, policy, may_wait)) return;
  one.digest = seen.event->get(Str::provenance_artifact_digest);
  for (const Rule* rule : asked) one.rules.push_back(rule->key);
  one.alert.about(seen);
  // Without a digest nothing can come that would help.
  const bool decision_under_way = use == ArtifactUse::deploy && attestations_.decides(keys.tenant) &&
                                  !found_for(one, nullptr).decided;
  if (one.artifact == 0 || !may_wait || (settled(one, policy) && !decision_under_way)) judge(one, policy, one.alert.time_ns);
  else wait(std::move(one), policy, watermark_ns);
}

void Joins::wait(Waiting one, const Policy::Compiled* policy, std::int64_t watermark_ns) {
  std::int64_t grace = one.rules.empty() ? default_grace_ns_ : 0;
  for (const Key key : one.rules)
    if (const Rule* rule = rule_of(key, policy)) grace = std::max(grace, rule->grace_ns >= 0 ? rule->grace_ns : default_grace_ns_);
  const std::int64_t due = std::max(one.alert.time_ns + grace, watermark_ns);
  waiting_.emplace(std::pair(due, arrivals_++), std::move(one));
  overflowing_ = waiting_.size() > waiting_max_;
}

std::int64_t Joins::next_close_ns() const {
  if (waiting_.empty()) return std::numeric_limits<std::int64_t>::max();
  return overflowing_ ? std::numeric_limits<std::int64_t>::min() : waiting_.begin()->first.first;
}

void Joins::close(std::int64_t watermark_ns, const Policy::Compiled* policy) {
  while (!waiting_.empty()) {
    const auto first = waiting_.begin();
    const std::int64_t due_ns = first->first.first;
    const bool due = due_ns <= watermark_ns;
    if (!due && waiting_.size() <= waiting_max_) break;
    judged_early_ += !due;
    const Waiting one = std::move(first->second);
    waiting_.erase(first);
    judge(one, policy, due_ns);
  }
  overflowing_ = false;
}

void Joins::judge(const Waiting& one, const Policy::Compiled* policy, std::int64_t time_ns) {
  const Rule* first = nullptr;
  for (const Key key : one.rules)
    if (const Rule* rule = rule_of(key, policy); rule != nullptr && first == nullptr) first = rule;
  if (one.artifact != 0) tell(one, found_for(one, first), first);
  for (const Key key : one.rules) {
    const Rule* rule = rule_of(key, policy);  // the policy of now may not ask for it any more
    if (rule == nullptr) continue;
    const Attestations::Found found = found_for(one, rule);
    std::string what = complaint(found, *rule, one.alert);
    if (one.artifact == 0) what = rule->require_digest ? "the event names no digest, so nothing can attest it" : "";
    if (!what.empty()) raise(one, found, *rule, what, time_ns);
  }
  if (one.run == 0) return;
  const auto run = runs_.find_or_insert(one.run, static_cast<std::uint16_t>(one.run >> 48 | 1));
  run.slot->newest_ns = std::max(run.slot->newest_ns, one.alert.time_ns);
  run.slot->told = print(one, policy);
}

void Joins::tell(const Waiting& one, const Attestations::Found& found, const Rule* rule) {
  Note note;
  note.kind = "attestation_join";
  note.rule = rule == nullptr ? "attestation" : rule->id;
  note.tenant = one.alert.tenant;
  note.entity_type = one.alert.entity_type;
  note.entity = one.alert.entity;
  note.window_start_ns = note.window_end_ns = one.alert.time_ns;
  note.title = what_it_did(one.use, one.alert, one.digest) + ": " + standing_text(found, found.builder);
  if (found.standing == Standing::attested && !found.builder.empty()) note.title += " by " + std::string(found.builder);
  if (!found.approver.empty()) note.title += ", approved by " + std::string(found.approver);
  if (found.rejected) note.title += ", rejected";
  Explanation& say = note.explanation;
  say.text("verdict", standing_words[static_cast<std::size_t>(found.standing)]);
  say.text("use", one.use == ArtifactUse::deploy ? "deploy" : "runtime");
  say.text("artifact_digest", one.digest);
  if (!found.builder.empty()) say.text("builder", found.builder);
  if (found.kinds != 0) say.text("statements", kinds_text(found.kinds));
  if (found.claimed) say.flag("claimed", true);
  if (!found.approver.empty()) {
    say.text("approved_by", found.approver);
    say.flag("approved_by_human", found.by_human);
  }
  if (found.rejected) say.flag("rejected", true);
  note.evidence = one.alert.evidence;
  for (const EvidenceRef& more : {found.statement, found.approval})
    if (more.used != 0) note.evidence.push_back(more);
  note.columns = NoteColumns{one.alert.principal, one.alert.app, one.digest, std::string(found.builder),
                             std::string(found.approver), one.alert.risk_tier, status_word(found.standing)};
  alerting_.tell(note);
  ++told_;
}

void Joins::raise(const Waiting& one, const Attestations::Found& found, const Rule& rule, const std::string& what,
                  std::int64_t time_ns) {
  const Key entity = combine(combine(hash_name(one.alert.tenant), hash_name(one.alert.entity)), one.artifact);
  if (alerting_.repeated(Detector::policy, rule.id, entity, time_ns)) return;
  Alert alert = one.alert;
  alert.detector = Detector::policy;
  alert.rule = rule.id;
  alert.severity = rule.severity;
  alert.time_ns = time_ns;
  alert.explanation.text("rule_type", rule_type_words[static_cast<std::size_t>(rule.type)]);
  if (!rule.description.empty()) alert.explanation.text("rule_description", rule.description);
  alert.title = what_it_did(one.use, alert, one.digest) + ": " + what;
  alert.explanation.text("observed", what);
  alert.explanation.text("expected", rule.builders.empty() ? "a verified attestation" : "a verified attestation by an allowed builder");
  alert.explanation.text("verdict", standing_words[static_cast<std::size_t>(found.standing)]);
  if (!one.digest.empty()) alert.explanation.text("artifact_digest", one.digest);
  if (!found.builder.empty()) alert.explanation.text("builder", found.builder);
  if (found.statement.used != 0) alert.evidence.push_back(found.statement);
  alerting_.emit(alert, rule.id, entity);
}

void Joins::save(SnapshotWriter& out) const {
  attestations_.save(out);
  runs_.save(out);
  out.put(arrivals_);
  out.put(judged_early_);
  out.put(told_);
  out.put(overflowing_);
  out.put<std::uint64_t>(waiting_.size());
  for (const auto& [due, one] : waiting_) {
    out.put(due.first);
    out.put(due.second);
    out.put(one.use);
    out.put(one.tenant);
    out.put(one.artifact);
    out.put(one.run);
    out.put_text(one.digest);
    out.put<std::uint64_t>(one.rules.size());
    for (const Key rule : one.rules) out.put(rule);
    save_waiting(out, one.alert);
  }
}

bool Joins::load(SnapshotReader& in) {
  if (!attestations_.load(in) || !runs_.load(in)) return false;
  arrivals_ = in.get<std::uint64_t>();
  judged_early_ = in.get<std::uint64_t>();
  told_ = in.get<std::uint64_t>();
  overflowing_ = in.get<bool>();
  for (std::uint64_t n = in.get_count(150); n > 0 && in.ok(); --n) {
    const auto due = in.get<std::int64_t>();
    const auto arrival = in.get<std::uint64_t>();
    Waiting& one = waiting_[{due, arrival}];
    one.use = in.get<ArtifactUse>();
    one.tenant = in.get<Key>();
    one.artifact = in.get<Key>();
    one.run = in.get<Key>();
    one.digest = in.get_text();
    for (std::uint64_t rules = in.get_count(sizeof(Key)); rules > 0 && in.ok(); --rules) one.rules.push_back(in.get<Key>());
    load_waiting(in, one.alert);
  }
  return in.ok();
}

}  // namespace tidewaiter::detect
