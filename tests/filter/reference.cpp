#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>

#include "tests/filter/query.hpp"

namespace tidewaiter::test {
namespace {

using nlohmann::json;

const json* at_path(const json& event, const std::string& path) {
  const std::size_t dot = path.find('.');
  const auto child = event.find(path.substr(0, dot));
  if (child == event.end()) return nullptr;
  return dot == std::string::npos ? &*child : at_path(*child, path.substr(dot + 1));
}

bool glob(const char* pattern, const char* text) {
  if (*pattern == '\0') return *text == '\0';
  if (*pattern == '*') return glob(pattern + 1, text) || (*text != '\0' && glob(pattern, text + 1));
  if (*text == '\0') return false;
  if (*pattern == '?') {
    do ++text;
    while ((*text & 0xC0) == 0x80);
    return glob(pattern + 1, text);
  }
  if (*pattern == '\\' && pattern[1] != '\0') ++pattern;
  return *pattern == *text && glob(pattern + 1, text + 1);
}

using Integer = __int128;

Integer number_of(const std::string& text) {
  char* end = nullptr;
  const long double value = std::strtold(text.c_str(), &end);
  std::string unit(end);
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  static const std::map<std::string, long double> factors = {{"", 1}, {"kb", 1e3L}, {"mb", 1e6L}, {"kib", 1024}};
  return static_cast<Integer>(value * factors.at(unit));
}

Integer instant_of(const std::string& text, std::int64_t now_ns) {
  if (text.rfind("now", 0) == 0 || text[0] == '-' || text[0] == '+') {
    const std::string shift = text.rfind("now", 0) == 0 ? text.substr(3) : text;
    if (shift.empty()) return now_ns;
    static const std::map<char, Integer> seconds = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    return now_ns + Integer{std::atoll(shift.c_str())} * seconds.at(shift.back()) * 1'000'000'000;
  }
  std::tm parts{};
  char fraction[16] = "";
  int zone_hours = 0;
  std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
              &parts.tm_min, &parts.tm_sec);
  if (const std::size_t dot = text.find('.'); dot != std::string::npos)
    std::sscanf(text.c_str() + dot, ".%9[0-9]", fraction);
  if (const std::size_t plus = text.find('+'); plus != std::string::npos) zone_hours = std::atoi(text.c_str() + plus);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  const std::string nanos = (std::string(fraction) + "000000000").substr(0, 9);
  return (Integer{timegm(&parts)} - zone_hours * 3600) * 1'000'000'000 + std::atoll(nanos.c_str());
}

std::string bits_of(const std::string& address) {
  unsigned char bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const bool v4 = address.find(':') == std::string::npos;
  if (inet_pton(v4 ? AF_INET : AF_INET6, address.c_str(), v4 ? bytes + 12 : bytes) != 1)
    throw std::invalid_argument(address);
  std::string bits;
  for (unsigned char byte : bytes)
    for (int i = 7; i >= 0; --i) bits += byte >> i & 1 ? '1' : '0';
  return bits;
}

bool in_network(const std::string& address, const std::string& network) {
  const std::size_t slash = network.find('/');
  std::size_t prefix = 128;
  if (slash != std::string::npos) {
    prefix = static_cast<std::size_t>(std::atoi(network.c_str() + slash + 1));
    if (network.find(':') == std::string::npos) prefix += 96;
  }
  return bits_of(address).substr(0, prefix) == bits_of(network.substr(0, slash)).substr(0, prefix);
}

template <class T>
bool ordered(const T& a, const std::string& op, const T& b) {
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  if (op == ">") return a > b;
  if (op == ">=") return a >= b;
  return a == b;
}

bool words_ordered(const Query& query, const std::string& word, const std::string& value) {
  static const std::map<std::string, std::vector<std::string>> orders = {
      {"risk_tier", {"low", "medium", "high", "critical"}},
      {"severity", {"informational", "low", "medium", "high", "critical"}}};
  if (query.op[0] != '<' && query.op[0] != '>') return word == value;
  if (word == "unknown") return false;
  const auto& order = orders.at(query.field);
  return ordered(std::find(order.begin(), order.end(), word), query.op, std::find(order.begin(), order.end(), value));
}

bool text_holds(const std::string& op, const std::string& text, const std::string& value) {
  if (op == "like") return glob(value.c_str(), text.c_str());
  if (op == "~") return std::regex_search(text, std::regex(value));
  if (op == "startswith") return text.rfind(value, 0) == 0;
  if (op == "endswith") return text.size() >= value.size() && text.substr(text.size() - value.size()) == value;
  if (op == "contains") return text.find(value) != std::string::npos;
  return text == value;
}

bool value_holds(const Query& query, const std::string& op, const json& found, const std::string& value,
                 std::int64_t now_ns) {
  switch (query.type) {
    case Query::Type::text: return text_holds(op, found.get<std::string>(), value);
    case Query::Type::list: {
      if (op == "has") return std::find(found.begin(), found.end(), value) != found.end();
      std::string joined;
      for (std::size_t i = 0; i < found.size(); ++i) joined += (i ? " " : "") + found[i].get<std::string>();
      return text_holds(op, joined, value);
    }
    case Query::Type::number: return ordered(Integer{found.get<std::uint64_t>()}, op, number_of(value));
    case Query::Type::time: return ordered(instant_of(found.get<std::string>(), 0), op, instant_of(value, now_ns));
    case Query::Type::word: return words_ordered(query, found.get<std::string>(), value);
    case Query::Type::set: return std::find(found.begin(), found.end(), value) != found.end();
    case Query::Type::address: return in_network(found.get<std::string>(), value);
  }
  return false;
}

bool comparison_holds(const Query& query, const json& event, std::int64_t now_ns) {
  const json* found = at_path(event, query.field);
  if (found == nullptr) return false;
  std::string op = query.op;
  const bool negated = op[0] == '!' || op.rfind("not ", 0) == 0;
  if (op[0] == '!') op = op == "!=" ? "==" : "~";
  if (op.rfind("not ", 0) == 0) op = op.substr(4);
  const bool any = std::any_of(query.values.begin(), query.values.end(), [&](const std::string& value) {
    return value_holds(query, op, *found, value, now_ns);
  });
  return any != negated;
}

}  // namespace

bool reference_verdict(const Query& query, const json& event, std::int64_t now_ns) {
  auto verdict = [&](const Query& child) { return reference_verdict(child, event, now_ns); };
  switch (query.kind) {
    case Query::Kind::constant: return query.value;
    case Query::Kind::exists: return at_path(event, query.field) != nullptr;
    case Query::Kind::compare: return comparison_holds(query, event, now_ns);
    case Query::Kind::not_: return !verdict(query.children[0]);
    case Query::Kind::and_: return std::all_of(query.children.begin(), query.children.end(), verdict);
    case Query::Kind::or_: return std::any_of(query.children.begin(), query.children.end(), verdict);
  }
  return false;
}

}  // namespace tidewaiter::test
