// Attestations: what is known of artifacts by their digest. Statements (provenance, signature, VSA, SBOM ...) and
// approvals that name a digest are remembered by it: per kind the best status seen, the builder, the last approver, and
// where in the log it stands. Whether a signature held was judged when the event was read (provenance.status); here it is
// only remembered. A status that a native event gives itself is its producer's claim and is kept apart.
// Tenants: what one tenant says counts for it and for events that name no tenant; what names no tenant counts for all
// (docs/decisions/0015). So each statement is kept under (its tenant, digest) and, if it names one, under the digest alone.
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
    std::string builder;                // of the best provenance statement
    std::string approver;               // of the last decision, if it was an approval
    bool by_human = false, rejected = false;
    bool decided = false;               // somebody approved or rejected it
    EvidenceRef statement, approval;    // used = 0: none
  };
  /// What is known of the digest to an event of this tenant. `rule` null: no demand on kinds and builders.
  Found find(Key tenant, Key artifact, const Rule* rule) const;

  /// A signature has been judged, however it ended: somebody here cares who signs.
  bool judged() const { return judged_; }
  /// Somebody whose word counts for this tenant decides about artifacts by their digest: a decision may be under way.
  bool decides(Key tenant) const;

  void prefetch(Key tenant, Key artifact) const {
    table_.prefetch(place_of(tenant, artifact));
    table_.prefetch(other_place_of(tenant, artifact));
  }

  const auto& table() const { return table_; }
  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  struct alignas(64) Slot {
    Key key;
    std::int64_t newest_ns;
    EvidenceRef statement, approval;
    std::uint64_t statement_order, builder_order, decision_order;  // by the count of notes: which came later
    std::array<std::uint8_t, 8> best;   // by provenance_kind: Grade
    std::uint16_t quota;
    std::uint8_t claimed;               // bits of provenance_kind
    std::uint8_t decision;              // bits below
    std::uint8_t statement_grade, builder_grade, builder_size, approver_size;
    char builder[255];
    char approver[128];
    std::uint64_t rank() const;
  };
  /// Where what a tenant says of a digest is kept.
  static Key place_of(Key tenant, Key artifact) { return combine(tenant ^ 0xd16e57, artifact); }
  /// What else counts for a tenant: what names none, and for events without a tenant, all that names one.
  static Key other_place_of(Key tenant, Key artifact);
  void note_at(Key place, const EventKeys& keys, const Seen& seen, bool approval);
  void note_statement(Slot& slot, const Seen& seen);
  void note_approval(Slot& slot, const Seen& seen);
  static void merge(Slot& into, const Slot& other);
  static Found judge(const Slot& slot, const Rule* rule);

  SlotTable<Slot> table_;
  std::uint64_t notes_ = 0;
  bool judged_ = false;
  std::vector<Key> deciding_;  // tenants, sorted; full = all of them
};

}  // namespace tidewaiter::detect
