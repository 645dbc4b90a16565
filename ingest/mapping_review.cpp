#include "ingest/mapping_review.hpp"

#include <algorithm>
#include <climits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/text.hpp"
#include "ingest/mapping_path.hpp"
#include "ingest/mapping_words.hpp"
#include "ingest/table.hpp"
#include "ingest/values.hpp"
#include "ingest/whole_number.hpp"

namespace tidewaiter::ingest {
namespace {

using json = nlohmann::ordered_json;  // keeps the order of keys

/// What the product itself sets in every event.
bool is_own_column(std::string_view name) { return name == "format" || name == "mapping_version" || name == "flags"; }

bool has_star_inside(std::string_view word) {
  const Pattern pattern = Pattern::of(word);
  return pattern.text.find('*') != std::string::npos;
}

/// Every text that `later` matches, `earlier` does.
bool covers(const Pattern& earlier, const Pattern& later) {
  if (earlier.open_start && earlier.open_end && earlier.text.empty()) return true;
  if ((later.open_start && !earlier.open_start) || (later.open_end && !earlier.open_end)) return false;
  return earlier.matches(later.text);
}

/// Why a text can be no value of the column; "" = it can.
std::string constant_fault(const ColumnInfo& column, const std::string& text) {
  if (column.kind == ColumnKind::enumeration && !column.words->find(text)) return no_such_word(text, *column.words);
  if (column.kind == ColumnKind::set) {
    const auto words = read_words(text, *column.words);
    if (!words) return words.error().message;
  }
  if (column.kind == ColumnKind::ip && !parse_ip(text)) return "'" + text + "' is no address";
  if (column.kind == ColumnKind::number) {
    const auto number = read_unsigned(text);
    if (!number || number->lossy) return "'" + text + "' is no whole number from 0 on, which this column holds";
    if (const std::uint64_t most = leaf_of(column).max; number->value > most)
      return text + " is more than this column holds, at most " + std::to_string(most);
  }
  if (column.kind == ColumnKind::string && text.size() > column.limit_bytes)
    return "is longer than the " + std::to_string(column.limit_bytes) + " bytes of this column";
  return "";
}

class Reviewer {
 public:
  explicit Reviewer(const json& mapping) : mapping_(mapping) {}

  std::vector<MappingFault> run() {
    part([&] { name(); });
    part([&] { text(); });
    part([&] { events(); });
    part([&] { detection(); });
    part([&] {
      for (const auto& [column, sources] : mapping_.at("fields").items())
        part([&, &column = column, &sources = sources] { field(column, sources); });
    });
    part([&] {
      for (const auto& [column, value] : mapping_.at("defaults").items()) constant_default(column, as_text(value));
    });
    part([&] {
      for (std::size_t i = 0; i < mapping_.at("marks").size(); ++i)
        conditions(mapping_["marks"][i].at("when"), "marks[" + std::to_string(i) + "].when");
    });
    part([&] {
      for (std::size_t i = 0; i < mapping_.at("signature").size(); ++i)
        for (const auto& [key, path] : mapping_["signature"][i].items())
          review_path(path.get<std::string>(), "signature[" + std::to_string(i) + "]." + key);
    });
    part([&] {
      for (std::size_t i = 0; i < mapping_.at("ignore").size(); ++i)
        review_path(mapping_["ignore"][i].get<std::string>(), "ignore[" + std::to_string(i) + "]");
    });
    return std::move(faults_);
  }

 private:
  void wrong(std::string key, std::string message) { faults_.push_back({std::move(key), std::move(message)}); }

  /// What is missing, or of another type, is told by the schema.
  template <class Step>
  static void part(Step step) {
    try {
      step();
    } catch (const std::exception&) {
      return;
    }
  }

  static std::string as_text(const json& scalar) { return scalar.is_string() ? scalar.get<std::string>() : scalar.dump(); }

  void name() {
    const auto format = mapping_.at("format").get<std::string>();
    if (format == "auto" || format == "unknown") wrong("format", "'" + format + "' has a meaning of its own; choose another name");
  }

  void twice(const std::string& place, const json& words) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < words.size(); ++i)
      if (const auto word = words[i].get<std::string>(); !seen.insert(word).second)
        wrong(place + "[" + std::to_string(i) + "]", "'" + word + "' is there twice");
  }

