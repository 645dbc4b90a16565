// The only user of simdjson. The walk iterates over the fields of each object and guesses the next key from the last
// message ("after principal came principal_type"): a right guess is one 32-byte compare, a wrong one a hash probe. So
// it costs what asking in document order costs, for any order, and sees duplicate keys on mapped paths.
#include "ingest/parser.hpp"

#include <simdjson.h>

#include <array>
#include <bit>
#include <bitset>
#include <cstring>
#include <unordered_map>

#include "core/text.hpp"
#include "ingest/event_writer.hpp"
#include "ingest/json_text.hpp"
#include "ingest/plan.hpp"
#include "ingest/recipe_walker.hpp"
#include "ingest/record_headers.hpp"

namespace tidewaiter::ingest {
namespace {

namespace ondemand = simdjson::ondemand;

/// Depth cannot be above the number of opening brackets, nor keys above the number of colons.
bool surely_within(std::string_view text, const JsonLimits& limits) {
  const Marks marks = count_marks(text);
  return marks.opened <= limits.depth_max && marks.colons <= limits.keys_max;
}

/// What the walk needs of one key, in two cache lines, and what it has learned.
struct alignas(64) Step {
  std::array<char, 32> key_bytes{};
  std::uint32_t key_mask = 0;
  std::uint32_t node = 0;
  Step* next = nullptr;   // the key that came after this one last time
  Step* first = nullptr;  // the key that came first in this object
  std::uint64_t bit = 0;  // among its siblings
  const Leaf* leaves = nullptr;
  std::uint32_t leaf_count = 0;
  std::int32_t capture = -1;
  bool plain = false;     // one uncontested string column, copied: nearly half of all fields

  bool is(const char* key, const PlanNode& plan_node) const {
    if (key_mask == 0)
      return std::memcmp(key, plan_node.key.data(), plan_node.key.size()) == 0 && key[plan_node.key.size()] == '"';
#if defined(__AVX2__)
    const __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(key)),
                                           _mm256_load_si256(reinterpret_cast<const __m256i*>(key_bytes.data())));
    return (~static_cast<std::uint32_t>(_mm256_movemask_epi8(same)) & key_mask) == 0;
#else
    return std::memcmp(key, key_bytes.data(), plan_node.key.size() + 1) == 0;
#endif
  }
};

/// Execution of one plan on one document, with what it has learned of the order of keys.
class Walker {
 public:
  explicit Walker(std::unique_ptr<Plan> plan) : plan_(std::move(plan)), steps_(plan_->nodes.size()) {
    for (std::uint32_t i = 0; i < steps_.size(); ++i) steps_[i] = step_of(i);
    for (const PlanNode& node : plan_->nodes)
      for (std::uint32_t i = 0; i < node.child_count; ++i) {
        steps_[node.first_child + i].bit = std::uint64_t{1} << i;
        if (i > 0) steps_[node.first_child + i - 1].next = &steps_[node.first_child + i];
      }
  }

  const Plan& plan() const { return *plan_; }
  /// Something under a mapped path is no JSON token: the exact check must have the last word.
  bool odd() const { return odd_; }

  /// Walks the whole document, or the payload alone. False: it is broken.
  bool document(ondemand::object& root, bool payload_only, EventWriter& out) {
    return object(root, steps_[payload_only ? plan_->payload_node : 0], out);
  }
  void begin() { odd_ = false; }

  /// An attribute that came as a header. It has no escapes.
  void attribute(std::string_view name, std::string_view text, EventWriter& out) {
    const std::uint32_t child = plan_->child(0, name);
    if (child != Plan::none) put_all(steps_[child], text, out);
  }

 private:
  Step step_of(std::uint32_t number) {
    const PlanNode& node = plan_->nodes[number];
    Step step;
    step.key_bytes = node.key_bytes;
    step.key_mask = node.key_mask;
    step.node = number;
    if (node.child_count > 0) step.first = &steps_[node.first_child];
    step.leaves = plan_->leaves.data() + node.first_leaf;
    step.leaf_count = node.leaf_count;
    step.capture = node.capture;
    step.plain = node.leaf_count == 1 && node.capture < 0 && step.leaves->as == Transform::copy &&
                 !step.leaves->contested && step.leaves->separator == 0;
    return step;
  }

