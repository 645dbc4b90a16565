// Tables as JSON: an array of objects, read as a stream, because a tree of values would not know the lines.
#include <nlohmann/json.hpp>

#include "ingest/counting_iterator.hpp"
#include "ingest/json_syntax.hpp"
#include "ingest/table.hpp"

namespace tidewaiter::ingest {
namespace {

using Sax = nlohmann::json_sax<nlohmann::json>;

class TableSax final : public Sax {
 public:
  TableSax(TableKind kind, std::string_view text, Reached& reached, std::vector<Fault>& faults)
      : maker_(kind, faults), spec_(spec_of(kind)), text_(text), reached_(reached) {}

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
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    const auto fault = json_syntax_fault(text_);
    if (fault) maker_.wrong(fault->line, fault->column, "", fault->message);
    else maker_.wrong(reached_.line, column(1), "", "not JSON");
    return false;
  }

  Table take() { return maker_.take(); }

 private:
  enum class Place { outside, list, cell, words };
  Place place() const { return static_cast<Place>(depth_); }
  /// Where the token of so many bytes began that was just read.
  int column(std::size_t bytes) const {
    return reached_.column_before(bytes);
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
  std::string_view text_;
  Reached& reached_;
  int depth_ = 0, column_ = -1, line_ = 0;  // depth: outside, in the list, in an object, in its list of words
  std::uint64_t seen_ = 0;
  std::vector<TableCell> cells_;
};

}  // namespace

Table read_json_table(TableKind kind, std::string_view text, std::vector<Fault>& faults) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Reached reached{text.data(), text.data(), 1, text.data()};
  TableSax sax(kind, text, reached, faults);
  nlohmann::json::sax_parse(CountingIterator(text.data(), &reached), CountingIterator(text.data() + text.size(), &reached), &sax);
  return sax.take();
}

}  // namespace tidewaiter::ingest