  void text_orders(const json& lines) {
    if (!lines.contains("orders")) return;
    if (lines.contains("words_min")) wrong("text.orders", "does not go with 'words_min': an order is known by the number of its words");
    std::set<std::size_t> taken = {lines.at("columns").size()};
    for (std::size_t i = 0; i < lines["orders"].size(); ++i) {
      const json& order = lines["orders"][i];
      const std::string place = "text.orders[" + std::to_string(i) + "]";
      const std::size_t all = order.at("columns").size();
      twice(place + ".columns", order["columns"]);
      const auto telling = static_cast<std::size_t>(
          std::find(order["columns"].begin(), order["columns"].end(), order.at("telling").at("column")) - order["columns"].begin());
      if (telling == all) wrong(place + ".telling.column", "is none of the order's columns");
      for (const json& one : order.value("words", json::array({all}))) {
        const auto words = whole_number<std::size_t>(one);
        if (words > all) wrong(place + ".words", std::to_string(words) + " is more than there are columns, " + std::to_string(all));
        else if (telling < all && words <= telling) wrong(place + ".words", std::to_string(words) + " end before the column that tells the order");
        else if (!taken.insert(words).second) wrong(place + ".words", "there is another order of " + std::to_string(words) + " words");
      }
    }
  }

  void text() {
    if (!mapping_.contains("text")) return;
    const json& lines = mapping_["text"];
    for (const char* key : {"columns", "header"}) twice("text." + std::string(key), lines.at(key));
    text_orders(lines);
    for (const auto& word : lines["columns"]) names_.push_back(word.get<std::string>());
    const std::size_t columns = names_.size();
    for (std::size_t i = 0; i < lines["header"].size(); ++i) {
      const auto word = lines["header"][i].get<std::string>();
      const std::string near = near_column(word, columns);
      if (!near.empty()) wrong("text.header[" + std::to_string(i) + "]", "no column is called '" + word + "'; did you mean '" + near + "'?");
      names_.push_back(word);
    }
    if (lines.contains("words_min") && whole_number<std::size_t>(lines["words_min"]) > lines.at("columns").size())
      wrong("text.words_min", "is more than there are columns, " + std::to_string(lines["columns"].size()));
  }

  /// The column that a name is nearly; "" when it is one itself, or like none. Of the first so many names.
  std::string near_column(const std::string& name, std::size_t count) const {
    const auto end = names_.begin() + static_cast<std::ptrdiff_t>(count);
    if (std::find(names_.begin(), end, name) != end) return "";
    const auto near = std::find_if(names_.begin(), end, [&](const std::string& one) { return is_nearly(name, one); });
    return near == end ? "" : *near;
  }

  /// A key that nobody knows may be one of those that the others are judged by, written wrong.
  bool has_unknown_key() const {
    static const std::set<std::string> known = {"$schema", "description", "format", "number", "version", "example", "events", "detect",
                                                "text", "headers", "fields", "signature", "marks", "ignore", "defaults"};
    for (const auto& [key, unused] : mapping_.items())
      if (!known.contains(key)) return true;
    return false;
  }

