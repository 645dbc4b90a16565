#include "ingest/recipe_walker.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/text.hpp"
#include "ingest/extracts.hpp"
#include "ingest/json_text.hpp"
#include "ingest/record_headers.hpp"

namespace tidewaiter::ingest {
namespace {

namespace ondemand = simdjson::ondemand;

/// Of both ends: keys of one vendor begin alike.
std::size_t key_hash(std::string_view key) {
  std::uint64_t tail = 0;
  if (key.size() > 8) std::memcpy(&tail, key.data() + key.size() - 8, 8);
  return ((short_key(key) ^ std::rotl(tail, 29)) * 0x9E3779B97F4A7C15 ^ key.size() * 0xD6E8FEB86659FD93) >> 40;
}

}  // namespace

RecipeWalker::RecipeWalker(std::unique_ptr<Recipe> recipe) : recipe_(std::move(recipe)), steps_(recipe_->nodes.size()) {
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    const RecipeNode& node = recipe_->nodes[i];
    steps_[i].key_bytes = node.key_bytes;
    steps_[i].key_mask = node.key_mask;
    steps_[i].later = node.later;
    steps_[i].opens = node.embedded >= 0 || node.base64 >= 0 || node.text >= 0;
    steps_[i].targets = node.cells.data();
    steps_[i].target_count = static_cast<std::uint32_t>(node.cells.size());
    if (!node.children.empty()) steps_[i].first = node.children[0];
    for (std::size_t c = 1; c < node.children.size(); ++c) steps_[node.children[c - 1]].next = node.children[c];
    index_children(i);
  }
  cells_.resize(std::max<std::size_t>(1, recipe_->locations.size() * recipe_->path_count));
}

void RecipeWalker::begin(Batch& batch, const Record& record, const WalkLimits& limits, Explanation* explanation) {
  batch_ = &batch;
  record_ = &record;
  limits_ = limits;
  explanation_ = explanation;
  result_ = {};
  level_ = depth_ = 0;
  flags_ = 0;
  settled_ = 0;
  forget(0);
  if (attestation_) attestation_->begin();
  if (!recipe_->headers.empty() || recipe_->key_cell >= 0) read_headers(record);
}

void RecipeWalker::read_headers(const Record& record) {
  if (record.body.empty()) return;
  auto put = [&](std::uint16_t cell, std::string_view text) {
    for (const Location& location : recipe_->locations) {
      const auto at = static_cast<std::uint16_t>(location.first_cell + cell);
      cells_[at] = {text, Cell::Kind::string, 0, 0};
      touched_.push_back(at);
    }
  };
  if (recipe_->key_cell >= 0 && record.key.data() != nullptr)
    put(static_cast<std::uint16_t>(recipe_->key_cell), record.key);
  for_each_header(record, [&](std::string_view name, std::string_view text) {
    for (const auto& [wanted, cell] : recipe_->headers)
      if (equal_ignoring_case(name, wanted)) put(cell, text);
  });
}

WalkResult RecipeWalker::document(ondemand::document& document, Batch& batch, const Record& record,
                                  const WalkLimits& limits, Explanation* explanation) {
  begin(batch, record, limits, explanation);
  document_ = &document;
  document_text_ = record.value;
  set(0, Cell::Kind::object, trimmed(record.value));
  result_.broken = !root_value(document) || document.current_location().error() != simdjson::OUT_OF_BOUNDS;
  if (!result_.broken && recipe_->nodes[0].location >= 0) emit_holder(0, 0);
  spread_flags(0);
  return result_;
}

bool RecipeWalker::root_value(ondemand::document& document) {
  ondemand::json_type type;
  if (document.type().get(type) != simdjson::SUCCESS) return false;
  if (type == ondemand::json_type::object) {
    ondemand::object fields;
    return document.get_object().get(fields) == simdjson::SUCCESS && object(fields, 0);
  }
  ondemand::array elements;
  return type == ondemand::json_type::array && document.get_array().get(elements) == simdjson::SUCCESS &&
         array(elements, 0, trimmed(document_text_).data());
}

