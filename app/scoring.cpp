#include "app/scoring.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

std::int64_t time_of(const nlohmann::json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return 0;
  return parse_rfc3339(object[key].get_ref<const std::string&>()).value_or(0);
}

void add_entity(AlertFacts& facts, const nlohmann::json& object, const char* key) {
  if (object.is_object() && object.contains(key) && object[key].is_string() && !object[key].get_ref<const std::string&>().empty())
    facts.entities.push_back(object[key].get<std::string>());
}

}  // namespace

Result<std::optional<AlertFacts>> read_alert(std::string_view body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return fail(Code::corruption, "an alert body is no JSON object");
  if (json.value("kind", std::string()) != "alert") return std::optional<AlertFacts>();
  AlertFacts facts;
  facts.uid = json.value("uid", std::string());
  facts.detector = json.value("detector", std::string());
  facts.rule = json.value("rule", std::string());
  facts.severity = json.value("severity", std::string());
  facts.title = json.value("title", std::string());
  facts.time_ns = time_of(json, "time");
  const auto window = json.value("window", nlohmann::json::object());
  facts.start_ns = time_of(window, "start");
  facts.end_ns = time_of(window, "end");
  if (facts.start_ns == 0) facts.start_ns = facts.time_ns;
  if (facts.end_ns == 0) facts.end_ns = facts.time_ns;
  const auto entity = json.value("entity", nlohmann::json::object());
  if (entity.is_object()) {
    facts.entity_type = entity.value("type", std::string());
    facts.entity = entity.value("id", std::string());
    facts.tenant = entity.value("tenant", std::string());
  }
  add_entity(facts, entity, "id");
  for (const char* key : {"principal", "app", "dst_host", "destination", "observer", "source"}) add_entity(facts, json, key);
  return std::optional<AlertFacts>(std::move(facts));
}

Score score(const std::vector<Incident>& truth, const std::vector<AlertFacts>& alerts, std::int64_t grace_ns) {
  Score result;
  result.alerts = alerts.size();
  for (const Incident& incident : truth) result.incidents.push_back({&incident, false, 0, ""});
  for (const AlertFacts& alert : alerts) {
    bool justified = false;
    for (IncidentScore& entry : result.incidents) {
      const bool hit = std::any_of(alert.entities.begin(), alert.entities.end(), [&](const std::string& entity) {
        return concerns(*entry.incident, entity, alert.start_ns, alert.end_ns, grace_ns);
      });
      if (!hit) continue;
      justified = true;
      const std::int64_t delay = std::max<std::int64_t>(0, alert.time_ns - entry.incident->start_ns);
      if (!entry.found || delay < entry.time_to_detect_ns) entry.time_to_detect_ns = delay;
      entry.found = true;
      if (entry.found_by.find(alert.detector) == std::string::npos)
        entry.found_by += (entry.found_by.empty() ? "" : ",") + alert.detector;
    }
    if (!justified) result.false_alerts.push_back(alert);
  }
  return result;
}

}  // namespace tidewaiter::app
