// RecipeWalker: arrays, by place, by element, or as the keys and values of an object.
#include <bit>
#include <cstring>

#include "ingest/json_text.hpp"
#include "ingest/recipe_walker.hpp"

namespace tidewaiter::ingest {

namespace ondemand = simdjson::ondemand;

namespace {

/// `raw` is the spelling of a string, up to its closing quote and on.
bool is_text(const char* raw, std::string_view text) {
  KeyText buffer;
  return key_text(raw, buffer) == text;
}

bool ends_with_value(const char* raw) {
  constexpr std::string_view usual = "stringValue\"";
  if (std::memcmp(raw, usual.data(), usual.size()) == 0) [[likely]] return true;
  KeyText buffer;
  const std::string_view key = key_text(raw, buffer);
  return key.ends_with("Value") || key.ends_with("_value");
}

}  // namespace

/// A list is gone through once for each way of reading it.
bool RecipeWalker::list(ondemand::value& value, std::uint32_t at, const char* start) {
  ondemand::array elements;
  if (value.get_array().get(elements) != simdjson::SUCCESS) return false;
  if (insides_[at].kv < 0) return array(elements, at, start);
  if (!key_values(elements, at, start)) return false;
  const RecipeNode& node = recipe_->nodes[at];
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
    if (result.error() != simdjson::SUCCESS) return false;
    ondemand::value& one = result.value_unsafe();
    if (!begins_value(one.raw_json_token().data()) || !visit(one, static_cast<int>(count))) return false;
    ++count;
  }
  return true;
}

bool RecipeWalker::array(ondemand::array& elements, std::uint32_t at, const char* start) {
  const RecipeNode& node = recipe_->nodes[at];
  ++depth_;
  std::uint32_t count = 0;
  const Inside& own = insides_[at];
  const bool events_below = own.events_below;
  auto each = [&](ondemand::value& one, int) {
    return own.each < 0 || element(one, static_cast<std::uint32_t>(own.each), events_below);
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
  if (steps_[at].target_count > 0) set(at, Cell::Kind::array, up_to_here(start), count);
  return true;
}

/// One element of an array. If events stand in it, what it says is forgotten behind it, and it is never lost.
bool RecipeWalker::element(ondemand::value& one, std::uint32_t each, std::uint32_t events_below) {
  if (events_below == 0) return value(one, each);
  const std::size_t mark = touched_.size();
  const std::uint64_t outer_flags = flags_;
  const std::uint32_t events = result_.events;
  const char kind = one.raw_json_token()[0];
  const auto opens_text = [&node = recipe_->nodes[each]] { return node.embedded >= 0 || node.base64 >= 0; };
  const bool opens = kind == '{' || (kind == '"' && opens_text());
  if (!opens)
    emit_unmapped(flag::wrapped);
  else if (!value(one, each))
    return false;
  if (opens || kind == '[') settled_ = result_.events;  // else words: what holds a list of them may be the event
  spread_flags(events);
  flags_ = outer_flags;
  forget(mark);
  return true;
}

// [{"key":"k","value":...}, ...] as if it were an object.
bool RecipeWalker::key_values(ondemand::array& elements, std::uint32_t at, const char* start) {
  std::uint32_t count = 0;
  std::uint32_t* guess = &insides_[static_cast<std::uint32_t>(insides_[at].kv)].first;
  depth_ += 2;
  auto pair_of = [&](ondemand::value& one, int) {
    if (one.raw_json_token()[0] != '{') return true;
    auto pair = one.get_object();
    return pair.error() == simdjson::SUCCESS && key_value(pair.value_unsafe(), at, guess);
  };
  if (!for_each_element(elements, count, pair_of)) return false;
  depth_ -= 2;
  if (steps_[at].target_count > 0) set(at, Cell::Kind::array, up_to_here(start), count);
  return true;
}

/// Is this the key that names the pair? Where its spelling first differs from the plain one there would be a backslash.
bool RecipeWalker::is_pairs_key(const Inside& list, std::uint32_t at, const char* raw) const {
  if (list.kv_mask != 0) {
    std::uint64_t head;
    std::memcpy(&head, raw, sizeof head);
    const std::uint64_t other = (head ^ list.kv_head) & list.kv_mask;
    if (other == 0) return true;
    if ((head >> (std::countr_zero(other) & ~7) & 0xFF) != '\\') return false;
  }
  return is_text(raw, recipe_->nodes[at].kv_key);
}

/// The value is the first field beside the key, before or behind it.
bool RecipeWalker::key_value(ondemand::object& pair, std::uint32_t at, std::uint32_t*& guess) {
  const Inside& list = insides_[at];
  const auto into = static_cast<std::uint32_t>(list.kv);
  std::uint32_t child = none;
  bool known = false, missed = false;
  for (int round = 0; round < 2; ++round) {
    for (auto result : pair) {
      if (result.error() != simdjson::SUCCESS) return false;
      ondemand::field& field = result.value_unsafe();
      const char* raw = field.key().raw();
      if (is_pairs_key(list, at, raw)) {
        if (!known && field.value().raw_json_token()[0] == '"') child = pair_child(into, behind(field.value()), guess);
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

/// The node of a pair's key. As in an object, the order of keys is guessed from the last list.
std::uint32_t RecipeWalker::pair_child(std::uint32_t into, const char* key, std::uint32_t*& guess) {
  std::uint32_t child = follow(*guess, key);
  if (child == none) {
    child = look_up(into, key);
    if (child == none) {
      unread(into, key);
      return none;
    }
    *guess = child;
  }
  guess = &steps_[child].next;
  return child;
}

/// A value, or the wrapper of OTLP around one: {"stringValue":"v"}, {"string_value":"v"}, {"arrayValue":{"values":[...]}}.
bool RecipeWalker::any_value(ondemand::value& one, std::uint32_t at) {
  if (one.raw_json_token()[0] != '{') return value(one, at);
  auto wrapper = one.get_object();
  if (wrapper.error() != simdjson::SUCCESS) return false;
  ++depth_;
  for (auto result : wrapper.value_unsafe()) {
    if (result.error() != simdjson::SUCCESS) return false;
    ondemand::field& field = result.value_unsafe();
    if (ends_with_value(field.key().raw()) && !value(field.value(), at)) return false;
  }
  --depth_;
  return true;
}

}  // namespace tidewaiter::ingest