bool RecipeWalker::object(ondemand::object& fields, std::uint32_t at, std::span<const std::int32_t> also) {
  const std::uint64_t visit = ++visit_;
  ++depth_;
  bool passed_over = false;
  std::uint32_t* guess = &steps_[at].first;
  for (auto result : fields) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return false;
    const char* key = field.key().raw();
    std::uint32_t child = follow(*guess, key);
    if (child == none) [[unlikely]] {
      child = look_up(at, key);
      if (child == none) {
        unread(at, key, also);
        continue;
      }
      *guess = child;
    }
    Step& step = steps_[child];
    guess = &step.next;
    if (step.seen == visit) [[unlikely]] {
      flags_ |= flag::duplicate_key;  // the first one counts
      continue;
    }
    step.seen = visit;
    if (step.later) passed_over = true;
    else if (!value(field.value(), child)) return false;
  }
  if (passed_over) {
    bool is_object = false;
    if (fields.reset().get(is_object) != simdjson::SUCCESS) return false;
    const std::uint64_t again = ++visit_;
    for (auto result : fields) {
      ondemand::field field;
      if (std::move(result).get(field) != simdjson::SUCCESS) return false;
      const std::uint32_t child = look_up(at, field.key().raw());
      if (child == none || !steps_[child].later || steps_[child].seen == again) continue;
      steps_[child].seen = again;
      if (!value(field.value(), child)) return false;
    }
  }
  --depth_;
  return true;
}

void RecipeWalker::index_children(std::uint32_t at) {
  const RecipeNode& node = recipe_->nodes[at];
  Step& step = steps_[at];
  const std::size_t size = std::bit_ceil(node.children.size() * 4 + 1);
  step.table = static_cast<std::uint32_t>(key_table_.size());
  step.table_mask = static_cast<std::uint32_t>(size - 1);
  key_table_.resize(key_table_.size() + size, none);
  for (const std::uint32_t child : node.children) {
    std::size_t slot = key_hash(recipe_->nodes[child].key) & step.table_mask;
    while (key_table_[step.table + slot] != none) slot = (slot + 1) & step.table_mask;
    key_table_[step.table + slot] = child;
  }
}

std::uint32_t RecipeWalker::follow(std::uint32_t guess, const char* key) const {
  for (int i = 0; i < 4 && guess != none; ++i, guess = steps_[guess].next) {
    const Step& step = steps_[guess];
    if (step.key_mask == 0) {
      const std::string& whole = recipe_->nodes[guess].key;
      if (std::memcmp(key, whole.data(), whole.size()) == 0 && key[whole.size()] == '"') return guess;
      continue;
    }
#if defined(__AVX2__)
    const __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(key)),
                                           _mm256_load_si256(reinterpret_cast<const __m256i*>(step.key_bytes.data())));
    if ((~static_cast<std::uint32_t>(_mm256_movemask_epi8(same)) & step.key_mask) == 0) return guess;
#else
    if (std::memcmp(key, step.key_bytes.data(), recipe_->nodes[guess].key.size() + 1) == 0) return guess;
#endif
  }
  return none;
}

std::uint32_t RecipeWalker::look_up(std::uint32_t at, const char* key) {
  KeyText buffer;
  const std::string_view text = key_text(key, buffer);
  const Step& step = steps_[at];
  for (std::size_t slot = key_hash(text) & step.table_mask;; slot = (slot + 1) & step.table_mask) {
    const std::uint32_t found = key_table_[step.table + slot];
    if (found == none || recipe_->nodes[found].key == text) return found;
  }
}

void RecipeWalker::unread(std::uint32_t at, const char* key, std::span<const std::int32_t> also) {
  for (const std::int32_t other : also)
    if (other >= 0 && look_up(static_cast<std::uint32_t>(other), key) != none) return;
  ++result_.unread_keys;
  if (explanation_ == nullptr) return;
  const std::string& path = recipe_->nodes[at].path;
  std::string whole = path + (path.empty() ? "" : ".") + std::string(key, string_extent(key).length);
  if (std::find(explanation_->unread.begin(), explanation_->unread.end(), whole) == explanation_->unread.end())
    explanation_->unread.push_back(std::move(whole));
}

