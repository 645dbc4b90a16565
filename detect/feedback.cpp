#include "detect/feedback.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "detect/periods.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t min_ns = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t max_ns = std::numeric_limits<std::int64_t>::max();

std::string text_of(const nlohmann::json& object, const char* name) { return object.value(name, std::string()); }

std::int64_t time_of(const nlohmann::json& object, const char* name, std::int64_t otherwise) {
  return parse_rfc3339(text_of(object, name)).value_or(otherwise);
}

Feedback::Target target_of(const nlohmann::json& json) {
  Feedback::Target target;
  target.detector = text_of(json, "detector");
  target.rule = text_of(json, "rule");
  target.dst_host = text_of(json, "dst_host");
  const auto entity = json.value("entity", nlohmann::json::object());
  target.entity_type = text_of(entity, "type");
  target.entity = text_of(entity, "id");
  target.tenant = text_of(entity, "tenant");
  return target;
}

Key key_of(std::string_view detector, std::string_view rule, std::string_view entity_type, std::string_view entity,
           std::string_view tenant) {
  return combine(combine(combine(hash_name(detector), hash_name(rule)), hash_name(entity_type)),
                 combine(hash_name(entity), hash_name(tenant)));
}

bool fits_text(const std::string& wanted, std::string_view text) { return wanted.empty() || wanted == text; }

Note note_of(std::int64_t day, const std::string& uid, std::uint64_t count, Detector detector, std::string_view rule) {
  Note note;
  note.kind = "suppression_used";
  note.detector = detector;
  note.rule = rule;
  note.entity_type = "suppression";
  note.entity = uid;
  note.window_start_ns = day * day_ns;
  note.window_end_ns = (day + 1) * day_ns;
  note.explanation.count("uses", count);
  return note;
}

}  // namespace

bool Feedback::Target::fits(const Alert& alert) const {
  return fits_text(detector, detector_name(alert.detector)) && fits_text(rule, alert.rule) &&
         fits_text(entity_type, alert.entity_type) && fits_text(entity, alert.entity) && fits_text(tenant, alert.tenant) &&
         fits_text(dst_host, alert.dst_host);
}

void Feedback::apply(const nlohmann::json& record, std::int64_t now_ns) {
  const std::string type = text_of(record, "type"), uid = text_of(record, "uid");
  if (type == "suppression_end") return end(uid);
  Suppression suppression;
  suppression.owner = text_of(record, "owner");
  suppression.reason = text_of(record, "reason");
  suppression.until_ns = time_of(record, "until", min_ns);
  if (type == "suppression") {
    suppression.target = target_of(record.at("target"));
    return suppress(uid, std::move(suppression));
  }
  if (type != "verdict") return;
  const std::string word = text_of(record, "verdict");
  std::vector<Target> findings;
  for (const auto& finding : record.at("findings")) findings.push_back(target_of(finding));
  suppression.alert = text_of(record, "alert");
  take_back(suppression.alert);
  if (word == "true" || word == "false")
    give(word == "true" ? Verdict::true_alert : Verdict::false_alert, findings, suppression.alert,
         std::max(now_ns, time_of(record, "alert_time", min_ns)));
  if (word != "benign") return;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    suppression.target = std::move(findings[i]);
    suppress(i == 0 ? uid : uid + '-' + std::to_string(i), suppression);
  }
}

/// The newest verdict on an alert counts.
void Feedback::take_back(const std::string& alert) {
  std::erase_if(verdicts_, [key = hash_name(alert)](const auto& entry) { return entry.first.second == key; });
  std::vector<std::string> made;
  for (const auto& [uid, suppression] : suppressions_)
    if (suppression.alert == alert) made.push_back(uid);
  for (const std::string& uid : made) end(uid);
}

void Feedback::give(Verdict verdict, const std::vector<Target>& findings, const std::string& alert, std::int64_t time_ns) {
  for (const Target& t : findings) {
    if (verdicts_.size() >= verdicts_max)
      verdicts_.erase(std::min_element(verdicts_.begin(), verdicts_.end(),
                                       [](const auto& a, const auto& b) { return a.second.time_ns < b.second.time_ns; }));
    verdicts_[{key_of(t.detector, t.rule, t.entity_type, t.entity, t.tenant), hash_name(alert)}] = {verdict, time_ns};
  }
}

void Feedback::suppress(std::string uid, Suppression suppression) {
  if (uid.empty() || suppression.target.entity.empty()) return;
  want_close(suppression.until_ns);
  suppressions_[std::move(uid)] = std::move(suppression);
  if (suppressions_.size() <= suppressions_max) return;
  const auto first = std::min_element(suppressions_.begin(), suppressions_.end(), [](const auto& a, const auto& b) {
    return a.second.until_ns < b.second.until_ns;
  });
  end(std::string(first->first));
}

/// What it kept silent is told by the next close().
void Feedback::end(const std::string& uid) {
  if (suppressions_.erase(uid) > 0) want_close(min_ns);
}

Feedback::Prior Feedback::prior(std::string_view detector, std::string_view rule, std::string_view entity_type,
                                std::string_view entity, std::string_view tenant, std::int64_t time_ns) const {
  Prior prior;
  const Key key = key_of(detector, rule, entity_type, entity, tenant);
  double balance = 0;
  for (auto it = verdicts_.lower_bound({key, 0}); it != verdicts_.end() && it->first.first == key; ++it) {
    const double age = static_cast<double>(std::max<std::int64_t>(0, time_ns - it->second.time_ns));
    const double weight = std::exp2(-age / static_cast<double>(half_life_ns));
    const bool is_false = it->second.verdict == Verdict::false_alert;
    ++(is_false ? prior.falses : prior.trues);
    balance += is_false ? weight : -weight;
  }
  prior.factor = std::clamp(std::exp2(balance), 1 / lowered_max, raised_max);
  return prior;
}

