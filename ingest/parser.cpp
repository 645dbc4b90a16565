#include "ingest/parser.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/prefetch.hpp"
#include "core/text.hpp"
#include "ingest/extracts.hpp"
#include "ingest/json_text.hpp"
#include "ingest/parser_state.hpp"
#include "ingest/record_headers.hpp"

namespace tidewaiter::ingest {

namespace ondemand = simdjson::ondemand;

namespace {

/// Depth cannot be above the number of opening brackets, nor keys above the number of colons; and a key takes 4 bytes.
bool surely_within(std::string_view text, const JsonLimits& limits) {
  if (text.size() / 4 > limits.keys_max && count_marks(text).colons > limits.keys_max) return false;
  return count_opened(text) <= limits.depth_max || nests_within(text, limits.depth_max);
}

/// What the record after the one whose turn it is will read and write: how its message begins, and the lines of its event,
/// which no other core may keep a copy of.
void prefetch_turn(Batch& batch, const Record& next) {
  constexpr std::size_t line = 64, most = 1024;
  for (std::size_t at = 0; at < std::min(next.value.size(), most); at += line) prefetch_line(next.value.data() + at);
  if (batch.events.size() + 1 >= batch.events.capacity()) return;
  char* place = reinterpret_cast<char*>(batch.events.data() + batch.events.size() + 1);
  for (std::size_t at = 0; at < sizeof(Event); at += line) prefetch_line_to_write(place + at);
}

}  // namespace

void Parser::State::enter_topic(const Origin* origin) {
  last_origin = origin;
  auto [found, added] = topics.try_emplace(origin);
  topic = &found->second;
  if (!added) return;
  topic->strict = options.strict || (origin != nullptr && options.strict_topics.contains(origin->topic));
  if (origin == nullptr) return;
  const auto fixed = options.topic_formats.find(origin->topic);
  const std::string& name = fixed == options.topic_formats.end() ? options.format : fixed->second;
  for (std::size_t i = 0; i < formats.size() && !name.empty(); ++i)
    if (formats[i].name == name) topic->fixed = topic->last_fit = i;
}

void Parser::State::parse(Batch& batch, Record& record) {
  record.first_event = static_cast<std::uint32_t>(batch.events.size());
  record.event_count = 0;
  if (record.value_null) {
    record.kind = RecordKind::tombstone;
    return;
  }
  if (record.origin != last_origin || topic == nullptr) enter_topic(record.origin);
  bool mapped = false;
  const std::string_view whole = record.value;
  bool marked = whole.starts_with(byte_order_mark);
  if (marked) [[unlikely]] {
    record.value.remove_prefix(byte_order_mark.size());
    marked = !record.value.starts_with(byte_order_mark);  // a second one is no mark and no JSON
    if (!marked) record.value = whole;
  }
  record.reason = map(batch, record, mapped);
  record.value = whole;
  if (record.reason != RejectReason::none) {
    record.kind = RecordKind::reject;
    batch.events.resize(record.first_event);
    FormatCount& count = topic->fixed == SIZE_MAX ? unknown : formats[topic->fixed].count;
    ++count.rejects[static_cast<std::size_t>(record.reason)];
    return;
  }
  record.kind = mapped ? RecordKind::event : RecordKind::unmapped;
  if (!mapped) {
    batch.events.resize(record.first_event);
    EventWriter::unmapped(record, batch.events.emplace_back());
    batch.events.back().record = static_cast<std::uint32_t>(&record - batch.records.data());
    ++unknown.events;
  }
  record.event_count = static_cast<std::uint32_t>(batch.events.size()) - record.first_event;
  if (!marked) return;
  for (std::uint32_t i = 0; i < record.event_count; ++i) {
    Event& event = batch.events[record.first_event + i];
    event.set(Num::flags, event.get(Num::flags) | flag::byte_order_mark);
  }
}

simdjson::error_code Parser::State::iterate(std::string_view value, ondemand::document& document) {
  if (value.size() > json.capacity())
    if (const auto error = json.allocate(std::bit_ceil(std::max<std::size_t>(value.size(), 65'536)))) return error;
  return json.iterate(value.data(), value.size(), value.size() + simdjson::SIMDJSON_PADDING).get(document);
}

/// A payload in base64 is read as if it stood in the message.
RejectReason Parser::State::map(Batch& batch, Record& record, bool& mapped) {
  const RejectReason reason = map_text(batch, record, mapped);
  if (opened.empty()) [[likely]] return reason;
  batch.events.resize(record.first_event);
  mapped = false;
  record.value = std::exchange(opened, {});
  is_opened = true;
  const RejectReason of_opened = map_text(batch, record, mapped);
  is_opened = false;
  return of_opened;
}

/// "" when what is there in base64 is no JSON object, or both together are over a limit.
std::string_view Parser::State::with_payload(Batch& batch, std::string_view value, const Plan& plan) const {
  const std::string_view written = writer.captured(plan.base64_capture);
  std::string base64(written.size(), '\0');
  base64.resize(unescape_json(written, base64.data()).length);
  const auto payload = base64.empty() ? std::nullopt : decoded_base64(base64);
  const std::size_t brace = value.find('{');
  if (!payload || !trimmed(*payload).starts_with('{') || brace == std::string_view::npos) return {};
  std::string text(value.substr(0, brace + 1));
  text.append("\"").append(plan.payload_key).append("\":").append(*payload).append(",").append(value.substr(brace + 1));
  if (check_json(text, options.limits) != RejectReason::none) return {};
  const std::size_t size = text.size();
  text.append(simdjson::SIMDJSON_PADDING, '\0');
  return batch.keep(std::move(text)).substr(0, size);
}

RejectReason Parser::State::map_text(Batch& batch, Record& record, bool& mapped) {
  const std::string_view value = record.value;
  if (value.size() > options.limits.message_bytes_max) return RejectReason::too_large;
  if (has_text && !value.empty() && !begins_like_json(value)) [[unlikely]] {
    const RejectReason reason = lines(batch, record, mapped);
    if (mapped || reason != RejectReason::none) return reason;
  }
  if (topic->strict || !surely_within(value, options.limits))
    if (const RejectReason reason = check_json(value, options.limits); reason != RejectReason::none) return reason;
  ondemand::document document;
  if (iterate(value, document) != simdjson::SUCCESS) return why_broken(value);
  ondemand::json_type type;
  if (document.type().get(type) != simdjson::SUCCESS) return why_broken(value);
  const bool array = type == ondemand::json_type::array;
  if (!array && type != ondemand::json_type::object) return check_json(value, options.limits);
  const std::size_t first = topic->last_fit;
  if (first < formats.size())
    if (const RejectReason reason = try_format(batch, record, first, document, array, mapped);
        mapped || reason != RejectReason::none)
      return reason;
  if (topic->fixed != SIZE_MAX) return check_json(value, options.limits);
  KeySet keys;
  document.rewind();
  if (!shape(document, array, keys)) return why_broken(value);
  for (std::size_t i = 0; i < formats.size() && !mapped; ++i) {
    if (i == first || !formats[i].may_fit(keys, array)) continue;
    document.rewind();
    if (const RejectReason reason = try_format(batch, record, i, document, array, mapped); reason != RejectReason::none)
      return reason;
    if (mapped) topic->last_fit = i;
  }
  return mapped ? RejectReason::none : check_json(value, options.limits);
}

RejectReason Parser::State::try_format(Batch& batch, Record& record, std::size_t number, ondemand::document& document,
                                       bool array, bool& mapped) {
  Format& format = formats[number];
  if (format.general && (array || !format.plain)) return walk(batch, record, format, document, mapped);
  if (array) return RejectReason::none;
  const RejectReason reason = walk(batch, record, *format.plain, document, mapped);
  if (mapped && opened.empty()) ++format.count.events;
  return reason;
}

RejectReason Parser::State::walk(Batch& batch, Record& record, PlanWalker& walker, ondemand::document& document,
                                 bool& mapped) {
  batch.events.resize(record.first_event);
  Event& event = batch.events.emplace_back();
  event.record = static_cast<std::uint32_t>(&record - batch.records.data());
  writer.begin(batch, walker.plan(), event);
  walker.begin();
  const bool payload_only = attributes_in_headers(record, walker);
  ondemand::object root;
  if (document.get_object().get(root) != simdjson::SUCCESS) return why_broken(record.value);
  if (!walker.document(root, payload_only, writer)) return why_broken(record.value);
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return why_broken(record.value);
  if (walker.odd() || writer.broken())
    if (const RejectReason reason = check_json(record.value, options.limits); reason != RejectReason::none)
      return reason;
  mapped = writer.is_of_format();
  if (!mapped) return RejectReason::none;
  writer.finish(record);
  if (walker.plan().base64_capture >= 0 && !payload_only && !is_opened)
    opened = with_payload(batch, record.value, walker.plan());
  return RejectReason::none;
}

RejectReason Parser::State::walk(Batch& batch, Record& record, Format& format, ondemand::document& document,
                                 bool& mapped) {
  batch.events.resize(record.first_event);
  if (explanation != nullptr) *explanation = {format.name, {}, {}};
  const WalkResult result = format.general->document(document, batch, record, walk_limits(), explanation);
  if (result.broken) return why_broken(record.value);
  if (result.odd)
    if (const RejectReason reason = check_json(record.value, options.limits); reason != RejectReason::none)
      return reason;
  return settle(batch, record, format, result, mapped);
}

RejectReason Parser::State::settle(Batch& batch, Record& record, Format& format, const WalkResult& result, bool& mapped) {
  if (result.too_many) return RejectReason::too_many_events;
  mapped = result.fitting > 0 || result.order_unknown;
  if (result.order_unknown) {
    batch.events.resize(record.first_event);
    return RejectReason::none;
  }
  if (mapped) {
    format.count.events += result.events;
    format.count.unread_keys += result.unread_keys;
    return RejectReason::none;
  }
  batch.events.resize(record.first_event);
  const bool fixed = topic->fixed != SIZE_MAX && &format == &formats[topic->fixed];
  return fixed && result.no_element ? RejectReason::no_event : RejectReason::none;
}

/// The message does not begin like JSON: lines of a text format, if one knows them. A header line alone is a record
/// without events.
RejectReason Parser::State::lines(Batch& batch, Record& record, bool& mapped) {
  for (std::size_t i = 0; i < formats.size(); ++i) {
    Format& format = formats[i];
    const bool fixed = topic->fixed == i;
    if (!format.general || !format.general->recipe().is_text || (topic->fixed != SIZE_MAX && !fixed)) continue;
    if (!simdjson::validate_utf8(record.value.data(), record.value.size())) {
      if (fixed) return RejectReason::not_utf8;
      break;  // lines of no format: what is wrong is told as for JSON
    }
    batch.events.resize(record.first_event);
    if (explanation != nullptr) *explanation = {format.name, {}, {}};
    const WalkResult result = format.general->lines(record.value, batch, record, walk_limits(), explanation);
    if (result.too_many) return RejectReason::too_many_events;
    if (result.order_unknown) {
      batch.events.resize(record.first_event);
      mapped = true;
      return RejectReason::none;
    }
    mapped = result.fitting > 0 || (result.no_element && result.events == 0) || (fixed && result.events > 0);
    if (mapped) {
      format.count.events += result.events;
      topic->last_fit = i;
      return RejectReason::none;
    }
    batch.events.resize(record.first_event);
    if (fixed) return RejectReason::no_event;
  }
  return RejectReason::none;
}

/// CloudEvents binary mode: the attributes are headers and the value is the payload alone.
bool Parser::State::attributes_in_headers(const Record& record, PlanWalker& walker) {
  const Plan& plan = walker.plan();
  return for_each_attribute(record, plan.header_prefix, plan.content_type, [&](std::string_view name, std::string_view text) {
    walker.attribute(name, text, writer);
  });
}

/// The reason that the exact check finds. When it finds none, simdjson and it disagree: then the text is not used.
RejectReason Parser::State::why_broken(std::string_view value) const {
  const RejectReason reason = check_json(value, options.limits);
  return reason == RejectReason::none ? RejectReason::not_json : reason;
}

Parser::Parser(std::unique_ptr<State> state) : state_(std::move(state)) {}
Parser::~Parser() = default;

Result<std::unique_ptr<Parser>> Parser::create(ParserOptions options, const std::vector<MappingFile>& mappings) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  TRY(check_distinct(state->options.mappings));
  for (const MappingFile& file : mappings) TRY(state->add(file));
  for (const MappingFile& file : state->options.mappings) TRY(state->add(file));
  auto known = [&](const std::string& name) {
    return std::any_of(state->formats.begin(), state->formats.end(), [&](const Format& f) { return f.name == name; });
  };
  for (const auto& [topic, name] : state->options.topic_formats)
    if (!known(name)) return fail(Code::invalid_argument, "topic " + topic + ": no mapping for format '" + name + "'");
  if (!state->options.format.empty() && !known(state->options.format))
    return fail(Code::invalid_argument, "no mapping for format '" + state->options.format + "'");
  return std::unique_ptr<Parser>(new Parser(std::move(state)));
}

void Parser::parse(Batch& batch) {
  const std::size_t before = batch.events.size(), records = batch.records.size();
  batch.events.reserve(before + state_->events_expected(records));
  for (std::size_t i = 0; i < records; ++i) {
    if (i + 1 < records) prefetch_turn(batch, batch.records[i + 1]);
    state_->parse(batch, batch.records[i]);
  }
  if (records > 0) state_->events_per_record = static_cast<double>(batch.events.size() - before) / static_cast<double>(records);
}

Explanation Parser::explain(Batch& batch, Record& record) {
  Explanation explanation;
  state_->explanation = &explanation;
  state_->parse(batch, record);
  state_->explanation = nullptr;
  return explanation;
}

void Parser::recall_orders_by(const RecallOrder& recall, bool for_each_record) {
  for (Format& format : state_->formats)
    if (format.general && format.general->recipe().is_text) format.general->recall_orders_by(recall, for_each_record);
}

void Parser::forget_orders() {
  for (Format& format : state_->formats)
    if (format.general) format.general->forget_orders();
}

std::vector<TextOrder> Parser::take_orders() {
  std::vector<TextOrder> all;
  for (Format& format : state_->formats) {
    if (!format.general || !format.general->recipe().is_text) continue;
    for (TextOrder& one : format.general->take_orders()) all.push_back(std::move(one));
  }
  return all;
}

void Parser::visit_counts(const std::function<void(std::size_t, const FormatCount&)>& visit) const {
  std::size_t number = 0;
  for (const Format& format : state_->formats) visit(number++, format.count);
  visit(number, state_->unknown);
}

void Parser::judge_by(const std::shared_ptr<const Trust>& trust) {
  state_->signatures_before = signature_counts();
  for (Format& format : state_->formats)
    if (format.general && !format.general->recipe().signatures.empty()) format.general->judge_signatures(trust);
}

SignatureCounts Parser::signature_counts() const {
  SignatureCounts counts = state_->signatures_before;
  for (const Format& format : state_->formats) {
    const Attestation* attestation = format.general ? format.general->attestation() : nullptr;
    if (attestation == nullptr) continue;
    for (std::size_t i = 0; i < signature_status_count; ++i) counts.judged[i] += attestation->counts()[i];
    counts.passed_over += attestation->passed_over();
  }
  return counts;
}

std::vector<FormatCount> Parser::counts() const {
  std::vector<FormatCount> counts;
  visit_counts([&](std::size_t number, const FormatCount& count) {
    counts.push_back(count);
    counts.back().format = number < state_->formats.size() ? state_->formats[number].name : "unknown";
  });
  return counts;
}

}  // namespace tidewaiter::ingest
