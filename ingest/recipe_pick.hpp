// What is picked out of a list by what stands in its elements: `pick` of a mapping. The text is a part of a message that
// was walked before, so it is scanned anew; cold path, for formats that refer to their parts by name (SPDX) or name their
// parts inside (hashes of OCSF).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter::ingest {

struct Cell;
struct Pick;

/// A step from a value into it.
struct PickStep {
  std::string key;                 // into an object; with `is_element` the key of an array's elements that is compared
  std::int64_t index = -1;         // of an array
  bool is_element = false;         // the first object of an array whose text at `key` is the wanted one
  std::string_view literal;        // the wanted text ...
  std::int32_t cell = -1;          // ... or the cell it stands in ...
  std::unique_ptr<Pick> picked;    // ... or out of which it is picked
};

struct Pick {
  std::int32_t cell = -1;          // of the outermost value; -1 where the caller has it
  std::vector<PickStep> steps;
};

/// The text that is picked out of the JSON: characters of a string (escapes undone), or a number or boolean as it stands.
/// `cells` are those of the event's location. Nothing where a step leads nowhere.
std::optional<std::string> picked_text(const std::vector<PickStep>& steps, std::string_view json, const Cell* cells);
/// How many elements are as the last step, an `is_element`, wants them. Nothing where the steps before lead to no array.
std::optional<std::uint32_t> picked_count(const std::vector<PickStep>& steps, std::string_view json, const Cell* cells);

}  // namespace tidewaiter::ingest