bool Feedback::silences(Alert& finding) {
  const Prior prior = this->prior(detector_name(finding.detector), finding.rule, finding.entity_type, finding.entity,
                                  finding.tenant, finding.time_ns);
  if (prior.trues + prior.falses > 0) {
    finding.rate_per_day *= prior.factor;
    finding.verdict_factor = prior.factor;
    finding.explanation.feedback(prior.trues, prior.falses, prior.factor);
  }
  for (const auto& [uid, suppression] : suppressions_) {
    if (finding.time_ns >= suppression.until_ns || !suppression.target.fits(finding)) continue;
    count_use(uid, suppression, finding);
    return true;
  }
  return false;
}

void Feedback::count_use(const std::string& uid, const Suppression& suppression, const Alert& alert) {
  ++suppressed_;
  const std::int64_t day = day_of(alert.time_ns);
  if (uses_.size() >= uses_max) want_close(min_ns);
  Use& use = uses_[{day, uid}];
  if (use.count++ > 0) return;
  use.owner = suppression.owner;
  use.reason = suppression.reason;
  use.first_title = alert.title;
  use.until_ns = suppression.until_ns;
  use.detector = alert.detector;
  use.rule = alert.rule;
  use.tenant = alert.tenant;
  if (!alert.evidence.empty()) use.first = alert.evidence.front();
  want_close((day + 1) * day_ns);
}

void Feedback::close(std::int64_t watermark_ns, const Tell& tell) {
  if (next_close_ns_ != min_ns && watermark_ns < next_close_ns_) return;
  std::erase_if(suppressions_, [&](const auto& entry) { return entry.second.until_ns <= watermark_ns; });
  next_close_ns_ = max_ns;
  const bool full = uses_.size() > uses_max;
  for (auto it = uses_.begin(); it != uses_.end();) {
    const auto& [day, uid] = it->first;
    if ((day + 1) * day_ns > watermark_ns && suppressions_.contains(uid) && !full) {
      want_close((day + 1) * day_ns);
      ++it;
      continue;
    }
    const Use& use = it->second;
    Note note = note_of(day, uid, use.count, use.detector, use.rule);
    note.tenant = use.tenant;
    note.title = "suppression " + uid.substr(0, 12) + " of " + use.owner + " kept " + std::to_string(use.count) +
                 (use.count == 1 ? " finding" : " findings") + " silent this day";
    note.explanation.text("owner", use.owner);
    note.explanation.text("reason", use.reason);
    note.explanation.time("until", use.until_ns);
    note.explanation.text("first_suppressed", use.first_title);
    if (use.first.used != 0) note.evidence.push_back(use.first);
    tell(note);
    it = uses_.erase(it);
  }
  for (const auto& [uid, suppression] : suppressions_) want_close(suppression.until_ns);
}

void Feedback::save(SnapshotWriter& out) const {
  out.put<std::uint64_t>(verdicts_.size());
  for (const auto& [key, given] : verdicts_) {
    out.put(key.first);
    out.put(key.second);
    out.put(given.verdict);
    out.put(given.time_ns);
  }
  out.put<std::uint64_t>(suppressions_.size());
  for (const auto& [uid, s] : suppressions_) {
    const Target& t = s.target;
    for (const std::string* text : {&uid, &t.detector, &t.rule, &t.entity_type, &t.entity, &t.tenant, &t.dst_host, &s.owner,
                                    &s.reason, &s.alert})
      out.put_text(*text);
    out.put(s.until_ns);
  }
  out.put<std::uint64_t>(uses_.size());
  for (const auto& [key, use] : uses_) {
    out.put(key.first);
    for (const std::string* text : {&key.second, &use.owner, &use.reason, &use.first_title, &use.rule, &use.tenant})
      out.put_text(*text);
    out.put(use.count);
    out.put(use.until_ns);
    out.put(use.detector);
    out.put(use.first);
  }
  out.put(suppressed_);
  out.put(next_close_ns_);
}

void Feedback::load(SnapshotReader& in) {
  for (std::uint64_t n = in.get_count(25); n > 0 && in.ok(); --n) {
    const Key target = in.get<Key>(), alert = in.get<Key>();
    const auto verdict = in.get<Verdict>();
    verdicts_[{target, alert}] = {verdict, in.get<std::int64_t>()};
  }
  for (std::uint64_t n = in.get_count(88); n > 0 && in.ok(); --n) {
    const std::string uid = in.get_text();
    Suppression& s = suppressions_[uid];
    Target& t = s.target;
    for (std::string* text : {&t.detector, &t.rule, &t.entity_type, &t.entity, &t.tenant, &t.dst_host, &s.owner, &s.reason,
                              &s.alert})
      *text = in.get_text();
    s.until_ns = in.get<std::int64_t>();
  }
  for (std::uint64_t n = in.get_count(105); n > 0 && in.ok(); --n) {
    const auto day = in.get<std::int64_t>();
    Use& use = uses_[{day, in.get_text()}];
    for (std::string* text : {&use.owner, &use.reason, &use.first_title, &use.rule, &use.tenant}) *text = in.get_text();
    use.count = in.get<std::uint64_t>();
    use.until_ns = in.get<std::int64_t>();
    use.detector = in.get<Detector>();
    use.first = in.get<EvidenceRef>();
  }
  suppressed_ = in.get<std::uint64_t>();
  next_close_ns_ = in.get<std::int64_t>();
}

}  // namespace tidewaiter::detect
