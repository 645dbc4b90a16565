// HecIndexer: how Splunk's HTTP Event Collector answers, without the HTTP: tokens, codes, channels and acknowledgement
// ids, and what it has indexed, counted per uid. Misbehaves on purpose when told to. For tests and the demo.
// Thread-safe. Memory grows with the number of different uids.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"

namespace tidewaiter::app {

/// Chances in percent; 0 = never. What is lost or closed is decided anew for each request.
struct HecFaults {
  unsigned lose_answer = 0;    // events are taken, the answer is cut off
  unsigned close_early = 0;    // nothing is taken, the connection closes behind the status line
  unsigned busy = 0;           // 503 code 9
  unsigned unavailable = 0;    // 503 of a front that is no Splunk
  unsigned rate_limited = 0;   // 429 with Retry-After: 1
  unsigned lose_ack = 0;       // an answer about acknowledgements is cut off: its `true` is gone
  unsigned drop_batch = 0;     // 200, but the batch is never indexed and never acknowledged (needs acknowledgement)
  unsigned reset_channel = 0;  // the channel begins anew: ids from 0, what was not indexed is gone
  unsigned slow_ms = 0;        // each answer takes that long
  unsigned refuse_token = 0;   // 403 code 4, as if the token had been revoked
};

struct HecTotals {
  std::uint64_t requests = 0, events = 0, unique = 0;  // events: with repeats
  std::uint64_t repeats() const { return events - unique; }
};

struct HecRequest {
  std::string authorization, channel, body;  // body: decompressed
};

struct HecAnswer {
  int status = 200;
  std::string body;
  std::string retry_after;
  bool cut_off = false;  // send the head, then close
};

struct HecIndexerOptions {
  std::string token{};
  bool ack = false;               // a setting of the token, as in Splunk
  std::int64_t ack_delay_ms = 50;  // between the answer and the indexing
  std::vector<std::string> indexes{};  // allowed; empty = all
  std::string file{};             // appended: every indexed event as one line
  std::string poison{};           // an event that contains this text is refused with code 6
  std::uint64_t seed = 1;
};

class HecIndexer {
 public:
  HecIndexer(HecIndexerOptions options, const Clock& clock);

  HecAnswer take_events(const HecRequest& request);
  HecAnswer tell_acks(const HecRequest& request);

  void set_faults(const HecFaults& faults);
  HecFaults faults() const;
  HecTotals totals();
  /// "UID" or "UID.REVISION" -> how often it was indexed.
  std::map<std::string, std::uint64_t> counts();
  /// Items of one sourcetype with their counts, such as "tidewaiter:alert".
  std::map<std::string, std::uint64_t> counts(std::string_view sourcetype);

 private:
  struct Indexed {
    std::string uid, sourcetype, line;
  };
  struct Batch {
    std::int64_t ready_ns = 0;
    bool dropped = false, indexed = false;
    std::vector<Indexed> events;
  };
  struct Channel {
    std::uint64_t next_id = 0;
    std::map<std::uint64_t, Batch> open;  // not told to be true yet
  };
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  HecAnswer refuse(int status, int code, const char* text, std::int64_t event_number = -1) const;
  bool authorized(const HecRequest& request, HecAnswer& answer);
  bool read_events(const std::string& body, std::vector<Indexed>& out, HecAnswer& answer) const;
  bool check_event(const std::string& text, std::int64_t number, Indexed& out, HecAnswer& answer) const;
  void index(std::vector<Indexed>& events);
  void index_what_is_due();

  HecIndexerOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  HecFaults faults_;
  std::map<std::string, Channel> channels_;
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, std::string> sourcetypes_;
  HecTotals totals_;
  std::ofstream file_;
};

}  // namespace tidewaiter::app
