#include "ingest/csv.hpp"

#include <optional>

namespace tidewaiter::ingest {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, std::vector<Fault>& faults) : rest_(text), faults_(faults) {}

  std::vector<CsvRow> run() {
    std::vector<CsvRow> rows;
    while (!rest_.empty()) {
      if (end_of_line()) continue;
      CsvRow row;
      if (!read_row(row)) return rows;
      if (!rows.empty() && row.size() != rows.front().size()) {
        wrong(row.front().line, 1, "expected " + std::to_string(rows.front().size()) + " fields as in the first line, found " +
                                       std::to_string(row.size()));
        return rows;
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool wrong(int line, int column, std::string message) {
    faults_.push_back({line, column, "", std::move(message)});
    return false;
  }

  void skip(std::size_t bytes) {
    rest_.remove_prefix(bytes);
    column_ += static_cast<int>(bytes);
  }

  /// Takes LF or CRLF, if it stands here.
  bool end_of_line() {
    const std::size_t bytes = rest_.starts_with("\r\n") ? 2 : rest_.starts_with('\n') ? 1 : 0;
    if (bytes == 0) return false;
    rest_.remove_prefix(bytes);
    ++line_;
    column_ = 1;
    return true;
  }

  bool read_row(CsvRow& row) {
    while (true) {
      CsvField field{"", line_, column_};
      if (!(rest_.starts_with('"') ? quoted(field) : plain(field))) return false;
      row.push_back(std::move(field));
      if (rest_.empty() || end_of_line()) return true;
      skip(1);  // the comma: both kinds of fields end before one, before the end of the line, or with the text
    }
  }

  bool plain(CsvField& field) {
    const std::size_t end = std::min(rest_.find_first_of(",\n\r\""), rest_.size());
    field.text = rest_.substr(0, end);
    skip(end);
    if (rest_.starts_with('"')) return wrong(line_, column_, "a quotation mark inside of a field without quotes: quote the whole field and write \"\"");
    if (rest_.starts_with('\r') && !rest_.starts_with("\r\n")) return wrong(line_, column_, "a carriage return that ends no line: end lines with LF or CRLF");
    return true;
  }

  bool quoted(CsvField& field) {
    skip(1);
    while (true) {
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos) return wrong(field.line, field.column, "the quoted field that begins here has no end");
      take(field.text, end);
      skip(1);
      if (!rest_.starts_with('"')) break;
      field.text += '"';
      skip(1);
    }
    const bool ends = rest_.empty() || rest_.starts_with(',') || rest_.starts_with('\n') || rest_.starts_with("\r\n");
    return ends || wrong(line_, column_, "expected a comma or the end of the line behind the closing quotation mark");
  }

  /// Quoted text may hold ends of lines.
  void take(std::string& text, std::size_t bytes) {
    const std::string_view piece = rest_.substr(0, bytes);
    text += piece;
    skip(bytes);
    for (std::size_t at = piece.find('\n'); at != std::string_view::npos; at = piece.find('\n', at + 1)) {
      ++line_;
      column_ = static_cast<int>(piece.size() - at);
    }
  }

  std::string_view rest_;
  std::vector<Fault>& faults_;
  int line_ = 1, column_ = 1;
};

/// Where the text stops being UTF-8 (RFC 3629).
std::optional<std::size_t> bad_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const unsigned first = byte(at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = first >= 0xF0 && first <= 0xF4 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 && first < 0xE0 ? 2 : 0;
    if (length == 0) return at;
    for (std::size_t i = 1; i < length; ++i)
      if ((byte(at + i) & 0xC0) != 0x80) return at;
    const unsigned second = byte(at + 1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
      return at;
    at += length;
  }
  return std::nullopt;
}

Fault fault_at(std::string_view text, std::size_t at, std::string message) {
  Fault fault{1, 1, "", std::move(message)};
  for (const char c : text.substr(0, at)) {
    fault.column = c == '\n' ? 1 : fault.column + 1;
    fault.line += c == '\n';
  }
  return fault;
}

}  // namespace

std::vector<CsvRow> read_csv(std::string_view text, std::vector<Fault>& faults) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const auto bad = bad_utf8(text)) {
    faults.push_back(fault_at(text, *bad, "not UTF-8: save the file as UTF-8"));
    return {};
  }
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    faults.push_back(fault_at(text, nul, "a NUL byte: this is no text"));
    return {};
  }
  return CsvReader(text, faults).run();
}

}  // namespace tidewaiter::ingest
