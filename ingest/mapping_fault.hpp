// One mistake in a mapping file.
#pragma once

#include <string>

namespace tidewaiter::ingest {

struct MappingFault {
  std::string key;      // "fields.time[1].as"; "" = the file as a whole
  std::string message;  // what was expected, and the nearest valid word
};

}  // namespace tidewaiter::ingest
