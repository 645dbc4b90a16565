// by_hand.cpp for spans of OTLP with the present names of HTTP, GenAI and MCP. Rows and their texts are kept, as whoever
// wants a batch of events has to.
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <charconv>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "bench/primitives/otlp_row.hpp"

namespace tidewaiter::bench::primitives {
namespace {

namespace od = simdjson::ondemand;
using Text = std::string_view;

enum Attribute : std::size_t {
  operation_name, agent_id, agent_name, agent_version, conversation_id, provider_name, request_model, response_model,
  tool_name, tool_call_id, tool_arguments, enduser_id, mcp_method, mcp_resource, mcp_session, request_id, peer_address,
  server_address, server_port, request_method, url_full, request_size, response_size, status_code, error_type,
  guard_name, guard_verdict, guard_action, guard_rule, guard_code, service_name, attribute_count
};

constexpr Text attribute_names[attribute_count] = {
    "gen_ai.operation.name", "gen_ai.agent.id", "gen_ai.agent.name", "gen_ai.agent.version", "gen_ai.conversation.id",
    "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model", "gen_ai.tool.name", "gen_ai.tool.call.id",
    "gen_ai.tool.call.arguments", "enduser.id", "mcp.method.name", "mcp.resource.uri", "mcp.session.id",
    "jsonrpc.request.id", "network.peer.address", "server.address", "server.port", "http.request.method", "url.full",
    "http.request.body.size", "http.response.body.size", "http.response.status_code", "error.type",
    "gen_ai.guardrail.component.name", "gen_ai.guardrail.verdict.type", "gen_ai.guardrail.action.type",
    "gen_ai.guardrail.security.policy.rule.id", "gen_ai.guardrail.verdict.code", "service.name"};

using Attributes = std::array<Text, attribute_count>;

Text first_of(std::initializer_list<Text> texts) {
  for (const Text text : texts)
    if (!text.empty()) return text;
  return {};
}

bool is_known_service(Text name) { return !name.empty() && !name.starts_with("unknown_service"); }

Text word_of(Text text, std::initializer_list<std::pair<Text, Text>> words, Text other) {
  for (const auto& [from, to] : words)
    if (text == from) return to;
  return other;
}

std::optional<std::uint64_t> number_of(Text text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::array<std::uint8_t, 16>> address_of(Text text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  buffer[text.copy(buffer, sizeof buffer - 1)] = '\0';
  std::array<std::uint8_t, 16> address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (inet_pton(AF_INET, buffer, address.data() + 12) == 1) return address;
  if (text.find(':') != Text::npos && inet_pton(AF_INET6, buffer, address.data()) == 1) return address;
  return std::nullopt;
}

bool is_name_of_host(Text text) {
  bool letter = false;
  for (const char c : text) {
    const bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    letter |= is_letter;
    if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_') return false;
  }
  return letter;
}

bool is_hex_id(Text text) {
  if (text.size() != 32 && text.size() != 16) return false;
  for (const char c : text)
    if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))) return false;
  return true;
}

struct Url {
  Text host, port;
};

Url url_of(Text url) {
  const std::size_t scheme = url.find("://");
  if (scheme == Text::npos) return {};
  const Text name = url.substr(0, scheme);
  Text rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t at = rest.rfind('@'); at != Text::npos) rest.remove_prefix(at + 1);
  const Text usual = name == "https" ? "443" : name == "http" ? "80" : "";
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == Text::npos) return {};
    const Text behind = rest.substr(end + 1);
    return {rest.substr(1, end - 1), behind.starts_with(':') ? behind.substr(1) : usual};
  }
  const std::size_t colon = rest.find(':');
  return {rest.substr(0, colon), colon == Text::npos ? usual : rest.substr(colon + 1)};
}

