// HttpClient: one keep-alive connection to one receiver; the only user of libcurl. Blocking, owned by one thread,
// every call bounded by its timeouts; cancel() from any thread ends a running call. Redirects are not followed: a
// receiver that redirects is misconfigured, and credentials must not travel.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace tidewaiter::forward {

struct HttpOptions {
  std::string ca_file;      // empty = the system's
  std::string cert_file;    // client certificate, PEM
  std::string key_file;
  std::string proxy;        // "http://host:port"; empty = none, whatever the environment says
  std::int64_t connect_timeout_ms = 10'000;
  std::int64_t total_timeout_ms = 30'000;
  std::size_t response_bytes_max = 1u << 20;
};

struct HttpResponse {
  int status = 0;
  std::string body;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Errors: unavailable (no answer: name, connection, timeout, cut off; whether the request arrived is unknown),
  /// permission (the peer's or our certificate is not accepted). Any HTTP status is a value.
  Result<HttpResponse> get(const std::string& url, const std::vector<std::string>& headers);
  Result<HttpResponse> post(const std::string& url, const std::vector<std::string>& headers, std::string_view body);

  void cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::forward
