// Recipe: a mapping file in the whole language (schemas/mapping.schema.json), compiled: recipe_compiler.cpp reads the
// file, recipe_tree.cpp makes the tree of its paths. A message is walked once; what stands at a path that somebody asks
// for goes into a cell; each place that holds an event is then judged from its cells: does it fit, and which of its
// sources gives each column. So the order of keys never matters, and one message may hold many events. Plan
// (ingest/plan.hpp) is the quicker way for mappings that only copy. Immutable after compile(); cold path.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "ingest/mapping_fault.hpp"
#include "ingest/mapping_path.hpp"
#include "ingest/plan.hpp"
#include "ingest/recipe_pick.hpp"

namespace tidewaiter::ingest {

/// What was found at one path. null is nothing.
struct Cell {
  enum class Kind : std::uint8_t { none, string, scalar, object, array };
  std::string_view text;    // of a string its characters, else what stands in the message
  Kind kind = Kind::none;
  std::uint8_t rank = 0;    // which of the path's alternatives it stood at
  std::uint32_t count = 0;  // elements of an array
  bool is_text() const { return kind == Kind::string || kind == Kind::scalar; }
};

/// A cell that is filled from a node, as one of its path's alternatives: the lowest rank that is there counts.
struct Target {
  std::uint16_t cell;
  std::uint8_t rank;
};

/// A text as patterns see it first: its length and its first 8 bytes as a number.
struct Word {
  explicit Word(std::string_view whole) : text(whole), head(head_of(whole)) {}
  static std::uint64_t head_of(std::string_view text);
  std::string_view text;
  std::uint64_t head;
};

/// A word with at most one '*' at its beginning, its end or both. Nearly all are told apart by two numbers.
struct Pattern {
  std::uint64_t head = 0, head_mask = 0;  // of the words that match, as Word::head
  std::size_t size_min = 0, size_max = SIZE_MAX;
  bool is_decided = false;                // by these numbers alone
  bool open_start = false, open_end = false;
  std::string text;
  static Pattern of(std::string_view text);
  bool matches(const Word& word) const {
    return (word.head & head_mask) == head && word.text.size() >= size_min && word.text.size() <= size_max &&
           (is_decided || matches_whole(word.text));
  }
  bool matches(std::string_view whole) const { return matches(Word(whole)); }

