// Attestations: what is known of artifacts by their digest. Statements (provenance, signature, VSA, SBOM ...) and
// approvals that name a digest are remembered under (tenant, digest): per kind the best status seen, the builder, the
// last approver, and where in the log it stands. Whether a signature held was judged when the event was read
// (provenance.status); here it is only remembered. A status that a native event gives itself is its producer's claim and
// is kept apart.
// Bounded: what was verified is pushed out last; evictions are counted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/rule.hpp"
#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

/// How an artifact stands. The words are those of join records.
enum class Standing : std::uint8_t { unattested, unverified, failed, expired, wrong_builder, attested };
inline constexpr std::string_view standing_words[] = {"unattested", "unverified",    "failed",
                                                      "expired",    "wrong_builder", "attested"};
/// The same in the words of provenance.status.
std::string_view status_word(Standing standing);

/// What an event does with an artifact.
enum class ArtifactUse : std::uint8_t { none, deploy, runtime };
ArtifactUse use_of(const Event& event);

class Attestations {
 public:
  explicit Attestations(std::uint64_t memory_bytes) : table_(memory_bytes) {}

  /// An event that may say something about an artifact.
  void note(const EventKeys& keys, const Seen& seen);

  struct Found {
    Standing standing = Standing::unattested;
    bool known = false;                 // something is remembered of the digest
    bool claimed = false;               // a producer says "verified", and nobody has verified it here
    std::uint8_t kinds = 0;             // bits of provenance_kind: statements of any status
    std::string_view builder;           // of the best provenance statement
    std::string_view approver;          // of the last decision, if it was an approval
    bool by_human = false, rejected = false;
    bool decided = false;               // somebody approved or rejected it
    EvidenceRef statement, approval;    // used = 0: none
  };
  /// `rule` null: no demand on kinds and builders. Views live until the next note().
  Found find(Key artifact, const Rule* rule) const;

  /// A signature has been judged, however it ended: somebody here cares who signs.
  bool judged() const { return judged_; }
  /// Somebody of this tenant decides about artifacts by their digest: a decision may be under way.
  bool decides(Key tenant) const;

  void prefetch(Key artifact) const { table_.prefetch(artifact); }

  const auto& table() const { return table_; }
  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  struct alignas(64) Slot {
    Key key;
    std::int64_t newest_ns;
    EvidenceRef statement, approval;
    std::array<std::uint8_t, 8> best;   // by provenance_kind: Grade
    std::uint16_t quota;
    std::uint8_t claimed;               // bits of provenance_kind
    std::uint8_t decision;              // bits below
    std::uint8_t statement_grade, builder_grade, builder_size, approver_size;
    char builder[255];
    char approver[128];
    std::uint64_t rank() const;
  };
  void note_statement(Slot& slot, const Seen& seen);
  void note_approval(Slot& slot, const Seen& seen);

  SlotTable<Slot> table_;
  bool judged_ = false;
  std::vector<Key> deciding_;  // tenants, sorted; full = all of them
};

}  // namespace tidewaiter::detect
