// What a configuration is judged by before there is a parser: whether a mapping compiles, and which formats there are.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "ingest/mapping_review.hpp"
#include "ingest/parser.hpp"
#include "ingest/recipe.hpp"

namespace tidewaiter::ingest {

std::vector<MappingFault> check_mapping(const MappingFile& file) {
  std::vector<MappingFault> faults;
  const auto recipe = Recipe::compile(file.json, faults);
  for (MappingFault& fault : review_mapping(file.json)) {
    const bool is_told = std::any_of(faults.begin(), faults.end(), [&](const MappingFault& one) { return one.key == fault.key; });
    if (!is_told) faults.push_back(std::move(fault));
  }
  if (!faults.empty()) return faults;
  if (const auto parser = Parser::create({}, {file}); !parser) {  // limits of the plans that run it
    std::string message = parser.error().message;
    const std::string who = "mapping " + file.name + ": ";
    if (message.starts_with(who)) message.erase(0, who.size());
    const std::size_t colon = message.find(": ");
    if (colon == std::string::npos) faults.push_back({"", message});
    else faults.push_back({message.substr(0, colon), message.substr(colon + 2)});
  }
  return faults;
}

Result<void> check_distinct(const std::vector<MappingFile>& files) {
  std::map<std::string, const std::string*> first;  // by key and value: the file that has it
  for (const MappingFile& file : files) {
    const auto mapping = nlohmann::json::parse(file.json, nullptr, false);
    if (!mapping.is_object()) continue;
    for (const char* key : {"format", "number"}) {
      if (!mapping.contains(key)) continue;
      const std::string value = std::string(key) + " " + mapping[key].dump();
      const auto [before, added] = first.try_emplace(value, &file.name);
      if (!added)
        return fail(Code::invalid_argument, "mapping " + file.name + ": " + key + ": " + *before->second + " has " + value +
                                                " already; give each mapping file one of its own");
    }
  }
  return {};
}

std::optional<std::set<std::string>> line_columns(const MappingFile& file) {
  std::vector<MappingFault> faults;
  const auto recipe = Recipe::compile(file.json, faults);
  if (!faults.empty() || !recipe->is_text) return std::nullopt;
  std::set<std::string> names(recipe->text_columns.begin(), recipe->text_columns.end());
  names.insert(recipe->text_header.begin(), recipe->text_header.end());
  for (const RecipeNode& node : recipe->nodes)
    if (!node.columns.empty())
      for (const auto& [name, unused] : node.by_key) names.insert(name);
  return names;
}

std::vector<std::string> embedded_formats() {
  std::vector<std::string> names;
  const auto parser = Parser::create();
  if (!parser) return names;
  for (const FormatCount& count : (*parser)->counts()) names.push_back(count.format);
  names.pop_back();  // "unknown"
  return names;
}

}  // namespace tidewaiter::ingest
