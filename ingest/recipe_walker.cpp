#include "ingest/recipe_walker.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/text.hpp"
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

RecipeWalker::RecipeWalker(std::unique_ptr<Recipe> recipe)
    : recipe_(std::move(recipe)), steps_(recipe_->nodes.size()), insides_(steps_.size()), shapes_(*recipe_) {
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    const RecipeNode& node = recipe_->nodes[i];
    Step& step = steps_[i];
    step.key_bytes = node.key_bytes;
    step.key_mask = node.key_mask;
    step.later = node.later;
    step.tells = node.tells;
    step.takes_strings = node.takes_strings;
    step.opens = node.embedded >= 0 || node.base64 >= 0 || node.text >= 0;
    step.plain = node.embedded < 0 && node.base64 < 0 && node.kv < 0;
    step.asks = !step.plain || !node.children.empty() || !node.cells.empty() || node.location >= 0;
    step.targets = node.cells.data();
    step.target_count = static_cast<std::uint16_t>(node.cells.size());
    Inside& inside = insides_[i];
    inside.careful = !recipe_->signatures.empty();  // each signature is judged, and counted, once
    inside.has_children = !node.children.empty();
    inside.is_asked_from_inside = node.is_asked_from_inside;
    inside.events_below = node.each >= 0 && recipe_->nodes[static_cast<std::uint32_t>(node.each)].holds_location;
    inside.kv = node.kv;
    inside.each = node.each;
    inside.location = node.location;
    if (node.kv >= 0 && node.kv_key.size() < 8) {
      const std::string spelled = node.kv_key + '"';
      inside.kv_head = Word::head_of(spelled);
      inside.kv_mask = Pattern::of(spelled + "*").head_mask;
    }
    if (!node.children.empty()) inside.first = node.children[0];
    for (std::size_t c = 1; c < node.children.size(); ++c) steps_[node.children[c - 1]].next = node.children[c];
    index_children(i);
  }
  const std::size_t cells = std::max<std::size_t>(64, recipe_->locations.size() * recipe_->cell_room);
  cells_.resize(cells);
  present_.resize(cells / 64);
  touched_.reserve(cells);
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
  is_misled_ = false;
  forget(0);
  if (recalls_each_record_) forget_orders();
  if (attestation_) attestation_->begin();
  if (!recipe_->headers.empty() || recipe_->key_cell >= 0) read_headers(record);
  start_ = !recipe_->header_prefix.empty() && read_attributes(record) ? recipe_->payload_node : 0;
}

/// Attributes that came as headers stand for keys at the top; they have no escapes.
bool RecipeWalker::read_attributes(const Record& record) {
  return for_each_attribute(record, recipe_->header_prefix, recipe_->content_type,
                            [&](std::string_view name, std::string_view text) {
    const auto found = recipe_->nodes[0].by_key.find(name);
    if (found != recipe_->nodes[0].by_key.end()) set(found->second, Cell::Kind::string, text);
  });
}

