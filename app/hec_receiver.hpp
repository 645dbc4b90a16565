// HecReceiver: a receiver that speaks Splunk's HTTP Event Collector on a loopback port, with acknowledgement and with
// misbehaviour on demand. The demo's SIEM, and the counterpart in tests; it is no product and keeps no promises.
// Its HTTP server owns its threads; stop() or the destructor joins them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/hec_indexer.hpp"
#include "core/result.hpp"

namespace tidewaiter::app {

struct HecReceiverOptions {
  HecIndexerOptions indexer;
  std::string host = "127.0.0.1";
  int port = 0;  // 0 = any free one
};

class HecReceiver {
 public:
  /// Error: unavailable (the port is taken).
  static Result<std::unique_ptr<HecReceiver>> start(HecReceiverOptions options);
  ~HecReceiver();

  int port() const;
  /// "http://127.0.0.1:PORT", as the setting `url` of a connector.
  std::string url() const;
  /// Faults, totals and counts; usable from any thread.
  HecIndexer& indexer();
  void stop();

 private:
  struct State;
  explicit HecReceiver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The hidden command `tidewaiter hec-receiver`: prints its URL as the first line and runs until SIGTERM or SIGINT.
/// Beside HEC it answers GET /receiver/totals, GET /receiver/counts and POST /receiver/faults (JSON), for tests.
/// Exit codes as of app/command_store.hpp.
struct HecReceiverCommandOptions {
  HecReceiverOptions receiver;
  HecFaults faults;
};
int command_hec_receiver(const HecReceiverCommandOptions& options);

}  // namespace tidewaiter::app
