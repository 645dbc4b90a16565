// CSV as RFC 4180 has it, read strictly: quotes around a whole field or not at all, "" for a quote inside, as many fields
// in every line as in the first, UTF-8. Lines end with LF or CRLF; a byte order mark and lines without any character are
// passed over. Pure; cold path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter::ingest {

/// What is wrong with a file, and where: line and column count from 1, the column in bytes.
struct Fault {
  int line = 0, column = 0;
  std::string key;      // what it is about: the name of a column; may be empty
  std::string message;
};

struct CsvField {
  std::string text;
  int line = 0, column = 0;
};
using CsvRow = std::vector<CsvField>;

/// The lines up to the first mistake, which is added to `faults`.
std::vector<CsvRow> read_csv(std::string_view text, std::vector<Fault>& faults);

}  // namespace tidewaiter::ingest