  bool object(ondemand::object& fields, Step& at, EventWriter& out) {
    std::uint64_t seen = 0;
    Step** guess = &at.first;
    for (auto result : fields) {
      ondemand::field field;
      if (std::move(result).get(field) != simdjson::SUCCESS) return false;
      const char* key = field.key().raw();
      Step* step = follow(*guess, key);
      if (step == nullptr) [[unlikely]] {
        step = look_up(at.node, key);
        if (step == nullptr) continue;
        *guess = step;
      }
      guess = &step->next;
      if ((seen & step->bit) != 0) [[unlikely]] {
        out.flag(flag::duplicate_key);  // the first one counts
        continue;
      }
      seen |= step->bit;
      if (!take(field.value(), *step, out)) return false;
    }
    return true;
  }

  /// The expected key, or one of the next that were seen behind it: optional keys are left out all the time, and the
  /// chain keeps the order of them all.
  Step* follow(Step* step, const char* key) const {
    for (int i = 0; i < 4 && step != nullptr; ++i, step = step->next)
      if (step->is(key, plan_->nodes[step->node])) return step;
    return nullptr;
  }

  Step* look_up(std::uint32_t at, const char* key) {
    KeyText buffer;
    const std::uint32_t child = plan_->child(at, key_text(key, buffer));
    return child == Plan::none ? nullptr : &steps_[child];
  }

  /// The first character of a value decides what it is. Values that are not entered are skipped by the iterator.
  bool take(ondemand::value value, Step& step, EventWriter& out) {
    const std::string_view token = value.raw_json_token();
    switch (token[0]) {
      case '"': {
        if (step.leaf_count == 0 && step.capture < 0) return true;
        const std::string_view text = string(token.data() + 1, out);
        if (step.plain && text.size() <= step.leaves->limit_bytes)
          out.set(static_cast<Str>(step.leaves->slot), text);
        else
          put_all(step, text, out);
        return true;
      }
      case '{': {
        if (step.capture >= 0) out.present(step.capture);
        if (step.first == nullptr) return true;
        ondemand::object inner;
        return value.get_object().get(inner) == simdjson::SUCCESS && object(inner, step, out);
      }
      case '[':
        if (step.capture >= 0) out.present(step.capture);
        return step.leaf_count == 0 || array(value, step, out);
      default: scalar(trimmed(token), step, out); return true;
    }
  }

  static std::string_view string(const char* inside, EventWriter& out) {
    const StringExtent extent = string_extent(inside);
    return out.text_of({inside, extent.length}, extent.escaped);
  }

  void scalar(std::string_view token, const Step& step, EventWriter& out) {
    if (is_json_number(token) || (is_json_literal(token) && token != "null"))
      put_all(step, token, out);
    else
      odd_ = odd_ || token != "null";
  }

  /// Only sets and joined words are read from arrays; other elements than strings do not count.
  bool array(ondemand::value& value, const Step& step, EventWriter& out) {
    const Leaf& leaf = *step.leaves;
    if (leaf.as != Transform::word_set && leaf.as != Transform::join_words) return true;
    ondemand::array elements;
    if (value.get_array().get(elements) != simdjson::SUCCESS) return false;
    for (auto result : elements) {
      ondemand::value element;
      if (std::move(result).get(element) != simdjson::SUCCESS) return false;
      const std::string_view token = element.raw_json_token();
      if (token[0] == '"')
        out.put(leaf, string(token.data() + 1, out));
      else if (token[0] != '{' && token[0] != '[' && !is_json_number(trimmed(token)))
        odd_ = odd_ || !is_json_literal(trimmed(token));
    }
    return true;
  }

  static void put_all(const Step& step, std::string_view text, EventWriter& out) {
    for (std::uint32_t i = 0; i < step.leaf_count; ++i) out.put(step.leaves[i], text);
    if (step.capture >= 0) out.capture(step.capture, text);
  }

  std::unique_ptr<Plan> plan_;
  std::vector<Step> steps_;  // by node; never moves
  bool odd_ = false;
};

constexpr std::size_t shape_keys_max = 512;
using KeySet = std::bitset<shape_keys_max>;

