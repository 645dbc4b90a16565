#include "app/json_tree.hpp"

#include <utility>

#include "ingest/counting_iterator.hpp"
#include "ingest/json_syntax.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;
using ingest::CountingIterator;
using ingest::Reached;

constexpr std::size_t values_max = 100'000, depth_max = 64;

class Builder final : public nlohmann::json_sax<json> {
 public:
  Builder(const std::string& file, const Reached& reached, YamlTree& tree, std::vector<Finding>& findings)
      : file_(file), reached_(reached), tree_(tree), findings_(findings) {}

  bool null() override { return put(nullptr, 4); }
  bool boolean(bool value) override { return put(value, value ? 4 : 5); }
  bool number_integer(number_integer_t value) override { return put(value, std::to_string(value).size()); }
  bool number_unsigned(number_unsigned_t value) override { return put(value, std::to_string(value).size()); }
  bool number_float(number_float_t value, const string_t& digits) override { return put(value, digits.size()); }
  bool string(string_t& value) override { return put(value, value.size() + 2); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return enter(json::object()); }
  bool start_array(std::size_t) override { return enter(json::array()); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    const std::string child = child_pointer(level.pointer, name);
    const Place place = here(name.size() + 2);
    level.passes_over = level.value.contains(name);
    if (level.passes_over)
      wrong(place, child, "this key is there twice (first in line " + std::to_string(tree_.places[child].line) + "): take one away");
    else tree_.places[child] = place;
    level.key = name;
    return true;
  }

  /// What the grammar allows and no value can hold.
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string_view what = error.what();
    const std::size_t colon = what.rfind("; ");
    const bool is_number = what.find("number overflow") != what.npos;
    wrong(here(1), next_pointer(), is_number ? "a number that is too large"
                                             : "not JSON: " + std::string(colon == what.npos ? what : what.substr(colon + 2)));
    return false;
  }

 private:
  struct Level {
    json value;
    std::string pointer, key;
    bool passes_over = false;  // the next value belongs to a key that was there
  };

  Place here(std::size_t bytes) const { return {reached_.line, reached_.column_before(bytes)}; }

  std::string next_pointer() const {
    if (levels_.empty()) return "";
    const Level& level = levels_.back();
    return child_pointer(level.pointer, level.value.is_array() ? std::to_string(level.value.size()) : level.key);
  }

  /// A member has the place of its key.
  void mark(std::size_t bytes) {
    if (levels_.empty() || levels_.back().value.is_array()) tree_.places[next_pointer()] = here(bytes);
  }

  void attach(json value) {
    if (levels_.empty()) {
      tree_.value = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (level.value.is_array()) level.value.push_back(std::move(value));
    else if (!std::exchange(level.passes_over, false)) level.value[level.key] = std::move(value);
  }

  bool put(json value, std::size_t bytes) {
    if (++values_ > values_max) return too_large();
    mark(bytes);
    attach(std::move(value));
    return true;
  }

  bool enter(json value) {
    if (++values_ > values_max || levels_.size() >= depth_max) return too_large();
    mark(1);
    std::string pointer = next_pointer();
    levels_.push_back({std::move(value), std::move(pointer), {}, false});
    return true;
  }

  bool leave() {
    json value = std::move(levels_.back().value);
    levels_.pop_back();
    attach(std::move(value));
    return true;
  }

  bool too_large() {
    wrong(here(1), next_pointer(), "the document is too large or nested too deep");
    return false;
  }

  void wrong(const Place& place, const std::string& pointer, std::string message) {
    findings_.push_back({file_, place.line, place.column, key_of_pointer(pointer), std::move(message)});
  }

  const std::string& file_;
  const Reached& reached_;
  YamlTree& tree_;
  std::vector<Finding>& findings_;
  std::vector<Level> levels_;
  std::size_t values_ = 0;
};

}  // namespace

YamlTree read_json(std::string_view text, const std::string& file, std::vector<Finding>& findings) {
  YamlTree tree;
  tree.value = nullptr;
  if (auto fault = ingest::json_syntax_fault(text)) {
    findings.push_back({file, fault->line, fault->column, "", std::move(fault->message)});
    return tree;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Reached reached{text.data(), text.data(), 1, text.data()};
  Builder builder(file, reached, tree, findings);
  if (!json::sax_parse(CountingIterator(text.data(), &reached), CountingIterator(text.data() + text.size(), &reached), &builder))
    tree.value = nullptr;
  return tree;
}

}  // namespace tidewaiter::app
