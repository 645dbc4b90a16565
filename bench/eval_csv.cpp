#include "bench/eval_csv.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tidewaiter::bench {
namespace {

// The next field of `line` from `at` on, and where the one after it begins; npos when it was the last.
std::string_view take_field(std::string_view line, std::size_t& at) {
  if (at < line.size() && line[at] == '"') {
    std::size_t end = at + 1;
    while ((end = line.find('"', end)) != std::string_view::npos && end + 1 < line.size() && line[end + 1] == '"') end += 2;
    if (end == std::string_view::npos) end = line.size();
    const std::string_view field = line.substr(at + 1, end - at - 1);
    const std::size_t comma = line.find(',', end);
    at = comma == std::string_view::npos ? comma : comma + 1;
    return field;
  }
  const std::size_t comma = line.find(',', at);
  const std::string_view field = line.substr(at, comma == std::string_view::npos ? comma : comma - at);
  at = comma == std::string_view::npos ? comma : comma + 1;
  return field;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<LineReader> LineReader::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return Error{Code::not_found, path + ": " + std::strerror(errno)};
  return LineReader(file);
}

bool LineReader::refill() {
  std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ == block_.size()) block_.resize(block_.size() * 2);  // a line longer than the block
  const std::size_t got = std::fread(block_.data() + end_, 1, block_.size() - end_, file_.get());
  end_ += got;
  return got > 0;
}

bool LineReader::next(std::string_view& line) {
  std::size_t searched = begin_;
  while (true) {
    if (const void* found = std::memchr(block_.data() + searched, '\n', end_ - searched)) {
      const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - block_.data());
      line = {block_.data() + begin_, at - begin_};
      begin_ = at + 1;
      break;
    }
    searched = end_ - begin_;  // refill() moves the rest to the front
    if (!refill()) {
      if (begin_ == end_) return false;
      line = {block_.data() + begin_, end_ - begin_};
      begin_ = end_;
      break;
    }
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  ++line_number_;
  return true;
}

Result<CsvReader> CsvReader::open(const std::string& path, const std::vector<std::string_view>& wanted,
                                  std::size_t required) {
  Result<LineReader> lines = LineReader::open(path);
  if (!lines) return lines.error();
  CsvReader reader(std::move(*lines));
  std::string_view header;
  if (!reader.lines_.next(header)) return Error{Code::invalid_argument, path + ": the file is empty; it needs a header"};
  if (header.starts_with("\xef\xbb\xbf")) header.remove_prefix(3);
  for (std::size_t at = 0; at != std::string_view::npos;) {
    const std::string_view name = trim(take_field(header, at));
    const auto place = static_cast<std::size_t>(std::find(wanted.begin(), wanted.end(), name) - wanted.begin());
    reader.place_.push_back(place < wanted.size() ? place : columns_max);
    if (place < wanted.size()) reader.present_[place] = true;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!reader.present_[i])
      return Error{Code::invalid_argument,
                   path + ": the header has no column '" + std::string(wanted[i]) + "'; it is: " + std::string(header)};
  return reader;
}

bool CsvReader::next(Fields& fields) {
  std::string_view line;
  do {
    if (!lines_.next(line)) return false;
  } while (line.empty());
  fields.fill({});
  std::size_t at = 0;
  for (const std::size_t place : place_) {
    if (at == std::string_view::npos) break;
    const std::string_view field = take_field(line, at);
    if (place < columns_max) fields[place] = trim(field);
  }
  return true;
}

bool parse_number(std::string_view text, double& out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::uint64_t whole = 0;
  const char* end = text.data() + text.size();
  if (text.size() <= 15) {  // exact in a double, and several times faster
    const auto [at, error] = std::from_chars(text.data(), end, whole);
    if (error == std::errc() && at == end) {
      out = static_cast<double>(whole);
      return true;
    }
  }
  const auto [at, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && at == end && !text.empty();
}

std::int64_t guess_time_unit(const std::vector<double>& times) {
  constexpr std::int64_t second_ns = 1'000'000'000, minute_ns = 60 * second_ns;
  if (times.empty()) return second_ns;
  const double largest = *std::max_element(times.begin(), times.end());
  if (largest >= 1e17) return 1;
  if (largest >= 1e14) return 1'000;
  if (largest >= 1e11) return 1'000'000;
  if (largest >= 1e8) return second_ns;
  std::vector<double> distinct(times);
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  return times.size() >= 4 * distinct.size() ? minute_ns : second_ns;
}

std::int64_t time_unit_ns(std::string_view word) {
  constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000},
      {"h", 3'600'000'000'000}, {"d", 86'400'000'000'000}};
  for (const auto& [name, ns] : units)
    if (name == word) return ns;
  return 0;
}

}  // namespace tidewaiter::bench
