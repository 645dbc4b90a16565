// From the paths that a mapping asks for to the tree of keys that RecipeWalker walks along. Cold path.
#pragma once

#include <vector>

#include "core/result.hpp"
#include "ingest/mapping_path.hpp"
#include "ingest/recipe.hpp"

namespace tidewaiter::ingest {

/// What the compiler of a mapping has read.
struct ReadPaths {
  std::vector<Path> places;                 // that may hold an event, as Recipe::locations
  std::vector<ParsedPath> paths, ignored;   // paths: by the number of their cell
};

/// Fills nodes, path_count, shapes and what locations know of their place. Error: invalid_argument, "KEY: what is wrong".
Result<void> plant_paths(Recipe& recipe, const ReadPaths& read);

}  // namespace tidewaiter::ingest
