// A file of samples cut into messages: a line is one, as `ingest` has it, but for a JSON document over several lines, which
// is one by itself. For commands that try things.
#pragma once

#include <string_view>
#include <vector>

namespace tidewaiter::app {

struct SampleMessage {
  std::string_view text;
  std::size_t line;   // where it begins, from 1
  std::size_t lines;  // how many it takes
};

/// Empty lines are no messages.
std::vector<SampleMessage> sample_messages(std::string_view file);

}  // namespace tidewaiter::app
