// RecipeWalker: execution of one Recipe on one message. Owned by one Parser. Objects and keys are in recipe_walker.cpp,
// arrays in recipe_lists.cpp, JSON in strings in recipe_embedded.cpp, lines of text in recipe_lines.cpp, cells and what
// becomes of them in recipe_events.cpp.
//
// One pass over the message. What an object says about events in one of its members may stand behind them; then that
// object is gone through twice, here and in all messages that follow: the members with events the second time. The first
// message that shows such an order is walked anew. The order of keys is guessed from the last message, as in
// plan_walker.hpp.
// JSON in strings gets a parser of its own per level, with what is left of the limits.
#pragma once

#include <simdjson.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "ingest/attestation.hpp"
#include "ingest/json_check.hpp"
#include "ingest/json_text.hpp"
#include "ingest/recipe.hpp"
#include "ingest/recipe_shapes.hpp"
#include "ingest/recipe_values.hpp"
#include "ingest/text_order.hpp"

namespace tidewaiter::ingest {

struct WalkLimits {
  JsonLimits json;
  std::size_t events_max = 10'000;
  bool strict = false;  // check the grammar of embedded documents, too
};

struct WalkResult {
  bool broken = false;         // no JSON: the exact check must say why
  bool too_many = false;
  bool odd = false;            // something under a read path is no JSON token
  bool order_unknown = false;  // a line whose order of columns cannot be known
  bool no_element = false;     // the place of events is there, and empty
  std::uint32_t events = 0, fitting = 0;
  std::uint64_t unread_keys = 0;
};

class RecipeWalker {
 public:
  explicit RecipeWalker(std::unique_ptr<Recipe> recipe);

  const Recipe& recipe() const { return *recipe_; }

  /// Appends the events of the message to batch.events. The caller removes them if it does not like the result.
  WalkResult document(simdjson::ondemand::document& document, Batch& batch, const Record& record,
                      const WalkLimits& limits, Explanation* explanation = nullptr);
  /// The message is lines of text.
  WalkResult lines(std::string_view text, Batch& batch, const Record& record, const WalkLimits& limits,
                   Explanation* explanation = nullptr);
  /// Signatures are judged from now on, if the mapping says where they stand.
  void judge_signatures(std::shared_ptr<const Trust> trust) {
    attestation_.reset();
    if (trust) attestation_.emplace(std::move(trust));
  }
  /// Null when none are judged.
  const Attestation* attestation() const { return attestation_ ? &*attestation_ : nullptr; }
  /// Order of columns for what follows; a header line changes it for its partition.
  void set_text_columns(const std::vector<std::string>& names);
  /// As Parser's.
  void recall_orders_by(RecallOrder recall, bool for_each_record);
  void forget_orders() { line_columns_.clear(); }
  std::vector<TextOrder> take_orders() { return std::exchange(seen_orders_, {}); }

 private:
  using Value = simdjson::ondemand::value;
  using Object = simdjson::ondemand::object;
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  static constexpr std::size_t levels_max = 4;
  static constexpr int guesses = 3;  // optional keys that stand side by side are left out together

  /// What the walk needs of one key, and what it has learned: one line of memory.
  struct alignas(64) Step {
    std::array<char, 32> key_bytes{};
    std::uint32_t key_mask = 0;
    std::uint32_t next = none;   // the key that came after this one last time
    std::uint32_t seen = 0;      // the visit of its parent in which it was there
    bool later = false, tells = false;  // as of the node
    bool opens = false;          // a string here may hold a document, or lines
    bool takes_strings = false;  // as of the node
    bool asks = false;           // an object here is of interest, or something in it
    bool plain = false;          // ... as one object of keys and nothing else
    std::uint16_t target_count = 0;
    const Target* targets = nullptr;  // the node's cells
  };
  static_assert(sizeof(Step) == 64);
  /// What it needs of the object or the list that stands there.
  struct alignas(64) Inside {
    std::uint32_t first = none;  // the key that came first in this object
    bool careful = false;        // what tells has stood behind what holds events
    bool has_children = false, is_asked_from_inside = false, events_below = false;
    std::uint32_t table = 0, table_mask = 0;  // open addressing over the children's keys, in key_table_
    std::int32_t kv = -1, each = -1, location = -1;  // as of the node
    std::uint64_t kv_head = 0, kv_mask = 0;   // of a list of pairs: the name of their key, as it begins in a message
  };

