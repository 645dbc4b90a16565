// One comparison, typed: column, operator and the words behind it become a Test, or an error about one of the words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/column.hpp"
#include "core/result.hpp"
#include "filter/syntax.hpp"

namespace tidewaiter::filter {

enum class Operator : std::uint8_t {
  equal, less, less_equal, greater, greater_equal, matches, in, like, startswith, endswith, contains, has
};

struct Operand {
  std::string text;
  std::size_t at = 0;  // byte offset in the filter
};

Test exists_test(std::string_view name, ColumnSet present);

/// Why the operator does not fit the column's type, in words; empty when it does.
std::string misfit_of(const ColumnInfo& column, Operator op);

class TestBuilder {
 public:
  TestBuilder(const ColumnInfo& column, Operator op, bool negated, std::int64_t now_ns);
  /// `operands` is not empty. Error: what is wrong with operands[wrong_operand()], in words.
  Result<Test> build(const std::vector<Operand>& operands);
  std::size_t wrong_operand() const { return at_; }

 private:
  Result<void> add(const std::string& word);
  Result<void> add_text(const std::string& word);
  Result<void> add_number(const std::string& word);
  Result<void> add_time(const std::string& word);
  Result<void> add_word(const std::string& word);
  Result<void> add_network(const std::string& word);
  void set_range(std::uint64_t value, std::uint64_t lowest, std::uint64_t highest);
  Result<std::uint64_t> enum_mask(std::uint64_t value) const;
  void finish();

  const ColumnInfo column_;
  const Operator op_;
  const std::int64_t now_ns_;
  Test test_;
  std::vector<std::string> printed_;
  std::size_t at_ = 0;
};

}  // namespace tidewaiter::filter
