#include "forward/splunk_answer.hpp"

#include <nlohmann/json.hpp>

#include "forward/backoff.hpp"

namespace tidewaiter::forward {
namespace {

using Json = nlohmann::json;

struct Row {
  int code;
  Verdict verdict;
  const char* advice;  // what a person can do, where it is not plain
};

constexpr Row rows[] = {
    {0, Verdict::ok, ""},
    {1, Verdict::park, "the token is disabled"},
    {2, Verdict::park, "a token is required"},
    {3, Verdict::park, "the authorization is malformed"},
    {4, Verdict::park, "the token is not valid"},
    {5, Verdict::refused, "no data"},
    {6, Verdict::refused, "invalid data format"},
    {7, Verdict::park, "the index is not allowed for this token, or does not exist"},
    {8, Verdict::retry, "internal server error"},
    {9, Verdict::retry, "the server is busy"},
    {10, Verdict::park, "a data channel is missing: the token wants indexer acknowledgement, set ack: true"},
    {11, Verdict::park, "the data channel is not valid"},
    {12, Verdict::refused, "the event field is required"},
    {13, Verdict::refused, "the event field is blank"},
    {14, Verdict::park, "indexer acknowledgement is off for this token: set ack: false"},
    {15, Verdict::refused, "error in indexed fields"},
    {16, Verdict::park, "query string authorization is not enabled"},
    {17, Verdict::ok, ""},
    {18, Verdict::retry, "the queues are full"},
    {19, Verdict::retry, "acknowledgements cannot be served"},
    {20, Verdict::retry, "queues are full and acknowledgements cannot be served"},
    {21, Verdict::park, "the token is not valid"},
    {22, Verdict::park, "the token is disabled"},
    {23, Verdict::retry, "the server is shutting down"},
    {24, Verdict::retry, "the queue is at capacity"},
    {25, Verdict::retry, "acknowledgements are at capacity"},
    {26, Verdict::retry, "queues and acknowledgements are at capacity"},
    {27, Verdict::too_large, "the request is larger than the server takes"},
};

// Without a code that we know: by the status alone.
Verdict by_status(int status) {
  if (status >= 200 && status < 300) return Verdict::ok;
  if (status == 400 || status == 422) return Verdict::refused;
  if (status == 413) return Verdict::too_large;
  if (status == 408 || status == 425 || status == 429 || status >= 500) return Verdict::retry;
  return Verdict::park;  // 3xx: a redirect is not followed; 401, 403, 404 and the like fail every event
}

std::optional<std::uint64_t> unsigned_member(const Json& body, const char* key) {
  const auto it = body.is_object() ? body.find(key) : body.end();
  if (!body.is_object() || it == body.end() || !it->is_number_unsigned()) return std::nullopt;
  return it->get<std::uint64_t>();
}

std::string excerpt(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) c = ' ';
  return out;
}

Answer base_answer(const HttpResponse& response, const Json& body, std::int64_t now_ns) {
  Answer answer;
  answer.status = response.status;
  answer.verdict = by_status(response.status);
  answer.reason = "HTTP " + std::to_string(response.status);
  if (const auto header = response.headers.find("retry-after"); header != response.headers.end())
    answer.retry_after_ns = parse_retry_after(header->second, now_ns).value_or(0);
  const auto code = unsigned_member(body, "code");
  if (!code) {
    if (!response.body.empty() && answer.verdict != Verdict::ok) answer.reason += ": " + excerpt(response.body);
    return answer;
  }
  answer.code = std::to_string(*code);
  answer.reason += " code " + answer.code;
  if (const auto text = body.find("text"); text != body.end() && text->is_string())
    answer.reason += ": " + excerpt(text->get_ref<const std::string&>());
  for (const Row& row : rows) {
    if (static_cast<std::uint64_t>(row.code) != *code) continue;
    // A success code under a failing status is no success: some front has spoken.
    if (row.verdict != Verdict::ok || answer.verdict == Verdict::ok) answer.verdict = row.verdict;
    if (*row.advice != '\0') answer.reason += std::string(" (") + row.advice + ")";
  }
  return answer;
}

}  // namespace

Answer classify_hec(const HttpResponse& response, std::int64_t now_ns, bool wants_ack,
                    std::optional<std::uint64_t>& ack_id) {
  const Json body = Json::parse(response.body, nullptr, false);
  Answer answer = base_answer(response, body, now_ns);
  if (answer.verdict == Verdict::refused) {
    if (const auto number = unsigned_member(body, "invalid-event-number")) {
      answer.verdict = Verdict::accused;
      answer.accused = static_cast<std::size_t>(*number);
    }
  }
  if (answer.verdict != Verdict::ok || !wants_ack) return answer;
  ack_id = unsigned_member(body, "ackId");
  if (!ack_id) {
    answer.verdict = Verdict::park;
    answer.reason = "the answer has no ackId: this token or server has no indexer acknowledgement, set ack: false";
  }
  return answer;
}

Answer classify_hec_ack(const HttpResponse& response, std::int64_t now_ns) {
  Answer answer = base_answer(response, Json::parse(response.body, nullptr, false), now_ns);
  if (answer.verdict == Verdict::ok || answer.verdict == Verdict::park) return answer;
  answer.verdict = Verdict::retry;
  return answer;
}

}  // namespace tidewaiter::forward
