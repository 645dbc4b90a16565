#include "tests/ingest/reference_reader/reader.hpp"

#include <algorithm>

#include "tests/ingest/reference_reader/paths.hpp"
#include "tests/ingest/reference_reader/rules.hpp"
#include "tests/ingest/reference_reader/values.hpp"

namespace tidewaiter::ingest::testing {
namespace {

constexpr std::size_t events_max = 10'000;

void collect_condition(const Json& condition, std::vector<std::string>& paths) {
  if (condition.is_array()) {
    for (const Json& one : condition) collect_condition(one, paths);
  } else if (condition.is_string()) {
    paths.push_back(condition);
  } else {
    paths.push_back(condition.contains("absent") ? condition["absent"] : condition["path"]);
  }
}

void collect_pick(const Json& steps, std::vector<std::string>& paths) {
  for (const Json& step : steps) {
    if (!step.is_object()) continue;
    const Json& wanted = step.begin().value();
    if (wanted.is_object()) {
      paths.push_back(wanted["path"]);
      collect_pick(wanted["pick"], paths);
    } else if (const std::string text = wanted; !text.starts_with('=')) {
      paths.push_back(text);
    }
  }
}

void collect_source(const Json& source, std::vector<std::string>& paths) {
  if (source.is_array()) {
    for (const Json& one : source) collect_source(one, paths);
    return;
  }
  if (source.is_string()) return paths.push_back(source);
  if (source.contains("path")) paths.push_back(source["path"]);
  if (source.contains("paths"))
    for (const Json& path : source["paths"])
      if (!path.get<std::string>().starts_with('=')) paths.push_back(path);
  if (source.contains("which"))
    for (const auto& [path, text] : source["which"].items()) paths.push_back(path);
  if (source.contains("pick")) collect_pick(source["pick"], paths);
  if (source.contains("when")) collect_condition(source["when"], paths);
}

/// Attributes that came as headers and a value that is the payload alone, as the whole form would have them.
std::optional<std::string> whole_form(const Json& mapping, const Message& message) {
  if (!mapping.contains("headers")) return std::nullopt;
  const std::string prefix = mapping["headers"]["prefix"], content_type = mapping["headers"].value("content_type", "");
  Json attributes = Json::object();
  for (const auto& [name, text] : message.headers) {
    if (name.starts_with(prefix)) attributes[name.substr(prefix.size())] = text;
    if (lower_case(name) == "content-type" && lower_case(text).starts_with(content_type)) return std::nullopt;
  }
  if (attributes.empty()) return std::nullopt;
  std::string whole = attributes.dump();
  whole.back() = ',';
  return whole + mapping["headers"]["payload"].dump() + ":" + message.value + "}";
}

bool is_json_start(const std::string& value) {
  const std::size_t at = value.find_first_not_of(" \t\r\n");
  return value.empty() || (at != std::string::npos && (value[at] == '{' || value[at] == '['));
}

struct Attempt {
  bool fits = false, no_element = false, too_many = false;
  Reading reading;
};

Attempt attempt(const ReferenceMapping::Rules& rules, const Message& message, const Node& root, bool text,
                std::int64_t receive_ns) {
  MessageInWork work{rules, message, root};
  Attempt made;
  made.reading.kind = Reading::Kind::event;
  for (const Found& event : find_events(work, text)) {
    made.fits = made.fits || event.location >= 0;
    made.reading.events.push_back(columns_of_event(work, event, receive_ns));
  }
  made.no_element = work.no_element;
  made.too_many = made.reading.events.size() > events_max;
  return made;
}

const Reading rejected{Reading::Kind::reject, {}};

std::optional<Reading> read_as(const ReferenceMapping::Rules& rules, const Message& message, std::int64_t receive_ns,
                               bool fixed) {
  if (!is_json_start(message.value) && rules.is_text()) {
    if (!is_utf8(message.value)) return rejected;
    Node line;
    line.kind = Node::Kind::string;
    line.text = message.value;
    Attempt made = attempt(rules, message, line, true, receive_ns);
    if (made.too_many) return rejected;
    const bool header_alone = made.no_element && made.reading.events.empty();
    if (made.fits || header_alone || (fixed && !made.reading.events.empty())) return made.reading;
    if (fixed) return rejected;
  }
  const std::optional<Node> payload = read_tree(message.value, TreeLimits{});
  if (!payload) return rejected;
  const std::optional<std::string> whole = whole_form(rules.mapping, message);
  TreeLimits one_more;
  ++one_more.depth_max;
  std::optional<Node> root = whole ? read_tree(*whole, one_more) : std::nullopt;
  if (!payload->is_container() || (whole && !root)) return std::nullopt;
  Attempt made = attempt(rules, message, root ? *root : *payload, false, receive_ns);
  if (made.too_many) return rejected;
  if (made.fits) return made.reading;
  if (fixed && made.no_element) return rejected;
  return std::nullopt;
}

/// A byte order mark is no part of what stands behind it; two are none.
std::optional<Reading> read_marked(const ReferenceMapping::Rules& rules, const Message& message, std::int64_t receive_ns,
                                   bool fixed) {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (!message.value.starts_with(mark) || message.value.substr(mark.size()).starts_with(mark))
    return read_as(rules, message, receive_ns, fixed);
  auto reading = read_as(rules, {message.value.substr(mark.size()), message.headers}, receive_ns, fixed);
  if (!reading) return reading;
  for (Columns& event : reading->events) {
    std::string& flags = event["flags"];
    flags = std::to_string((flags.empty() ? 0 : std::stoull(flags)) | flag::byte_order_mark);
  }
  return reading;
}

}  // namespace

ReferenceMapping::Rules::Rules(std::string_view text) : mapping(Json::parse(text)) {
  format = mapping["format"];
  for (const Json& location : mapping.value("events", Json::array({""})))
    for (const Steps& way : path(location).ways) locations.push_back(way);
  const Json& detect = mapping["detect"];
  if (detect.contains("any")) collect_condition(detect["any"], read_paths);
  else collect_condition(detect["present"], read_paths);
  if (detect.contains("unless")) collect_condition(detect["unless"], read_paths);
  for (const auto& [column, source] : mapping["fields"].items()) collect_source(source, read_paths);
  for (const Json& mark : mapping.value("marks", Json::array())) collect_condition(mark["when"], read_paths);
  for (const Json& places : mapping.value("signature", Json::array()))
    for (const auto& [part, path] : places.items()) read_paths.push_back(path);
  for (const Json& path : mapping.value("ignore", Json::array())) ignored_paths.push_back(path);
}

const ReferencePath& ReferenceMapping::Rules::path(const std::string& text) const {
  const auto known = paths.find(text);
  return known != paths.end() ? known->second : paths.emplace(text, read_path(text)).first->second;
}

ReferenceMapping::ReferenceMapping(std::string_view json) : rules_(std::make_unique<Rules>(json)) {}
ReferenceMapping::~ReferenceMapping() = default;
ReferenceMapping::ReferenceMapping(ReferenceMapping&&) noexcept = default;

const std::string& ReferenceMapping::format() const { return rules_->format; }

std::optional<Message> ReferenceMapping::opened(const Message& message, std::int64_t receive_ns) const {
  const Json& headers = rules_->mapping.value("headers", Json::object());
  if (!headers.contains("base64") || whole_form(rules_->mapping, message)) return std::nullopt;
  const auto reading = try_read(message, receive_ns);
  if (!reading || reading->kind != Reading::Kind::event) return std::nullopt;
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  const std::size_t begin = message.value.starts_with(mark) ? mark.size() : 0;
  const std::string value = message.value.substr(begin);
  const auto root = read_tree(value, TreeLimits{});
  if (!root || root->kind != Node::Kind::object) return std::nullopt;
  const Node* payload = root->member(headers["base64"].get<std::string>());
  const auto bytes = payload == nullptr || !payload->is_text() ? std::nullopt : bytes_of_base64(payload->text);
  const auto tree = bytes ? read_tree(*bytes, TreeLimits{}) : std::nullopt;
  if (!tree || tree->kind != Node::Kind::object) return std::nullopt;
  const std::size_t brace = value.find('{') + 1;
  const std::string text = value.substr(0, brace) + headers["payload"].dump() + ":" + *bytes + "," + value.substr(brace);
  if (!read_tree(text, TreeLimits{})) return std::nullopt;
  return Message{message.value.substr(0, begin) + text, message.headers};
}

Reading ReferenceMapping::read(const Message& message, std::int64_t receive_ns) const {
  return read_marked(*rules_, message, receive_ns, true).value_or(Reading{});
}

std::optional<Reading> ReferenceMapping::try_read(const Message& message, std::int64_t receive_ns) const {
  return read_marked(*rules_, message, receive_ns, false);
}

}  // namespace tidewaiter::ingest::testing