  void begin(Batch& batch, const Record& record, const WalkLimits& limits, Explanation* explanation);
  bool walk(simdjson::ondemand::document& document);
  void read_headers(const Record& record);
  bool read_attributes(const Record& record);
  /// The first character of a value decides what it is: a string, most of the time.
  bool value(Value& value, std::uint32_t at) {
    const std::string_view token = value.raw_json_token();
    if (token[0] != '"') {
      if (plain_number_length(token.data()) != token.size()) return other_value(value, at, token);
      set(at, Cell::Kind::scalar, token);
      return true;
    }
    const char* const inside = behind(value);
    const Step& step = steps_[at];
    if (step.opens) text(string(inside), at);
    else if (step.takes_strings) set(at, Cell::Kind::string, string(inside));
    return true;
  }
  /// What the string holds. The iterator is moved behind it, which costs less than to let it find out what it skips.
  static const char* behind(Value& string) { return string.get_raw_json_string().value_unsafe().raw(); }
  bool other_value(Value& value, std::uint32_t at, std::string_view token);
  bool root_value(simdjson::ondemand::document& document);
  /// `also`: the same object is read as these, too; what they know is not unread.
  bool object(Object& fields, std::uint32_t at, std::span<const std::int32_t> also = {});
  bool passed_over_members(Object& fields, std::uint32_t at);
  bool entered_object(Value& value, std::uint32_t at, const char* start);
  bool plain_object(Object& fields, std::uint32_t at, const char* start);
  bool array(simdjson::ondemand::array& elements, std::uint32_t at, const char* start);
  bool element(Value& element, std::uint32_t each, std::uint32_t event_count);
  template <class Visit>
  bool for_each_element(simdjson::ondemand::array& elements, std::uint32_t& count, Visit visit);
  bool list(Value& value, std::uint32_t at, const char* start);
  bool key_values(simdjson::ondemand::array& elements, std::uint32_t at, const char* start);
  bool key_value(Object& pair, std::uint32_t at, std::uint32_t*& guess);
  bool is_pairs_key(const Inside& list, std::uint32_t at, const char* raw) const;
  std::uint32_t pair_child(std::uint32_t into, const char* key, std::uint32_t*& guess);
  bool any_value(Value& value, std::uint32_t at);
  void text(std::string_view text, std::uint32_t at);
  void embedded(std::string_view text, std::uint32_t into, bool base64);
  bool embedded_document(std::string_view text, std::uint32_t at);
  void text_lines(std::string_view text, std::uint32_t at);
  /// Returns how many words the line has.
  std::size_t put_words(std::string_view line, std::uint32_t at, const std::vector<std::uint32_t>& order);
  const std::vector<std::uint32_t>* order_of(std::string_view line, std::size_t words,
                                             const std::vector<std::uint32_t>& in_force, std::uint32_t at) const;
  void text_line(std::string_view line, std::uint32_t at);
  bool is_header(std::string_view line, std::uint32_t at);
  bool read_header(std::string_view line, std::uint32_t at);
  /// Null when it cannot be known.
  const std::vector<std::uint32_t>* order_in_force(std::uint32_t at);
  TextOrder text_order(std::uint32_t at, std::string_view header) const;
  std::optional<std::uint32_t> column_named(std::string_view word, std::uint32_t at) const;

