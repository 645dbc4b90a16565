#include "forward/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <mutex>

#include "core/check.hpp"

namespace tidewaiter::forward {
namespace {

void init_curl_once() {
  static std::once_flag flag;
  std::call_once(flag, [] {
    // With NOSIGNAL (threads) curl leaves it to us that a broken TLS connection is an error and not our end.
    std::signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
  });
}

struct Receiving {
  HttpResponse response;
  std::size_t bytes_max = 0;
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& receiving = *static_cast<Receiving*>(user);
  const std::size_t bytes = size * count;
  if (receiving.response.body.size() + bytes > receiving.bytes_max) return 0;
  receiving.response.body.append(data, bytes);
  return bytes;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& headers = static_cast<Receiving*>(user)->response.headers;
  std::string_view line(data, size * count);
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) headers.clear();  // of an interim answer
  if (colon == std::string_view::npos || headers.size() > 200) return size * count;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  line.remove_prefix(colon + 1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front()))) line.remove_prefix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.remove_suffix(1);
  headers[std::move(name)] = std::string(line);
  return size * count;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::atomic<bool>*>(user)->load() ? 1 : 0;
}

bool is_certificate_trouble(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE;
}

}  // namespace

struct HttpClient::State {
  HttpOptions options;
  CURL* curl = nullptr;
  std::atomic<bool> cancelled{false};
  char error[CURL_ERROR_SIZE] = {};

  template <class T>
  void set(CURLoption option, T value) {
    CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK);
  }

  void apply_options() {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.total_timeout_ms));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_PROXY, options.proxy.c_str());
    set(CURLOPT_ACCEPT_ENCODING, "");
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_XFERINFODATA, &cancelled);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_ERRORBUFFER, error);
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    if (!options.cert_file.empty()) set(CURLOPT_SSLCERT, options.cert_file.c_str());
    if (!options.key_file.empty()) set(CURLOPT_SSLKEY, options.key_file.c_str());
  }

  Result<HttpResponse> perform(const std::string& url, const std::vector<std::string>& headers) {
    if (cancelled) return fail(Code::unavailable, "cancelled");
    curl_slist* list = curl_slist_append(nullptr, "Expect:");  // no second round trip before the body
    for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
    Receiving receiving;
    receiving.bytes_max = options.response_bytes_max;
    error[0] = '\0';
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_HTTPHEADER, list);
    set(CURLOPT_WRITEDATA, &receiving);
    set(CURLOPT_HEADERDATA, &receiving);
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    set(CURLOPT_HTTPHEADER, nullptr);
    curl_slist_free_all(list);
    if (code != CURLE_OK) {
      const std::string message = error[0] != '\0' ? error : curl_easy_strerror(code);
      return fail(is_certificate_trouble(code) ? Code::permission : Code::unavailable, message);
    }
    receiving.response.status = static_cast<int>(status);
    return std::move(receiving.response);
  }
};

HttpClient::HttpClient(HttpOptions options) : state_(std::make_unique<State>()) {
  init_curl_once();
  state_->options = std::move(options);
  state_->curl = curl_easy_init();
  CHECK(state_->curl != nullptr);
  state_->apply_options();
}

HttpClient::~HttpClient() { curl_easy_cleanup(state_->curl); }

void HttpClient::cancel() { state_->cancelled = true; }

Result<HttpResponse> HttpClient::get(const std::string& url, const std::vector<std::string>& headers) {
  state_->set(CURLOPT_HTTPGET, 1L);
  return state_->perform(url, headers);
}

Result<HttpResponse> HttpClient::post(const std::string& url, const std::vector<std::string>& headers,
                                      std::string_view body) {
  state_->set(CURLOPT_POST, 1L);
  state_->set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  state_->set(CURLOPT_POSTFIELDS, body.data());
  return state_->perform(url, headers);
}

}  // namespace tidewaiter::forward
