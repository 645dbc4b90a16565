#include "serve/api.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/log_line.hpp"
#include "core/text.hpp"
#include "serve/metrics_exporter.hpp"
#include "store/proof_file.hpp"

namespace tidewaiter::serve {

namespace {

constexpr std::uint64_t default_rows = 100;

int status_of(Code code) {
  switch (code) {
    case Code::invalid_argument: return 400;
    case Code::not_found: return 404;
    case Code::permission: return 403;
    case Code::unavailable: return 503;
    case Code::conflict: return 409;
    default: return 500;
  }
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string param(const HttpRequest& request, const std::string& name) {
  const auto found = request.params.find(name);
  return found == request.params.end() ? std::string() : found->second;
}

std::vector<std::string> list_param(const HttpRequest& request, const std::string& name) {
  std::vector<std::string> words;
  const auto range = request.params.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) {
    std::string_view rest = it->second;
    while (!rest.empty()) {
      const std::size_t end = rest.find(',');
      if (end != 0) words.emplace_back(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  return words;
}

Result<void> only_params(const HttpRequest& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.params) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string_view near = nearest_word(name, std::span(known.begin(), known.size()));
    std::string message = "unknown parameter '" + name + "'";
    if (!near.empty()) message += "; did you mean '" + std::string(near) + "'?";
    return fail(Code::invalid_argument, message);
  }
  return {};
}

Result<std::optional<std::int64_t>> time_param(const HttpRequest& request, const std::string& name) {
  const std::string text = param(request, name);
  if (text.empty()) return std::optional<std::int64_t>();
  if (const auto time = parse_rfc3339(text)) return std::optional<std::int64_t>(*time);
  return fail(Code::invalid_argument, "'" + name + "' is no RFC 3339 time such as 2026-03-04T05:06:07Z");
}

Result<store::Order> order_param(const HttpRequest& request) {
  const std::string word = param(request, "order");
  if (word.empty() || word == "stored") return store::Order::stored;
  if (word == "newest") return store::Order::newest_first;
  if (word == "oldest") return store::Order::oldest_first;
  return fail(Code::invalid_argument, "'order' is one of stored, newest, oldest");
}

Result<std::uint16_t> log_id(const store::Reader& reader, const std::string& name) {
  std::vector<std::string_view> known;
  for (const store::LogInfo& log : reader.logs()) {
    if (log.name == name) return log.id;
    known.push_back(log.name);
  }
  const std::string_view near = nearest_word(name, known);
  return fail(Code::not_found,
              "no log '" + name + "'" + (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
}

/// Only there when something could not be read.
void append_damage(std::string& out, const std::vector<store::Damage>& damaged) {
  if (damaged.empty()) return;
  out += ",\"not_read\":[";
  for (const store::Damage& damage : damaged) {
    if (&damage != &damaged.front()) out += ',';
    out += "{\"log\":";
    append_json_string(out, damage.log);
    out += ",\"from_seq\":" + std::to_string(damage.from) + ",\"to_seq\":" + std::to_string(damage.to) +
           ",\"reason\":";
    append_json_string(out, damage.reason);
    out += '}';
  }
  out += ']';
}

void append_view(std::string& out, const store::QueryOutcome& outcome) {
  out += "\"commit\":" + std::to_string(outcome.commit) + ",\"logs\":[";
  for (const store::LogView& log : outcome.logs) {
    if (&log != &outcome.logs.front()) out += ',';
    out += "{\"name\":";
    append_json_string(out, log.name);
    out += ",\"size\":" + std::to_string(log.size) + ",\"covered\":" + std::to_string(log.covered);
    if (log.head_time_ns) {
      out += ",\"head_time\":";
      append_json_string(out, format_rfc3339(log.head_time_ns));
    }
    out += '}';
  }
  out += "],\"rows_uncovered\":" + std::to_string(outcome.rows_uncovered) +
         ",\"records_scanned\":" + std::to_string(outcome.records_scanned);
  append_damage(out, outcome.damaged);
}

std::string health_json(std::string_view key, bool good, const Health& health) {
  std::string out = "{";
  append_json_string(out, key);
  out += good ? ":true,\"parts\":[" : ":false,\"parts\":[";
  for (const PartHealth& part : health.parts) {
    if (&part != &health.parts.front()) out += ',';
    out += "{\"name\":";
    append_json_string(out, part.name);
    out += ",\"state\":";
    append_json_string(out, part.state);
    if (!part.detail.empty()) {
      out += ",\"detail\":";
      append_json_string(out, part.detail);
    }
    out += '}';
  }
  return out + "]}\n";
}

constexpr std::string_view read_routes[] = {"/v1/events", "/v1/alerts", "/v1/proof", "/v1/checkpoint", "/v1/suppressions"};

HttpResponse unknown_route(std::string_view path, std::span<const std::string_view> routes) {
  const std::string_view near = nearest_word(path, routes);
  std::string hint = "the routes are";
  for (std::string_view route : routes) hint += " " + std::string(route);
  if (!near.empty()) hint = "did you mean " + std::string(near) + "?";
  return error_response(404, "not_found", "no such route", hint);
}

}  // namespace

HttpResponse error_response(int status, std::string_view code, std::string_view message, std::string_view hint) {
  HttpResponse response;
  response.status = status;
  response.body = "{\"error\":{\"code\":";
  append_json_string(response.body, code);
  response.body += ",\"message\":";
  append_json_string(response.body, message);
  if (!hint.empty()) {
    response.body += ",\"hint\":";
    append_json_string(response.body, hint);
  }
  response.body += "}}\n";
  return response;
}

HttpResponse refusal(const Error& error) {
  return error_response(status_of(error.code), code_name(error.code), error.message, {});
}

Api::Api(ServeConfig config, Backend backend, AccessRule rule)
    : config_(std::move(config)), backend_(std::move(backend)), rule_(std::move(rule)) {}

std::int64_t Api::now_ns() const { return backend_.clock ? backend_.clock->now_ns() : system_clock_.now_ns(); }

void Api::count(std::string_view route, int status) const {
  if (backend_.metrics)
    backend_.metrics
        ->counter("tidewaiter_http_requests_total", "HTTP requests answered, by route and status.",
                  {{"route", std::string(route)}, {"status", std::to_string(status)}})
        .add();
}

HttpResponse Api::read(const HttpRequest& request) const {
  const bool known =
      std::find(std::begin(read_routes), std::end(read_routes), request.path) != std::end(read_routes);
  const auto change = change_route(request.path);
  const std::string_view route_name = known ? std::string_view(request.path) : change ? change->route : "other";
  const auto who = rule_.who(request.authorization, request.host);
  if (!who) {
    const bool token = rule_.needs_token();
    count(route_name, token ? 401 : 403);
    if (!token)
      return error_response(403, "permission", "without a token only requests to this machine by its own name are served",
                            "use http://127.0.0.1 or http://localhost, or configure a token file");
    HttpResponse refused = error_response(401, "permission", "a bearer token is needed",
                                          "send the header: Authorization: Bearer TOKEN");
    refused.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"tidewaiter\"");
    return refused;
  }
  const bool writes = change && request.method == "POST";
  HttpResponse response = writes ? write(request, {change->change.kind, change->change.uid, request.body, *who})
                                 : recorded(request, *who, route(request));
  count(route_name, response.status);
  return response;
}

HttpResponse Api::recorded(const HttpRequest& request, const std::string& who, Answer answer) const {
  if (const auto recorded = record(request, who, answer); !recorded) {
    log_line(Level::error, "a read was refused because it could not be recorded", {{"reason", recorded.error().message}});
    return error_response(503, "unavailable", "the read could not be recorded, so it is not answered",
                          "see /readyz of the service");
  }
  return std::move(answer.response);
}

Result<void> Api::record(const HttpRequest& request, const std::string& who, const Answer& answer) const {
  if (!backend_.record_access) return fail(Code::unavailable, "no writer");
  return backend_.record_access(access_record(access_of(request, who, answer)));
}

Access Api::access_of(const HttpRequest& request, const std::string& who, const Answer& answer) const {
  Access access;
  access.who = who;
  access.remote = request.remote;
  access.method = request.method;
  access.path = printable(request.path);
  for (const auto& [name, value] : request.params)
    access.query += (access.query.empty() ? "" : "&") + printable(name) + "=" + printable(value);
  access.status = answer.response.status;
  access.rows = answer.rows;
  access.time_ns = now_ns();
  return access;
}

Api::Answer Api::route(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD") {
    Answer answer{error_response(405, "invalid_argument", "this route only reads", "use GET")};
    answer.response.headers.emplace_back("Allow", "GET, HEAD");
    return answer;
  }
  if (request.path == "/v1/events") return events(request);
  if (request.path == "/v1/alerts") return alerts(request);
  if (request.path == "/v1/proof") return proof(request);
  if (request.path == "/v1/checkpoint") return checkpoint(request);
  if (request.path == "/v1/suppressions") return suppressions(request);
  if (change_route(request.path)) {
    Answer answer{error_response(405, "invalid_argument", "this route only writes", "use POST")};
    answer.response.headers.emplace_back("Allow", "POST");
    return answer;
  }
  return {unknown_route(request.path, read_routes)};
}

Result<store::QuerySpec> Api::spec_of(const HttpRequest& request) const {
  store::QuerySpec spec;
  spec.now_ns = now_ns();
  spec.where = param(request, "where");
  spec.logs = list_param(request, "log");
  spec.kinds = list_param(request, "kind");
  for (const auto& [name, value] : request.params)
    if (name == "text") spec.texts.push_back(value);
  spec.by = list_param(request, "by");
  TRY_ASSIGN(spec.from_ns, time_param(request, "from"));
  TRY_ASSIGN(spec.to_ns, time_param(request, "to"));
  TRY_ASSIGN(spec.order, order_param(request));
  spec.skip_damaged = true;  // what can be read is given, what cannot is named
  spec.scan_records_max = config_.scan_records_max;
  spec.limit = std::min(default_rows, config_.rows_max);
  if (const std::string text = param(request, "limit"); !text.empty()) {
    const auto limit = number(text);
    if (!limit || *limit == 0 || *limit > config_.rows_max)
      return fail(Code::invalid_argument, "'limit' is a number from 1 to " + std::to_string(config_.rows_max));
    spec.limit = *limit;
  }
  if (const std::string text = param(request, "page"); !text.empty()) {
    spec.after = store::QueryPlace::parse(text);
    if (!spec.after) return fail(Code::invalid_argument, "'page' is the 'next' of an earlier answer, unchanged");
    if (spec.order != store::Order::stored)
      return fail(Code::invalid_argument, "pages follow the stored order: leave 'order' out");
  }
  return spec;
}

Api::Answer Api::events(const HttpRequest& request) const {
  if (auto known = only_params(request, {"where", "text", "from", "to", "log", "kind", "by", "limit", "order", "page"}); !known)
    return {refusal(known.error())};
  const auto spec = spec_of(request);
  if (!spec) return {refusal(spec.error())};
  return spec->by.empty() ? rows(*spec, "rows", {}) : groups(*spec);
}

Api::Answer Api::alerts(const HttpRequest& request) const {
  if (auto known = only_params(request, {"where", "from", "to", "limit", "order", "page", "uid"}); !known)
    return {refusal(known.error())};
  auto spec = spec_of(request);
  if (!spec) return {refusal(spec.error())};
  spec->logs = {"alerts"};
  const std::string uid = param(request, "uid");
  if (!uid.empty()) spec->limit = 0;
  if (uid.empty() && !spec->after && param(request, "order").empty()) spec->order = store::Order::newest_first;
  Answer answer = rows(*spec, "alerts", uid);
  if (!uid.empty() && answer.response.status == 200 && answer.rows == 0 && answer.whole)
    answer.response = error_response(404, "not_found", "no alert with this uid", "list them with /v1/alerts");
  return answer;
}

Api::Answer Api::rows(const store::QuerySpec& spec, std::string_view key, std::string_view uid) const {
  const auto query = store::Query::compile(spec);
  if (!query) return {refusal(query.error())};
  const auto reader = backend_.open_reader();
  if (!reader) return {refusal(reader.error())};
  Answer answer;
  std::string list;
  bool too_large = false;
  const std::string wanted_uid = uid.empty() ? std::string() : "\"uid\":\"" + std::string(uid) + "\"";
  const auto outcome = query->run(**reader, [&](const store::Row& row) {
    if (!wanted_uid.empty() && row.record->record.value.find(wanted_uid) == std::string_view::npos) return true;
    if (!list.empty()) list += ',';
    store::append_row_json(list, row, true);
    ++answer.rows;
    too_large = list.size() > config_.response_bytes_max;
    return !too_large;
  });
  if (!outcome) return {refusal(outcome.error())};
  answer.whole = outcome->damaged.empty();
  std::string& body = answer.response.body;
  body = "{";
  append_view(body, *outcome);
  body += ",\"";
  body += key;
  body += "\":[" + list + "]";
  if (outcome->next) {
    body += ",\"next\":";
    append_json_string(body, outcome->next->text());
  }
  body += outcome->limited || too_large ? ",\"limited\":true}\n" : ",\"limited\":false}\n";
  return answer;
}

Api::Answer Api::groups(const store::QuerySpec& spec) const {
  const auto query = store::Query::compile(spec);
  if (!query) return {refusal(query.error())};
  const auto reader = backend_.open_reader();
  if (!reader) return {refusal(reader.error())};
  std::vector<store::Group> groups;
  const auto outcome = query->groups(**reader, groups);
  if (!outcome) return {refusal(outcome.error())};
  Answer answer;
  std::string& body = answer.response.body;
  body = "{";
  append_view(body, *outcome);
  body += ",\"rows\":" + std::to_string(outcome->rows) +
          ",\"rows_in_other_groups\":" + std::to_string(outcome->rows_in_other_groups) + ",\"groups\":[";
  for (const store::Group& group : groups) {
    if (&group != &groups.front()) body += ',';
    body += "{\"key\":{";
    for (std::size_t i = 0; i < spec.by.size(); ++i) {
      if (i) body += ',';
      append_json_string(body, spec.by[i]);
      body += ':';
      append_json_string(body, group.key[i]);
    }
    body += "},\"count\":" + std::to_string(group.count) + ",\"bytes_out\":" + std::to_string(group.bytes_out) + ",\"first\":";
    append_json_string(body, format_rfc3339(group.first_ns));
    body += ",\"last\":";
    append_json_string(body, format_rfc3339(group.last_ns));
    body += '}';
    ++answer.rows;
  }
  body += outcome->limited ? "],\"limited\":true}\n" : "],\"limited\":false}\n";
  return answer;
}

Api::Answer Api::proof(const HttpRequest& request) const {
  if (auto known = only_params(request, {"log", "seq"}); !known) return {refusal(known.error())};
  const auto seq = number(param(request, "seq"));
  if (!seq || param(request, "log").empty())
    return {error_response(400, "invalid_argument", "'log' and 'seq' name the record to prove",
                           "for example /v1/proof?log=control&seq=0")};
  const auto reader = backend_.open_reader();
  if (!reader) return {refusal(reader.error())};
  const auto log = log_id(**reader, param(request, "log"));
  if (!log) return {refusal(log.error())};
  const auto made = store::make_proof(**reader, *log, *seq);
  if (!made) return {refusal(made.error())};
  if (made->not_covered) {
    const std::int64_t due = made->not_covered->head_time_ns + backend_.checkpoint_interval_ns;
    const std::string when = backend_.checkpoint_interval_ns && made->not_covered->head_time_ns
                                 ? "the next head is due at " + format_rfc3339(due)
                                 : "ask again after the next checkpoint";
    return {error_response(409, "not_covered", "this record is newer than the newest signed head of its log", when)};
  }
  Answer answer;
  answer.rows = 1;
  answer.response.content_type = "text/plain; charset=utf-8";
  answer.response.body = made->file.text();
  return answer;
}

Api::Answer Api::checkpoint(const HttpRequest& request) const {
  if (auto known = only_params(request, {"log"}); !known) return {refusal(known.error())};
  const auto reader = backend_.open_reader();
  if (!reader) return {refusal(reader.error())};
  const std::string name = param(request, "log");
  const auto log = log_id(**reader, name.empty() ? "control" : name);
  if (!log) return {refusal(log.error())};
  const auto heads = (*reader)->heads(*log);
  if (!heads) return {refusal(heads.error())};
  if (heads->empty())
    return {error_response(404, "not_found", "this log has no signed head yet", "ask again after the next checkpoint")};
  Answer answer;
  answer.rows = 1;
  answer.response.content_type = "text/plain; charset=utf-8";
  answer.response.body = heads->back().note;
  return answer;
}

HttpResponse Api::operate(const HttpRequest& request) const {
  constexpr std::string_view routes[] = {"/metrics", "/healthz", "/readyz"};
  const auto known = std::find(std::begin(routes), std::end(routes), request.path);
  HttpResponse response;
  if (known == std::end(routes)) {
    response = unknown_route(request.path, routes);
  } else if (request.method != "GET" && request.method != "HEAD") {
    response = error_response(405, "invalid_argument", "this address only reads", "use GET");
  } else if (request.path == "/metrics") {
    response.content_type = metrics_content_type;
    if (backend_.metrics) response.body = metrics_text(*backend_.metrics);
  } else {
    const Health health = backend_.health ? backend_.health() : Health{};
    const bool ready = request.path == "/readyz";
    const bool good = ready ? health.ready : health.alive;
    response.status = good ? 200 : 503;
    response.body = health_json(ready ? "ready" : "alive", good, health);
  }
  count(known == std::end(routes) ? "other" : *known, response.status);
  return response;
}

}  // namespace tidewaiter::serve