  void index_children(std::uint32_t at);
  bool is_key(const Step& step, std::uint32_t node, const char* key) const {
    if (step.key_mask == 0) return is_long_key(node, key);
#if defined(__AVX2__)
    const __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(key)),
                                           _mm256_load_si256(reinterpret_cast<const __m256i*>(step.key_bytes.data())));
    return (~static_cast<std::uint32_t>(_mm256_movemask_epi8(same)) & step.key_mask) == 0;
#else
    return is_long_key(node, key);
#endif
  }
  bool is_long_key(std::uint32_t node, const char* key) const;
  std::uint32_t follow(std::uint32_t guess, const char* key) const {
    for (int i = 0; i < guesses && guess != none; ++i, guess = steps_[guess].next)
      if (is_key(steps_[guess], guess, key)) return guess;
    return none;
  }
  std::uint32_t look_up(std::uint32_t at, const char* key);
  std::uint32_t next_visit();
  void unread(std::uint32_t at, const char* key, std::span<const std::int32_t> also = {});
  std::string_view string(const char* inside) {
    const StringExtent extent = string_extent(inside);
    return extent.escaped ? unescaped({inside, extent.length}) : std::string_view{inside, extent.length};
  }
  std::string_view unescaped(std::string_view inside_quotes);
  std::string_view up_to_here(const char* start) const;
  void set(std::uint32_t at, Cell::Kind kind, std::string_view text, std::uint32_t count = 0) {
    const Step& step = steps_[at];
    for (std::uint32_t i = 0; i < step.target_count; ++i) {
      const auto [number, rank] = step.targets[i];
      if (cells_[number].kind == Cell::Kind::none) fill(number, {text, kind, rank, count});
      else if (rank < cells_[number].rank) replace(number, {text, kind, rank, count});
    }  // of several at the same place the first one counts
  }
  void fill(std::uint16_t number, const Cell& cell) {
    cells_[number] = cell;
    present_[number / 64] |= std::uint64_t{1} << (number % 64);
    touched_.push_back(number);
  }
  void replace(std::uint16_t number, const Cell& cell);
  const CellShape& shape_of(const Location& location) { return shapes_.of(present_.data() + location.first_cell / 64); }
  void forget(std::size_t mark);
  void spread_flags(std::uint32_t events_before);
  void emit_holder(std::uint32_t at, std::uint32_t events_before);
  void emit(std::uint32_t at);
  void emit_unmapped(std::uint64_t flags);
  void judge_signature(const Cell* cells, Event& event);

  std::unique_ptr<Recipe> recipe_;
  std::vector<Step> steps_;     // by node
  std::vector<Inside> insides_;
  std::vector<std::uint32_t> key_table_;
  std::vector<Cell> cells_;
  std::vector<std::uint64_t> present_;  // a bit for each cell
  static constexpr std::uint16_t replaced_bit = 0x8000;
  static_assert(Recipe::cells_max + 64 * Recipe::locations_max <= replaced_bit);
  std::vector<std::uint16_t> touched_;  // cells in the order of filling; with replaced_bit: what was in it is in replaced_
  std::vector<Cell> replaced_;
  RecipeShapes shapes_;
  RecipeValues values_;
  std::optional<Attestation> attestation_;
  std::array<simdjson::ondemand::parser, levels_max> parsers_;

  /// By partition and text node: what its last header line said, else the configured or default order.
  std::map<std::tuple<const Origin*, std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> line_columns_;
  std::vector<std::string> header_words_;        // of the line in work, should it be a header
  std::vector<std::uint32_t> header_columns_;
  RecallOrder recall_;
  bool recalls_each_record_ = false;
  std::vector<TextOrder> seen_orders_;           // since they were taken; of those who recall alone

  // of the message in work
  Batch* batch_ = nullptr;
  const Record* record_ = nullptr;
  Explanation* explanation_ = nullptr;
  WalkLimits limits_;
  WalkResult result_;
  simdjson::ondemand::document* document_ = nullptr;
  std::string_view document_text_;
  std::size_t level_ = 0, depth_ = 0;
  std::uint32_t settled_ = 0;  // events up to here stay, whatever holds them
  std::uint64_t flags_ = 0;
  std::uint32_t visit_ = 0;
  std::uint32_t start_ = 0;    // the node that the value is: the root, or the payload when attributes came as headers
  bool is_misled_ = false;     // something stood behind the events that it tells about
};

}  // namespace tidewaiter::ingest
