// Tables as JSON: an array of objects, read as a stream, because a tree of values would not know the lines.
#include <nlohmann/json.hpp>

#include "ingest/table.hpp"

namespace tidewaiter::ingest {
namespace {

/// Counts lines while the parser reads; all copies of it count together.
struct Reached {
  const char* begin;
  const char* at;
  int line = 1;
  const char* line_begin;
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Reached* reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_ == '\n') {
      ++reached_->line;
      reached_->line_begin = at_ + 1;
    }
    reached_->at = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Reached* reached_;
};

using Sax = nlohmann::json_sax<nlohmann::json>;

class TableSax final : public Sax {
 public:
  TableSax(TableKind kind, Reached& reached, std::vector<Fault>& faults)
      : maker_(kind, faults), spec_(spec_of(kind)), reached_(reached) {}

  bool null() override { return place() == Place::cell || odd(); }
  bool boolean(bool) override { return odd(); }
  bool number_integer(number_integer_t value) override { return text(std::to_string(value), 1); }
  bool number_unsigned(number_unsigned_t value) override { return text(std::to_string(value), 1); }
  bool number_float(number_float_t, const string_t& digits) override { return text(digits, 1); }
  bool string(string_t& value) override { return text(value, 2); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    if (place() != Place::list) return odd();
    depth_ = 2;
    line_ = reached_.line;
    cells_.assign(spec_.values.size() + 1, {});
    seen_ = 0;
    return true;
  }
  bool key(string_t& name) override {
    const int place = column(name.size() + 2);
    column_ = maker_.column_number(name, reached_.line, place);
    if (column_ >= 0 && (seen_ >> column_ & 1) != 0) maker_.wrong(reached_.line, place, name, "is there twice");
    if (column_ >= 0) seen_ |= std::uint64_t{1} << column_;
    return !maker_.full();
  }
  bool end_object() override {
    depth_ = 1;
    maker_.add(std::move(cells_), line_);
    return !maker_.full();
  }
  bool start_array(std::size_t) override {
    if (place() == Place::outside) {
      depth_ = 1;
      return true;
    }
    if (place() != Place::cell) return odd();
    depth_ = 3;
    return true;
  }
  bool end_array() override {
    depth_ = depth_ == 3 ? 2 : 0;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string_view what = error.what();
    const std::size_t colon = what.find(": ");  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    maker_.wrong(reached_.line, column(1), "", "not JSON: " + std::string(colon == what.npos ? what : what.substr(colon + 2)));
    return false;
  }

  Table take() { return maker_.take(); }

 private:
  enum class Place { outside, list, cell, words };
  Place place() const { return static_cast<Place>(depth_); }
  /// Where the token of so many bytes began that was just read.
  int column(std::size_t bytes) const {
    const auto end = static_cast<std::ptrdiff_t>(reached_.at - reached_.line_begin);
    return static_cast<int>(std::max<std::ptrdiff_t>(1, end - static_cast<std::ptrdiff_t>(bytes) + 1));
  }

  bool odd() {
    constexpr const char* expected[] = {"an array of objects", "an object", "a text", "a text"};
    maker_.wrong(reached_.line, column(1), "", std::string("expected ") + expected[depth_]);
    return false;
  }

  bool text(const std::string& value, std::size_t more) {
    if (place() != Place::cell && place() != Place::words) return odd();
    if (column_ < 0) return true;
    TableCell& cell = cells_[static_cast<std::size_t>(column_)];
    cell = {place() == Place::words && !cell.text.empty() ? cell.text + " " + value : value, reached_.line, column(value.size() + more)};
    return true;
  }

  TableMaker maker_;
  const TableSpec& spec_;
  Reached& reached_;
  int depth_ = 0, column_ = -1, line_ = 0;  // depth: outside, in the list, in an object, in its list of words
  std::uint64_t seen_ = 0;
  std::vector<TableCell> cells_;
};

}  // namespace

Table read_json_table(TableKind kind, std::string_view text, std::vector<Fault>& faults) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Reached reached{text.data(), text.data(), 1, text.data()};
  TableSax sax(kind, reached, faults);
  nlohmann::json::sax_parse(CountingIterator(text.data(), &reached), CountingIterator(text.data() + text.size(), &reached), &sax);
  return sax.take();
}

}  // namespace tidewaiter::ingest
