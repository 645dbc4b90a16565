// RecipeWalker: JSON in strings.
#include <algorithm>
#include <bit>
#include <cstring>

#include "ingest/extracts.hpp"
#include "ingest/json_text.hpp"
#include "ingest/recipe_walker.hpp"

namespace tidewaiter::ingest {

namespace ondemand = simdjson::ondemand;

void RecipeWalker::text(std::string_view text, std::uint32_t at) {
  const RecipeNode& node = recipe_->nodes[at];
  set(at, Cell::Kind::string, text);
  if (node.embedded >= 0) embedded(text, static_cast<std::uint32_t>(node.embedded), false);
  if (node.base64 >= 0) embedded(text, static_cast<std::uint32_t>(node.base64), true);
  if (node.text >= 0) text_lines(text, static_cast<std::uint32_t>(node.text));
}

/// Text in which nobody meant JSON.
static bool is_plain(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos || (text[first] != '{' && text[first] != '[');
}

/// JSON in a string. When it is broken its event is not lost: it becomes an unmapped one.
void RecipeWalker::embedded(std::string_view text, std::uint32_t into, bool base64) {
  const std::uint32_t events = result_.events;
  bool good = level_ < levels_max, broken = base64;  // people write plain text, but no base64
  if (good && base64) {
    const auto bytes = decoded_base64(text);
    good = bytes.has_value();
    if (good) {
      char* out = EventWriter::derive(*batch_, bytes->size());
      std::memcpy(out, bytes->data(), bytes->size());
      text = {out, bytes->size()};
      broken = !is_plain(text);
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
  if (broken) settled_ = result_.events;  // else what holds it may be the event
}

bool RecipeWalker::embedded_document(std::string_view text, std::uint32_t at) {
  if (text.empty() || text.size() > limits_.json.message_bytes_max) return false;
  JsonLimits limits = limits_.json;
  if (depth_ >= limits.depth_max) return false;
  limits.depth_max -= depth_;
  const Marks marks = count_marks(text);
  const bool deep = marks.opened > limits.depth_max && !nests_within(text, limits.depth_max);
  if (limits_.strict || deep || marks.colons > limits.keys_max)
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

}  // namespace tidewaiter::ingest