  void events() {
    if (has_unknown_key()) levels_max_ = INT_MAX;
    if (has_unknown_key()) return;
    bool has_lines = false;
    const json places = mapping_.value("events", json::array({""}));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto place = places[i].get<std::string>();
      const std::string key = "events[" + std::to_string(i) + "]";
      if (!place.empty()) review_path(place, key, true);
      only_lines_ = only_lines_ && place.ends_with("{text}");
      if (place.find("{text}") != std::string::npos) {
        has_lines = true;
        if (!mapping_.contains("text")) wrong(key, "{text} needs the key 'text', which names the columns of the lines");
      }
      const auto parsed = parse_path(place);
      for (const Path& way : parsed ? parsed->ways : std::vector<Path>()) levels_max_ = std::max(levels_max_, levels_of(way));
    }
    if (mapping_.contains("text") && !has_lines)
      wrong("text", "none of 'events' is read as lines; one ends with {text}, and is \"{text}\" where the message itself is lines");
  }

  /// How often ^ leads outwards from an event at this place.
  static int levels_of(Path place) {
    int levels = 0;
    for (; !place.empty(); place = outer_path(std::move(place))) ++levels;
    return levels;
  }

  void detection() {
    const json& detect = mapping_.at("detect");
    if (detect.contains("any") && detect.contains("present"))
      wrong("detect.present", "'present' and 'any' exclude each other; put these into every list of 'any'");
    if (detect.contains("present")) conditions(detect["present"], "detect.present");
    for (std::size_t i = 0; i < detect.value("any", json::array()).size(); ++i)
      conditions(detect["any"][i], "detect.any[" + std::to_string(i) + "]");
    for (std::size_t i = 0; i < detect.value("unless", json::array()).size(); ++i) {
      const std::string key = "detect.unless[" + std::to_string(i) + "]";
      review_path(detect["unless"][i].at("path").get<std::string>(), key + ".path");
      if (detect["unless"][i].at("starts").get<std::string>().find('*') != std::string::npos)
        wrong(key + ".starts", "is the beginning itself, without '*'");
    }
  }

  void review_path(const std::string& path, const std::string& key, bool is_place = false) {
    if (std::string slip = path_slip(path); !slip.empty()) return wrong(key, "path '" + path + "': " + slip);
    const auto parsed = parse_path(path);
    if (!parsed || is_place) return;
    const bool is_column = only_lines_ && parsed->origin == ParsedPath::Origin::event && parsed->up == 0 && parsed->ways.size() == 1;
    if (is_column && !parsed->ways[0].empty() && parsed->ways[0][0].kind == PathStep::Kind::key) {
      const std::string& name = parsed->ways[0][0].key;
      if (const std::string near = near_column(name, names_.size()); !near.empty())
        return wrong(key, "path '" + path + "': no column is called '" + name + "'; did you mean '" + near + "'?");
    }
    if (parsed->up == 0) return;
    if (parsed->origin == ParsedPath::Origin::root)
      return wrong(key, "path '" + path + "': nothing stands outside of the root of the message; take '/' or '^' away");
    if (parsed->up > levels_max_)
      wrong(key, "path '" + path + "': leads " + std::to_string(parsed->up) + " steps outwards, and from no place in 'events' are there more than " +
                     std::to_string(levels_max_));
  }

  void words(const json& value, const std::string& key) {
    for (std::size_t i = 0; i < (value.is_array() ? value.size() : 1); ++i) {
      const auto word = (value.is_array() ? value[i] : value).get<std::string>();
      if (has_star_inside(word)) wrong(key + (value.is_array() ? "[" + std::to_string(i) + "]" : ""), star_inside(word));
    }
  }
  static std::string star_inside(const std::string& word) {
    return "'" + word + "': '*' stands for anything at the beginning or the end only";
  }

  void conditions(const json& value, const std::string& key) {
    if (value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i) condition(value[i], key + "[" + std::to_string(i) + "]");
    } else {
      condition(value, key);
    }
  }

  void condition(const json& value, const std::string& key) {
    if (value.is_string()) return review_path(value.get<std::string>(), key);
    for (const char* part : {"path", "absent"})
      if (value.contains(part)) review_path(value[part].get<std::string>(), key + "." + part);
    for (const char* part : {"is", "not"})
      if (value.contains(part)) words(value[part], key + "." + part);
  }

  void field(const std::string& name, const json& sources) {
    const std::string key = "fields." + name;
    if (is_own_column(name)) return wrong(key, own_column(name));
    const auto column = find_column(name);
    if (!column) return;  // told by the compiler
    if (!sources.is_array()) return source(*column, sources, key);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::string place = key + "[" + std::to_string(i) + "]";
      part([&] { source(*column, sources[i], place); });
      if (i + 1 < sources.size() && always_gives_a_value(sources[i]))
        wrong(place, "is a constant without 'when': the sources behind it are never asked; put it last");
    }
  }

  static std::string own_column(const std::string& name) {
    std::string said = "the product itself sets this column";
    if (name == "flags") return said + "; a source's 'flag' and 'marks' set bits of it";
    return said + ", to the '" + (name == "format" ? std::string("number") : std::string("version")) + "' of the mapping";
  }

  static bool always_gives_a_value(const json& source) {
    if (!source.is_object() || source.contains("when") || source.contains("table")) return false;
    return source.contains("value") && !as_text(source["value"]).empty();
  }

  void source(const ColumnInfo& column, const json& source, const std::string& key) {
    if (source.is_string()) return text_or_path(source.get<std::string>(), key);
    if (source.contains("path")) text_or_path(source["path"].get<std::string>(), key + ".path");
    for (std::size_t i = 0; i < source.value("paths", json::array()).size(); ++i)
      text_or_path(source["paths"][i].get<std::string>(), key + ".paths[" + std::to_string(i) + "]");
    const json which = source.value("which", json::object());
    for (const auto& [path, unused] : which.items()) review_path(path, key + ".which." + path);
    if (source.contains("when")) conditions(source["when"], key + ".when");
    if (source.contains("pick")) pick(source["pick"], key + ".pick");
    for (const char* part : {"with", "some"})
      if (source.contains(part) && !source.contains("paths"))
        wrong(key + "." + part, "'" + std::string(part) + "' goes with 'paths', of which there are none");
    if (source.contains("form") && column.kind != ColumnKind::time)
      wrong(key + ".form", "'form' says how a time is written, and this column holds none; a time goes to time, observed_time, "
                           "capability.not_before or capability.expires");
    const auto extract = extract_of(source.value("as", ""));
    if (extract && !source.contains("table") && !fits(*extract, column.kind))
      wrong(key + ".as", does_not_fit(source["as"].get<std::string>(), column.kind));
    if (source.contains("table")) return table(column, source["table"], key + ".table");
    if (extract || source.contains("separator")) return;
    if (source.contains("value")) constant(column, as_text(source["value"]), key + ".value");
    for (const auto& [path, text] : which.items()) constant(column, as_text(text), key + ".which." + path);
  }

  void text_or_path(const std::string& text, const std::string& key) {
    if (!text.starts_with('=')) review_path(text, key);
  }

  void pick(const json& steps, const std::string& key) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (!steps[i].is_object()) continue;
      for (const auto& [name, wanted] : steps[i].items()) {
        const std::string place = key + "[" + std::to_string(i) + "]." + name;
        if (wanted.is_string()) text_or_path(wanted.get<std::string>(), place);
        else review_path(wanted.at("path").get<std::string>(), place + ".path");
      }
    }
  }

  void constant(const ColumnInfo& column, const std::string& text, const std::string& key) {
    if (std::string fault = text.empty() ? "" : constant_fault(column, text); !fault.empty()) wrong(key, std::move(fault));
  }

  void constant_default(const std::string& name, const std::string& text) {
    const auto column = find_column(name);
    if (is_own_column(name)) return wrong("defaults." + name, own_column(name));
    if (column && (column->kind == ColumnKind::number || column->kind == ColumnKind::string)) constant(*column, text, "defaults." + name);
  }

  void table(const ColumnInfo& column, const json& rows, const std::string& key) {
    struct Row {
      std::string from, to;
      Pattern pattern;
    };
    std::vector<Row> before;
    for (const auto& [from, to] : rows.items()) {
      const std::string text = as_text(to), row = key + "." + from;
      if (has_star_inside(from)) wrong(row, star_inside(from));
      const Pattern pattern = Pattern::of(from);
      const auto hides = std::find_if(before.begin(), before.end(), [&](const Row& one) { return covers(one.pattern, pattern); });
      if (hides != before.end() && hides->to != text)  // a row that says the same may stand there for its reader
        wrong(row, "is never reached: the first row that matches counts, and '" + hides->from + "' before it matches the same; put that one behind it");
      before.push_back({from, text, pattern});
      if (text != "=" && column.kind != ColumnKind::enumeration) constant(column, text, row);  // words: told by the compiler
    }
  }

  const json& mapping_;
  int levels_max_ = 0;
  std::vector<std::string> names_;  // of the columns of lines, those that only header lines have at the end
  bool only_lines_ = true;          // events are lines of words, wherever they stand
  std::vector<MappingFault> faults_;
};

}  // namespace

std::vector<MappingFault> review_mapping(std::string_view text) {
  const json mapping = json::parse(text, nullptr, false);
  if (!mapping.is_object()) return {};
  return Reviewer(mapping).run();
}

}  // namespace tidewaiter::ingest
