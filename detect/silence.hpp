// Silence: a source that stops reporting is itself a finding: the first thing an intruder does is to stop the sensor.
//
// Sources: every observer (column `observer`), every app as far as its events name no observer, and every partition.
// Each has its own rhythm: expected events per hour of the day, for weekdays and weekends, learnt per hour of event
// time by an exponential average, with the index of dispersion D of its hourly counts. When the watermark has passed
// the source's newest event by a gap that would have brought mu events, and Poisson counts inflated by D make an empty
// gap improbable, exp(-mu / D) (quasi-Poisson; McCullagh & Nelder, 1989, ch. 6), and the gap is well beyond the longest
// one it ever had, it is silent. One alert per silence; it can alert again after it has been heard.
// When most sources fall silent at once the cause is the way to us, and one alert tells it for all.
// Judged every five minutes of watermark; the watermark comes from events and ticks alone (semantics 16).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "detect/alert.hpp"
#include "detect/key_index.hpp"
#include "detect/keys.hpp"

namespace tidewaiter::detect {

class Silence {
 public:
  explicit Silence(std::uint64_t memory_bytes);

  /// In two steps, some events apart: the second needs what the first asked for.
  void prefetch(const EventKeys& keys) const { index_.prefetch(source_key(keys)); }
  void prefetch_source(const EventKeys& keys) const;
  void observe(const EventKeys& keys, const Seen& seen, const Watermark& watermark);

  struct Finding {
    Key source = 0;
    std::string type, name, tenant;  // type: observer, app, partition, or pipeline for all at once
    std::int64_t last_ns = 0, now_ns = 0;
    double expected = 0;             // events in the gap
    double p_value = 1;
    std::int64_t longest_gap_ns = 0, first_ns = 0;
    std::uint64_t events = 0;
    std::size_t sources = 1;         // that fell silent together
    EvidenceRef last;
  };
  void close(std::int64_t watermark_ns, std::vector<Finding>& out);
  std::int64_t next_close_ns() const { return next_check_ns_; }

  std::size_t sources() const { return sources_.size(); }
  std::uint64_t memory_bytes() const { return sources_max_ * (sizeof(Source) + 64); }
  std::uint64_t untracked() const { return untracked_; }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  enum class Type : std::uint8_t { observer, app, partition };
  struct Source {
    Key key = 0;
    Type type = Type::observer;
    bool silent = false;
    std::int64_t first_ns = 0, last_ns = 0;
    std::int64_t longest_gap_ns = 0;
    std::int64_t hour = 0;            // the hour that is being counted
    float count = 0;                  // in it
    float dispersion = 1;             // of hourly counts
    std::uint64_t events = 0;
    EvidenceRef last;
    float rate[2][24] = {};           // events per hour: weekday and weekend, UTC
    float days[2][24] = {};           // how often each was seen
    char name[96] = {};
    char tenant[64] = {};
  };
  /// What the event is told under besides its partition; 0 = nothing.
  static Key source_key(const EventKeys& keys) {
    return keys.observer != 0 ? combine(keys.tenant, keys.observer) : keys.app;
  }
  /// nullptr when there are too many already.
  Source* add(Type type, Key key, std::string_view name, std::string_view tenant, std::int64_t time_ns);
  static void hear(Source& source, const Seen& seen);
  static void close_hours(Source& source, std::int64_t hour);
  static double expected(const Source& source, std::int64_t from_ns, std::int64_t to_ns);
  /// ln of the probability of the gap up to now; 0 when nothing can be said.
  static double log_p(const Source& source, std::int64_t now_ns);
  static Finding find(const Source& source, std::int64_t now_ns);

  const std::size_t sources_max_;
  std::vector<Source> sources_;                   // in order of appearance
  KeyIndex index_;
  std::uint64_t untracked_ = 0;
  std::int64_t next_check_ns_ = 0;
};

}  // namespace tidewaiter::detect
