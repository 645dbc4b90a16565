#include "tests/ingest/differential.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/body.hpp"

namespace tidewaiter::ingest::testing {
namespace {

constexpr std::int64_t receive_ns = 1'780'000'000'000'000'000;
const std::string any_format = "any";

const char* name_of(Reading::Kind kind) {
  return kind == Reading::Kind::event ? "event" : kind == Reading::Kind::reject ? "reject" : "unmapped";
}

std::string compared(const Columns& parser, const Columns& reference) {
  std::string text;
  for (const auto& [name, value] : parser) {
    const auto other = reference.find(name);
    if (other == reference.end()) text += "\n  " + name + ": parser '" + value + "', reference nothing";
    else if (other->second != value) text += "\n  " + name + ": parser '" + value + "', reference '" + other->second + "'";
  }
  for (const auto& [name, value] : reference)
    if (!parser.contains(name)) text += "\n  " + name + ": parser nothing, reference '" + value + "'";
  return text;
}

std::string compared(const Reading& parser, const Reading& reference) {
  if (parser.kind != reference.kind)
    return std::string(" kind: parser ") + name_of(parser.kind) + ", reference " + name_of(reference.kind);
  if (parser.events.size() != reference.events.size())
    return " events: parser " + std::to_string(parser.events.size()) + ", reference " +
           std::to_string(reference.events.size());
  for (std::size_t i = 0; i < parser.events.size(); ++i)
    if (const std::string text = compared(parser.events[i], reference.events[i]); !text.empty())
      return " event " + std::to_string(i) + text;
  return "";
}

}  // namespace

Differential::Differential() {
  ParserOptions options;
  options.strict = true;
  std::vector<MappingFile> files = embedded_mappings();
  files.push_back({"all_words", all_words_mapping});
  options.mappings.push_back(files.back());
  for (const MappingFile& file : files) {
    mappings_.emplace_back(file.json);
    names_.push_back(mappings_.back().format());
    options.topic_formats[names_.back()] = names_.back();
  }
  auto made = Parser::create(std::move(options));
  if (!made) throw std::runtime_error(made.error().message);
  parser_ = std::move(made).value();
}

Reading Differential::parsed(const std::string& topic, const Message& message) {
  Batch batch(message.value.size() * 4 + (1 << 16));
  BodyParts parts;
  for (const auto& [name, text] : message.headers) parts.headers.push_back({name, text});
  parts.receive_time_ns = receive_ns;
  parts.value = message.value;
  if (!append_message(batch, intern_origin("differential", {}, topic), partition_, 0, -1, parts))
    throw std::runtime_error("the batch has no room");
  parser_->parse(batch);
  const Record& record = batch.records.front();
  Reading reading;
  if (record.kind == RecordKind::reject) reading.kind = Reading::Kind::reject;
  if (record.kind != RecordKind::event) return reading;
  reading.kind = Reading::Kind::event;
  for (const Event& event : batch.events) {
    Columns columns = columns_of(event);
    if (columns["flags"] == "0") columns.erase("flags");
    if (columns.contains("flags") && columns["flags"].empty()) columns.erase("flags");
    reading.events.push_back(std::move(columns));
  }
  return reading;
}

Reading Differential::by_format(const ReferenceMapping& mapping, const Message& message) const {
  const auto opened = mapping.opened(message, receive_ns);
  return mapping.read(opened ? *opened : message, receive_ns);
}

/// The format that fitted last is tried first, then all others in their order. Lines come before JSON.
Reading Differential::by_shape(const Message& message, bool opened) {
  std::vector<std::size_t> order = {last_fit_};
  for (std::size_t i = 0; i < mappings_.size(); ++i)
    if (i != last_fit_) order.push_back(i);
  bool reject = false;
  for (const std::size_t i : order) {
    const auto reading = mappings_[i].try_read(message, receive_ns);
    if (!reading) continue;
    reject = reject || reading->kind == Reading::Kind::reject;
    if (reading->kind == Reading::Kind::reject) continue;
    last_fit_ = i;
    const auto inside = opened ? std::nullopt : mappings_[i].opened(message, receive_ns);
    return inside ? by_shape(*inside, true) : *reading;
  }
  return {reject ? Reading::Kind::reject : Reading::Kind::unmapped, {}};
}

std::string Differential::difference(const std::string& format, const Message& message) {
  ++partition_;
  const auto number = static_cast<std::size_t>(std::find(names_.begin(), names_.end(), format) - names_.begin());
  const Reading reading = parsed(format, message);
  count(reading);
  std::string text = compared(reading, by_format(mappings_.at(number), message));
  if (!text.empty()) text = "as " + format + ":" + text;
  const std::string last = names_[last_fit_];
  if (const std::string other = compared(parsed(any_format, message), by_shape(message)); !other.empty())
    text += (text.empty() ? "" : "\n") + ("by its shape, after " + last + ":" + other);
  return text;
}

void Differential::count(const Reading& reading) {
  ++(reading.kind == Reading::Kind::event    ? seen_.events
     : reading.kind == Reading::Kind::reject ? seen_.rejects
                                             : seen_.unmapped);
  seen_.several_events += reading.events.size() > 1;
  for (const Columns& event : reading.events) {
    const auto found = event.find("flags");
    const std::uint64_t flags = found == event.end() ? 0 : std::stoull(found->second);
    seen_.duplicate_keys += (flags & flag::duplicate_key) != 0;
    seen_.replaced += (flags & flag::bad_utf8_replaced) != 0;
  }
}

std::string Differential::written(const std::string& format, const Message& message) {
  std::string text = format;
  for (const auto& [name, value] : message.headers) text += "\t" + name + "=" + value;
  return text + "\n" + message.value;
}

std::string Differential::read(std::string_view text, Message& message) const {
  std::string head(text.substr(0, text.find('\n')));
  message.value = text.substr(std::min(head.size() + 1, text.size()));
  message.headers.clear();
  std::string format;
  for (std::size_t begin = 0, number = 0; begin <= head.size(); ++number) {
    const std::size_t end = std::min(head.find('\t', begin), head.size());
    const std::string part = head.substr(begin, end - begin);
    const std::size_t equals = part.find('=');
    if (number == 0) format = part;
    else if (equals != std::string::npos) message.headers.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    begin = end + 1;
  }
  if (std::find(names_.begin(), names_.end(), format) != names_.end()) return format;
  std::size_t sum = 0;
  for (const char c : format) sum = sum * 31 + static_cast<unsigned char>(c);
  return names_[sum % names_.size()];
}

std::vector<Message> example_messages(const std::string& folder, const std::string& name) {
  std::ifstream input(folder + "/" + name + "/input.jsonl"), expected(folder + "/" + name + "/expected.jsonl");
  std::vector<Message> messages;
  if (name == "all_words")
    for (const std::string& text : all_words_messages()) messages.push_back({text, {}});
  for (std::string line, outcome; std::getline(input, line) && std::getline(expected, outcome);) {
    Message message{line, {}};
    const auto parsed = nlohmann::json::parse(outcome);
    if (parsed.contains("headers"))
      for (const auto& [header, value] : parsed["headers"].items()) message.headers.emplace_back(header, value);
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace tidewaiter::ingest::testing
