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
#include "ingest/mapping_path.hpp"
#include "ingest/plan.hpp"

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

/// A word with at most one '*' at its beginning, its end or both.
struct Pattern {
  std::string text;
  bool open_start = false, open_end = false;
  static Pattern of(std::string_view text);
  bool matches(std::string_view word) const;
};

/// Holds when the cell is there and, if words are given, its text is one of them.
struct Condition {
  std::uint16_t cell = 0;
  bool negated = false;
  std::vector<Pattern> is;
  bool holds(const Cell* cells) const;
};

struct TableRow {
  Pattern from;
  std::string_view to;  // lives as long as the process; empty = no value
  bool keep = false;
};

/// What is read out of a text before it becomes a column's value.
enum class Extract : std::uint8_t {
  none, hash, size, count, hex_of_base64, url_host, url_port, endpoint_ip, endpoint_host, endpoint_port,
  tuple_src_ip, tuple_src_port, tuple_dst_ip, tuple_dst_port, host_name, digest
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
  std::vector<std::pair<std::uint16_t, std::string_view>> which;  // the literal of the first cell that is there
  std::vector<Condition> when;
  std::vector<TableRow> table;
  std::string first_letters;           // of the table's rows; 0 = any: most rows are passed over by one byte
  char separator = 0;
  int segment = 0;                     // negative: from the end
  std::uint64_t flag = 0;
  std::string description;             // for explanations
};

struct ColumnSources {
  ColumnInfo column;
  std::vector<ColumnSource> sources;
  std::size_t first_gate = 0;  // among Recipe::gates; one for each source
};

/// Cells that must hold something for a source to give a value. Most sources of a mapping give none to a given event, and
/// this says so from four bytes.
struct SourceGate {
  static constexpr std::uint16_t always = 0xFFFF;
  std::uint16_t cell = always, also = always;
  bool is_open(const Cell* cells) const {
    return (cell == always || cells[cell].kind != Cell::Kind::none) &&
           (also == always || cells[also].kind != Cell::Kind::none);
  }
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
  std::int32_t each = -1, embedded = -1, base64 = -1, kv = -1, text = -1;
  std::vector<std::pair<int, std::uint32_t>> at;
  std::string kv_key;
  std::int32_t location = -1;                  // an event stands here: which location
  bool holds_location = false;                 // here or below
  bool later = false;                          // walked after its siblings: they say something about its events
  std::vector<std::uint32_t> columns;          // of a text node: nodes by the default order of columns
};

struct Location {
  std::string name;
  bool many = false;      // on the way there is an array: what does not fit is still an event, unmapped
  bool wrapped = false;
  std::uint16_t first_cell = 0;
};

/// Top-level keys that a message must have for one of the ways to fit.
struct Shape {
  bool array = false;     // the message is an array and the keys those of its first element
  bool any_header = false;
  std::vector<std::string> keys;
};

class Recipe {
 public:
  static constexpr std::size_t cells_max = 4096, locations_max = 16, alternatives_max = 256;

  /// Error: invalid_argument, naming the mapping, the place in it and what was expected.
  static Result<std::unique_ptr<Recipe>> compile(std::string_view json, std::string_view name);

  std::string format, description, example;
  std::uint16_t number = 0, version = 0;
  std::vector<RecipeNode> nodes;     // [0] is the root
  std::vector<Location> locations;
  std::uint16_t path_count = 0;      // cells of one location
  std::vector<std::vector<Condition>> detect;  // any of these, all of each; cells relative to the location
  std::vector<ColumnSources> columns;
  std::vector<SourceGate> gates;
  std::vector<Mark> marks;
  std::vector<SignaturePlaces> signatures;     // the first whose payload or digest is there counts
  std::vector<Default> defaults;
  std::vector<std::pair<std::string, std::uint16_t>> headers;  // name in lower case, cell (for every location)
  std::int32_t key_cell = -1;
  std::vector<Shape> shapes;
  std::vector<std::string> text_columns, text_header;  // of a text format: default order; names that a header line has
  bool is_text = false;              // a message may be text
  bool text_quotes = false;          // "…" and […] are one word
  std::size_t text_words_min = 0;    // lines may have fewer or more words than columns; 0 = they may not
};

/// True when the mapping asks for nothing that a Plan cannot do.
bool is_plain_mapping(std::string_view json);

}  // namespace tidewaiter::ingest
