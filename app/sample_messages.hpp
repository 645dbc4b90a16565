// A file of samples cut into messages: one JSON document, one a line, several pretty-printed one after the other, or lines
// of a text format, which are one message. For commands that try things.
#pragma once

#include <string_view>
#include <vector>

namespace tidewaiter::app {

struct SampleMessage {
  std::string_view text;
  std::size_t line;  // where it begins, from 1
};

std::vector<SampleMessage> sample_messages(std::string_view file);

}  // namespace tidewaiter::app