// The first character of a value decides what it is. Values that are not entered are skipped by the iterator.
bool RecipeWalker::value(ondemand::value value, std::uint32_t at) {
  const std::string_view token = value.raw_json_token();
  switch (token[0]) {
    case '"': {
      const Step& step = steps_[at];
      if (step.opens) text(string(token.data() + 1), at);
      else if (step.target_count > 0) set(at, Cell::Kind::string, string(token.data() + 1));
      return true;
    }
    case '{': return entered_object(value, at, token.data());
    case '[': return list(value, at, token.data());
    default: {
      const std::string_view scalar = trimmed(token);
      if (is_json_number(scalar) || (is_json_literal(scalar) && scalar != "null"))
        set(at, Cell::Kind::scalar, scalar);
      else
        result_.odd = result_.odd || scalar != "null";
      return true;
    }
  }
}

// An object where JSON in a string was expected, and a map where a list of pairs was, are read all the same.
bool RecipeWalker::entered_object(ondemand::value& value, std::uint32_t at, const char* start) {
  const RecipeNode& node = recipe_->nodes[at];
  const std::uint32_t events = result_.events;
  ondemand::object inner;
  if (value.get_object().get(inner) != simdjson::SUCCESS) return false;
  const std::int32_t targets[] = {node.embedded, node.base64, node.kv, static_cast<std::int32_t>(at)};
  bool entered = false, asked_for = false;
  for (const std::int32_t target : targets) {
    if (target < 0) continue;
    const RecipeNode& into = recipe_->nodes[static_cast<std::size_t>(target)];
    asked_for = asked_for || !into.cells.empty() || into.location >= 0;
    if (into.children.empty()) continue;
    bool is_object = false;
    if (entered && inner.reset().get(is_object) != simdjson::SUCCESS) return false;
    entered = true;
    if (!object(inner, static_cast<std::uint32_t>(target), targets)) return false;
  }
  std::string_view skipped;
  if (!entered && inner.raw_json().get(skipped) != simdjson::SUCCESS) return false;
  if (!asked_for) return true;
  const std::string_view raw = up_to_here(start);
  for (const std::int32_t target : targets)
    if (target >= 0) set(static_cast<std::uint32_t>(target), Cell::Kind::object, raw);
  for (const std::int32_t target : targets)
    if (target >= 0 && recipe_->nodes[static_cast<std::size_t>(target)].location >= 0)
      emit_holder(static_cast<std::uint32_t>(target), events);
  return true;
}

/// A list is gone through once for each way of reading it.
bool RecipeWalker::list(ondemand::value& value, std::uint32_t at, const char* start) {
  const RecipeNode& node = recipe_->nodes[at];
  ondemand::array elements;
  if (value.get_array().get(elements) != simdjson::SUCCESS) return false;
  if (node.kv < 0) return array(elements, at, start);
  if (!key_values(elements, at, start)) return false;
  if (node.each < 0 && node.at.empty()) return true;
  bool is_empty = false;
  return elements.reset().get(is_empty) == simdjson::SUCCESS && array(elements, at, start);
}

template <class Visit>
bool RecipeWalker::for_each_element(ondemand::array& elements, std::uint32_t& count, Visit visit) {
  bool is_empty = false;
  if (count > 0 && elements.reset().get(is_empty) != simdjson::SUCCESS) return false;
  count = 0;
  for (auto result : elements) {
    ondemand::value one;
    if (std::move(result).get(one) != simdjson::SUCCESS || !visit(one, static_cast<int>(count))) return false;
    ++count;
  }
  return true;
}

