#include "detect/rule.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "detect/alert.hpp"
#include "detect/words.hpp"

namespace tidewaiter::detect {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

/// A destination that no table knows is the public Internet.
std::string_view category_of(const Event& event) {
  return event.has(Str::dst_category) ? event.get(Str::dst_category) : std::string_view("public");
}

bool has_destination(const Event& event) { return event.has(Str::dst_host) || event.has(Addr::dst_ip); }

std::string quoted_destination(const Event& event) {
  return destination_of(event) + " (" + std::string(category_of(event)) + ')';
}

std::optional<std::string> forbidden_flow(const Rule& rule, const Event& event) {
  const std::uint64_t classes = event.get(Num::data_classes) & rule.data_classes;
  if (classes == 0 || !has_destination(event)) return std::nullopt;
  if (!std::ranges::count(rule.categories, category_of(event))) return std::nullopt;
  return "sent " + format_classes(classes) + " data to " + quoted_destination(event);
}

std::optional<std::string> unapproved_destination(const Rule& rule, const Event& event) {
  if (!has_destination(event) || std::ranges::count(rule.categories, category_of(event))) return std::nullopt;
  const std::string_view host = event.get(Str::dst_host);
  for (const std::string& suffix : rule.allow_hosts)
    if (host_matches(suffix, host)) return std::nullopt;
  if (const Ip* address = event.get(Addr::dst_ip))
    for (const auto& net : rule.allow_nets)
      if (net_contains(net, *address)) return std::nullopt;
  return "reached " + quoted_destination(event) + ", which nobody approved";
}

template <class Text>
bool glob_matches_text(std::string_view pattern, const Text& text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// head + separator + tail, without joining them.
struct Joined {
  std::string_view head;
  char separator;
  std::string_view tail;
  std::size_t size() const { return head.size() + 1 + tail.size(); }
  char operator[](std::size_t i) const {
    return i < head.size() ? head[i] : i == head.size() ? separator : tail[i - head.size() - 1];
  }
};

/// Only patterns that have the separator are about both.
bool joined_matches(std::string_view pattern, const Joined& text) {
  if (pattern.find(text.separator) == std::string_view::npos || text.head.empty() || text.tail.empty()) return false;
  return glob_matches_text(pattern, text);
}

/// The scopes of a list, one after the other; what they are made of is seen on the way.
struct Scope {
  std::string_view text;
  bool pattern = false;  // has `*` or `?`
  bool joined = false;   // has `:` or `/`
};
Scope take_scope(std::string_view& list) {
  Scope scope;
  std::size_t end = 0;
  for (; end < list.size() && list[end] != ' ' && list[end] != ','; ++end) {
    const char c = list[end];
    scope.pattern |= c == '*' || c == '?';
    scope.joined |= c == ':' || c == '/';
  }
  scope.text = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  return scope;
}

/// A scope names an action, an operation, a tool, a resource, `server/tool` or `action:resource`; `*` and `?` are allowed.
bool in_scope(std::string_view scopes, const Event& event) {
  const std::string_view action = enums::action.word(event.get(Num::action));
  const std::string_view resource = event.get(Str::resource), tool = event.get(Str::tool_name);
  const std::string_view names[] = {action, event.get(Str::operation), tool, resource};
  while (!scopes.empty()) {
    const Scope scope = take_scope(scopes);
    if (scope.text.empty()) continue;
    for (const std::string_view name : names)
      if (scope.pattern ? !name.empty() && glob_matches(scope.text, name) : scope.text == name) return true;
    if (scope.joined && (joined_matches(scope.text, {action, ':', resource}) ||
                         joined_matches(scope.text, {event.get(Str::tool_server), '/', tool})))
      return true;
  }
  return false;
}

std::string what_it_did(const Event& event) {
  const std::string_view name = event.has(Str::operation) ? event.get(Str::operation) : event.get(Str::tool_name);
  std::string text(enums::action.word(event.get(Num::action)));
  if (!name.empty() && name != text) text += " (" + std::string(name) + ')';
  return text;
}

std::optional<std::string> outside_capability(const Rule& rule, const Event& event) {
  const auto because = [&](std::string_view why) { return "did '" + what_it_did(event) + "' " + std::string(why); };
  const std::uint64_t status = event.get(Num::capability_status);
  const bool token = event.has(Str::capability_uid) || event.has(Str::capability_token_hash) ||
                     event.has(Str::capability_scopes) || event.has(Num::capability_expires);
  if (status == word::capability_status("absent") || (!token && status == word::capability_status("unknown")))
    return rule.require_token ? std::optional(because("without a capability token")) : std::nullopt;
  if (status == word::capability_status("revoked")) return because("with a revoked capability token");
  if (status == word::capability_status("expired")) return because("with an expired capability token");
  if (status == word::capability_status("out_of_scope")) return because("outside the scope of its capability token");
  const auto expires = static_cast<std::int64_t>(event.get(Num::capability_expires));
  if (event.has(Num::capability_expires) && expires < event.time_ns())
    return because("with a capability token that expired " + format_span(event.time_ns() - expires) + " before");
  const auto not_before = static_cast<std::int64_t>(event.get(Num::capability_not_before));
  if (event.has(Num::capability_not_before) && event.time_ns() < not_before)
    return because("with a capability token that was not valid yet");
  if (rule.check_scopes && event.has(Str::capability_scopes) && !in_scope(event.get(Str::capability_scopes), event))
    return because("but its capability token allows only: " + std::string(event.get(Str::capability_scopes)));
  return std::nullopt;
}

}  // namespace

bool Rule::applies(const Event& event) const {
  if (!enabled) return false;
  if (risk_tiers != 0 && !(risk_tiers >> event.get(Num::risk_tier) & 1)) return false;
  if (principal_types != 0 && !(principal_types >> event.get(Num::principal_type) & 1)) return false;
  if (data_classes != 0 && !(data_classes & event.get(Num::data_classes))) return false;
  if (!apps.empty() && !std::ranges::any_of(apps, [&](const std::string& app) {
        return glob_matches(app, event.get(Str::app));
      }))
    return false;
  return !where || where->matches(event);
}

std::optional<std::string> violation(const Rule& rule, const Event& event) {
  switch (rule.type) {
    case RuleType::forbidden_flow: return forbidden_flow(rule, event);
    case RuleType::unapproved_destination: return unapproved_destination(rule, event);
    case RuleType::capability: return outside_capability(rule, event);
    case RuleType::where: {
      std::string text = "did '" + what_it_did(event) + '\'';
      if (has_destination(event)) text += " towards " + quoted_destination(event);
      return text;
    }
    case RuleType::approval:
    case RuleType::attestation:
    case RuleType::egress_cap: return std::nullopt;
  }
  return std::nullopt;
}

bool Exception::covers(const Rule& rule, const Event& event) const {
  if (event.time_ns() >= until_ns) return false;
  if (!rules.empty() && !std::ranges::count(rules, rule.key)) return false;
  return where.matches(event);
}

const Exception* Policy::Compiled::exception_for(const Rule& rule, const Event& event) const {
  for (const Exception& exception : exceptions)
    if (exception.covers(rule, event)) return &exception;
  return nullptr;
}

bool glob_matches(std::string_view pattern, std::string_view text) { return glob_matches_text(pattern, text); }

bool host_matches(std::string_view suffix, std::string_view host) {
  while (suffix.starts_with('*') || suffix.starts_with('.')) suffix.remove_prefix(1);
  if (suffix.empty() || host.size() < suffix.size()) return false;
  const std::size_t rest = host.size() - suffix.size();
  return equal_ignoring_case(host.substr(rest), suffix) && (rest == 0 || host[rest - 1] == '.');
}

bool net_contains(const DestinationGroup::Net& net, const Ip& address) {
  for (int bit = 0; bit < net.prefix_bits; bit += 8) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int left = std::min(8, net.prefix_bits - bit);
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - left));
    if ((net.base[byte] & mask) != (address[byte] & mask)) return false;
  }
  return true;
}

}  // namespace tidewaiter::detect
