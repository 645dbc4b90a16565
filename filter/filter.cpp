#include "filter/filter.hpp"

#include "filter/parser.hpp"
#include "filter/program.hpp"

namespace tidewaiter::filter {

Filter::Filter() {
  static const auto everything = std::make_shared<const Program>(Node{});
  program_ = everything;
}

Filter::Filter(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Result<Filter> Filter::compile(std::string_view text, std::int64_t now_ns) {
  TRY_ASSIGN(const Node tree, parse(text, now_ns));
  auto program = std::make_shared<const Program>(tree);
  if (program->canonical().size() > text_bytes_max)
    return fail(Code::invalid_argument, "a filter has at most " + std::to_string(text_bytes_max) + " bytes, written out");
  return Filter(std::move(program));
}

bool Filter::matches(const Event& event) const { return program_->matches(event); }
bool Filter::may_match(const Summary& summary) const { return program_->may_match(summary); }
std::pair<std::int64_t, std::int64_t> Filter::time_range() const { return program_->time_range(); }
ColumnSet Filter::columns() const { return program_->columns(); }
const std::vector<RequiredTerm>& Filter::required_terms() const { return program_->required_terms(); }
bool Filter::matches_everything() const { return program_->matches_everything(); }
const std::string& Filter::canonical() const { return program_->canonical(); }

}  // namespace tidewaiter::filter
