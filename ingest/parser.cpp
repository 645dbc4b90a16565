// The only user of simdjson. The walk iterates over the fields of each object and guesses the next key from the last
// message ("after principal came principal_type"): a right guess is one 32-byte compare, a wrong one a hash probe. So
// it costs what asking in document order costs, for any order, and sees duplicate keys on mapped paths.
#include "ingest/parser.hpp"

#include <simdjson.h>

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

bool is_key(const PlanNode& node, const char* key) {
  if (node.key_mask == 0)
    return std::memcmp(key, node.key.data(), node.key.size()) == 0 && key[node.key.size()] == '"';
#if defined(__AVX2__)
  const __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(key)),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(node.key_bytes.data())));
  return (~static_cast<std::uint32_t>(_mm256_movemask_epi8(same)) & node.key_mask) == 0;
#else
  return std::memcmp(key, node.key_bytes.data(), node.key.size() + 1) == 0;
#endif
}

/// Depth cannot be above the number of opening brackets, nor keys above the number of colons.
bool surely_within(std::string_view text, const JsonLimits& limits) {
  const Marks marks = count_marks(text);
  return marks.opened <= limits.depth_max && marks.colons <= limits.keys_max;
}

/// Execution of one plan on one document, with what it has learned of the order of keys.
class Walker {
 public:
  explicit Walker(std::unique_ptr<Plan> plan)
      : plan_(std::move(plan)), next_(plan_->nodes.size(), Plan::none), first_(plan_->nodes.size(), Plan::none) {
    for (const PlanNode& node : plan_->nodes)
      for (std::uint32_t i = 1; i < node.child_count; ++i) next_[node.first_child + i - 1] = node.first_child + i;
    for (std::size_t i = 0; i < plan_->nodes.size(); ++i)
      if (plan_->nodes[i].child_count > 0) first_[i] = plan_->nodes[i].first_child;
  }

  const Plan& plan() const { return *plan_; }
  /// Something under a mapped path is no JSON token: the exact check must have the last word.
  bool odd() const { return odd_; }
  void begin() { odd_ = false; }

  /// False: the document is broken.
  bool object(ondemand::object& fields, std::uint32_t at, EventWriter& out) {
    const PlanNode& parent = plan_->nodes[at];
    std::uint64_t seen = 0;
    std::uint32_t* guess = &first_[at];
    for (auto result : fields) {
      ondemand::field field;
      if (std::move(result).get(field) != simdjson::SUCCESS) return false;
      const char* key = field.key().raw();
      std::uint32_t child = *guess;
      if (child == Plan::none || !is_key(plan_->nodes[child], key)) {
        child = look_up(at, key);
        if (child == Plan::none) continue;
        *guess = child;
      }
      guess = &next_[child];
      const std::uint64_t bit = std::uint64_t{1} << (child - parent.first_child);
      if ((seen & bit) != 0) {
        out.flag(flag::duplicate_key);  // the first one counts
        continue;
      }
      seen |= bit;
      ondemand::value value = field.value();
      if (!take(value, child, out)) return false;
    }
    return true;
  }

  /// An attribute that came as a header. It has no escapes.
  void attribute(std::string_view name, std::string_view text, EventWriter& out) {
    const std::uint32_t child = plan_->child(0, name);
    if (child != Plan::none) put_all(plan_->nodes[child], text, out);
  }

 private:
  std::uint32_t look_up(std::uint32_t at, const char* key) const {
    const StringExtent extent = string_extent(key);
    if (!extent.escaped) return plan_->child(at, {key, extent.length});
    char buffer[256];
    if (extent.length > sizeof buffer) return Plan::none;
    return plan_->child(at, {buffer, unescape_json({key, extent.length}, buffer).length});
  }

  bool take(ondemand::value& value, std::uint32_t at, EventWriter& out) {
    const PlanNode& node = plan_->nodes[at];
    ondemand::json_type type;
    if (value.type().get(type) != simdjson::SUCCESS) {
      odd_ = true;
      return true;
    }
    switch (type) {
      case ondemand::json_type::object: {
        if (node.child_count == 0) return true;
        ondemand::object inner;
        return value.get_object().get(inner) == simdjson::SUCCESS && object(inner, at, out);
      }
      case ondemand::json_type::array: return node.leaf_count == 0 || array(value, node, out);
      case ondemand::json_type::string: {
        std::string_view text;
        if (!string(value, text, out)) return false;
        put_all(node, text, out);
        return true;
      }
      default: return scalar(value, node, out);
    }
  }

  bool string(ondemand::value& value, std::string_view& text, EventWriter& out) {
    ondemand::raw_json_string raw;
    if (value.get_raw_json_string().get(raw) != simdjson::SUCCESS) return false;
    const StringExtent extent = string_extent(raw.raw());
    text = out.text_of({raw.raw(), extent.length}, extent.escaped);
    return true;
  }

  bool scalar(ondemand::value& value, const PlanNode& node, EventWriter& out) {
    const std::string_view token = trimmed(value.raw_json_token());
    if (is_json_number(token) || (is_json_literal(token) && token != "null"))
      put_all(node, token, out);
    else
      odd_ = odd_ || token != "null";
    return true;
  }

  /// Only sets and joined words are read from arrays; other elements than strings do not count.
  bool array(ondemand::value& value, const PlanNode& node, EventWriter& out) {
    const Leaf& leaf = plan_->leaves[node.first_leaf];
    if (leaf.as != Transform::word_set && leaf.as != Transform::join_words) return true;
    ondemand::array elements;
    if (value.get_array().get(elements) != simdjson::SUCCESS) return false;
    for (auto result : elements) {
      ondemand::value element;
      if (std::move(result).get(element) != simdjson::SUCCESS) return false;
      ondemand::json_type type;
      if (element.type().get(type) != simdjson::SUCCESS) {
        odd_ = true;
      } else if (type == ondemand::json_type::string) {
        std::string_view text;
        if (!string(element, text, out)) return false;
        out.put(leaf, text);
      }
    }
    return true;
  }

  void put_all(const PlanNode& node, std::string_view text, EventWriter& out) {
    const Leaf* leaf = plan_->leaves.data() + node.first_leaf;
    for (std::uint32_t i = 0; i < node.leaf_count; ++i) out.put(leaf[i], text);
    if (node.capture >= 0) out.capture(node.capture, text);
  }

  std::unique_ptr<Plan> plan_;
  std::vector<std::uint32_t> next_, first_;  // by node: the key after it; the first key of its object
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
  if (!walker.object(root, payload_only ? walker.plan().payload_node : 0, writer)) return why_broken(record.value);
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return why_broken(record.value);
  if (walker.odd())
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
