#include "detect/attestations.hpp"

#include <algorithm>
#include <utility>

#include "detect/words.hpp"

namespace tidewaiter::detect {
namespace {

using word::action;

static_assert(std::size(enums::provenance_kind_words) <= 8, "Slot::best has eight places");

/// The mapping of native events (schemas/mappings/cloudevents.json): there the status is the producer's own word.
constexpr std::uint64_t native_format = 1;
constexpr std::uint64_t approved = word::approval_decision("approved");
constexpr std::uint64_t user_type = word::principal_type("user");

/// Of a statement, the higher the better.
enum Grade : std::uint8_t { no_statement, grade_unverified, grade_failed, grade_expired, grade_verified };

Grade grade_of(std::uint64_t status) {
  switch (status) {
    case word::provenance_status("verified"): return grade_verified;
    case word::provenance_status("expired"): return grade_expired;
    case word::provenance_status("failed"): return grade_failed;
    case word::provenance_status("missing"):
    case word::provenance_status("not_applicable"): return no_statement;
    default: return grade_unverified;
  }
}

Standing standing_of(std::uint8_t grade) {
  switch (grade) {
    case grade_unverified: return Standing::unverified;
    case grade_failed: return Standing::failed;
    case grade_expired: return Standing::expired;
    case grade_verified: return Standing::attested;
    default: return Standing::unattested;
  }
}

/// Any of these is an attestation of where an artifact comes from; an SBOM or a test report is not.
constexpr std::uint64_t origin_kinds[] = {word::provenance_kind("provenance"), word::provenance_kind("vsa"),
                                          word::provenance_kind("signature")};

constexpr std::uint8_t decided = 1, positive = 2, by_human = 4;
constexpr std::size_t deciding_max = 4096;

bool is_statement(const Event& event) {
  switch (event.get(Num::action)) {
    case action("attest"):
    case action("sign"):
    case action("verify"): return true;
    case action("deploy"):
    case action("rollback"):
    case action("approve"): return false;
    default: return event.get(Num::provenance_kind) != 0 && event.get(Num::family) == static_cast<std::uint64_t>(Family::ci);
  }
}

/// The tenant of events that name none.
const Key nobody = hash_name({});

template <std::size_t n>
std::uint8_t copy_text(char (&to)[n], std::string_view text) {
  const std::size_t size = std::min({text.size(), n, std::size_t{255}});
  std::copy_n(text.data(), size, to);
  return static_cast<std::uint8_t>(size);
}

}  // namespace

std::string_view status_word(Standing standing) {
  switch (standing) {
    case Standing::unattested: return "missing";
    case Standing::unverified: return "unverified";
    case Standing::expired: return "expired";
    case Standing::attested: return "verified";
    case Standing::failed:
    case Standing::wrong_builder: break;
  }
  return "failed";
}

ArtifactUse use_of(const Event& event) {
  switch (event.get(Num::outcome)) {
    case word::outcome("failure"):
    case word::outcome("denied"):
    case word::outcome("error"): return ArtifactUse::none;  // it did not happen
    default: break;
  }
  if ((event.get(Num::flags) & flag::stage_partial) != 0) return ArtifactUse::none;  // the last stage tells it once
  const std::uint64_t what = event.get(Num::action);
  if (what == action("deploy") || what == action("rollback")) return ArtifactUse::deploy;
  // A workload that an orchestrator is told to make or change is a deploy; a pod is what then runs.
  const bool workload = event.get(Num::resource_type) == word::resource_type("workload") && event.has(Str::provenance_artifact_digest) &&
                        (what == action("create") || what == action("update"));
  if (workload && !event.get(Str::operation).ends_with(" pods")) return ArtifactUse::deploy;
  const bool runs = event.get(Num::family) == static_cast<std::uint64_t>(Family::runtime) ||
                    event.get(Num::family) == static_cast<std::uint64_t>(Family::agent);
  if (!runs || !event.has(Str::provenance_artifact_digest) || is_statement(event) || what == action("approve"))
    return ArtifactUse::none;
  // A file that is read, written or carried over a network is no artifact that runs.
  if (event.get(Num::resource_type) == word::resource_type("file") && what != action("execute")) return ArtifactUse::none;
  return ArtifactUse::runtime;
}

std::uint64_t Attestations::Slot::rank() const {
  const std::uint8_t top = *std::ranges::max_element(best);
  const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(newest_ns, 0)) >> 3;
  return time | static_cast<std::uint64_t>(top) << 61;
}

