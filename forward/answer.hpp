// What a sink says about a batch, in the few words that the courier decides on. Sinks translate status codes into
// these by a table of their own; nothing else in this room knows a protocol.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter::forward {

enum class Verdict : std::uint8_t {
  ok,         // the receiver confirmed every item
  pending,    // taken, not confirmed: `ticket` will be asked about
  retry,      // nothing is known to have arrived, the same bytes may succeed later
  refused,    // the whole batch is refused because of something in it: halve it down to the culprit
  too_large,  // the batch is too large: halve it and send smaller ones from now on
  accused,    // item `accused` is named as the culprit: it is sent alone, and only its own refusal counts
  mixed,      // `items` says it one by one
  park,       // every item would fail (credentials, index, certificate): wait for a person, probe now and then
};
std::string_view verdict_name(Verdict verdict);

enum class ItemVerdict : std::uint8_t { ok, retry, quarantine };

struct Answer {
  Verdict verdict = Verdict::retry;
  std::uint64_t ticket = 0;         // pending
  std::size_t accused = 0;          // accused: index into the batch
  std::vector<ItemVerdict> items;   // mixed: one per item of the batch
  std::int64_t retry_after_ns = 0;  // how long the receiver asked us to wait; 0 = it did not say
  int status = 0;                   // HTTP status or 0
  std::string code;                 // the receiver's own error code
  std::string reason;               // in words
  std::string ack;                  // acknowledgement id, for the receipt
};

/// What is known now of the tickets asked about. Those in neither list stay pending.
struct Confirmation {
  std::vector<std::uint64_t> confirmed;
  std::vector<std::uint64_t> lost;  // will never be confirmed: their items are sent again
  Answer answer;                    // verdict ok, or retry / park when the asking itself failed
};

}  // namespace tidewaiter::forward
