#include <string_view>

#include "core/text.hpp"
#include "tests/filter/query.hpp"

namespace tidewaiter::test {
namespace {

// Few values each, so that queries often hit.
constexpr std::string_view texts[] = {"", "crm", "crm-2", "api.example.com", "example.com", "bot 12", "caf\xC3\xA9",
                                      "a\"b\\c", "delete", "100%*", "and", "x'y"};
constexpr std::string_view scopes[] = {"crm:read", "crm:write", "*", "mail"};
constexpr std::string_view globs[] = {"*", "*.example.com", "crm*", "*m-?", "caf?", "*e*e*", "100%\\*", "??", "a*c", "*\\*"};
constexpr std::string_view regexes[] = {"^crm", "e+", "[0-9]{2}$", "a|b", "", "^.*\\.com$", "x.y", "\\d"};
constexpr std::string_view addresses[] = {"10.0.0.1", "10.1.2.3", "192.168.1.9", "8.8.8.8", "fe80::1", "2001:db8::5"};
constexpr std::string_view networks[] = {"10.0.0.0/8", "10.1.0.0/16", "192.168.1.8/29", "0.0.0.0/0", "fe80::/10",
                                         "2001:db8::/32", "::/0", "8.8.8.8/32", "10.0.0.0/15"};
constexpr std::string_view numbers[] = {"0", "1", "443", "1000", "1024", "18446744073709551615"};
constexpr std::string_view sizes[] = {"0", "1", "443", "1KB", "1KiB", "1kb", "0.5KiB", "2MB", "18446744073709551615"};
constexpr std::string_view instants[] = {"2026-03-04T12:00:00Z", "2026-03-04T11:00:00Z", "2026-03-03T00:00:00Z",
                                         "1969-12-31T23:00:00Z", "2026-03-04T12:00:00.000000001Z"};
constexpr std::string_view times[] = {"now", "-1h", "now-60m", "now-2d", "2026-03-03", "2026-03-04T12:00", "now+1s",
                                      "2026-03-04T13:00:00+01:00", "2026-03-04T12:00:00.000000001Z", "1969-12-31"};
constexpr std::string_view text_operators[] = {"==", "!=", "=", "in", "not in", "like", "not like", "~", "!~", "startswith",
                                               "endswith", "contains", "not startswith", "not contains"};
constexpr std::string_view number_operators[] = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"};
constexpr std::string_view word_operators[] = {"==", "!=", "in", "not in"};
constexpr std::string_view order_operators[] = {"==", "!=", "<", "<=", ">", ">="};
constexpr std::string_view set_operators[] = {"has", "not has", "in", "not in"};

struct FieldOfType {
  std::string_view name;
  Query::Type type;
};
constexpr FieldOfType fields[] = {
    {"app", Query::Type::text},          {"dst_host", Query::Type::text},      {"approval.id", Query::Type::text},
    {"capability.scopes", Query::Type::list}, {"bytes_out", Query::Type::number},   {"dst_port", Query::Type::number},
    {"time", Query::Type::time},         {"capability.expires", Query::Type::time}, {"risk_tier", Query::Type::word},
    {"severity", Query::Type::word},     {"family", Query::Type::word},        {"data_classes", Query::Type::set},
    {"flags", Query::Type::set},         {"dst_ip", Query::Type::address},     {"src_ip", Query::Type::address},
};
constexpr std::string_view groups[] = {"approval", "capability", "agent"};

bool is_list(const std::string& op) { return op == "in" || op == "not in"; }
bool is_order(const std::string& op) { return op[0] == '<' || op[0] == '>'; }

}  // namespace

Query Generator::query(int depth) {
  Query query;
  const std::size_t dice = below(10);
  if (depth > 0 && dice < 6) {
    query.kind = dice < 2 ? Query::Kind::not_ : dice < 4 ? Query::Kind::and_ : Query::Kind::or_;
    const std::size_t count = query.kind == Query::Kind::not_ ? 1 : 2 + below(3);
    for (std::size_t i = 0; i < count; ++i) query.children.push_back(this->query(depth - 1));
    return query;
  }
  if (dice == 9 && below(3) == 0) {
    query.value = below(2) == 0;
    return query;
  }
  if (dice == 8) {
    query.kind = Query::Kind::exists;
    query.field = below(4) == 0 ? one_of(groups) : std::string(fields[below(std::size(fields))].name);
    return query;
  }
  return comparison();
}

Query Generator::comparison() {
  const FieldOfType& field = fields[below(std::size(fields))];
  Query query;
  query.kind = Query::Kind::compare;
  query.field = field.name;
  query.type = field.type;
  query.op = operator_of(query);
  const std::size_t count = is_list(query.op) ? 1 + below(4) : 1;
  for (std::size_t i = 0; i < count; ++i) query.values.push_back(value_of(query));
  return query;
}

std::string Generator::operator_of(const Query& query) {
  switch (query.type) {
    case Query::Type::text: return one_of(text_operators);
    case Query::Type::list: return below(2) ? one_of(text_operators) : below(2) ? "has" : "not has";
    case Query::Type::number: return one_of(number_operators);
    case Query::Type::time: return one_of(order_operators);
    case Query::Type::word:
      return query.field != "family" && below(2) ? one_of(order_operators) : one_of(word_operators);
    case Query::Type::set: return one_of(set_operators);
    case Query::Type::address: return one_of(word_operators);
  }
  return "==";
}

std::string Generator::value_of(const Query& query) {
  switch (query.type) {
    case Query::Type::list:
      if (query.op == "has" || query.op == "not has") return one_of(scopes);
      [[fallthrough]];
    case Query::Type::text:
      if (query.op == "like" || query.op == "not like") return one_of(globs);
      if (query.op == "~" || query.op == "!~") return one_of(regexes);
      return query.type == Query::Type::list ? one_of(scopes) : one_of(texts);
    case Query::Type::number: return one_of(sizes);
    case Query::Type::time: return one_of(times);
    case Query::Type::address: return below(2) ? one_of(addresses) : one_of(networks);
    default: break;
  }
  std::string word = word_of(query.field);
  while (is_order(query.op) && word == "unknown") word = word_of(query.field);
  return word;
}

std::string Generator::word_of(const std::string& field) {
  return field == "flags" ? one_of(flag_words) : one_of(find_column(field)->words->words);
}

std::string Generator::written(const Query& query, const std::string& value) {
  const bool free_text = query.type == Query::Type::text || query.type == Query::Type::list;
  const bool plain = !value.empty() && value != "and" && value.find_first_of("\"\\' ()|") == std::string::npos;
  if (plain && (!free_text || below(2))) return value;
  const char quote = below(2) ? '"' : '\'';
  std::string out(1, quote);
  for (char c : value) {
    if (c == quote || c == '\\') out += '\\';
    out += c;
  }
  return out + quote;
}

std::string Generator::text_of(const Query& query) {
  switch (query.kind) {
    case Query::Kind::constant: return query.value ? "true" : "false";
    case Query::Kind::exists: return "exists(" + query.field + ")";
    case Query::Kind::not_: return (below(2) ? "not (" : "!(") + text_of(query.children[0]) + ")";
    case Query::Kind::compare: break;
    case Query::Kind::and_:
    case Query::Kind::or_: {
      const bool conjunction = query.kind == Query::Kind::and_;
      std::string out;
      for (const Query& child : query.children) {
        if (!out.empty()) out += conjunction ? (below(2) ? " and " : "&&") : (below(2) ? " or " : "||");
        const bool chain = child.kind == Query::Kind::or_ || child.kind == Query::Kind::and_;
        const bool needed = chain && !(child.kind == Query::Kind::and_ && !conjunction);
        const bool parentheses = needed || below(4) == 0;
        out += parentheses ? "(" + text_of(child) + ")" : text_of(child);
      }
      return out;
    }
  }
  std::string list;
  for (const std::string& value : query.values) list += (list.empty() ? "" : ", ") + written(query, value);
  if (is_list(query.op)) list = "(" + list + ")";
  return query.field + " " + query.op + " " + list;
}

Event Generator::event() {
  Event event;
  for (const FieldOfType& field : fields) {
    if (below(4) == 0) continue;
    const ColumnInfo column = *find_column(field.name);
    switch (field.type) {
      case Query::Type::text: event.set(static_cast<Str>(column.slot), kept_.emplace_back(one_of(texts))); break;
      case Query::Type::list: {
        std::string words;
        for (std::size_t i = below(4); i > 0; --i) words += (words.empty() ? "" : " ") + one_of(scopes);
        event.set(static_cast<Str>(column.slot), kept_.emplace_back(words));
        break;
      }
      case Query::Type::number: event.set(static_cast<Num>(column.slot), std::stoull(one_of(numbers))); break;
      case Query::Type::time:
        event.set(static_cast<Num>(column.slot), static_cast<std::uint64_t>(*parse_rfc3339(one_of(instants))));
        break;
      case Query::Type::word: event.set(static_cast<Num>(column.slot), below(column.words->words.size())); break;
      case Query::Type::set: event.set(static_cast<Num>(column.slot), below(256)); break;
      case Query::Type::address: event.set(static_cast<Addr>(column.slot), *parse_ip(one_of(addresses))); break;
    }
  }
  return event;
}

}  // namespace tidewaiter::test