class Reader {
 public:
  explicit Reader(OtlpRows& to) : to_(to), out_(reinterpret_cast<std::uint8_t*>(to.texts.get())) {
    to.rows.clear();
    digest_ = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    context_ = EVP_MD_CTX_new();
  }
  ~Reader() {
    EVP_MD_CTX_free(context_);
    EVP_MD_free(digest_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool message(Text text) {
    od::document document;
    od::array resource_spans;
    const simdjson::padded_string_view padded(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING);
    if (parser_.iterate(padded).get(document) || document["resourceSpans"].get_array().get(resource_spans)) return false;
    for (auto one : resource_spans) {
      od::object holder;
      if (one.get_object().get(holder) || !resource_span(holder)) return false;
    }
    return true;
  }

 private:
  bool resource_span(od::object holder) {
    Attributes of_resource{};
    for (auto field : holder) {
      od::raw_json_string key;
      if (field.key().get(key)) return false;
      if (key.unsafe_is_equal("resource")) {
        od::array list;
        if (field.value()["attributes"].get_array().get(list) || !attributes(list, of_resource)) return false;
      } else if (key.unsafe_is_equal("scopeSpans")) {
        od::array scopes;
        if (field.value().get_array().get(scopes)) return false;
        for (auto scope : scopes) {
          od::array list;
          if (scope["spans"].get_array().get(list)) return false;
          for (auto one : list) {
            od::object fields;
            if (one.get_object().get(fields) || !span(fields, of_resource[service_name])) return false;
          }
        }
      }
    }
    return true;
  }

  bool take(od::value value, Text& text) {
    od::raw_json_string raw;
    return !value.get_raw_json_string().get(raw) && !parser_.unescape(raw, out_).get(text);
  }

  bool attributes(od::array list, Attributes& found) {
    std::size_t guess = 0;
    for (auto one : list) {
      od::object pair;
      if (one.get_object().get(pair)) return false;
      std::size_t at = attribute_count;
      for (auto field : pair) {
        od::raw_json_string name, key;
        if (field.key().get(name)) return false;
        if (name.unsafe_is_equal("key")) {
          if (field.value().get_raw_json_string().get(key)) return false;
          at = place_of(key, guess);
        } else if (at != attribute_count) {
          od::value value;
          if (field.value().get(value) || !attribute(value, found[at])) return false;
        }
      }
    }
    return true;
  }

  /// The names come in an order that is much the same from span to span.
  static std::size_t place_of(od::raw_json_string key, std::size_t& guess) {
    for (std::size_t tried = 0, at = guess; tried < attribute_count; ++tried, at = at + 1 == attribute_count ? 0 : at + 1)
      if (key.unsafe_is_equal(attribute_names[at])) {
        guess = at + 1 == attribute_count ? 0 : at + 1;
        return at;
      }
    return attribute_count;
  }

  /// {"stringValue":"..."}, {"intValue":"1"}, {"intValue":1}
  bool attribute(od::value value, Text& text) {
    od::object typed;
    if (value.get_object().get(typed)) return false;
    for (auto field : typed) {
      od::value inner;
      if (field.value().get(inner)) return false;
      const Text token = inner.raw_json_token();
      if (token[0] == '"') {
        if (!take(inner, text)) return false;
      } else {
        text = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
      }
    }
    return true;
  }

  bool span(od::object fields, Text service) {
    static constexpr Text names[] = {"traceId", "spanId", "parentSpanId", "name", "startTimeUnixNano", "endTimeUnixNano",
                                     "attributes", "status"};
    std::array<Text, 6> texts{};
    Attributes found{};
    Text status;
    std::size_t guess = 0;
    for (auto field : fields) {
      od::raw_json_string key;
      if (field.key().get(key)) return false;
      std::size_t at = guess, tried = 0;
      while (tried < std::size(names) && !key.unsafe_is_equal(names[at])) ++tried, at = (at + 1) % std::size(names);
      if (tried == std::size(names)) continue;
      guess = (at + 1) % std::size(names);
      od::value value;
      od::array list;
      if (field.value().get(value)) return false;
      if (at < 6 ? !take(value, texts[at]) : at == 6 ? value.get_array().get(list) || !attributes(list, found) : false)
        return false;
      if (at == 7) {
        od::value code;
        if (!value["code"].get(code)) status = code.raw_json_token();
      }
    }
    OtlpRow& row = to_.rows.emplace_back();
    set_who(row, found, service);
    set_what(row, found, texts[3]);
    set_where(row, found);
    set_ids(row, found, texts);
    const bool ended = !texts[5].empty() && texts[5] != "0";  // 0 is protobuf's word for none
    row.time_ns = number_of(ended ? texts[5] : texts[4]);
    set_outcome(row, found, status, ended);
    return !texts[3].empty();
  }

  static void set_who(OtlpRow& row, const Attributes& found, Text service) {
    const Text agent = first_of({found[agent_id], found[agent_name]});
    const bool known = is_known_service(service);
    if (known) row.app = service;
    row.self_asserted = agent.empty() && known;
    row.principal = first_of({agent, row.app, found[enduser_id], "unknown"});
    row.on_behalf_of = found[enduser_id] == row.principal ? Text() : found[enduser_id];
    const Text acts = first_of({agent, found[operation_name], found[tool_name], found[mcp_method]});
    row.principal_type = !acts.empty() ? "agent" : known ? "service" : !found[enduser_id].empty() ? "user"
                         : !service.empty() ? "service" : "unknown";
    row.agent_uid = found[agent_id];
    row.agent_name = found[agent_name];
    row.agent_version = found[agent_version];
    row.agent_instance_uid = row.session = found[conversation_id];
    row.agent_model = first_of({found[response_model], found[request_model]});
  }

  void set_what(OtlpRow& row, const Attributes& found, Text name) {
    row.operation = first_of({found[operation_name], found[mcp_method], name});
    if (!found[operation_name].empty())
      row.action = word_of(found[operation_name],
                           {{"execute_tool", "execute"}, {"invoke_agent", "execute"}, {"chat", "send"},
                            {"create_agent", "create"}, {"embeddings", "send"}, {"generate_content", "send"},
                            {"text_completion", "send"}, {"retrieval", "read"}, {"run_guardrail", "verify"}}, "other");
    else if (!found[mcp_method].empty())
      row.action = word_of(found[mcp_method],
                           {{"tools/call", "execute"}, {"resources/read", "read"}, {"prompts/get", "read"},
                            {"tools/list", "list"}, {"resources/list", "list"}, {"initialize", "connect"}}, "other");
    else if (!found[tool_name].empty())
      row.action = "execute";
    else if (!found[request_method].empty())
      row.action = word_of(found[request_method],
                           {{"GET", "read"}, {"HEAD", "read"}, {"POST", "send"}, {"PUT", "send"}, {"PATCH", "send"},
                            {"DELETE", "delete"}, {"OPTIONS", "read"}}, "other");
    const bool runs = name.starts_with("execute_tool ");
    const Text named = runs ? name.substr(13, name.find(' ', 13) - 13) : Text();
    row.tool_name = first_of({found[tool_name], named});
    row.tool_call_id = first_of({found[tool_call_id], found[request_id]});
    if (!found[mcp_method].empty()) row.tool_server = found[server_address];
    if (!found[tool_arguments].empty()) {
      row.tool_args_hash = hash_of(found[tool_arguments]);
      row.tool_args_size = found[tool_arguments].size();
    }
    row.resource = first_of({found[tool_name], found[mcp_resource], named, found[guard_name], found[request_model],
                             found[url_full]});
    row.rule = found[guard_rule];
    if (!found[tool_name].empty()) row.resource_type = "tool";
    else if (!found[mcp_resource].empty())
      row.resource_type = found[mcp_resource].starts_with("file:") ? "file" : "endpoint";
    else if (runs) row.resource_type = "tool";
    else if (!found[guard_name].empty()) row.resource_type = "policy";
    else if (!found[request_model].empty()) row.resource_type = "model";
    else if (!found[url_full].empty()) row.resource_type = "endpoint";
  }

  void set_where(OtlpRow& row, const Attributes& found) {
    const Url url = url_of(found[url_full]);
    row.dst_host = lower(is_name_of_host(found[server_address]) ? found[server_address] : url.host);
    if (row.dst_host.ends_with('.')) row.dst_host.remove_suffix(1);
    for (const Text text : {found[peer_address], found[server_address], url.host})
      if (!row.dst_ip) row.dst_ip = address_of(text);
    row.dst_port = number_of(first_of({found[server_port], url.port}));
    row.dst_service = found[provider_name];
    row.bytes_out = number_of(found[request_size]);
    row.bytes_in = number_of(found[response_size]);
    if (row.bytes_out || row.bytes_in) row.volume_basis = "body";
    row.l7 = !found[mcp_method].empty() ? "mcp" : found[url_full].starts_with("https:") ? "https"
             : !found[request_method].empty() ? "http" : Text();
  }

  void set_ids(OtlpRow& row, const Attributes& found, const std::array<Text, 6>& texts) {
    row.session = first_of({found[conversation_id], found[mcp_session]});
    const bool has_id = is_hex_id(texts[0]);
    if (has_id) row.trace_id = lower(texts[0]);
    if (is_hex_id(texts[1])) row.span_id = lower(texts[1]);
    if (is_hex_id(texts[2])) row.parent_span_id = lower(texts[2]);
    row.correlation = first_of({found[conversation_id], found[tool_call_id], has_id ? Text() : texts[0]});
    if (!texts[0].empty() && !texts[1].empty()) row.source_id = joined(texts[0], texts[1]);
  }

  static void set_outcome(OtlpRow& row, const Attributes& found, Text status, bool ended) {
    const Text http = found[status_code], error = found[error_type];
    row.outcome_code = first_of({found[guard_code], error, http});
    const Text judged = word_of(found[guard_action],
                                {{"block", "denied"}, {"escalate", "pending"}},
                                word_of(found[guard_verdict], {{"deny", "denied"}, {"escalate", "pending"}}, ""));
    if (!judged.empty()) row.outcome = judged;
    else if (http == "401" || http == "403") row.outcome = "denied";
    else if (!error.empty())
      row.outcome = word_of(error, {{"tool_error", "failure"}, {"401", "denied"}, {"403", "denied"}}, "error");
    else if (status.starts_with('2')) row.outcome = "error";
    else if (status.starts_with('1')) row.outcome = "success";
    else if (http.starts_with('4')) row.outcome = "failure";
    else if (http.starts_with('5')) row.outcome = "error";
    else if (ended || http.starts_with('2') || http.starts_with('3') || !found[guard_action].empty()) row.outcome = "success";
  }

  Text lower(Text text) {
    bool upper = false;
    for (const char c : text) upper |= c >= 'A' && c <= 'Z';
    if (!upper) return text;
    char* const begin = reinterpret_cast<char*>(out_);
    for (const char c : text) *out_++ = static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    return {begin, text.size()};
  }

  Text joined(Text a, Text b) {
    char* const begin = reinterpret_cast<char*>(out_);
    std::memcpy(begin, a.data(), a.size());
    begin[a.size()] = '/';
    std::memcpy(begin + a.size() + 1, b.data(), b.size());
    out_ += a.size() + 1 + b.size();
    return {begin, a.size() + 1 + b.size()};
  }

  Text hash_of(Text text) {
    unsigned char bytes[32];
    EVP_DigestInit_ex2(context_, digest_, nullptr);
    EVP_DigestUpdate(context_, text.data(), text.size());
    EVP_DigestFinal_ex(context_, bytes, nullptr);
    char* const begin = reinterpret_cast<char*>(out_);
    std::memcpy(begin, "sha256:", 7);
    for (std::size_t i = 0; i < 32; ++i) {
      begin[7 + 2 * i] = "0123456789abcdef"[bytes[i] >> 4];
      begin[8 + 2 * i] = "0123456789abcdef"[bytes[i] & 15];
    }
    out_ += 71;
    return {begin, 71};
  }

  OtlpRows& to_;
  std::uint8_t* out_;
  od::parser parser_;
  EVP_MD* digest_ = nullptr;
  EVP_MD_CTX* context_ = nullptr;
};

}  // namespace

bool otlp_spans_by_hand(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count,
                        OtlpRows& to) {
  Reader reader(to);
  for (std::size_t i = 0; i < count; ++i)
    if (!reader.message({bytes + begin[i], size[i]})) return false;
  return true;
}

}  // namespace tidewaiter::bench::primitives
