#include "app/yaml_tree.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace tidewaiter::app {
namespace {

using nlohmann::json;

constexpr std::size_t values_max = 100'000;
constexpr int depth_max = 64;

Place place_of_mark(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name)
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
  return true;
}

json typed_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* first = text.data();
  const char* last = first + text.size();
  const char* digits = *first == '+' ? first + 1 : first;
  std::uint64_t natural = 0;
  if (auto r = std::from_chars(digits, last, natural); r.ec == std::errc() && r.ptr == last) return natural;
  std::int64_t integer = 0;
  if (auto r = std::from_chars(first, last, integer); r.ec == std::errc() && r.ptr == last) return integer;
  const bool numeric = text.find_first_not_of("+-.0123456789eE") == std::string::npos &&
                       text.find_first_of("0123456789") != std::string::npos;
  double real = 0;
  if (numeric)
    if (auto r = std::from_chars(digits, last, real); r.ec == std::errc() && r.ptr == last && std::isfinite(real)) return real;
  return text;
}

class Converter {
 public:
  Converter(const std::string& file, bool expand, YamlTree& tree, std::vector<Finding>& findings)
      : file_(file), expand_(expand), tree_(tree), findings_(findings) {}

  json convert(const YAML::Node& node, const std::string& pointer, const Place& place, int depth) {
    tree_.places[pointer] = place;
    if (++values_ > values_max || depth > depth_max) {
      if (!overflow_) wrong(place, pointer, "the document is too large or nested too deep");
      overflow_ = true;
      return nullptr;
    }
    switch (node.Type()) {
      case YAML::NodeType::Map: return convert_map(node, pointer, depth);
      case YAML::NodeType::Sequence: {
        json list = json::array();
        for (const YAML::Node& item : node)
          list.push_back(convert(item, pointer + "/" + std::to_string(list.size()), place_of_mark(item.Mark()), depth + 1));
        return list;
      }
      case YAML::NodeType::Scalar: return convert_scalar(node, pointer, place);
      default: return nullptr;
    }
  }

 private:
  json convert_map(const YAML::Node& node, const std::string& pointer, int depth) {
    json map = json::object();
    for (const auto& member : node) {
      const Place place = place_of_mark(member.first.Mark());
      if (!member.first.IsScalar()) {
        wrong(place, pointer, "a key must be plain text");
        continue;
      }
      const std::string& name = member.first.Scalar();
      const std::string child = child_pointer(pointer, name);
      if (map.contains(name)) {
        wrong(place, child, "this key is there twice (first in line " + std::to_string(tree_.places[child].line) + ")");
        continue;
      }
      map[name] = convert(member.second, child, place, depth + 1);
    }
    return map;
  }

  json convert_scalar(const YAML::Node& node, const std::string& pointer, const Place& place) {
    const bool plain = node.Tag() == "?";
    const std::string text = expand_ ? expanded(node.Scalar(), pointer, place) : node.Scalar();
    return plain ? typed_scalar(text) : json(text);
  }

  std::string expanded(const std::string& text, const std::string& pointer, const Place& place) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      if (text.compare(at, 3, "$${") == 0) {
        out += "${";
        at += 3;
      } else if (text.compare(at, 2, "${") == 0) {
        const std::size_t end = text.find('}', at);
        if (end == std::string::npos) {
          wrong(place, pointer, "'${' is never closed (write $${ for the characters themselves)");
          return text;
        }
        out += variable(text.substr(at + 2, end - at - 2), pointer, place);
        at = end + 1;
      } else {
        out += text[at++];
      }
    }
    return out;
  }

  std::string variable(const std::string& inner, const std::string& pointer, const Place& place) {
    const std::size_t split = inner.find(":-");
    const std::string name = inner.substr(0, split);
    if (!is_variable_name(name)) {
      wrong(place, pointer, "'" + name + "' is no name of an environment variable (write $${ for the characters themselves)");
      return {};
    }
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && (*value != '\0' || split == std::string::npos)) return value;
    if (split != std::string::npos) return inner.substr(split + 2);
    wrong(place, pointer, "the environment variable " + name + " is not set; ${" + name + ":-DEFAULT} gives one to use instead");
    return {};
  }

  void wrong(const Place& place, const std::string& pointer, std::string message) {
    findings_.push_back({file_, place.line, place.column, key_of_pointer(pointer), std::move(message)});
  }

  const std::string& file_;
  const bool expand_;
  YamlTree& tree_;
  std::vector<Finding>& findings_;
  std::size_t values_ = 0;
  bool overflow_ = false;
};

}  // namespace

Place YamlTree::place_of(std::string pointer) const {
  while (true) {
    if (const auto found = places.find(pointer); found != places.end()) return found->second;
    const std::size_t slash = pointer.rfind('/');
    if (slash == std::string::npos) return {};
    pointer.resize(slash);
  }
}

std::string child_pointer(std::string_view pointer, std::string_view name) {
  std::string out(pointer);
  out += '/';
  for (char c : name) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
  return out;
}

std::string key_of_pointer(std::string_view pointer) {
  std::string out;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::size_t end = pointer.find('/');
    std::string part(pointer.substr(0, end));
    for (std::size_t at = 0; (at = part.find('~', at)) != std::string::npos; ++at)
      part.replace(at, 2, part.compare(at, 2, "~1") == 0 ? "/" : "~");
    const bool index = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    if (index) out += "[" + part + "]";
    else out += (out.empty() ? "" : ".") + part;
    pointer = end == std::string_view::npos ? std::string_view() : pointer.substr(end);
  }
  return out;
}

YamlTree read_yaml(const std::string& text, const std::string& file, bool expand_environment,
                   std::vector<Finding>& findings) {
  YamlTree tree;
  tree.value = nullptr;
  try {
    const YAML::Node root = YAML::Load(text);
    tree.value = Converter(file, expand_environment, tree, findings).convert(root, "", Place{1, 1}, 0);
  } catch (const YAML::Exception& e) {
    const Place place = place_of_mark(e.mark);
    findings.push_back({file, place.line, place.column, "", (file.ends_with(".json") ? "not JSON: " : "not YAML: ") + e.msg});
  }
  return tree;
}

}  // namespace tidewaiter::app
