// The only user of simdjson. The walk iterates over the fields of each object and guesses the next key from the last
// message ("after principal came principal_type"): a right guess is one 32-byte compare, a wrong one a hash probe. So
// it costs what asking in document order costs, for any order, and sees duplicate keys on mapped paths.
#include "ingest/parser.hpp"

#include <simdjson.h>

#include <array>
#include <bit>
#include <cstring>

#include "core/text.hpp"
#include "ingest/event_writer.hpp"
#include "ingest/json_text.hpp"
#include "ingest/plan.hpp"

namespace tidewaiter::ingest {
namespace {

namespace ondemand = simdjson::ondemand;

std::string_view trimmed(std::string_view token) {
  const std::size_t end = token.find_last_not_of(" \t\r\n");
  return token.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

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
    const StringExtent extent = string_extent(key);
    char buffer[256];
    std::string_view text(key, extent.length);
    if (extent.escaped) {
      if (extent.length > sizeof buffer) return nullptr;
      text = {buffer, unescape_json(text, buffer).length};
    }
    const std::uint32_t child = plan_->child(at, text);
    return child == Plan::none ? nullptr : &steps_[child];
  }

  /// The first character of a value decides what it is. Values that are not entered are skipped by the iterator.
  bool take(ondemand::value value, Step& step, EventWriter& out) {
    const std::string_view token = value.raw_json_token();
    switch (token[0]) {
      case '"': {
        const std::string_view text = string(token.data() + 1, out);
        if (step.plain && text.size() <= step.leaves->limit_bytes)
          out.set(static_cast<Str>(step.leaves->slot), text);
        else
          put_all(step, text, out);
        return true;
      }
      case '{': {
        if (step.first == nullptr) return true;
        ondemand::object inner;
        return value.get_object().get(inner) == simdjson::SUCCESS && object(inner, step, out);
      }
      case '[': return step.leaf_count == 0 || array(value, step, out);
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

/// The headers of a body, without the allocation of read_body. `visit(name, value)`; null values are left out.
template <class Visit>
void for_each_header(const Record& record, Visit visit) {
  const char* at = record.body.data();
  auto length = [&] {
    const auto value = get_be<std::uint32_t>(at);
    at += 4;
    return value;
  };
  auto text = [&](std::uint32_t size) {
    const std::string_view view(at, size);
    at += size;
    return view;
  };
  constexpr std::uint32_t null_length = 0xFFFFFFFF;
  if (const std::uint32_t key = length(); key != null_length) text(key);
  for (std::uint32_t left = length(); left > 0; --left) {
    const std::string_view name = text(length());
    const std::uint32_t size = length();
    if (size != null_length) visit(name, text(size));
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

}  // namespace

struct Parser::State {
  ParserOptions options;
  std::vector<Walker> walkers;
  std::size_t last_fit = 0;
  EventWriter writer;
  ondemand::parser json;
  const Origin* last_origin = nullptr;
  bool strict = false;

  void parse(Batch& batch, Record& record);
  RejectReason map(Batch& batch, Record& record, bool& mapped);
  RejectReason walk(Batch& batch, Record& record, Walker& walker, ondemand::document& document, bool& mapped);
  bool attributes_in_headers(const Record& record, Walker& walker);
  RejectReason why_broken(std::string_view value) const;
  simdjson::error_code iterate(std::string_view value, ondemand::document& document);
};

void Parser::State::parse(Batch& batch, Record& record) {
  record.first_event = static_cast<std::uint32_t>(batch.events.size());
  record.event_count = 0;
  if (record.value_null) {
    record.kind = RecordKind::tombstone;
    return;
  }
  if (record.origin != last_origin) {
    last_origin = record.origin;
    strict = options.strict || (last_origin != nullptr && options.strict_topics.contains(last_origin->topic));
  }
  bool mapped = false;
  record.reason = map(batch, record, mapped);
  if (record.reason != RejectReason::none) {
    record.kind = RecordKind::reject;
    batch.events.resize(record.first_event);
    return;
  }
  record.kind = mapped ? RecordKind::event : RecordKind::unmapped;
  record.event_count = 1;
  if (!mapped) {
    batch.events.resize(record.first_event);
    EventWriter::unmapped(record, batch.events.emplace_back());
  }
  Event& event = batch.events.back();
  event.record = static_cast<std::uint32_t>(&record - batch.records.data());
}

simdjson::error_code Parser::State::iterate(std::string_view value, ondemand::document& document) {
  if (value.size() > json.capacity())
    if (const auto error = json.allocate(std::bit_ceil(std::max<std::size_t>(value.size(), 65'536)))) return error;
  return json.iterate(value.data(), value.size(), value.size() + simdjson::SIMDJSON_PADDING).get(document);
}

RejectReason Parser::State::map(Batch& batch, Record& record, bool& mapped) {
  const std::string_view value = record.value;
  if (value.size() > options.limits.message_bytes_max) return RejectReason::too_large;
  if (strict || !surely_within(value, options.limits))
    if (const RejectReason reason = check_json(value, options.limits); reason != RejectReason::none) return reason;
  ondemand::document document;
  if (iterate(value, document) != simdjson::SUCCESS) return why_broken(value);
  ondemand::json_type type;
  if (document.type().get(type) != simdjson::SUCCESS) return why_broken(value);
  if (type != ondemand::json_type::object) return check_json(value, options.limits);
  const std::size_t first = last_fit;
  for (std::size_t i = 0; i < walkers.size() && !mapped; ++i) {
    if (i > 0) document.rewind();
    const std::size_t which = (first + i) % walkers.size();
    const RejectReason reason = walk(batch, record, walkers[which], document, mapped);
    if (reason != RejectReason::none) return reason;
    if (mapped) last_fit = which;
  }
  return RejectReason::none;
}

RejectReason Parser::State::walk(Batch& batch, Record& record, Walker& walker, ondemand::document& document,
                                 bool& mapped) {
  batch.events.resize(record.first_event);
  writer.begin(batch, walker.plan(), batch.events.emplace_back());
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

Parser::Parser(std::unique_ptr<State> state) : state_(std::move(state)) {}
Parser::~Parser() = default;

Result<std::unique_ptr<Parser>> Parser::create(ParserOptions options, const std::vector<MappingFile>& mappings) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  for (const MappingFile& file : mappings) {
    TRY_ASSIGN(auto plan, Plan::compile(file.json, file.name));
    state->walkers.emplace_back(std::move(plan));
  }
  return std::unique_ptr<Parser>(new Parser(std::move(state)));
}

void Parser::parse(Batch& batch) {
  batch.events.reserve(batch.events.size() + batch.records.size() + 1);
  for (Record& record : batch.records) state_->parse(batch, record);
}

}  // namespace tidewaiter::ingest
