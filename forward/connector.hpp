// Connector: one SIEM behind the log. It follows the commits in order, picks alerts and/or events with the filter
// language, keeps a bounded number of them encoded in memory, and hands them to its sink through the courier until
// each one is confirmed, quarantined or the sink is parked. At least once, always with the same uid (semantics 27).
// Owned by one thread (its own, started in app/pipeline.cpp); only cancel() may be called from another one.
// A restart with a cursor sends what was not confirmed again; nothing is skipped. A dead sink costs nothing but lag.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/record.hpp"
#include "core/result.hpp"
#include "core/sampling.hpp"

namespace tidewaiter::forward {

struct ConnectorConfig {
  std::string name;
  std::string type;                    // "splunk_hec" or "syslog"
  std::size_t index = 0;               // place in the configuration: errors name connectors[index].key
  std::string select_alerts = "all";   // "all", "off" or a filter
  std::string select_events = "off";   // the same
  bool select_checkpoints = false;     // control's head, when there is more under it than receipts
  std::map<std::string, std::string> settings;  // of the type: docs/connectors.md lists them
  std::size_t batch_items_max = 1000;
  std::size_t batch_bytes_max = 1'000'000;
  std::size_t pending_items_max = 20'000;  // encoded and not settled yet: the bound on memory, with the next one
  std::size_t pending_bytes_max = 16u << 20;
  std::uint64_t seed = 0;              // of the jitter; 0 = from the system's random numbers
  bool redelivery = false;             // sends a range again: never yields a cursor, counts "redelivered" alone
};

/// Counters of one connector: offered = delivered + pending + dead_lettered + expired, at all times (in a redelivery
/// `redelivered` stands in the place of `delivered`).
struct Status {
  enum class State { idle, sending, retrying, parked };
  std::string name, type;
  State state = State::idle;
  std::string reason;                  // why it retries or is parked, in words; empty otherwise
  std::uint64_t offered = 0, delivered = 0, pending = 0, dead_lettered = 0, expired = 0, redelivered = 0;
  std::uint64_t sampled_out = 0;       // selected events that the policy's sampling kept back: never offered
  std::uint64_t retries = 0;           // calls that had to be made again, since the start of the process
  std::uint64_t cursor_commit = 0;     // everything before this commit is settled
  std::int64_t oldest_pending_ns = 0;  // commit time of the oldest item that is not settled; 0 = none
  std::int64_t last_confirmed_ns = 0;  // wall clock; 0 = never since the start
  std::int64_t next_try_ns = 0;        // wall clock of the next attempt while retrying or parked
};
const char* state_name(Status::State state);

/// What one step did. receipts, cursor and counts belong into one commit (or, when there are neither receipts nor
/// counts, the cursor into put_cursors): then they survive or vanish together and a kill cannot unbalance them.
struct StepResult {
  std::vector<OwnRecord> receipts;                // kind receipt: one per confirmed batch, one per dead letter
  std::optional<CursorUpdate> cursor;             // name "forward/NAME"
  std::map<std::string, std::uint64_t> counts;    // deltas: "NAME/offered", "/delivered", "/sampled_out/TIER" ...
  std::int64_t call_again_ns = 0;                 // wall clock; <= now means at once; INT64_MAX: after an offer
};

class Connector {
 public:
  /// Validates everything that can be validated without the network. `log_names` by log id, for output only.
  /// Error: invalid_argument, "connectors[0].url: ...".
  static Result<std::unique_ptr<Connector>> create(ConnectorConfig config, std::vector<std::string> log_names,
                                                   const Clock& clock, Metrics& metrics);
  ~Connector();

  /// The cursor's name in the store: "forward/NAME".
  static std::string cursor_name(std::string_view connector_name);
  /// Goes on where `cursor` says; without this call it begins with commit 1. `counts` are the store's
  /// Counters::connector, of which those of this connector are taken. Error: corruption.
  Result<void> restore(std::string_view cursor, const std::map<std::string, std::uint64_t>& counts = {});
  /// Begins with `commit` ("from now on", or a redelivery); `sampling` is what was in force before it.
  void start_at(std::uint64_t commit, const Sampling& sampling);

  /// True when the bodies of records are needed (alerts are selected): ask the reader for them.
  bool needs_bodies() const;
  /// Room for another commit? When not, only step() helps. At most one commit is pinned.
  bool wants_more() const;
  /// The number that the next offer() must have.
  std::uint64_t next_commit() const;
  /// `head_is_public`: its head, if it has one, may be sent. One that may not is passed over: a later one covers as much.
  void offer(CommitPtr commit, bool head_is_public = true);

  /// At most one network call, which ends within the configured timeouts or at cancel().
  StepResult step();
  /// Nothing pending and no commit pinned.
  bool drained() const;
  /// The newest cursor with its counts, when it has not been handed out by step() yet: for a clean stop.
  std::optional<StepResult> take_rest();

  Status status() const;
  /// Reaches the receiver with the configured credentials; delivers one harmless test message where the protocol has
  /// no other way. What it saw, in one sentence. For `tidewaiter test-connector NAME`.
  Result<std::string> test_connection();

  /// Thread-safe: makes a running and every later network call fail at once. For the shutdown.
  void cancel();

 private:
  struct State;
  explicit Connector(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::forward
