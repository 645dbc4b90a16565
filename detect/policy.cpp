#include "detect/policy.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "core/sha256.hpp"
#include "core/text.hpp"
#include "detect/rule.hpp"

namespace tidewaiter::detect {
namespace {

using Json = nlohmann::json;

Error wrong(const std::string& where, const std::string& what) {
  return fail(Code::invalid_argument, "policy: " + where + ": " + what);
}

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

Error unknown_word(const std::string& where, std::string_view word, std::span<const std::string_view> words) {
  const std::string_view near = nearest_word(word, words);
  return wrong(where, "'" + std::string(word) + "' is none of: " + listed(words) +
                          (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
}

/// One JSON object read key by key; finish() complains about keys that nobody asked for.
class Object {
 public:
  Object(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string at(std::string_view key) const { return path_.empty() ? std::string(key) : path_ + '.' + std::string(key); }

  const Json* find(std::string_view key) {
    asked_.push_back(key);
    const auto found = json_.find(std::string(key));
    return found == json_.end() ? nullptr : &*found;
  }
  Result<std::string> text(std::string_view key, bool required, std::string fallback = {}) {
    const Json* value = find(key);
    if (value == nullptr) {
      if (required) return wrong(at(key), "is missing");
      return fallback;
    }
    if (!value->is_string()) return wrong(at(key), "expected a string");
    return value->get<std::string>();
  }
  Result<bool> flag(std::string_view key, bool fallback) {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) return wrong(at(key), "expected true or false");
    return value->get<bool>();
  }
  Result<std::vector<std::string>> texts(std::string_view key) {
    std::vector<std::string> list;
    const Json* value = find(key);
    if (value == nullptr) return list;
    if (!value->is_array()) return wrong(at(key), "expected a list");
    for (const Json& item : *value) {
      if (!item.is_string()) return wrong(at(key), "expected a list of strings");
      list.push_back(item.get<std::string>());
    }
    return list;
  }
  /// A bit per word.
  Result<std::uint64_t> words(std::string_view key, const EnumTable& table) {
    TRY_ASSIGN(const auto list, texts(key));
    std::uint64_t bits = 0;
    for (const std::string& word : list) {
      const auto number = table.find(word);
      if (!number) return unknown_word(at(key), word, table.words);
      bits |= std::uint64_t{1} << *number;
    }
    return bits;
  }
  Result<std::int64_t> duration(std::string_view key, std::int64_t fallback_ns);
  Result<std::uint64_t> bytes(std::string_view key);
  Result<std::optional<filter::Filter>> where(std::string_view key);

  Result<void> finish() const {
    for (const auto& [key, unused] : json_.items())
      if (!std::ranges::count(asked_, key)) {
        const std::string_view near = nearest_word(key, asked_);
        return wrong(at(key), "unknown key" + (near.empty() ? std::string() : "; did you mean '" + std::string(near) + "'?"));
      }
    return {};
  }

 private:
  const Json& json_;
  std::string path_;
  std::vector<std::string_view> asked_;
};

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

/// "90", "1.5h": a number and a unit; nothing when it is not that.
std::optional<std::uint64_t> with_unit(std::string_view text, std::span<const Unit> units) {
  std::size_t used = 0;
  double number = 0;
  try {
    number = std::stod(std::string(text), &used);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  std::string_view unit = text.substr(used);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : units)
    if (unit == known.name && number >= 0 && number * static_cast<double>(known.factor) < 9e18)
      return static_cast<std::uint64_t>(number * static_cast<double>(known.factor));
  return std::nullopt;
}

Result<std::int64_t> Object::duration(std::string_view key, std::int64_t fallback_ns) {
  static constexpr std::uint64_t second = 1'000'000'000;
  static constexpr Unit units[] = {{"s", second}, {"m", 60 * second}, {"h", 3600 * second}, {"d", 86'400 * second}};
  TRY_ASSIGN(const std::string text, this->text(key, false));
  if (text.empty()) return fallback_ns;
  if (const auto value = with_unit(text, units)) return static_cast<std::int64_t>(*value);
  return wrong(at(key), "'" + text + "' is no duration such as 30s, 5m, 1h or 7d");
}

Result<std::uint64_t> Object::bytes(std::string_view key) {
  static constexpr Unit units[] = {{"", 1},           {"B", 1},          {"kB", 1000},           {"KB", 1000},
                                   {"MB", 1'000'000}, {"GB", 1000'000'000}, {"TB", 1000'000'000'000},
                                   {"KiB", 1024},     {"MiB", 1 << 20},  {"GiB", 1 << 30},       {"TiB", 1ull << 40}};
  const Json* value = find(key);
  if (value == nullptr) return wrong(at(key), "is missing");
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  if (value->is_string())
    if (const auto number = with_unit(value->get<std::string>(), units)) return *number;
  return wrong(at(key), "expected bytes such as 500MB, 10GB or 1000000");
}

Result<std::optional<filter::Filter>> Object::where(std::string_view key) {
  TRY_ASSIGN(const std::string text, this->text(key, false));
  if (text.empty()) return std::optional<filter::Filter>();
  // Relative times would make a verdict depend on when it is given: they count from 1970 here and match nothing.
  auto compiled = filter::Filter::compile(text, 0);
  if (!compiled) return wrong(at(key), compiled.error().message);
  return std::optional(std::move(compiled).value());
}

Result<DestinationGroup::Net> parse_net(const std::string& path, const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto base = parse_ip(std::string_view(text).substr(0, slash));
  if (!base) return wrong(path, "'" + text + "' is no address block such as 10.0.0.0/8");
  const bool v4 = text.find(':') == std::string::npos;
  int bits = v4 ? 32 : 128;
  if (slash != std::string::npos) {
    const std::string digits = text.substr(slash + 1);
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos ||
        std::stoi(digits) > bits)
      return wrong(path, "'" + text + "' has a prefix outside 0 to " + std::to_string(bits));
    bits = std::stoi(digits);
  }
  return DestinationGroup::Net{*base, v4 ? bits + 96 : bits};
}

Result<std::vector<DestinationGroup::Net>> parse_nets(Object& object, std::string_view key) {
  TRY_ASSIGN(const auto texts, object.texts(key));
  std::vector<DestinationGroup::Net> nets;
  for (const std::string& text : texts) {
    TRY_ASSIGN(auto net, parse_net(object.at(key), text));
    nets.push_back(net);
  }
  return nets;
}

Result<DestinationGroup> parse_group(Object object) {
  DestinationGroup group;
  TRY_ASSIGN(group.category, object.text("category", true));
  TRY_ASSIGN(group.hosts, object.texts("hosts"));
  TRY_ASSIGN(group.nets, parse_nets(object, "cidrs"));
  TRY(object.text("description", false));
  TRY(object.finish());
  return group;
}

Result<void> parse_flow(Object& object, Rule& rule) {
  TRY_ASSIGN(rule.data_classes, object.words("data_classes", enums::data_class));
  if (rule.data_classes == 0) return wrong(object.at("data_classes"), "names no data class");
  TRY_ASSIGN(rule.categories, object.texts("destinations"));
  if (rule.categories.empty()) return wrong(object.at("destinations"), "names no category of destinations");
  return {};
}

Result<void> parse_allowed(Object& object, Rule& rule) {
  const Json* allow = object.find("allow");
  if (allow == nullptr || !allow->is_object()) return wrong(object.at("allow"), "expected categories, hosts or cidrs");
  Object inner(*allow, object.at("allow"));
  TRY_ASSIGN(rule.categories, inner.texts("categories"));
  TRY_ASSIGN(rule.allow_hosts, inner.texts("hosts"));
  TRY_ASSIGN(rule.allow_nets, parse_nets(inner, "cidrs"));
  return inner.finish();
}

Result<void> parse_approval(Object& object, Rule& rule) {
  constexpr std::int64_t minute_ns = 60'000'000'000;
  if (!rule.where) return wrong(object.at("where"), "says which actions need an approval and is missing");
  TRY_ASSIGN(rule.grace_ns, object.duration("grace", -1));
  TRY_ASSIGN(rule.grace_named_ns, object.duration("grace_named", -1));
  TRY_ASSIGN(rule.valid_for_ns, object.duration("valid_for", 24 * 60 * minute_ns));
  TRY_ASSIGN(const std::string approvers, object.text("approvers", false, "human"));
  static constexpr std::string_view kinds[] = {"human", "any"};
  if (!std::ranges::count(kinds, approvers)) return unknown_word(object.at("approvers"), approvers, kinds);
  rule.human = approvers == "human";
  TRY_ASSIGN(const auto match, object.texts("match"));
  for (const std::string& word : match) {
    const auto found = std::ranges::find(approval_match_words, word);
    if (found == std::end(approval_match_words)) return unknown_word(object.at("match"), word, approval_match_words);
    rule.match.push_back(static_cast<ApprovalMatch>(found - std::begin(approval_match_words)));
  }
  if (rule.match.empty()) rule.match = {ApprovalMatch::approval_id, ApprovalMatch::correlation};
  return {};
}

template <std::size_t n>
Result<std::size_t> one_of(Object& object, std::string_view key, const std::string_view (&words)[n], std::string_view fallback) {
  TRY_ASSIGN(const std::string word, object.text(key, false, std::string(fallback)));
  const auto found = std::ranges::find(words, word);
  if (found == std::end(words)) return unknown_word(object.at(key), word, words);
  return static_cast<std::size_t>(found - std::begin(words));
}

Result<void> parse_attestation(Object& object, Rule& rule) {
  static constexpr std::string_view uses[] = {"deploy", "runtime"};
  TRY_ASSIGN(const auto wanted, object.texts("uses"));
  for (const std::string& word : wanted)
    if (!std::ranges::count(uses, word)) return unknown_word(object.at("uses"), word, uses);
  if (!wanted.empty()) {
    rule.deploys = std::ranges::count(wanted, uses[0]) != 0;
    rule.runs = std::ranges::count(wanted, uses[1]) != 0;
  }
  TRY_ASSIGN(rule.kinds, object.words("kinds", enums::provenance_kind));
  TRY_ASSIGN(rule.builders, object.texts("builders"));
  TRY_ASSIGN(rule.accept_claims, object.flag("accept_claims", false));
  TRY_ASSIGN(rule.require_digest, object.flag("require_digest", true));
  TRY_ASSIGN(const std::size_t approved, one_of(object, "approved", approved_words, "no"));
  rule.approved = static_cast<Approved>(approved);
  TRY_ASSIGN(rule.grace_ns, object.duration("grace", -1));
  return {};
}

Result<void> parse_cap(Object& object, Rule& rule) {
  TRY_ASSIGN(rule.window_ns, object.duration("window", 3600'000'000'000));
  if (rule.window_ns < 1'000'000'000) return wrong(object.at("window"), "must be at least 1s");
  TRY_ASSIGN(rule.bytes, object.bytes("bytes"));
  TRY_ASSIGN(const std::string per, object.text("per", false, "app"));
  static constexpr std::string_view kinds[] = {"app", "principal"};
  if (!std::ranges::count(kinds, per)) return unknown_word(object.at("per"), per, kinds);
  rule.per_principal = per == "principal";
  return {};
}

Result<void> parse_type(Object& object, Rule& rule) {
  switch (rule.type) {
    case RuleType::forbidden_flow: return parse_flow(object, rule);
    case RuleType::unapproved_destination: return parse_allowed(object, rule);
    case RuleType::capability: {
      TRY_ASSIGN(rule.require_token, object.flag("require_token", true));
      TRY_ASSIGN(rule.check_scopes, object.flag("check_scopes", true));
      return {};
    }
    case RuleType::approval: return parse_approval(object, rule);
    case RuleType::egress_cap: return parse_cap(object, rule);
    case RuleType::attestation: return parse_attestation(object, rule);
    case RuleType::where:
      if (!rule.where) return wrong(object.at("where"), "is missing");
      return {};
  }
  return {};
}

Result<Rule> parse_rule(Object object) {
  Rule rule;
  TRY_ASSIGN(rule.id, object.text("id", true));
  if (rule.id.empty() || rule.id.size() > 128) return wrong(object.at("id"), "must have 1 to 128 characters");
  rule.key = hash_name(rule.id);
  TRY_ASSIGN(const std::string type, object.text("type", true));
  const auto found = std::ranges::find(rule_type_words, type);
  if (found == std::end(rule_type_words)) return unknown_word(object.at("type"), type, rule_type_words);
  rule.type = static_cast<RuleType>(found - std::begin(rule_type_words));
  TRY_ASSIGN(const std::string severity, object.text("severity", false, "high"));
  const auto level = enums::severity.find(severity);
  if (!level) return unknown_word(object.at("severity"), severity, enums::severity.words);
  rule.severity = static_cast<Severity>(*level);
  TRY_ASSIGN(rule.description, object.text("description", false));
  TRY_ASSIGN(rule.enabled, object.flag("enabled", true));
  TRY_ASSIGN(rule.where, object.where("where"));
  TRY_ASSIGN(rule.risk_tiers, object.words("risk_tiers", enums::risk_tier));
  TRY_ASSIGN(rule.principal_types, object.words("principal_types", enums::principal_type));
  TRY_ASSIGN(rule.apps, object.texts("apps"));
  TRY(parse_type(object, rule));
  TRY(object.finish());
  return rule;
}

Result<Exception> parse_exception(Object object, const std::set<std::string>& known) {
  Exception exception;
  TRY_ASSIGN(exception.id, object.text("id", true));
  TRY_ASSIGN(exception.owner, object.text("owner", true));
  TRY_ASSIGN(exception.reason, object.text("reason", true));
  for (const auto& [key, value] : {std::pair("owner", exception.owner), std::pair("reason", exception.reason)})
    if (value.empty()) return wrong(object.at(key), "must not be empty: an exception has an owner and a reason");
  TRY_ASSIGN(const std::string until, object.text("until", true));
  const auto end = parse_rfc3339(until);
  if (!end) return wrong(object.at("until"), "'" + until + "' is no time such as 2026-12-31T00:00:00Z");
  exception.until_ns = *end;
  TRY_ASSIGN(const auto rules, object.texts("rules"));
  for (const std::string& rule : rules) {
    if (!known.contains(rule)) return wrong(object.at("rules"), "there is no rule '" + rule + "'");
    exception.rules.push_back(hash_name(rule));
  }
  TRY_ASSIGN(auto where, object.where("where"));
  if (!where && exception.rules.empty()) return wrong(object.at("where"), "an exception needs rules, where, or both");
  if (where) exception.where = std::move(*where);
  TRY(object.finish());
  return exception;
}

/// What is wrong with either, one a line.
Result<void> both(const Result<void>& first, const Result<void>& second) {
  if (first) return second;
  if (second) return first;
  return fail(Code::invalid_argument, first.error().message + "\n" + second.error().message);
}

/// Of every item what is wrong with it, one a line.
template <class Parse>
Result<void> each(Object& object, std::string_view key, const Parse& parse) {
  const Json* list = object.find(key);
  if (list == nullptr) return {};
  if (!list->is_array()) return wrong(object.at(key), "expected a list");
  Result<void> all;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = object.at(key) + '[' + std::to_string(i) + ']';
    if (!(*list)[i].is_object()) all = both(all, wrong(path, "expected an object"));
    else all = both(all, parse(Object((*list)[i], path)));
  }
  return all;
}

Result<void> parse_policy(const Json& json, Policy::Compiled& out) {
  Object object(json, "");
  const Json* version = object.find("version");
  if (version == nullptr || *version != 1) return wrong("version", "must be 1");
  TRY(object.text("description", false));
  Result<void> all;
  all = both(all, each(object, "destinations", [&](Object item) -> Result<void> {
    TRY_ASSIGN(auto group, parse_group(std::move(item)));
    out.destinations.push_back(std::move(group));
    return {};
  }));
  if (const Json* sampling = object.find("sampling")) {
    if (!sampling->is_object()) return wrong("sampling", "expected an object");
    auto parsed = Sampling::parse(sampling->dump());
    if (parsed) out.sampling = std::move(*parsed);
    else all = both(all, fail(Code::invalid_argument, "policy: sampling." + parsed.error().message));
  }
  std::set<std::string> ids;
  all = both(all, each(object, "rules", [&](Object item) -> Result<void> {
    const std::string path = item.path();
    if (const Json* id = item.find("id"); id != nullptr && id->is_string() && !ids.insert(id->get<std::string>()).second)
      return wrong(path + ".id", "'" + id->get<std::string>() + "' stands twice");
    TRY_ASSIGN(auto rule, parse_rule(std::move(item)));
    out.demands_attestations = out.demands_attestations || (rule.enabled && rule.type == RuleType::attestation);
    out.rules.push_back(std::move(rule));
    return {};
  }));
  all = both(all, each(object, "exceptions", [&](Object item) -> Result<void> {
    TRY_ASSIGN(auto exception, parse_exception(std::move(item), ids));
    out.exceptions.push_back(std::move(exception));
    return {};
  }));
  return both(all, object.finish());
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::invalid_argument, "policy: expected one JSON object");
  auto compiled = std::make_shared<Compiled>();
  TRY(parse_policy(json, *compiled));
  compiled->hash = to_hex(as_view(sha256(json.dump())));
  return Policy(std::move(compiled));
}

const std::vector<DestinationGroup>& Policy::destinations() const { return compiled_->destinations; }
const std::string& Policy::hash() const { return compiled_->hash; }
std::size_t Policy::rule_count() const { return compiled_->rules.size(); }

std::string_view Policy::category_of(std::string_view host, const Ip* address) const {
  for (const DestinationGroup& group : compiled_->destinations)
    for (const std::string& suffix : group.hosts)
      if (host_matches(suffix, host)) return group.category;
  for (const DestinationGroup& group : compiled_->destinations)
    for (const auto& net : group.nets)
      if (address != nullptr && net_contains(net, *address)) return group.category;
  return "public";
}

}  // namespace tidewaiter::detect