void Attestations::note(const EventKeys& keys, const Seen& seen) {
  const Event& event = *seen.event;
  if (keys.artifact == 0) return;
  const bool approval = event.get(Num::action) == action("approve") && event.has(Num::approval_decision);
  if (!approval && !is_statement(event)) return;
  ++notes_;
  note_at(place_of(keys.tenant, keys.artifact), keys, seen, approval);
  if (keys.tenant != nobody) note_at(other_place_of(nobody, keys.artifact), keys, seen, approval);
  if (!approval) return;
  const auto place = std::ranges::lower_bound(deciding_, keys.tenant);
  const bool known = place != deciding_.end() && *place == keys.tenant;
  if (!known && deciding_.size() < deciding_max) deciding_.insert(place, keys.tenant);
}

Key Attestations::other_place_of(Key tenant, Key artifact) {
  return tenant == nobody ? combine(0xa11d16, artifact) : place_of(nobody, artifact);
}

void Attestations::note_at(Key place, const EventKeys& keys, const Seen& seen, bool approval) {
  Slot& slot = *table_.find_or_insert(place, keys.quota).slot;
  slot.newest_ns = std::max(slot.newest_ns, seen.event->time_ns());
  if (approval) note_approval(slot, seen);
  else note_statement(slot, seen);
}

bool Attestations::decides(Key tenant) const {
  if (deciding_.empty()) return false;
  return tenant == nobody || deciding_.size() == deciding_max || std::ranges::binary_search(deciding_, tenant) ||
         std::ranges::binary_search(deciding_, nobody);
}

void Attestations::note_statement(Slot& slot, const Seen& seen) {
  const Event& event = *seen.event;
  const auto which = static_cast<std::uint8_t>(event.get(Num::provenance_kind) & 7);
  Grade grade = grade_of(event.get(Num::provenance_status));
  if (event.get(Num::format) == native_format && grade == grade_verified) {
    slot.claimed = static_cast<std::uint8_t>(slot.claimed | 1u << which);
    grade = grade_unverified;
  }
  if (grade == no_statement) return;
  judged_ = judged_ || grade >= grade_failed;
  slot.best[which] = std::max<std::uint8_t>(slot.best[which], grade);
  const bool of_origin = std::ranges::count(origin_kinds, which) != 0;
  if (of_origin && grade >= slot.statement_grade) {
    slot.statement_grade = grade;
    slot.statement = seen.evidence();
    slot.statement_order = notes_;
  }
  if (event.has(Str::provenance_builder) && of_origin && grade >= slot.builder_grade) {
    slot.builder_grade = grade;
    slot.builder_size = copy_text(slot.builder, event.get(Str::provenance_builder));
    slot.builder_order = notes_;
  }
}

void Attestations::note_approval(Slot& slot, const Seen& seen) {
  const Event& event = *seen.event;
  const bool human = event.has(Num::approval_approver_type) ? event.get(Num::approval_approver_type) == user_type
                                                            : event.get(Num::principal_type) == user_type;
  slot.decision = static_cast<std::uint8_t>(decided | (event.get(Num::approval_decision) == approved ? positive : 0) |
                                            (human ? by_human : 0));
  slot.approver_size = copy_text(slot.approver, event.has(Str::approval_approver) ? event.get(Str::approval_approver)
                                                                                  : event.get(Str::principal));
  slot.approval = seen.evidence();
  slot.decision_order = notes_;
}