void RecipeWalker::read_headers(const Record& record) {
  if (record.body.empty()) return;
  auto put = [&](std::uint16_t cell, std::string_view text) {
    for (const Location& location : recipe_->locations)
      fill(static_cast<std::uint16_t>(location.first_cell + cell), {text, Cell::Kind::string, 0, 0});
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
  const bool good = walk(document);
  if (!good || !is_misled_) {  // there is no way back into a document that ended with an error
    result_.broken = !good;
    return result_;
  }
  batch.events.resize(batch.events.size() - result_.events);
  if (explanation != nullptr) *explanation = {explanation->format, {}, {}};
  document.rewind();
  begin(batch, record, limits, explanation);
  result_.broken = !walk(document);
  return result_;
}

bool RecipeWalker::walk(ondemand::document& document) {
  document_ = &document;
  document_text_ = record_->value;
  set(0, Cell::Kind::object, trimmed(document_text_));
  if (start_ != 0) set(start_, Cell::Kind::object, trimmed(document_text_));
  const bool good = root_value(document) && document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  if (good && start_ != 0 && recipe_->nodes[start_].location >= 0) emit_holder(start_, 0);
  if (good && recipe_->nodes[0].location >= 0) emit_holder(0, 0);
  spread_flags(0);
  return good;
}

bool RecipeWalker::root_value(ondemand::document& document) {
  ondemand::json_type type;
  if (document.type().get(type) != simdjson::SUCCESS) return false;
  if (type == ondemand::json_type::object) {
    ondemand::object fields;
    return document.get_object().get(fields) == simdjson::SUCCESS && object(fields, start_);
  }
  ondemand::array elements;
  return type == ondemand::json_type::array && document.get_array().get(elements) == simdjson::SUCCESS &&
         array(elements, start_, trimmed(document_text_).data());
}

bool RecipeWalker::object(ondemand::object& fields, std::uint32_t at, std::span<const std::int32_t> also) {
  const std::uint32_t visit = next_visit();
  ++depth_;
  bool passed_over = false, entered = false;
  Inside& own = insides_[at];
  std::uint32_t* guess = &own.first;
  for (auto result : fields) {
    if (result.error() != simdjson::SUCCESS) return false;
    ondemand::field& field = result.value_unsafe();
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
    if (step.later && own.careful) {
      passed_over = true;
      continue;
    }
    entered = entered || step.later;
    if (entered && step.tells) [[unlikely]] own.careful = is_misled_ = true;
    if (!value(field.value(), child)) return false;
  }
  if (passed_over && !passed_over_members(fields, at)) return false;
  --depth_;
  return true;
}

/// The second way through an object: members with events, now that all is known that their siblings say about them.
bool RecipeWalker::passed_over_members(ondemand::object& fields, std::uint32_t at) {
  bool is_object = false;
  if (fields.reset().get(is_object) != simdjson::SUCCESS) return false;
  const std::uint32_t visit = next_visit();
  for (auto result : fields) {
    if (result.error() != simdjson::SUCCESS) return false;
    ondemand::field& field = result.value_unsafe();
    const std::uint32_t child = look_up(at, field.key().raw());
    if (child == none || !steps_[child].later || steps_[child].seen == visit) continue;
    steps_[child].seen = visit;
    if (!value(field.value(), child)) return false;
  }
  return true;
}

/// Never 0, which is no visit.
std::uint32_t RecipeWalker::next_visit() {
  if (++visit_ == 0) [[unlikely]] {
    for (Step& step : steps_) step.seen = 0;
    visit_ = 1;
  }
  return visit_;
}

void RecipeWalker::index_children(std::uint32_t at) {
  const RecipeNode& node = recipe_->nodes[at];
  Inside& step = insides_[at];
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

bool RecipeWalker::is_long_key(std::uint32_t node, const char* key) const {
  const std::string& whole = recipe_->nodes[node].key;
  return std::memcmp(key, whole.data(), whole.size()) == 0 && key[whole.size()] == '"';
}

std::uint32_t RecipeWalker::look_up(std::uint32_t at, const char* key) {
  KeyText buffer;
  const std::string_view text = key_text(key, buffer);
  const Inside& step = insides_[at];
  for (std::size_t slot = key_hash(text) & step.table_mask;; slot = (slot + 1) & step.table_mask) {
    const std::uint32_t found = key_table_[step.table + slot];
    if (found == none || is_key(steps_[found], found, key) || recipe_->nodes[found].key == text) return found;
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

// Values that are not entered are skipped by the iterator.
bool RecipeWalker::other_value(ondemand::value& value, std::uint32_t at, std::string_view token) {
  if (token[0] == '{') return !steps_[at].asks || entered_object(value, at, token.data());
  if (token[0] == '[') return list(value, at, token.data());
  const std::string_view scalar = trimmed(token);
  if (is_json_number(scalar) || (is_json_literal(scalar) && scalar != "null"))
    set(at, Cell::Kind::scalar, scalar);
  else
    result_.odd = result_.odd || scalar != "null";
  return true;
}

// An object where JSON in a string was expected, and a map where a list of pairs was, are read all the same.
bool RecipeWalker::entered_object(ondemand::value& value, std::uint32_t at, const char* start) {
  auto entry = value.get_object();
  if (entry.error() != simdjson::SUCCESS) return false;
  ondemand::object& inner = entry.value_unsafe();
  if (steps_[at].plain) return plain_object(inner, at, start);
  const RecipeNode& node = recipe_->nodes[at];
  const std::uint32_t events = result_.events;
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

bool RecipeWalker::plain_object(ondemand::object& fields, std::uint32_t at, const char* start) {
  const Inside& own = insides_[at];
  const std::uint32_t events = result_.events;
  std::string_view skipped;
  if (own.is_asked_from_inside) {  // events inside may ask for it
    bool is_object = false;
    if (fields.raw_json().get(skipped) != simdjson::SUCCESS) return false;
    set(at, Cell::Kind::object, trimmed(skipped));
    if (fields.reset().get(is_object) != simdjson::SUCCESS || !object(fields, at)) return false;
    if (own.location >= 0) emit_holder(at, events);
    return true;
  }
  if (own.has_children ? !object(fields, at) : fields.raw_json().get(skipped) != simdjson::SUCCESS) return false;
  if (own.location < 0 && steps_[at].target_count == 0) return true;
  set(at, Cell::Kind::object, up_to_here(start));
  if (own.location >= 0) emit_holder(at, events);
  return true;
}

std::string_view RecipeWalker::unescaped(std::string_view inside_quotes) {
  char* out = EventWriter::derive(*batch_, inside_quotes.size());
  const Unescaped made = unescape_json(inside_quotes, out);
  out[made.length] = '\0';  // as behind a message: this may be one
  if (made.replaced) flags_ |= flag::bad_utf8_replaced;
  result_.odd = result_.odd || made.broken;
  return {out, made.length};
}

/// The text of the value that began at `start` and was just left.
std::string_view RecipeWalker::up_to_here(const char* start) const {
  const char* end = document_text_.data() + document_text_.size();
  const char* here = nullptr;
  if (document_->current_location().get(here) == simdjson::SUCCESS) end = std::clamp(here, start, end);  // begins_value
  while (end > start && end[-1] != '}' && end[-1] != ']') --end;
  return {start, static_cast<std::size_t>(end - start)};
}

}  // namespace tidewaiter::ingest
