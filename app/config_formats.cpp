// What a configuration says of formats: its mapping files, the formats of its topics, the columns of lines.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "app/config_checks.hpp"
#include "core/text.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::app {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

std::string near_name(const std::string& name, const std::vector<std::string_view>& words) {
  for (const std::string_view word : words)
    if (lower(std::string(word)) == lower(name)) return std::string(word);
  return std::string(nearest_word(name, words));
}

class Checker {
 public:
  Checker(const Config& config, const YamlTree& tree, std::vector<Finding>& findings)
      : config_(config), tree_(tree), findings_(findings) {}

  void check() {
    for (ingest::MappingFile& file : ingest::embedded_mappings()) know(std::move(file));
    std::vector<ingest::MappingFile> own;
    for (const std::string& name : config_.formats.mapping_files) {
      check_mapping_file(name, findings_);
      if (auto text = text_of_file(name)) own.push_back({name, std::move(*text)});
    }
    if (const auto distinct = ingest::check_distinct(own); !distinct) wrong("/formats/mapping_files", distinct.error().message);
    for (ingest::MappingFile& file : own) know(std::move(file));
    const std::string topics = "/formats/topics", columns = "/formats/text_columns";
    for (const auto& [topic, entry] : config_.formats.topics)
      if (entry.format != "auto") check_name(child_pointer(child_pointer(topics, topic), "format"), entry.format);
    for (const auto& [format, names] : config_.formats.text_columns)
      if (check_name(child_pointer(columns, format), format)) check_columns(child_pointer(columns, format), format, names);
  }

 private:
  void wrong(const std::string& pointer, std::string message) {
    const Place place = tree_.place_of(pointer);
    findings_.push_back({config_.file, place.line, place.column, key_of_pointer(pointer), std::move(message)});
  }

  /// Also one with mistakes, which are told by themselves: its name is none.
  void know(ingest::MappingFile file) {
    const auto mapping = nlohmann::json::parse(file.json, nullptr, false);
    if (mapping.is_object() && mapping.contains("format") && mapping["format"].is_string())
      files_[mapping["format"].get<std::string>()] = std::move(file);
    else has_nameless_ = true;
  }

  bool check_name(const std::string& pointer, const std::string& name) {
    if (files_.contains(name)) return true;
    if (has_nameless_) return false;  // it may be the name of that one
    std::vector<std::string_view> words;
    for (const auto& [known, unused] : files_) words.push_back(known);
    const std::string near = near_name(name, words);
    wrong(pointer, "there is no mapping for the format '" + name + "'; " +
                       (near.empty() ? "'tidewaiter formats' lists those that are known" : "did you mean '" + near + "'?"));
    return false;
  }

  /// Names that nothing reads are good for columns to be passed over; one that is nearly another is a slip.
  void check_columns(const std::string& pointer, const std::string& format, const std::vector<std::string>& names) {
    const auto known = ingest::line_columns(files_[format]);
    if (!known) {
      std::vector<Finding> unused;
      if (check_mapping_text("", files_[format].json, unused)) wrong(pointer, "'" + format + "' is no format of lines of words, so that its messages have no columns");
      return;
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string place = pointer + "/" + std::to_string(i);
      if (!seen.insert(names[i]).second) wrong(place, "'" + names[i] + "' is there twice");
      if (known->contains(names[i])) continue;
      std::vector<std::string_view> left;
      for (const std::string& name : *known)
        if (std::find(names.begin(), names.end(), name) == names.end()) left.push_back(name);
      if (const std::string near = near_name(names[i], left); !near.empty())
        wrong(place, "no column of '" + format + "' is called '" + names[i] + "'; did you mean '" + near + "'?");
    }
  }

  const Config& config_;
  const YamlTree& tree_;
  std::vector<Finding>& findings_;
  std::map<std::string, ingest::MappingFile> files_;  // by format
  bool has_nameless_ = false;
};

}  // namespace

void check_formats(const Config& config, const YamlTree& tree, std::vector<Finding>& findings) {
  const FormatsConfig& formats = config.formats;
  if (formats.mapping_files.empty() && formats.topics.empty() && formats.text_columns.empty()) return;
  Checker(config, tree, findings).check();
}

}  // namespace tidewaiter::app