 private:
  bool matches_whole(std::string_view word) const;
};

/// Holds when the cell is there and, if words are given, its text is one of them; of a list, one of its values.
struct Condition {
  std::uint16_t cell = 0;
  bool negated = false;
  std::vector<Pattern> is;
  bool holds(const Cell* cells) const;
  /// What can be said without the texts; nothing when they decide.
  std::optional<bool> holds_by_presence(const std::uint64_t* present) const;
};

/// Cells are numbered with a bit each, set while something stands in them.
inline bool has_cell(const std::uint64_t* present, std::size_t cell) { return (present[cell / 64] >> (cell % 64) & 1) != 0; }

/// What a column is given when its value is known before the message: a number or a text that fits as it is.
struct Constant {
  enum class Kind : std::uint8_t { unknown, number, text } kind = Kind::unknown;
  std::uint64_t number = 0;
  std::string_view text;  // lives as long as the process
  /// Of a text that this leaf would be given; unknown when that takes more than setting the column.
  static Constant of(const Leaf& leaf, std::string_view text);
};

struct TableRow {
  Pattern from;
  std::string_view to;  // lives as long as the process; empty = no value
  bool keep = false;
  Constant value;       // what `to` becomes
};

/// What is read out of a text before it becomes a column's value.
enum class Extract : std::uint8_t {
  none, hash, size, count, hex_of_base64, url_host, url_port, endpoint_ip, endpoint_host, endpoint_port,
  tuple_src_ip, tuple_src_port, tuple_dst_ip, tuple_dst_port, host_name, digest, hex_id, other_id, words
};

struct SourcePart {
  std::int32_t cell = -1;  // -1 = the literal
  std::string_view literal;
};

/// One source of one column.
struct ColumnSource {
  Leaf leaf;
  Extract extract = Extract::none;
  std::vector<SourcePart> parts;       // one, or several to be put together
  std::string_view with;               // between parts
  bool some_suffice = false;           // parts that are missing are left out
  struct Literal {
    std::uint16_t cell;
    std::string_view text;
    Constant value;
  };
  std::vector<Literal> which;          // the literal of the first cell that is there
  std::vector<Condition> when;
  std::vector<TableRow> table;
  std::vector<PickStep> pick;          // from the value of the one part into it
  char separator = 0;
  int segment = 0;                     // negative: from the end
  std::uint64_t flag = 0;
  std::string description;             // for explanations
  Constant value;                      // of a source that is a literal
  bool is_direct = false;              // the text of one cell, as it stands, is what the column is given
};

struct ColumnSources {
  ColumnInfo column;
  std::vector<ColumnSource> sources;
};

struct Mark {
  std::uint64_t flag;
  std::vector<Condition> when;
};

/// Where a signature and what it is over stand; -1 = not in this form.
struct SignaturePlaces {
  std::int32_t payload = -1, payload_type = -1, signatures = -1;  // DSSE
  std::int32_t digest = -1, digest_algorithm = -1, signature = -1;
  std::int32_t material = -1;
};

struct RecipeNode {
  std::string key;
  std::array<char, 32> key_bytes{};
  std::uint32_t key_mask = 0;
  std::string path;                            // for explanations
  std::vector<std::uint32_t> children;         // by key; kept in the mapping's order
  std::map<std::string, std::uint32_t, std::less<>> by_key;
  std::vector<Target> cells;                   // what stands here goes into these
  bool takes_strings = false;                  // one of them asks for more than the event that stands here
  std::int32_t each = -1, embedded = -1, base64 = -1, kv = -1, text = -1;
  std::vector<std::pair<int, std::uint32_t>> at;
  std::string kv_key;
  std::int32_t location = -1;                  // an event stands here: which location
  bool holds_location = false;                 // here or below
  bool is_asked_from_inside = false;           // events stand below, and something asks for the text of the whole
  bool later = false;                          // events stand in it, and siblings say something about them
  bool tells = false;                          // no events stand in it, and it may say something about those of a sibling
  std::vector<std::uint32_t> columns;          // of a text node: nodes by the default order of columns
  std::vector<std::vector<std::uint32_t>> orders;  // of a text node: nodes by each other order
};

struct Location {
  std::string name;
  bool many = false;      // on the way there is an array: what does not fit is still an event, unmapped
  bool wrapped = false;
  std::uint16_t first_cell = 0;  // a multiple of 64: the cells of a location have whole words of presence
};

/// Top-level keys that a message must have for one of the ways to fit.
struct Shape {
  bool array = false;     // the message is an array and the keys those of its first element
  bool any_header = false;
  std::vector<std::string> keys;
};

/// An order of columns of lines of words, known by their number and by what stands in one of them.
struct LineOrder {
  std::vector<std::string> columns;
  std::size_t telling = 0;          // this column
  std::vector<std::string> tells;   // holds one of these
};

class Recipe {
 public:
  static constexpr std::size_t cells_max = 4096, locations_max = 24, alternatives_max = 256;

  /// Error: invalid_argument, naming the mapping, the place in it and what was expected.
  static Result<std::unique_ptr<Recipe>> compile(std::string_view json, std::string_view name);
  /// All mistakes are added to `faults`; what is returned counts only when none was.
  static std::unique_ptr<Recipe> compile(std::string_view json, std::vector<MappingFault>& faults);

  std::string format, description, example;
  std::uint16_t number = 0, version = 0;
  std::vector<RecipeNode> nodes;     // [0] is the root
  std::vector<Location> locations;
  std::uint16_t path_count = 0;      // cells of one location
  std::uint16_t cell_room = 0;       // from one location's first cell to the next one's: a multiple of 64
  std::vector<std::vector<Condition>> detect;  // any of these, all of each; cells relative to the location
  std::vector<ColumnSources> columns;
  std::vector<Mark> marks;
  std::vector<SignaturePlaces> signatures;     // the first whose payload or digest is there counts
  std::vector<Default> defaults;
  std::vector<std::pair<std::string, std::uint16_t>> headers;  // name in lower case, cell (for every location)
  std::int32_t key_cell = -1;
  std::string header_prefix, payload, content_type;  // attributes as headers, as in Plan
  std::uint32_t payload_node = 0;
  std::vector<Shape> shapes;
  std::vector<std::string> text_columns, text_header;  // of a text format: default order; names that a header line has
  std::vector<LineOrder> text_orders;  // other orders, each with its own number of columns
  bool is_text = false;              // a message may be text
  bool text_quotes = false;          // "…" and […] are one word
  std::size_t text_words_min = 0;    // lines may have fewer or more words than columns; 0 = they may not
};

/// True when the mapping asks for nothing that a Plan cannot do.
bool is_plain_mapping(std::string_view json);

/// Of a plain mapping: it says that events stand in arrays, too, which takes a Recipe of the same mapping.
bool reads_arrays(std::string_view json);

}  // namespace tidewaiter::ingest
