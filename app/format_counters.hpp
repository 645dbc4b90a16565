// Counters of a parser, by format, into the registry of metrics. Owned by the parser's thread; a few additions per batch.
#pragma once

#include <vector>

#include "core/metrics.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::app {

class FormatCounters {
 public:
  FormatCounters(const ingest::Parser& parser, Metrics& metrics);
  /// Adds what has come since the last call.
  void publish(const ingest::Parser& parser);

 private:
  struct Published {
    Counter* events = nullptr;
    Counter* unread_keys = nullptr;
    std::array<Counter*, 16> rejects{};
    ingest::FormatCount last;
  };
  void publish_signatures(const ingest::SignatureCounts& now);

  Metrics& metrics_;
  std::vector<Published> formats_;
  std::array<Counter*, ingest::signature_status_count> signatures_{};
  Counter* passed_over_ = nullptr;
  ingest::SignatureCounts last_signatures_;
};

}  // namespace tidewaiter::app