/// A format: executed by the quick walk or by the general one.
struct Format {
  std::string name;
  std::unique_ptr<Walker> plain;
  std::unique_ptr<RecipeWalker> general;
  struct Way {
    KeySet keys;
    bool array = false;
  };
  std::vector<Way> ways;  // top-level keys of messages that may fit
  bool by_headers = false;
  FormatCount count;

  bool may_fit(const KeySet& keys, bool array) const {
    if (by_headers) return true;
    for (const Way& way : ways)
      if (way.array == array && (way.keys & keys) == way.keys) return true;
    return false;
  }
};

struct Topic {
  bool strict = false;
  std::size_t fixed = SIZE_MAX;     // the only format it may have
  std::size_t last_fit = 0;
};

}  // namespace

struct Parser::State {
  ParserOptions options;
  std::vector<Format> formats;
  std::unordered_map<std::string, std::size_t> key_numbers;  // top-level keys that tell formats apart
  std::unordered_map<const Origin*, Topic> topics;
  Topic* topic = nullptr;
  const Origin* last_origin = nullptr;
  EventWriter writer;
  ondemand::parser json;
  Explanation* explanation = nullptr;
  FormatCount unknown;
  SignatureCounts signatures_before;  // judged by other keys than those of now
  bool has_text = false;

  void parse(Batch& batch, Record& record);
  void enter_topic(const Origin* origin);
  RejectReason map(Batch& batch, Record& record, bool& mapped);
  RejectReason try_format(Batch& batch, Record& record, std::size_t number, ondemand::document& document, bool array,
                          bool& mapped);
  RejectReason walk(Batch& batch, Record& record, Walker& walker, ondemand::document& document, bool& mapped);
  RejectReason walk(Batch& batch, Record& record, Format& format, ondemand::document& document, bool& mapped);
  RejectReason lines(Batch& batch, Record& record, bool& mapped);
  RejectReason settle(Batch& batch, Record& record, Format& format, const WalkResult& result, bool& mapped);
  bool shape(ondemand::document& document, bool array, KeySet& keys);
  bool add_keys(ondemand::object& fields, KeySet& keys) const;
  bool attributes_in_headers(const Record& record, Walker& walker);
  RejectReason why_broken(std::string_view value) const;
  simdjson::error_code iterate(std::string_view value, ondemand::document& document);
  Result<void> add(const MappingFile& file);
  void number_keys();
  KeySet numbers_of(const std::vector<std::string>& keys);
  WalkLimits walk_limits() const { return {options.limits, options.events_max, topic->strict}; }
};

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
  record.reason = map(batch, record, mapped);
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
}

