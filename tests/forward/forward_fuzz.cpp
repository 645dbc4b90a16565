// Bytes of strangers: answers of a receiver, a Retry-After, a cursor, and alert bodies on their way to a SIEM.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/check.hpp"
#include "forward/backoff.hpp"
#include "forward/cursor.hpp"
#include "forward/format.hpp"
#include "forward/splunk_answer.hpp"

using namespace tidewaiter;
using namespace tidewaiter::forward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::optional<std::uint64_t> ack_id;
  const Answer answer = classify_hec({400, text, {{"retry-after", text}}}, 0, true, ack_id);
  CHECK(answer.verdict != Verdict::ok && answer.reason.size() < 1000);
  classify_hec_ack({200, text, {}}, 0);
  if (const auto wait = parse_retry_after(text, 0)) CHECK(*wait >= 0);
  if (const auto cursor = read_cursor(text, "c")) CHECK(write_cursor(cursor->place, cursor->sampling, "c") == text);
  Commit commit;
  Record& record = commit.records.emplace_back();
  record.kind = RecordKind::alert;
  record.value = text;
  const Envelope envelope = alert_envelope(commit, 0, "alerts");
  CHECK(!envelope.uid.empty());
  const std::string json = to_json(envelope, {});
  CHECK(nlohmann::json::accept(json) && json.find('\n') == std::string::npos);
  const std::string trimmed = trim_json(json, 1024);
  CHECK(trimmed.size() <= 1024 && nlohmann::json::accept(trimmed));
  const std::string cef = to_cef(envelope, {});
  for (const char c : cef) CHECK(static_cast<unsigned char>(c) >= 0x20);
  CHECK(trim_cef(cef, 4096).size() <= 4096);
  return 0;
}
