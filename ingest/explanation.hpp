// What a mapping made of one message, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidewaiter::ingest {

/// Where each column of each event of a message came from, and which keys nothing read. For people; slow.
struct Explanation {
  struct Line {
    std::uint32_t sub;
    std::string column, source;
  };
  std::string format;
  std::vector<Line> lines;
  std::vector<std::string> unread;
};

}  // namespace tidewaiter::ingest
