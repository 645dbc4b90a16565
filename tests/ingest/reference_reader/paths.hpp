// Paths of the mapping language for the reference reader: read anew from docs/formats.md, walked over a tree.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/ingest/reference_reader/json.hpp"

namespace tidewaiter::ingest::testing {

struct Step {
  enum class Kind { key, each, index, json, base64, kv, text };
  Kind kind;
  std::string key;  // kv: the name of the key's field
  int index = 0;
};
using Steps = std::vector<Step>;

struct ReferencePath {
  enum class From { event, root, header, message_key, raw };
  From from = From::event;
  int up = 0;
  std::string header;
  std::vector<Steps> ways;  // (a|b) written out, the first named first
};

/// The path must be good: the mapping was compiled before.
ReferencePath read_path(std::string_view text);

/// Steps left when `up` times the last key and what follows it are taken away; nothing when there are not so many.
std::optional<std::size_t> outer_length(const Steps& steps, int up);

/// With the alphabet of URLs, too; line ends within and missing '=' do not matter.
std::optional<std::string> bytes_of_base64(const std::string& text);

/// A message's documents: its own, and those in its strings, each read once.
class Documents {
 public:
  explicit Documents(TreeLimits limits) : limits_(limits) {}
  /// The document in the string, an object or array; null when there is none.
  const Node* inside(const Node& string, bool base64);
  /// Of base64 that was looked into: what it holds is text and no document, not even a broken one.
  bool is_plain(const Node& string) const;

  static constexpr std::size_t levels_max = 4;

 private:
  struct Kept {
    std::string text;
    std::optional<Node> root;
    bool decoded = false;
  };
  TreeLimits limits_;
  std::map<std::pair<const Node*, bool>, Kept> kept_;
};

/// The first value that stands at the end of the steps; a null is none.
const Node* find(const Node& from, const Steps& steps, std::size_t at, Documents& documents);

/// The values of a list of pairs that stand beside a key; those in OTLP's wrapper are taken out of it.
void for_each_pair(const Node& list, const std::string& key_name,
                   const std::function<void(const std::string& key, const Node& value)>& visit);

}  // namespace tidewaiter::ingest::testing
