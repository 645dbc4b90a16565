// The routes as a function from request to response, without a socket: what the server calls and the tests test.
// Thread-safe; each /v1 request opens its own view of the store. Nothing here throws.
//   /healthz /readyz /metrics                       operations
//   /v1/events     where from to log kind by limit order page
//   /v1/alerts     where from to limit order page, or uid
//   /v1/proof      log seq
//   /v1/checkpoint log
//   /v1/suppressions                                 those in force; POST: one more
//   POST /v1/alerts/UID/verdict                      what somebody says of an alert
//   POST /v1/suppressions/UID/end                    alerts come again
// Errors are {"error":{"code","message","hint"}}. Secrets are masked; raw bytes are not served.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/access.hpp"
#include "serve/server.hpp"
#include "store/query.hpp"

namespace tidewaiter::serve {

struct HttpRequest {
  std::string method = "GET";
  std::string path;
  std::multimap<std::string, std::string> params;
  std::string authorization;  // the header's value
  std::string host;           // the Host header
  std::string remote;         // address of the client
  std::string content_type;   // the header's value
  std::string origin;         // the Origin header: set by browsers
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

class Api {
 public:
  Api(ServeConfig config, Backend backend, AccessRule rule);

  /// The /v1 routes: checks who asks, answers, and has the read or the change recorded before it returns the answer.
  HttpResponse read(const HttpRequest& request) const;

  /// The operations routes.
  HttpResponse operate(const HttpRequest& request) const;

 private:
  struct Answer {
    HttpResponse response;
    std::uint64_t rows = 0;
    bool whole = true;  // nothing is left out because it could not be read
  };
  Answer route(const HttpRequest& request) const;
  HttpResponse write(const HttpRequest& request, Change change) const;
  Result<OwnRecord> make_change(const Change& change) const;
  Answer events(const HttpRequest& request) const;
  Answer alerts(const HttpRequest& request) const;
  Answer proof(const HttpRequest& request) const;
  Answer checkpoint(const HttpRequest& request) const;
  Answer suppressions(const HttpRequest& request) const;
  Answer rows(const store::QuerySpec& spec, std::string_view key, std::string_view uid) const;
  Answer groups(const store::QuerySpec& spec) const;
  Result<store::QuerySpec> spec_of(const HttpRequest& request) const;
  Access access_of(const HttpRequest& request, const std::string& who, const Answer& answer) const;
  Result<void> record(const HttpRequest& request, const std::string& who, const Answer& answer) const;
  HttpResponse recorded(const HttpRequest& request, const std::string& who, Answer answer) const;
  void count(std::string_view route, int status) const;
  std::int64_t now_ns() const;

  ServeConfig config_;
  Backend backend_;
  AccessRule rule_;
  SystemClock system_clock_;
};

/// The change that a path stands for, and its route as documented, such as "/v1/alerts/{uid}/verdict".
struct ChangeRoute {
  Change change;
  std::string_view route;
};
std::optional<ChangeRoute> change_route(std::string_view path);

HttpResponse refusal(const Error& error);
HttpResponse error_response(int status, std::string_view code, std::string_view message, std::string_view hint);

}  // namespace tidewaiter::serve