simdjson::error_code Parser::State::iterate(std::string_view value, ondemand::document& document) {
  if (value.size() > json.capacity())
    if (const auto error = json.allocate(std::bit_ceil(std::max<std::size_t>(value.size(), 65'536)))) return error;
  return json.iterate(value.data(), value.size(), value.size() + simdjson::SIMDJSON_PADDING).get(document);
}

RejectReason Parser::State::map(Batch& batch, Record& record, bool& mapped) {
  const std::string_view value = record.value;
  if (value.size() > options.limits.message_bytes_max) return RejectReason::too_large;
  if (has_text && !value.empty() && value[0] != '{' && value[0] != '[') [[unlikely]] {
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
  if (format.general) return walk(batch, record, format, document, mapped);
  if (array) return RejectReason::none;
  const RejectReason reason = walk(batch, record, *format.plain, document, mapped);
  if (mapped) ++format.count.events;
  return reason;
}

RejectReason Parser::State::walk(Batch& batch, Record& record, Walker& walker, ondemand::document& document,
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
  if (mapped) writer.finish(record);
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
  mapped = result.fitting > 0;
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

/// Which of the keys that tell formats apart the message has; of a list, any of its elements.
bool Parser::State::shape(ondemand::document& document, bool array, KeySet& keys) {
  ondemand::object fields;
  if (!array) return document.get_object().get(fields) == simdjson::SUCCESS && add_keys(fields, keys);
  ondemand::array elements;
  if (document.get_array().get(elements) != simdjson::SUCCESS) return false;
  for (auto result : elements) {
    ondemand::value one;
    if (std::move(result).get(one) != simdjson::SUCCESS) return false;
    if (one.raw_json_token()[0] != '{') continue;
    if (one.get_object().get(fields) != simdjson::SUCCESS || !add_keys(fields, keys)) return false;
  }
  return true;
}

bool Parser::State::add_keys(ondemand::object& fields, KeySet& keys) const {
  std::string name;
  for (auto result : fields) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return false;
    KeyText buffer;
    name = key_text(field.key().raw(), buffer);
    const auto known = key_numbers.find(name);
    if (known != key_numbers.end() && known->second < shape_keys_max) keys.set(known->second);
  }
  return true;
}

/// CloudEvents binary mode: the attributes are headers and the value is the payload alone.
bool Parser::State::attributes_in_headers(const Record& record, Walker& walker) {
  const Plan& plan = walker.plan();
  if (plan.header_prefix.empty() || record.body.empty()) return false;
  bool whole = false;
  std::size_t attributes = 0;
  for_each_header(record, [&](std::string_view name, std::string_view text) {
    if (name.starts_with(plan.header_prefix))
      ++attributes;
    else if (equal_ignoring_case(name, "content-type"))
      whole = text.size() >= plan.content_type.size() &&
              equal_ignoring_case(text.substr(0, plan.content_type.size()), plan.content_type);
  });
  if (whole || attributes == 0) return false;
  for_each_header(record, [&](std::string_view name, std::string_view text) {
    if (name.starts_with(plan.header_prefix)) walker.attribute(name.substr(plan.header_prefix.size()), text, writer);
  });
  return true;
}

/// The reason that the exact check finds. When it finds none, simdjson and it disagree: then the text is not used.
RejectReason Parser::State::why_broken(std::string_view value) const {
  const RejectReason reason = check_json(value, options.limits);
  return reason == RejectReason::none ? RejectReason::not_json : reason;
}

KeySet Parser::State::numbers_of(const std::vector<std::string>& keys) {
  KeySet set;
  for (const std::string& key : keys) {
    const std::size_t number = key_numbers.try_emplace(key, key_numbers.size()).first->second;
    if (number < shape_keys_max) set.set(number);
  }
  return set;
}

Result<void> Parser::State::add(const MappingFile& file) {
  Format format;
  if (is_plain_mapping(file.json) && !options.explain) {
    TRY_ASSIGN(auto plan, Plan::compile(file.json, file.name));
    format.name = plan->format;
    format.by_headers = !plan->header_prefix.empty();
    std::vector<std::string> keys;
    for (std::uint32_t i = 0; i < plan->nodes[0].child_count; ++i) {
      const PlanNode& node = plan->nodes[plan->nodes[0].first_child + i];
      if (node.capture >= 0 && (plan->required_captures >> node.capture & 1) != 0) keys.push_back(node.key);
    }
    format.ways.push_back({numbers_of(keys), false});
    format.plain = std::make_unique<Walker>(std::move(plan));
  } else {
    TRY_ASSIGN(auto recipe, Recipe::compile(file.json, file.name));
    format.name = recipe->format;
    for (const Shape& one : recipe->shapes) {
      format.by_headers = format.by_headers || one.any_header;
      format.ways.push_back({numbers_of(one.keys), one.array});
    }
    has_text = has_text || recipe->is_text;
    const bool is_signed = !recipe->signatures.empty();
    format.general = std::make_unique<RecipeWalker>(std::move(recipe));
    if (is_signed && options.trust) format.general->judge_signatures(options.trust);
    for (const auto& [name, columns] : options.text_columns)
      if (name == format.name) format.general->set_text_columns(columns);
  }
  const auto same = std::find_if(formats.begin(), formats.end(), [&](const Format& f) { return f.name == format.name; });
  if (same != formats.end()) *same = std::move(format);
  else formats.push_back(std::move(format));
  return {};
}

Parser::Parser(std::unique_ptr<State> state) : state_(std::move(state)) {}
Parser::~Parser() = default;

Result<std::unique_ptr<Parser>> Parser::create(ParserOptions options, const std::vector<MappingFile>& mappings) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
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
  batch.events.reserve(batch.events.size() + batch.records.size() + 1);
  for (Record& record : batch.records) state_->parse(batch, record);
}

Explanation Parser::explain(Batch& batch, Record& record) {
  Explanation explanation;
  state_->explanation = &explanation;
  state_->parse(batch, record);
  state_->explanation = nullptr;
  return explanation;
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
