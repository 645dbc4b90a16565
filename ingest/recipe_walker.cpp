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

}  // namespace tidewaiter::ingest
