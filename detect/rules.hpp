// Rules: the policy in force, applied to every event, late ones too. All rules are judged at once but those of absence
// (approvals, attestations), which wait for the watermark. A violation that an exception covers is counted instead of alerted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/alerting.hpp"
#include "detect/approvals.hpp"
#include "detect/caps.hpp"
#include "detect/joins.hpp"
#include "detect/policy.hpp"
#include "detect/rule.hpp"

namespace tidewaiter::detect {

class Rules {
 public:
  struct Memory {
    std::uint64_t rules_bytes, joins_bytes;
  };
  struct Grace {
    std::int64_t approval_ns, attestation_ns;
  };
  Rules(Memory memory, Grace grace, Alerting& alerting);

  /// From now on; `json` is kept for the snapshot. False when it does not parse: the old one stays.
  bool set_policy(std::string_view json);
  Sampling sampling() const { return policy_ ? policy_->compiled().sampling : Sampling(); }
  std::string policy_hash() const { return policy_ ? policy_->hash() : std::string(); }

  /// Some events before observe().
  void prefetch(const EventKeys& keys, const Event& event) const;
  void observe(const EventKeys& keys, const Seen& seen, std::int64_t watermark_ns);
  void close(std::int64_t watermark_ns);

  std::uint64_t pending() const { return approvals_.pending(); }
  std::uint64_t evictions() const {
    return caps_.table().evictions() + approvals_.table().evictions() + joins_.evictions();
  }
  std::uint64_t slots_used() const { return caps_.table().used() + approvals_.table().used() + joins_.slots_used(); }
  std::uint64_t memory_bytes() const {
    return caps_.table().memory_bytes() + 2 * approvals_.table().memory_bytes() + joins_.memory_bytes();
  }
  const Joins& joins() const { return joins_; }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  void judge_rules(const EventKeys& keys, const Seen& seen, ArtifactUse use, std::int64_t watermark_ns);
  const Policy::Compiled* compiled() const { return policy_ ? &policy_->compiled() : nullptr; }
  void judge_cap(const Rule& rule, const EventKeys& keys, const Seen& seen);
  void judge_approval(const Approvals::Verdict& verdict);
  void raise(const Rule& rule, const Seen& seen, Key entity, const std::string& what);
  bool excepted(const Rule& rule, const Seen& seen);
  static void describe(const Rule& rule, Alert& alert);

  Alerting& alerting_;
  std::optional<Policy> policy_;
  std::string policy_json_;
  Caps caps_;
  Approvals approvals_;
  Joins joins_;
  std::vector<const Rule*> asked_;  // scratch: rules about the artifact of the event
};

}  // namespace tidewaiter::detect