bool RecipeWalker::array(ondemand::array& elements, std::uint32_t at, const char* start) {
  const RecipeNode& node = recipe_->nodes[at];
  ++depth_;
  std::uint32_t count = 0;
  const bool events_below = node.each >= 0 && recipe_->nodes[static_cast<std::uint32_t>(node.each)].holds_location;
  auto each = [&](ondemand::value& one, int) {
    return node.each < 0 || element(one, static_cast<std::uint32_t>(node.each), events_below);
  };
  auto by_place = [&](ondemand::value& one, int number) {
    for (const auto& [index, child] : node.at)
      if (index == number) return value(one, child);
    return true;
  };
  bool places = false;
  for (const auto& [index, child] : node.at) {
    places = places || index >= 0;
    if (index >= 0) continue;
    const std::size_t mark = touched_.size();
    const std::uint64_t flags = flags_;
    auto last = [&, to = child](ondemand::value& one, int) {
      forget(mark);  // of the one before, which was not the last
      flags_ = flags;
      return value(one, to);
    };
    if (!for_each_element(elements, count, last)) return false;
  }
  if (places && !for_each_element(elements, count, by_place)) return false;
  if ((node.each >= 0 || node.at.empty()) && !for_each_element(elements, count, each)) return false;
  if (count == 0 && events_below) result_.no_element = true;
  --depth_;
  if (!node.cells.empty()) set(at, Cell::Kind::array, up_to_here(start), count);
  return true;
}

/// One element of an array. If events stand in it, what it says is forgotten behind it, and it is never lost.
bool RecipeWalker::element(ondemand::value one, std::uint32_t each, std::uint32_t events_below) {
  if (events_below == 0) return value(one, each);
  const std::size_t mark = touched_.size();
  const std::uint64_t outer_flags = flags_;
  const std::uint32_t events = result_.events;
  const char kind = one.raw_json_token()[0];
  const RecipeNode& node = recipe_->nodes[each];
  if (kind != '{' && (kind != '"' || (node.embedded < 0 && node.base64 < 0)))
    emit_unmapped(flag::wrapped);
  else if (!value(one, each))
    return false;
  settled_ = result_.events;
  spread_flags(events);
  flags_ = outer_flags;
  forget(mark);
  return true;
}

// [{"key":"k","value":...}, ...] as if it were an object.
bool RecipeWalker::key_values(ondemand::array& elements, std::uint32_t at, const char* start) {
  std::uint32_t count = 0;
  depth_ += 2;
  auto pair_of = [&](ondemand::value& one, int) {
    if (one.raw_json_token()[0] != '{') return true;
    ondemand::object pair;
    return one.get_object().get(pair) == simdjson::SUCCESS && key_value(pair, at);
  };
  if (!for_each_element(elements, count, pair_of)) return false;
  depth_ -= 2;
  if (!recipe_->nodes[at].cells.empty()) set(at, Cell::Kind::array, up_to_here(start), count);
  return true;
}

/// The value is the first field beside the key, before or behind it.
bool RecipeWalker::key_value(ondemand::object& pair, std::uint32_t at) {
  const std::string& key_name = recipe_->nodes[at].kv_key;
  const auto into = static_cast<std::uint32_t>(recipe_->nodes[at].kv);
  std::uint32_t child = none;
  bool known = false, missed = false;
  for (int round = 0; round < 2; ++round) {
    for (auto result : pair) {
      ondemand::field field;
      if (std::move(result).get(field) != simdjson::SUCCESS) return false;
      KeyText buffer;
      if (key_text(field.key().raw(), buffer) == key_name) {
        const std::string_view token = field.value().raw_json_token();
        if (!known && token[0] == '"') {
          child = look_up(into, token.data() + 1);
          if (child == none) unread(into, token.data() + 1);
        }
        known = true;
      } else if (!known) {
        missed = true;  // the value stands before its key
      } else if (child != none && (round == 1 || !missed)) {
        if (!any_value(field.value(), child)) return false;
        child = none;
      }
    }
    if (!missed || child == none) return true;
    bool is_object = false;
    if (pair.reset().get(is_object) != simdjson::SUCCESS) return false;
  }
  return true;
}

/// A value, or the wrapper of OTLP around one: {"stringValue":"v"}, {"arrayValue":{"values":[...]}}.
bool RecipeWalker::any_value(ondemand::value one, std::uint32_t at) {
  if (one.raw_json_token()[0] != '{') return value(one, at);
  ondemand::object wrapper;
  if (one.get_object().get(wrapper) != simdjson::SUCCESS) return false;
  ++depth_;
  for (auto result : wrapper) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return false;
    KeyText buffer;
    if (key_text(field.key().raw(), buffer).ends_with("Value") && !value(field.value(), at)) return false;
  }
  --depth_;
  return true;
}

