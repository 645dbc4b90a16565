#include "app/feedback_records.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "app/command_store.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "detect/watermark.hpp"
#include "store/query.hpp"

namespace tidewaiter::app {
namespace {

using Json = nlohmann::json;
using detect::Feedback;

constexpr std::size_t owner_bytes_max = 128, reason_bytes_max = 1024, text_bytes_max = 1024;
constexpr std::size_t uid_digits = 32;
constexpr std::int64_t millisecond_ns = 1'000'000, second_ns = 1'000'000'000;
constexpr std::string_view verdict_words[] = {"true", "false", "benign"};

std::string text_of(const Json& object, const char* name) {
  const auto it = object.is_object() ? object.find(name) : object.end();
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Error wrong(std::string message) { return fail(Code::invalid_argument, std::move(message)); }

/// Only known members, all texts; meant for this store.
Result<void> check_request(const store::Reader& reader, const Json& request, std::initializer_list<std::string_view> known) {
  if (!request.is_object()) return wrong("the request must be one JSON object");
  for (const auto& [name, value] : request.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end() && name != "store") {
      const std::string_view near = nearest_word(name, std::span(known.begin(), known.size()));
      return wrong("unknown member '" + name + "'" + (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
    }
    if (!value.is_string()) return wrong("'" + name + "' must be a text");
    if (value.get_ref<const std::string&>().size() > text_bytes_max)
      return wrong("'" + name + "' is longer than " + std::to_string(text_bytes_max) + " bytes");
  }
  if (const std::string store = text_of(request, "store"); !store.empty() && store != reader.store_id())
    return fail(Code::conflict, "this is store " + reader.store_id() + ", and the request is meant for store " + store);
  return {};
}

Result<std::string> needed(const Json& request, const char* name, const char* what, std::size_t bytes_max) {
  std::string text = text_of(request, name);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    return wrong(std::string("'") + name + "' is missing: " + what);
  if (text.size() > bytes_max) return wrong(std::string("'") + name + "' is longer than " + std::to_string(bytes_max) + " bytes");
  return text;
}

Result<std::int64_t> end_of(const Json& request, std::int64_t now_ns) {
  TRY_ASSIGN(const std::string text, needed(request, "until", "a suppression has an end; give a time, a date, or a span such as 14d", 64));
  std::optional<std::int64_t> end = parse_rfc3339(text);
  if (!end) end = parse_rfc3339(text + "T00:00:00Z");
  if (const auto span = parse_span(text); !end && span) end = (now_ns + *span) / second_ns * second_ns;
  if (!end) return wrong("'until': '" + text + "' is no time; give 2026-03-04T05:06:07Z, 2026-03-04, or a span from now such as 14d");
  if (*end <= now_ns) return wrong("'until': " + format_rfc3339(*end) + " is in the past");
  if (*end > now_ns + suppression_span_max_ns)
    return wrong("'until': " + format_rfc3339(*end) + " is too far: a suppression ends within 366 days, and may be renewed then");
  return *end;
}

Result<void> add_owner(Json& record, const Json& request) {
  TRY_ASSIGN(record["owner"], needed(request, "owner", "who answers for this", owner_bytes_max));
  TRY_ASSIGN(record["reason"], needed(request, "reason", "why, for whoever reads it later", reason_bytes_max));
  return {};
}

/// What a suppression may be of: a statistical detector.
Result<void> check_detector(const std::string& name) {
  if (name.empty()) return {};
  if (name == detect::detector_name(detect::Detector::policy))
    return wrong("rules of the policy are not suppressed: give them an exception in policy.yaml, with its owner, reason and end");
  std::array<std::string_view, detect::detector_count - 1> known;
  for (std::size_t i = 0; i < known.size(); ++i) known[i] = detect::detector_name(static_cast<detect::Detector>(i + 1));
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  std::string message = "no detector is named '" + name + "'";
  const std::string_view near = nearest_word(name, known);
  if (!near.empty()) return wrong(message + "; did you mean '" + std::string(near) + "'?");
  message += ": there are";
  for (const std::string_view word : known) message.append(" ").append(word);
  return wrong(message);
}

/// Both name the detector: "volume.destination" is a rule of volume.
Result<std::string> detector_of(const std::string& detector, const std::string& rule) {
  TRY(check_detector(detector));
  if (rule.empty()) return detector;
  const std::string of_rule = rule.substr(0, rule.find('.'));
  if (of_rule.size() == rule.size() || !check_detector(of_rule))
    return wrong("'" + rule + "' is no rule of a statistical detector, such as flow.destination or volume.principal; rules of "
                 "the policy have exceptions in policy.yaml");
  if (!detector.empty() && detector != of_rule) return wrong("'" + rule + "' is no rule of the detector " + detector);
  return of_rule;
}

Json target_json(const Feedback::Target& target) {
  Json json = Json::object(), entity = Json::object();
  const auto put = [](Json& object, const char* name, const std::string& text) {
    if (!text.empty()) object[name] = text;
  };
  put(json, "detector", target.detector);
  put(json, "rule", target.rule);
  put(json, "dst_host", target.dst_host);
  put(entity, "type", target.entity_type);
  put(entity, "id", target.entity);
  put(entity, "tenant", target.tenant);
  json["entity"] = entity;
  return json;
}

/// What an alert was about: the finding that a verdict on it speaks of.
Feedback::Target finding_of(const Json& alert) {
  const Json entity = alert.value("entity", Json::object());
  return {text_of(alert, "detector"), text_of(alert, "rule"),   text_of(entity, "type"),
          text_of(entity, "id"),      text_of(entity, "tenant"), text_of(alert, "dst_host")};
}

/// The record with the columns by which it is found: operation, owner, rule, and `source_id` = uid of the alert or suppression.
OwnRecord to_record(const Json& json, const std::string& found_by, const Feedback::Target* target, std::int64_t now_ns) {
  OwnRecord record;
  record.kind = RecordKind::control;
  record.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  record.time_ns = now_ns;
  record.strings = std::make_shared<std::deque<std::string>>();
  Event event;
  const auto set = [&](Str column, std::string text) {
    if (const std::size_t limit = info(column).limit_bytes; text.size() > limit) text.resize(limit);
    if (!text.empty()) event.set(column, record.strings->emplace_back(std::move(text)));
  };
  event.set(Num::time, static_cast<std::uint64_t>(now_ns));
  event.set(Num::family, static_cast<std::uint64_t>(Family::control));
  set(Str::operation, text_of(json, "type"));
  set(Str::principal, text_of(json, "owner"));
  set(Str::source_id, found_by);
  if (target != nullptr) {
    set(Str::rule, target->rule);
    set(Str::tenant, target->tenant);
    set(Str::dst_host, target->dst_host);
  }
  record.columns = event;
  return record;
}

std::string uid_of(const Json& record) {
  const Hash hash = sha256(record.dump(-1, ' ', false, Json::error_handler_t::replace));
  return to_hex(as_view(hash)).substr(0, uid_digits);
}

Json begin_record(const char* type, const Asked& asked) {
  return {{"type", type}, {"by", asked.by}, {"time", format_rfc3339(asked.now_ns / millisecond_ns * millisecond_ns)}};
}

/// Rows of our own logs, oldest first.
Result<void> each_row(const store::Reader& reader, const char* log, const std::string& where,
                      const std::function<void(std::uint64_t seq, std::string_view body)>& visit) {
  store::QuerySpec spec;
  spec.logs = {log};
  spec.where = where;
  TRY_ASSIGN(const store::Query query, store::Query::compile(spec));
  TRY(query.run(reader, [&](const store::Row& row) {
    visit(row.record->record.seq, row.record->record.value);
    return true;
  }));
  return {};
}

/// All that was ever said, as detection takes it up.
Result<Feedback> read_feedback(const store::Reader& reader) {
  Feedback feedback;
  TRY(each_row(reader, "control", "operation in (verdict, suppression, suppression_end)",
               [&](std::uint64_t, std::string_view body) {
                 const Json record = Json::parse(body, nullptr, false);
                 try {
                   feedback.apply(record, detect::Watermark::none);
                 } catch (const Json::exception&) {
                   return;  // detection passes it over, too
                 }
               }));
  return feedback;
}

}  // namespace

Result<StoredAlert> find_alert(const store::Reader& reader, const std::string& uid) {
  std::map<std::string, StoredAlert> found;
  if (!uid.empty())
    TRY(each_row(reader, "alerts", "", [&](std::uint64_t seq, std::string_view body) {
      if (body.find(uid) == std::string_view::npos) return;
      Json json = Json::parse(body, nullptr, false);
      std::string whole = text_of(json, "uid");
      if (whole.starts_with(uid)) found[std::move(whole)] = {seq, std::move(json)};
    }));
  if (found.empty())
    return fail(Code::not_found, "no alert has a uid that begins with '" + uid + "'; `tidewaiter alerts` lists them");
  if (found.size() == 1) return std::move(found.begin()->second);
  std::string message = "several alerts begin with '" + uid + "':";
  for (const auto& [whole, alert] : found) message += " " + whole;
  return wrong(message);
}

Result<OwnRecord> verdict_record(const store::Reader& reader, const std::string& alert_uid, const Json& request,
                                 const Asked& asked) {
  TRY(check_request(reader, request, {"verdict", "owner", "reason", "until"}));
  TRY_ASSIGN(const StoredAlert alert, find_alert(reader, alert_uid));
  const std::string kind = text_of(alert.body, "kind"), word = text_of(request, "verdict");
  if (kind != "alert") return wrong("a verdict is given on an alert, and this is a record of the kind " + kind);
  if (std::find(std::begin(verdict_words), std::end(verdict_words), word) == std::end(verdict_words))
    return wrong("'verdict' is one of true, false, benign" + (word.empty() ? std::string() : ", not '" + word + "'"));
  const Feedback::Target finding = finding_of(alert.body);
  Json record = begin_record("verdict", asked);
  record["alert"] = text_of(alert.body, "uid");
  record["alert_time"] = text_of(alert.body, "time");
  record["verdict"] = word;
  record["findings"] = Json::array({target_json(finding)});
  TRY(add_owner(record, request));
  if (word == "benign") {
    TRY(check_detector(finding.detector));
    TRY_ASSIGN(const std::int64_t until, end_of(request, asked.now_ns));
    record["until"] = format_rfc3339(until);
    TRY_ASSIGN(const Feedback feedback, read_feedback(reader));
    if (feedback.suppressions().size() >= Feedback::suppressions_max)
      return fail(Code::conflict, "too many suppressions are in force: end some first");
  } else if (request.contains("until")) {
    return wrong("'until' belongs to the verdict benign; true and false fade by themselves");
  }
  record["uid"] = uid_of(record);
  return to_record(record, text_of(record, "alert"), &finding, asked.now_ns);
}

Result<OwnRecord> suppression_record(const store::Reader& reader, const Json& request, const Asked& asked) {
  TRY(check_request(reader, request, {"entity", "tenant", "detector", "rule", "dst_host", "until", "owner", "reason"}));
  Feedback::Target target;
  TRY_ASSIGN(target.entity, needed(request, "entity", "whose alerts, such as the id of a principal or an app", text_bytes_max));
  target.rule = text_of(request, "rule");
  TRY_ASSIGN(target.detector, detector_of(text_of(request, "detector"), target.rule));
  target.tenant = text_of(request, "tenant");
  target.dst_host = text_of(request, "dst_host");
  Json record = begin_record("suppression", asked);
  TRY_ASSIGN(const std::int64_t until, end_of(request, asked.now_ns));
  record["until"] = format_rfc3339(until);
  record["target"] = target_json(target);
  TRY(add_owner(record, request));
  TRY_ASSIGN(const auto in_force, suppressions_in_force(reader, asked.now_ns));
  if (in_force.size() >= Feedback::suppressions_max)
    return fail(Code::conflict, "too many suppressions are in force: end some first");
  record["uid"] = uid_of(record);
  return to_record(record, text_of(record, "uid"), &target, asked.now_ns);
}

Result<OwnRecord> suppression_end_record(const store::Reader& reader, const std::string& uid, const Json& request,
                                         const Asked& asked) {
  TRY(check_request(reader, request, {"owner", "reason"}));
  TRY_ASSIGN(const auto in_force, suppressions_in_force(reader, asked.now_ns));
  std::vector<const SuppressionInForce*> meant;
  for (const SuppressionInForce& one : in_force)
    if (!uid.empty() && one.uid.starts_with(uid)) meant.push_back(&one);
  if (meant.empty())
    return fail(Code::not_found, "no suppression in force has a uid that begins with '" + uid + "'; `tidewaiter suppressions` lists them");
  if (meant.size() > 1) return wrong("several suppressions begin with '" + uid + "': give more of the uid");
  Json record = begin_record("suppression_end", asked);
  record["uid"] = meant.front()->uid;
  TRY(add_owner(record, request));
  return to_record(record, meant.front()->uid, &meant.front()->suppression.target, asked.now_ns);
}

Result<std::vector<SuppressionInForce>> suppressions_in_force(const store::Reader& reader, std::int64_t now_ns) {
  TRY_ASSIGN(const Feedback feedback, read_feedback(reader));
  std::map<std::string, std::uint64_t> uses;
  TRY(each_row(reader, "alerts", "operation == suppression_used", [&](std::uint64_t, std::string_view body) {
    const Json note = Json::parse(body, nullptr, false);
    if (!note.is_object()) return;
    uses[text_of(note.value("entity", Json::object()), "id")] +=
        note.value("explanation", Json::object()).value("uses", std::uint64_t{0});
  }));
  std::vector<SuppressionInForce> list;
  for (const auto& [uid, suppression] : feedback.suppressions())
    if (suppression.until_ns > now_ns) list.push_back({uid, suppression, uses[uid]});
  return list;
}

nlohmann::ordered_json suppression_json(const SuppressionInForce& one) {
  nlohmann::ordered_json json = {{"uid", one.uid}, {"until", format_rfc3339(one.suppression.until_ns)},
                                 {"owner", one.suppression.owner}, {"reason", one.suppression.reason},
                                 {"target", target_json(one.suppression.target)}, {"uses", one.uses}};
  if (!one.suppression.alert.empty()) json["alert"] = one.suppression.alert;
  return json;
}

std::string describe(const Feedback::Target& target) {
  std::string text = "findings of ";
  text += !target.rule.empty() ? target.rule : !target.detector.empty() ? target.detector : "all statistical detectors";
  text += " about " + target.entity;
  if (!target.tenant.empty()) text += " of tenant " + target.tenant;
  if (!target.dst_host.empty()) text += " to " + target.dst_host;
  return text;
}

Result<std::vector<Json>> verdicts_on(const store::Reader& reader, const std::string& alert_uid) {
  std::vector<Json> verdicts;
  // The uid is of hex digits: nothing in it needs an escape.
  TRY(each_row(reader, "control", "operation == verdict and source_id == \"" + alert_uid + "\"",
               [&](std::uint64_t, std::string_view body) { verdicts.push_back(Json::parse(body, nullptr, false)); }));
  return verdicts;
}

}  // namespace tidewaiter::app
