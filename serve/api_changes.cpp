// The routes of the API that write: verdicts on alerts, suppressions and their ends.
#include <algorithm>

#include "core/log_line.hpp"
#include "core/text.hpp"
#include "serve/api.hpp"

namespace tidewaiter::serve {
namespace {

constexpr std::string_view write_routes[] = {"/v1/alerts/{uid}/verdict", "/v1/suppressions", "/v1/suppressions/{uid}/end"};
constexpr std::size_t uid_bytes_max = 80;

/// What stands for {uid} in the route, if the path is of this route. "" for a route without one.
std::optional<std::string> match(std::string_view route, std::string_view path) {
  constexpr std::string_view mark = "{uid}";
  const std::size_t at = route.find(mark);
  if (at == std::string_view::npos) return route == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view before = route.substr(0, at), after = route.substr(at + mark.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
  const std::string_view uid = path.substr(before.size(), path.size() - before.size() - after.size());
  if (uid.size() > uid_bytes_max || uid.find_first_not_of("0123456789abcdef-") != std::string_view::npos) return std::nullopt;
  return std::string(uid);
}

}  // namespace

std::optional<ChangeRoute> change_route(std::string_view path) {
  constexpr Change::Kind kinds[] = {Change::Kind::verdict, Change::Kind::suppression, Change::Kind::suppression_end};
  for (std::size_t i = 0; i < std::size(write_routes); ++i)
    if (auto uid = match(write_routes[i], path)) return ChangeRoute{{kinds[i], std::move(*uid), {}, {}}, write_routes[i]};
  return std::nullopt;
}

Result<OwnRecord> Api::make_change(const Change& change) const {
  TRY_ASSIGN(const auto reader, backend_.open_reader());
  return backend_.make_change(*reader, change);
}

HttpResponse Api::write(const HttpRequest& request, Change change) const {
  const std::string who = change.who;
  const auto refuse = [&](HttpResponse response) { return recorded(request, who, {std::move(response)}); };
  // A web page can make a visitor's browser send plain forms to this machine, but neither JSON nor without an Origin.
  if (!rule_.needs_token() && !request.origin.empty())
    return refuse(error_response(403, "permission", "without a token web pages may not write", "configure a token file"));
  if (!rule_.may_write(request.authorization))
    return refuse(error_response(403, "permission", "this token may only read", "begin its line in the token file with: write"));
  if (!request.content_type.starts_with("application/json"))
    return refuse(error_response(415, "invalid_argument", "the body must be JSON", "send the header: Content-Type: application/json"));
  if (!request.params.empty())
    return refuse(error_response(400, "invalid_argument", "this route takes no parameters", "send them in the body"));
  if (!backend_.make_change || !backend_.record_change)
    return refuse(error_response(405, "invalid_argument", "this API only reads", "use GET"));
  auto control = make_change(change);
  if (!control) return refuse(refusal(control.error()));
  const std::string body = control->body;
  Answer answer;
  answer.rows = 1;
  const auto commit = backend_.record_change(std::move(*control), access_record(access_of(request, who, answer)));
  if (!commit) {
    log_line(Level::error, "a change could not be written down", {{"reason", commit.error().message}});
    return refuse(error_response(503, "unavailable", commit.error().message, "see /readyz of the service"));
  }
  answer.response.body = "{\"commit\":" + std::to_string(*commit) + ",\"record\":" + body + "}\n";
  return std::move(answer.response);
}

Api::Answer Api::suppressions(const HttpRequest& request) const {
  if (!request.params.empty()) return {refusal(fail(Code::invalid_argument, "this route takes no parameters"))};
  if (!backend_.suppressions) return {error_response(404, "not_found", "this API has no suppressions", {})};
  const auto reader = backend_.open_reader();
  if (!reader) return {refusal(reader.error())};
  const auto list = backend_.suppressions(**reader);
  if (!list) return {refusal(list.error())};
  Answer answer;
  answer.response.body = "{\"commit\":" + std::to_string((*reader)->last_commit()) + ",\"suppressions\":" + *list + "}\n";
  return answer;
}

}  // namespace tidewaiter::serve