/// As if both had been told to one: the better statement, of equals the later one; the last decision.
void Attestations::merge(Slot& into, const Slot& other) {
  for (std::size_t which = 0; which < into.best.size(); ++which) into.best[which] = std::max(into.best[which], other.best[which]);
  into.claimed = static_cast<std::uint8_t>(into.claimed | other.claimed);
  if (std::pair(other.statement_grade, other.statement_order) > std::pair(into.statement_grade, into.statement_order)) {
    into.statement_grade = other.statement_grade;
    into.statement = other.statement;
  }
  if (std::pair(other.builder_grade, other.builder_order) > std::pair(into.builder_grade, into.builder_order)) {
    into.builder_grade = other.builder_grade;
    into.builder_size = copy_text(into.builder, {other.builder, other.builder_size});
  }
  if (other.decision_order > into.decision_order) {
    into.decision = other.decision;
    into.approver_size = copy_text(into.approver, {other.approver, other.approver_size});
    into.approval = other.approval;
  }
}

Attestations::Found Attestations::find(Key tenant, Key artifact, const Rule* rule) const {
  if (artifact == 0) return {};
  const Slot* own = table_.find(place_of(tenant, artifact));
  const Slot* other = table_.find(other_place_of(tenant, artifact));
  if (own == nullptr || other == nullptr) return own == other ? Found() : judge(own != nullptr ? *own : *other, rule);
  Slot both = *own;
  merge(both, *other);
  return judge(both, rule);
}

Attestations::Found Attestations::judge(const Slot& slot, const Rule* rule) {
  Found found;
  found.known = true;
  const auto grade = [&](std::uint64_t which) -> std::uint8_t {
    const bool claim_counts = rule != nullptr && rule->accept_claims && (slot.claimed >> which & 1) != 0;
    return claim_counts ? std::max<std::uint8_t>(slot.best[which], grade_verified) : slot.best[which];
  };
  std::uint8_t counted = no_statement;
  if (rule != nullptr && rule->kinds != 0) {
    counted = grade_verified;
    for (std::uint64_t which = 0; which < slot.best.size(); ++which)
      if (rule->kinds >> which & 1) counted = std::min(counted, grade(which));
  } else {
    for (const std::uint64_t which : origin_kinds) counted = std::max(counted, grade(which));
  }
  for (std::size_t which = 0; which < slot.best.size(); ++which)
    if (slot.best[which] != no_statement) found.kinds = static_cast<std::uint8_t>(found.kinds | 1u << which);
  found.standing = standing_of(counted);
  found.claimed = slot.claimed != 0 && slot.statement_grade < grade_verified;
  found.builder.assign(slot.builder, slot.builder_size);
  const bool builder_counts = slot.builder_grade == grade_verified ||
                              (rule != nullptr && rule->accept_claims && slot.claimed != 0);
  if (found.standing == Standing::attested && rule != nullptr && !rule->builders.empty() &&
      !(builder_counts && std::ranges::any_of(rule->builders, [&](const std::string& one) {
          return glob_matches(one, found.builder);
        })))
    found.standing = Standing::wrong_builder;
  found.decided = (slot.decision & decided) != 0;
  found.rejected = (slot.decision & decided) != 0 && (slot.decision & positive) == 0;
  if ((slot.decision & positive) != 0) {
    found.approver.assign(slot.approver, slot.approver_size);
    found.by_human = (slot.decision & by_human) != 0;
  }
  found.statement = slot.statement;
  found.approval = slot.approval;
  return found;
}

void Attestations::save(SnapshotWriter& out) const {
  table_.save(out);
  out.put(notes_);
  out.put(judged_);
  out.put<std::uint64_t>(deciding_.size());
  for (const Key tenant : deciding_) out.put(tenant);
}

bool Attestations::load(SnapshotReader& in) {
  if (!table_.load(in)) return false;
  notes_ = in.get<std::uint64_t>();
  judged_ = in.get<bool>();
  for (std::uint64_t n = in.get_count(sizeof(Key)); n > 0 && in.ok(); --n) deciding_.push_back(in.get<Key>());
  return in.ok() && deciding_.size() <= deciding_max && std::ranges::is_sorted(deciding_);
}

}  // namespace tidewaiter::detect
