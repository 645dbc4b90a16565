// What compiles as a mapping and yet cannot be what its writer meant: a source that gives a column no value ever, a word
// that is written nearly right, a row that no text reaches. Cold path, for the mappings of users.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ingest/mapping_fault.hpp"

namespace tidewaiter::ingest {

/// All that is found; nothing for a text that is no JSON object.
std::vector<MappingFault> review_mapping(std::string_view json);

/// The same but for the case and one letter too many, too few, another one, or two in the wrong order.
bool is_nearly(std::string_view written, std::string_view word);

/// What cannot be meant by a path, in words; "" = nothing. `parse_path` judges its grammar.
std::string path_slip(std::string_view path);

}  // namespace tidewaiter::ingest
