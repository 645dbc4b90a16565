// Codes and texts: Splunk, "Troubleshoot HTTP Event Collector"; acknowledgement: "About HTTP Event Collector Indexer
// Acknowledgment".
#include "app/hec_indexer.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

using Json = nlohmann::json;

// Cuts concatenated JSON objects apart by their braces. False when what follows is no whole object.
bool next_object(std::string_view& rest, std::string_view& object) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && depth > 0 && --depth == 0) {
      object = rest.substr(0, i + 1);
      rest.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

void skip_space(std::string_view& text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
}

bool is_guid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

std::string text_member(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool ends_torn(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) return false;  // nor does a pipe wait to be read
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file || file.tellg() <= 0) return false;
  file.seekg(-1, std::ios::end);
  return file.get() != '\n';
}

}  // namespace

HecIndexer::HecIndexer(HecIndexerOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), random_(options_.seed) {
  if (options_.file.empty()) return;
  const bool torn = ends_torn(options_.file);
  file_.open(options_.file, std::ios::app);
  if (torn) file_ << '\n';  // what was being written when a receiver was killed stays a line of its own
}

HecAnswer HecIndexer::refuse(int status, int code, const char* text, std::int64_t event_number) const {
  Json body{{"text", text}, {"code", code}};
  if (event_number >= 0) body["invalid-event-number"] = event_number;
  return {status, body.dump(), "", false};
}

bool HecIndexer::authorized(const HecRequest& request, HecAnswer& answer) {
  constexpr std::string_view scheme = "Splunk ";
  if (request.authorization.empty()) {
    answer = refuse(401, 2, "Token is required");
  } else if (!request.authorization.starts_with(scheme)) {
    answer = refuse(401, 3, "Invalid authorization");
  } else if (request.authorization.substr(scheme.size()) != options_.token || chance(faults_.refuse_token)) {
    answer = refuse(403, 4, "Invalid token");
  } else if (options_.ack && request.channel.empty()) {
    answer = refuse(400, 10, "Data channel is missing");
  } else if (!request.channel.empty() && !is_guid(request.channel)) {
    answer = refuse(400, 11, "Invalid data channel");
  } else {
    return true;
  }
  return false;
}

bool HecIndexer::check_event(const std::string& text, std::int64_t number, Indexed& out, HecAnswer& answer) const {
  const Json object = Json::parse(text, nullptr, false);
  const bool poisoned = !options_.poison.empty() && text.find(options_.poison) != std::string::npos;
  if (!object.is_object() || poisoned) {
    answer = refuse(400, 6, "Invalid data format", number);
    return false;
  }
  const auto event = object.find("event");
  if (event == object.end() || event->is_null()) {
    answer = refuse(400, 12, "Event field is required", number);
    return false;
  }
  if (event->is_string() && event->get_ref<const std::string&>().empty()) {
    answer = refuse(400, 13, "Event field cannot be blank", number);
    return false;
  }
  const Json fields = object.value("fields", Json::object());
  const auto is_nested = [](const Json& value) {
    return value.is_object() || (value.is_array() && std::any_of(value.begin(), value.end(), [](const Json& element) {
                                   return element.is_structured();
                                 }));
  };
  if (!fields.is_object() || std::any_of(fields.begin(), fields.end(), is_nested)) {
    answer = refuse(400, 15, "Error in handling indexed fields", number);
    return false;
  }
  const std::string index = text_member(object, "index");
  if (!index.empty() && !options_.indexes.empty() &&
      std::find(options_.indexes.begin(), options_.indexes.end(), index) == options_.indexes.end()) {
    answer = refuse(400, 7, "Incorrect index", number);
    return false;
  }
  out.uid = text_member(fields, "uid");
  if (const std::string revision = text_member(fields, "revision"); !revision.empty()) out.uid += "." + revision;
  if (out.uid.empty()) out.uid = to_hex(as_view(sha256(text)));
  out.sourcetype = text_member(object, "sourcetype");
  out.line = text;
  return true;
}

// As in Splunk, events in front of the first bad one are taken.
bool HecIndexer::read_events(const std::string& body, std::vector<Indexed>& out, HecAnswer& answer) const {
  std::string_view rest = body;
  skip_space(rest);
  if (rest.empty()) {
    answer = refuse(400, 5, "No data");
    return false;
  }
  for (std::int64_t number = 0; !rest.empty(); ++number, skip_space(rest)) {
    std::string_view object;
    Indexed indexed;
    if (rest.front() != '{' || !next_object(rest, object)) {
      answer = refuse(400, 6, "Invalid data format", number);
      return false;
    }
    if (!check_event(std::string(object), number, indexed, answer)) return false;
    out.push_back(std::move(indexed));
  }
  return true;
}

