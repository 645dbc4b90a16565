// Alerting: alert records, and what is held back of them. Of a policy rule or a silent source one per entity and hour of event
// time; what statistical detectors find comes through incidents.hpp, which knows when enough was said. What is held
// back (repeats, and what the budget has no room for) is counted and told in a digest when the watermark passes the end of
// the day, with the rarest of it and the evidence of the first. Uses of policy exceptions are told once per exception
// and hour, with their number.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "detect/alert.hpp"
#include "detect/codec.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::detect {

class Alerting {
 public:
  Alerting(LogNames logs, const Watermark& watermark) : logs_(std::move(logs)), watermark_(watermark) {}

  /// Where records go, and the receive time they get, from now on.
  void begin(std::vector<OwnRecord>& out, std::int64_t receive_ns) {
    out_ = &out;
    receive_ns_ = receive_ns;
  }

  /// Whether an alert of this class (a policy rule, or a detector as a whole) and entity would be a repeat within its
  /// hour: spares the making of its text. Counts it if so.
  bool repeated(Detector detector, std::string_view alert_class, Key entity, std::int64_t time_ns);
  /// Emits the alert. Class and entity as in repeated().
  void emit(const Alert& alert, std::string_view alert_class, Key entity);

  /// For the digest: a finding of an incident that was told already, or one that the day's budget has no room for.
  void follow_up(const Alert& alert) { held_of(alert).repeats += 1; }
  void over_budget(const Alert& alert);
  /// ... or one that would have been told without the verdicts of people.
  void held_by_verdicts(const Alert& alert);

  /// A record that is no alert and knows no repeats: the join of an artifact.
  void tell(const Note& note) { push(note_record(note, watermark_, logs_, receive_ns_)); }

  void exception_used(std::string_view exception, std::string_view rule, std::string_view owner,
                      std::string_view reason, const Seen& seen);

  /// The watermark moved: digests of days and exceptions of hours that are over.
  void close(std::int64_t watermark_ns);
  /// Earliest time at which close() has something to do.
  std::int64_t next_close_ns() const { return next_close_ns_; }

  std::uint64_t emitted(Detector detector) const { return emitted_[static_cast<std::size_t>(detector)]; }
  std::uint64_t emitted() const { return std::accumulate(emitted_.begin(), emitted_.end(), std::uint64_t{0}); }
  std::uint64_t suppressed() const { return suppressed_; }
  std::uint64_t exceptions_used() const { return exceptions_used_; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  struct Held {
    std::uint64_t repeats = 0, over_budget = 0, by_verdicts = 0;
    double rarest_per_day = 0;           // over the budget
    std::string rarest;                  // its sentence
    std::vector<std::string> first_over_budget;  // their sentences
    std::string first_by_verdicts;       // its sentence
    std::vector<EvidenceRef> evidence;   // of the first
  };
  struct Used {
    std::uint64_t count = 0;
    std::string owner, reason;
    EvidenceRef first;
  };
  using Rule = std::pair<Detector, std::string>;

  Held& hold(Detector detector, std::string_view rule, std::int64_t time_ns);
  Held& held_of(const Alert& alert);
  void push(OwnRecord record);
  void want_close(std::int64_t time_ns) { next_close_ns_ = std::min(next_close_ns_, time_ns); }
  void write_digest(std::int64_t day, const Rule& rule, const Held& held);
  void write_exception(std::int64_t hour, const std::string& exception, const std::string& rule, const Used& used);

  const LogNames logs_;
  const Watermark& watermark_;
  std::vector<OwnRecord>* out_ = nullptr;
  std::int64_t receive_ns_ = 0;

  std::map<std::pair<std::int64_t, Key>, char> seen_;                              // (hour, rule and entity)
  std::map<std::int64_t, std::map<Rule, Held>> held_;                              // by day
  std::map<std::int64_t, std::map<std::pair<std::string, std::string>, Used>> used_;  // by hour: exception, rule
  std::array<std::uint64_t, detector_count> emitted_{};
  std::uint64_t suppressed_ = 0, exceptions_used_ = 0;
  std::int64_t next_close_ns_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace tidewaiter::detect