void RecipeWalker::text(std::string_view text, std::uint32_t at) {
  const RecipeNode& node = recipe_->nodes[at];
  set(at, Cell::Kind::string, text);
  if (node.embedded >= 0) embedded(text, static_cast<std::uint32_t>(node.embedded), false);
  if (node.base64 >= 0) embedded(text, static_cast<std::uint32_t>(node.base64), true);
  if (node.text >= 0) text_lines(text, static_cast<std::uint32_t>(node.text));
}

/// JSON in a string. When it is broken its event is not lost: it becomes an unmapped one.
void RecipeWalker::embedded(std::string_view text, std::uint32_t into, bool base64) {
  const std::uint32_t events = result_.events;
  bool good = level_ < levels_max;
  if (good && base64) {
    const auto bytes = decoded_base64(text);
    good = bytes.has_value();
    if (good) {
      char* out = EventWriter::derive(*batch_, bytes->size());
      std::memcpy(out, bytes->data(), bytes->size());
      text = {out, bytes->size()};
    }
  }
  if (good) {
    ondemand::document* const outer = document_;
    const std::string_view outer_text = document_text_;
    const std::size_t depth = depth_;
    ++level_;
    good = embedded_document(text, into);
    --level_;
    depth_ = depth;
    document_ = outer;
    document_text_ = outer_text;
  }
  const bool has_events = recipe_->nodes[into].holds_location;
  if (good || !has_events || result_.events != events) return;
  emit_unmapped(flag::wrapped);
  if (base64) settled_ = result_.events;  // people write plain text, but no base64: this is a broken event
}

bool RecipeWalker::embedded_document(std::string_view text, std::uint32_t at) {
  if (text.empty() || text.size() > limits_.json.message_bytes_max) return false;
  JsonLimits limits = limits_.json;
  if (depth_ >= limits.depth_max) return false;
  limits.depth_max -= depth_;
  const Marks marks = count_marks(text);
  if (limits_.strict || marks.opened > limits.depth_max || marks.colons > limits.keys_max)
    if (check_json(text, limits) != RejectReason::none) return false;
  ondemand::parser& parser = parsers_[level_ - 1];
  if (text.size() > parser.capacity() &&
      parser.allocate(std::bit_ceil(std::max<std::size_t>(text.size(), 4096))) != simdjson::SUCCESS)
    return false;
  ondemand::document document;
  if (parser.iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING).get(document) != simdjson::SUCCESS)
    return false;
  document_ = &document;
  document_text_ = text;
  ondemand::json_type type;
  if (document.type().get(type) != simdjson::SUCCESS) return false;
  if (type == ondemand::json_type::array) {
    ondemand::array elements;
    return document.get_array().get(elements) == simdjson::SUCCESS && array(elements, at, trimmed(text).data());
  }
  ondemand::object fields;
  if (type != ondemand::json_type::object || document.get_object().get(fields) != simdjson::SUCCESS) return false;
  set(at, Cell::Kind::object, trimmed(text));  // before its fields: events inside may ask for it
  const std::uint32_t events = result_.events;
  if (!object(fields, at)) return false;
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return false;
  if (recipe_->nodes[at].location >= 0) emit_holder(at, events);
  return true;
}

std::string_view RecipeWalker::string(const char* inside) {
  const StringExtent extent = string_extent(inside);
  if (!extent.escaped) return {inside, extent.length};
  char* out = EventWriter::derive(*batch_, extent.length);
  const Unescaped made = unescape_json({inside, extent.length}, out);
  if (made.replaced) flags_ |= flag::bad_utf8_replaced;
  result_.odd = result_.odd || made.broken;
  return {out, made.length};
}

/// The text of the value that began at `start` and was just left.
std::string_view RecipeWalker::up_to_here(const char* start) const {
  const char* end = document_text_.data() + document_text_.size();
  const char* here = nullptr;
  if (document_->current_location().get(here) == simdjson::SUCCESS) end = here;
  while (end > start && end[-1] != '}' && end[-1] != ']') --end;
  return {start, static_cast<std::size_t>(end - start)};
}