void HecIndexer::index(std::vector<Indexed>& events) {
  for (Indexed& event : events) {
    ++totals_.events;
    if (++counts_[event.uid] == 1) {
      ++totals_.unique;
      sourcetypes_[event.uid] = event.sourcetype;
    }
    if (!file_.is_open()) continue;
    std::replace(event.line.begin(), event.line.end(), '\n', ' ');
    file_ << event.line << '\n';
  }
  if (file_.is_open()) file_.flush();
  events.clear();
}

void HecIndexer::index_what_is_due() {
  const std::int64_t now_ns = clock_.now_ns();
  for (auto& [name, channel] : channels_) {
    for (auto& [id, batch] : channel.open) {
      if (batch.indexed || batch.dropped || batch.ready_ns > now_ns) continue;
      index(batch.events);
      batch.indexed = true;
    }
  }
}

HecAnswer HecIndexer::take_events(const HecRequest& request) {
  std::lock_guard lock(mutex_);
  index_what_is_due();
  ++totals_.requests;
  HecAnswer answer;
  if (!authorized(request, answer)) return answer;
  if (chance(faults_.close_early)) return {200, "", "", true};
  if (chance(faults_.busy)) return refuse(503, 9, "Server is busy");
  if (chance(faults_.unavailable)) return {503, "<html><body>503 Service Unavailable</body></html>", "", false};
  if (chance(faults_.rate_limited)) return {429, "too many requests", "1", false};
  if (options_.ack && chance(faults_.reset_channel)) channels_.erase(request.channel);
  std::vector<Indexed> events;
  const bool good = read_events(request.body, events, answer);
  if (!good) {
    index(events);
    return answer;
  }
  Json body{{"text", "Success"}, {"code", 0}};
  if (options_.ack) {
    Channel& channel = channels_[request.channel];
    body["ackId"] = channel.next_id;
    channel.open[channel.next_id++] = {clock_.now_ns() + options_.ack_delay_ms * 1'000'000, chance(faults_.drop_batch),
                                       false, std::move(events)};
  } else {
    index(events);
  }
  return {200, body.dump(), "", chance(faults_.lose_answer)};
}

HecAnswer HecIndexer::tell_acks(const HecRequest& request) {
  std::lock_guard lock(mutex_);
  index_what_is_due();
  HecAnswer answer;
  if (!authorized(request, answer)) return answer;
  if (!options_.ack) return refuse(400, 14, "ACK is disabled");
  const Json question = Json::parse(request.body, nullptr, false);
  if (!question.is_object() || !question.contains("acks") || !question["acks"].is_array())
    return refuse(400, 6, "Invalid data format");
  Json acks = Json::object();
  Channel& channel = channels_[request.channel];
  for (const Json& id : question["acks"]) {
    if (!id.is_number_unsigned()) return refuse(400, 6, "Invalid data format");
    const auto it = channel.open.find(id.get<std::uint64_t>());
    const bool done = it != channel.open.end() && it->second.indexed;
    acks[std::to_string(id.get<std::uint64_t>())] = done;
    if (done) channel.open.erase(it);  // said once, then forgotten
  }
  return {200, Json{{"acks", acks}}.dump(), "", chance(faults_.lose_ack)};
}

void HecIndexer::set_faults(const HecFaults& faults) {
  std::lock_guard lock(mutex_);
  faults_ = faults;
}

HecFaults HecIndexer::faults() const {
  std::lock_guard lock(mutex_);
  return faults_;
}

HecTotals HecIndexer::totals() {
  std::lock_guard lock(mutex_);
  index_what_is_due();
  return totals_;
}

std::map<std::string, std::uint64_t> HecIndexer::counts() {
  std::lock_guard lock(mutex_);
  index_what_is_due();
  return counts_;
}

std::map<std::string, std::uint64_t> HecIndexer::counts(std::string_view sourcetype) {
  std::lock_guard lock(mutex_);
  index_what_is_due();
  std::map<std::string, std::uint64_t> out;
  for (const auto& [uid, count] : counts_)
    if (sourcetypes_[uid] == sourcetype) out.emplace(uid, count);
  return out;
}

}  // namespace tidewaiter::app
