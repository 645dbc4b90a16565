// Joins: events that deploy or run an artifact meet what is known of it (detect/attestations.hpp). What comes of it is a
// record of its own beside the alerts, kind `attestation_join`: attested, unattested, unverified, failed, expired or
// wrong builder, and approved by whom. Rules of the type `attestation` demand it: what falls short is an alert.
// Joins begin with the first signature that was judged, or with a rule that demands attestations.
// A deploy is joined every time. What runs is told once per (app, digest) and again when its standing, its approver or
// the policy changes. Attestations come from other systems and may be under way: what is not attested yet waits until
// the watermark passes its event time + grace (semantics 19). So does a deploy about which nobody has decided, where
// somebody of its tenant has decided about artifacts before: the approval may stand in another partition. What runs need
// not wait for one, since another approver is news.
// Bounded: when too many wait, those due first are judged early, which is counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "detect/alerting.hpp"
#include "detect/attestations.hpp"

namespace tidewaiter::detect {

class Joins {
 public:
  Joins(std::uint64_t memory_bytes, std::int64_t default_grace_ns, Alerting& alerting);

  void prefetch(const EventKeys& keys) const {
    if (keys.artifact == 0) return;
    attestations_.prefetch(keys.tenant, keys.artifact);
    runs_.prefetch(run_key(keys));
  }
  /// An event that may say something about an artifact.
  void note(const EventKeys& keys, const Seen& seen) { attestations_.note(keys, seen); }

  /// An event that uses an artifact; `asked` are the rules that are about it. `policy` may be null.
  void observe(ArtifactUse use, const EventKeys& keys, const Seen& seen, const std::vector<const Rule*>& asked,
               const Policy::Compiled* policy, std::int64_t watermark_ns);
  /// What has waited long enough, in order of due time and arrival.
  void close(std::int64_t watermark_ns, const Policy::Compiled* policy);
  std::int64_t next_close_ns() const;
  bool overflowing() const { return overflowing_; }

  std::uint64_t pending() const { return waiting_.size(); }
  std::uint64_t told() const { return told_; }
  std::uint64_t evictions() const { return attestations_.table().evictions() + runs_.evictions(); }
  std::uint64_t judged_early() const { return judged_early_; }
  std::uint64_t slots_used() const { return attestations_.table().used() + runs_.used(); }
  std::uint64_t memory_bytes() const;

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  /// A use that is to be judged.
  struct Waiting {
    ArtifactUse use = ArtifactUse::none;
    Key tenant = 0, artifact = 0, run = 0;  // run = 0: a deploy
    std::string digest;
    std::vector<Key> rules;
    Alert alert;  // who, when and where; the rest is told at the verdict
  };
  /// What was told of an artifact that runs.
  struct alignas(64) Run {
    Key key;
    std::int64_t newest_ns;
    Key told;  // print of what was told; 0 = nothing yet, it waits
    std::uint16_t quota;
    std::uint64_t rank() const { return static_cast<std::uint64_t>(std::max<std::int64_t>(newest_ns, 0)); }
  };

  static Key run_key(const EventKeys& keys) { return combine(combine(keys.artifact, keys.tenant), keys.app); }
  std::string complaint(const Attestations::Found& found, const Rule& rule, const Alert& alert) const;
  bool settled(const Waiting& one, const Policy::Compiled* policy) const;
  bool is_news(Waiting& one, const EventKeys& keys, const Seen& seen, const Policy::Compiled* policy, bool& wait);
  Attestations::Found found_for(const Waiting& one, const Rule* rule) const {
    return attestations_.find(one.tenant, one.artifact, rule);
  }
  Key print(const Waiting& one, const Policy::Compiled* policy) const;
  void wait(Waiting one, const Policy::Compiled* policy, std::int64_t watermark_ns);
  void judge(const Waiting& one, const Policy::Compiled* policy, std::int64_t time_ns);
  void tell(const Waiting& one, const Attestations::Found& found, const Rule* rule);
  void raise(const Waiting& one, const Attestations::Found& found, const Rule& rule, const std::string& what,
             std::int64_t time_ns);

  Alerting& alerting_;
  const std::int64_t default_grace_ns_;
  const std::size_t waiting_max_;
  Attestations attestations_;
  SlotTable<Run> runs_;
  std::map<std::pair<std::int64_t, std::uint64_t>, Waiting> waiting_;  // by due time and arrival
  std::uint64_t arrivals_ = 0, judged_early_ = 0, told_ = 0;
  bool overflowing_ = false;
};

}  // namespace tidewaiter::detect
