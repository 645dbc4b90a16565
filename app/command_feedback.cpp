#include "app/command_feedback.hpp"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "app/command_store.hpp"
#include "app/feedback_records.hpp"
#include "app/offline_store.hpp"
#include "app/text_table.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "forward/http_client.hpp"
#include "serve/server.hpp"

namespace tidewaiter::app {
namespace {

using Json = nlohmann::json;
using serve::Change;

constexpr std::int64_t second_ns = 1'000'000'000;

/// A change that was written: its control record and the commit from which on it holds.
struct Written {
  std::uint64_t commit = 0;
  Json record;
};

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Config> config_of(const ChangeTarget& to) {
  if (to.config.empty()) return default_config(to.store);
  TRY_ASSIGN(Config config, load_config(to.config));
  config.store.directory = to.store;
  return config;
}

Result<OwnRecord> make_record(const store::Reader& reader, const Change& change, const Json& request) {
  const Asked asked{"command line", SystemClock().now_ns()};
  if (change.kind == Change::Kind::verdict) return verdict_record(reader, change.uid, request, asked);
  if (change.kind == Change::Kind::suppression) return suppression_record(reader, request, asked);
  return suppression_end_record(reader, change.uid, request, asked);
}

Result<Written> write_offline(const Config& config, const Change& change, const Json& request) {
  Metrics metrics;
  TRY_ASSIGN(auto log, open_offline(config, metrics));
  TRY_ASSIGN(const auto reader, store::Reader::open(*log));
  TRY_ASSIGN(OwnRecord record, make_record(*reader, change, request));
  Written written;
  written.record = Json::parse(record.body);
  std::vector<OwnRecord> control;
  control.push_back(std::move(record));
  TRY_ASSIGN(const CommitPtr commit, log->commit(nullptr, std::move(control), {}, {}));
  written.commit = commit->number;
  TRY(log->publish_checkpoint());
  if (log->head_files_error()) return *log->head_files_error();
  return written;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/// The first token of a file that may write, else its first: "write name:token" a line, '#' begins a comment.
Result<std::string> writing_token(const std::string& file) {
  TRY_ASSIGN(const std::string text, read_text_file(file));
  std::istringstream lines(text);
  std::string first;
  for (std::string line; std::getline(lines, line);) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#') continue;
    std::string token = trimmed(line.substr(line.find(':') == std::string::npos ? 0 : line.find(':') + 1));
    if (line.starts_with("write ")) return token.starts_with("write ") ? trimmed(token.substr(6)) : token;
    if (first.empty()) first = std::move(token);
  }
  if (first.empty()) return fail(Code::invalid_argument, "no token in " + file);
  return first;
}

std::string path_of(const Change& change) {
  if (change.kind == Change::Kind::verdict) return "/v1/alerts/" + change.uid + "/verdict";
  return change.kind == Change::Kind::suppression ? "/v1/suppressions" : "/v1/suppressions/" + change.uid + "/end";
}

Code code_of(int status) {
  switch (status) {
    case 400: return Code::invalid_argument;
    case 401:
    case 403: return Code::permission;
    case 404: return Code::not_found;
    case 409: return Code::conflict;
    default: return Code::unavailable;
  }
}

Result<Written> write_by_service(const ChangeTarget& to, const Config& config, const Change& change, Json request) {
  TRY_ASSIGN(const auto reader, open_store(to.store));
  request["store"] = reader->store_id();  // another service at this address must not take it
  std::string url = to.api.empty() ? config.http.api_address : to.api;
  if (url.empty()) return fail(Code::invalid_argument, "the configuration has no http.api_address: give --api HOST:PORT");
  if (url.find("://") == std::string::npos) url = "http://" + url;
  std::vector<std::string> headers = {"Content-Type: application/json"};
  if (const std::string& file = to.token_file.empty() ? config.http.token_file : to.token_file; !file.empty()) {
    TRY_ASSIGN(const std::string token, writing_token(file));
    headers.push_back("Authorization: Bearer " + token);
  }
  forward::HttpClient client({});
  const auto answer = client.post(url + path_of(change), headers, dump(request));
  if (!answer)
    return fail(answer.error().code, "the service that owns the store was asked at " + url + ": " + answer.error().message +
                                         "; give its address with --api, or its configuration with --config");
  const Json body = Json::parse(answer->body, nullptr, false);
  if (answer->status == 200 && body.is_object() && body.contains("commit") && body.contains("record"))
    return Written{body["commit"].get<std::uint64_t>(), body["record"]};
  std::string message = url + " answered " + std::to_string(answer->status);
  if (body.is_object() && body.contains("error")) {
    message = body["error"].value("message", message);
    if (const std::string hint = body["error"].value("hint", std::string()); !hint.empty()) message += " (" + hint + ")";
  }
  return fail(code_of(answer->status), message);
}

Result<Written> write_change(const ChangeTarget& to, const Change& change, Json request) {
  if (change.kind != Change::Kind::suppression &&
      (change.uid.empty() || change.uid.find_first_not_of("0123456789abcdef-") != std::string::npos))
    return fail(Code::invalid_argument, "'" + change.uid + "' is no uid: it has the digits 0-9 and a-f");
  if (!to.owner.empty()) request["owner"] = to.owner;
  if (!to.reason.empty()) request["reason"] = to.reason;
  TRY_ASSIGN(const Config config, config_of(to));
  if (!to.api.empty() || store::is_owned(to.store)) return write_by_service(to, config, change, std::move(request));
  auto written = write_offline(config, change, request);
  if (written || written.error().code != Code::conflict) return written;
  return fail(Code::conflict, written.error().message + "; when a service runs there: give its address with --api HOST:PORT");
}

void put(Json& request, const char* name, const std::string& text) {
  if (!text.empty()) request[name] = text;
}

std::string text_of(const Json& json, const char* name) { return json.value(name, std::string()); }

/// What the change does, for people.
std::string effect_of(const Json& record) {
  const std::string type = text_of(record, "type"), verdict = text_of(record, "verdict");
  const auto of = [](const Json& target) {
    const Json entity = target.value("entity", Json::object());
    return describe({text_of(target, "detector"), text_of(target, "rule"), text_of(entity, "type"), text_of(entity, "id"),
                     text_of(entity, "tenant"), text_of(target, "dst_host")});
  };
  if (type == "suppression_end") return "suppression " + text_of(record, "uid") + " has ended: alerts come again";
  if (type == "suppression")
    return "suppression " + text_of(record, "uid") + ": " + of(record["target"]) + " are silent until " + text_of(record, "until");
  const std::string what = of(record["findings"].at(0));
  if (verdict == "benign")
    return "noted as benign, suppression " + text_of(record, "uid") + ": " + what + " are silent until " + text_of(record, "until");
  if (text_of(record["findings"].at(0), "detector") == "policy")
    return "noted as " + verdict + "; what the policy says is changed in policy.yaml alone";
  return verdict == "false" ? "noted as false: the bar for such findings of this rule and entity is raised"
                            : "noted as true: the bar for such findings of this rule and entity is lowered";
}

int finish(const Result<Written>& written, bool json) {
  if (!written) return report_error(written.error(), json);
  if (json)
    fmt::print("{}\n", dump(Json{{"commit", written->commit}, {"record", written->record}}));
  else
    fmt::print("{}; from commit {} on\n", printable_text(effect_of(written->record)), written->commit);
  return exit_ok;
}

}  // namespace

int command_verdict(const VerdictOptions& options) {
  Json request = {{"verdict", options.verdict}};
  put(request, "until", options.until);
  return finish(write_change(options.to, {Change::Kind::verdict, options.alert, {}, {}}, std::move(request)), options.to.json);
}

int command_suppress(const SuppressOptions& options) {
  Json request = Json::object();
  put(request, "entity", options.entity);
  put(request, "tenant", options.tenant);
  put(request, "detector", options.detector);
  put(request, "rule", options.rule);
  put(request, "dst_host", options.dst_host);
  put(request, "until", options.until);
  if (options.end.empty())
    return finish(write_change(options.to, {Change::Kind::suppression, {}, {}, {}}, std::move(request)), options.to.json);
  if (!request.empty())
    return report_error(fail(Code::invalid_argument, "--end lifts a suppression: it takes --owner and --reason alone"), options.to.json);
  return finish(write_change(options.to, {Change::Kind::suppression_end, options.end, {}, {}}, std::move(request)), options.to.json);
}

int command_suppressions(const SuppressionsOptions& options) {
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), options.json);
  const auto list = suppressions_in_force(**reader, SystemClock().now_ns());
  if (!list) return report_error(list.error(), options.json);
  if (options.json) {
    auto json = nlohmann::ordered_json::array();
    for (const SuppressionInForce& one : *list) json.push_back(suppression_json(one));
    fmt::print("{}\n", json.dump());
    return exit_ok;
  }
  TextTable table({"uid", "until", "silent", "used", "owner", "reason"}, 72);
  table.align_right(3);
  for (const SuppressionInForce& one : *list)
    table.add({one.uid.substr(0, 12), format_rfc3339(one.suppression.until_ns / second_ns * second_ns), printable_text(describe(one.suppression.target)),
               grouped(one.uses), printable_text(one.suppression.owner), printable_text(one.suppression.reason)});
  fmt::print("{}", table.rows() > 0 ? table.text() : std::string("no suppressions in force\n"));
  fmt::print(stderr, "{} in force at commit {}; uses of the running day are counted at its end\n", grouped(list->size()),
             grouped((*reader)->last_commit()));
  return exit_ok;
}

}  // namespace tidewaiter::app