void RecipeWalker::set(std::uint32_t at, Cell::Kind kind, std::string_view text, std::uint32_t count) {
  const Step& step = steps_[at];
  for (std::uint32_t i = 0; i < step.target_count; ++i) {
    const auto [number, rank] = step.targets[i];
    Cell& cell = cells_[number];
    if (cell.kind == Cell::Kind::none) {
      touched_.push_back(number);
    } else if (rank < cell.rank) {
      replaced_.push_back(cell);
      touched_.push_back(number | replaced_bit);
    } else {
      continue;  // of several at the same place the first one counts
    }
    cell = {text, kind, rank, count};
  }
}

void RecipeWalker::forget(std::size_t mark) {
  while (touched_.size() > mark) {
    const std::uint16_t last = touched_.back();
    touched_.pop_back();
    if ((last & replaced_bit) == 0) {
      cells_[last].kind = Cell::Kind::none;
    } else {
      cells_[last & ~replaced_bit] = replaced_.back();
      replaced_.pop_back();
    }
  }
}

/// What was met behind an event in what holds it says as much about it as what stood before.
void RecipeWalker::spread_flags(std::uint32_t events_before) {
  if (flags_ == 0) return;
  for (std::size_t left = result_.events - events_before; left > 0; --left) {
    Event& event = batch_->events[batch_->events.size() - left];
    event.set(Num::flags, event.get(Num::flags) | flags_);
  }
}

/// What holds other places is a wrapper when events stood in it. When there was only text in it that is no event, it is
/// the event itself, with that text.
void RecipeWalker::emit_holder(std::uint32_t at, std::uint32_t events_before) {
  if (result_.events != events_before) {
    const Location& location = recipe_->locations[static_cast<std::size_t>(recipe_->nodes[at].location)];
    if (settled_ > events_before || !RecipeValues::fits(*recipe_, cells_.data() + location.first_cell)) return;
    batch_->events.resize(batch_->events.size() - (result_.events - events_before));
    result_.events = events_before;
  }
  emit(at);
}

void RecipeWalker::emit(std::uint32_t at) {
  const Location& location = recipe_->locations[static_cast<std::size_t>(recipe_->nodes[at].location)];
  const Cell* cells = cells_.data() + location.first_cell;
  if (!RecipeValues::fits(*recipe_, cells)) {
    if (location.many) emit_unmapped(flag::wrapped);
    return;
  }
  if (result_.events >= limits_.events_max) {
    result_.too_many = true;
    return;
  }
  Event& event = batch_->events.emplace_back();
  event.sub = result_.events++;
  event.record = static_cast<std::uint32_t>(record_ - batch_->records.data());
  ++result_.fitting;
  settled_ = result_.events;
  values_.fill(*recipe_, cells, *batch_, *record_, event, flags_ | (location.wrapped ? flag::wrapped : 0), explanation_);
  if (attestation_ && !recipe_->signatures.empty()) judge_signature(cells, event);
}

void RecipeWalker::judge_signature(const Cell* cells, Event& event) {
  const auto text = [cells](std::int32_t cell) {
    return cell < 0 || cells[cell].kind == Cell::Kind::none ? std::string_view() : cells[cell].text;
  };
  for (const SignaturePlaces& places : recipe_->signatures) {
    const SignedStatement statement{text(places.payload),   text(places.payload_type),     text(places.signatures),
                                    text(places.digest),    text(places.digest_algorithm), text(places.signature),
                                    text(places.material)};
    if (statement.payload.empty() && statement.digest.empty()) continue;
    const SignatureVerdict& verdict = attestation_->judge(statement, record_->receive_time_ns, event);
    if (verdict.status == SignatureStatus::verified && !verdict.identity.empty())
      values_.set_signer(*batch_, verdict.identity, event);
    return;
  }
}

void RecipeWalker::emit_unmapped(std::uint64_t flags) {
  if (result_.events >= limits_.events_max) {
    result_.too_many = true;
    return;
  }
  Event& event = batch_->events.emplace_back();
  EventWriter::unmapped(*record_, event);
  event.set(Num::flags, flags_ | flags);
  event.sub = result_.events++;
  event.record = static_cast<std::uint32_t>(record_ - batch_->records.data());
}

}  // namespace tidewaiter::ingest
