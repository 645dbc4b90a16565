// Server: the HTTP side of the service. Two listeners: operations (/metrics, /healthz, /readyz) on one address, the
// API (/v1/...) on another. It reads, and takes verdicts and suppressions; each /v1 read is handed to `record_access` before
// it is answered, each change is written down with its access record and durable before it is.
// start() and stop() are called by app/; the callbacks are called from HTTP threads, several at a time.
// Cost: a bounded pool of threads per listener; one store view per /v1 request.
// Beyond loopback /v1 needs a bearer token from a file, else start() refuses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/record.hpp"
#include "core/result.hpp"
#include "store/reader.hpp"

namespace tidewaiter::serve {

struct ServeConfig {
  std::string operations_listen = "127.0.0.1:8471";  // host:port or [v6]:port; port 0 = any free one; "" = off
  std::string api_listen = "127.0.0.1:8470";
  std::string token_file;                            // one token a line, "name:token" or "token"; "write " before it: may write; read at start
  std::uint32_t threads = 4;                         // per listener
  std::uint64_t request_bytes_max = 64 * 1024;
  std::uint64_t rows_max = 10'000;                   // of one page of /v1/events and /v1/alerts
  std::uint64_t response_bytes_max = 8ull << 20;
  std::uint64_t scan_records_max = 5'000'000;        // of one request; then the page ends early with a `next`
  std::uint32_t read_timeout_s = 5;
};

/// One part of the service as /readyz and /healthz show it.
struct PartHealth {
  std::string name;    // "store", "source/kafka", "detect", "forward/splunk"
  std::string state;   // "ok", "starting", "degraded", "parked", "stopped"
  std::string detail;  // one sentence, may be empty
};

/// `alive` false: a restart would help (healthz 503). `ready` false: not serving yet (readyz 503).
struct Health {
  bool alive = true;
  bool ready = true;
  std::vector<PartHealth> parts;
};

/// What somebody wants written down: a verdict on an alert, a suppression, or its end.
struct Change {
  enum class Kind : std::uint8_t { verdict, suppression, suppression_end };
  Kind kind = Kind::verdict;
  std::string uid;   // of the alert or the suppression; "" of a new suppression
  std::string body;  // as it came: should be one JSON object
  std::string who;   // name of the token, or "local"
};

/// What the service lends to the server.
struct Backend {
  /// A view of the newest commit; called once per /v1 request.
  std::function<Result<std::unique_ptr<store::Reader>>()> open_reader;
  std::function<Health()> health;
  /// Takes the record of a read (kind access) for the next commit. An error refuses the read: what cannot be
  /// written down is not shown.
  std::function<Result<void>(OwnRecord)> record_access;
  /// The control record of a change; nothing is written yet. Errors: invalid_argument, not_found, conflict.
  std::function<Result<OwnRecord>(const store::Reader&, const Change&)> make_change;  // null: the API only reads
  /// Writes both records in one commit and gives its number once it is durable. Error: unavailable.
  std::function<Result<std::uint64_t>(OwnRecord control, OwnRecord access)> record_change;
  /// The suppressions in force, as a JSON array.
  std::function<Result<std::string>(const store::Reader&)> suppressions;
  Metrics* metrics = nullptr;
  const Clock* clock = nullptr;                      // null = the system's
  std::int64_t checkpoint_interval_ns = 0;           // lets /v1/proof say when the next head is due; 0 = unknown
};

class Server {
 public:
  /// Binds both addresses and starts to answer. Errors: invalid_argument (address, token file),
  /// permission (api beyond loopback without a token), unavailable (address in use).
  static Result<std::unique_ptr<Server>> start(ServeConfig config, Backend backend);
  ~Server();  // stop()

  /// Finishes the requests in flight and joins. Idempotent.
  void stop();

  /// The ports really bound; 0 when that listener is off.
  std::uint16_t operations_port() const;
  std::uint16_t api_port() const;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::serve
