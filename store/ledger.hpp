// Offset ledger: which offsets of which partition the store holds, what is said never to come, and where each
// partition goes on. In memory, rebuilt at open from the immutable entries in `offsets`; owned by the writer.
// Pure but for load() and write().
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "store/db.hpp"
#include "store/intervals.hpp"
#include "store/log.hpp"
#include "store/state.hpp"

namespace tidewaiter::store {

struct LedgerGap {
  std::uint64_t from = 0, to = 0;
  std::string reason;
};

struct LedgerPartition {
  std::uint32_t origin_id = 0;
  const Origin* origin = nullptr;
  std::uint32_t partition = 0;
  IntervalSet held;                // of finished commits
  std::vector<LedgerGap> gaps;     // in the order in which they were recorded
  std::uint64_t next = 0;          // next offset to read

  IntervalSet fresh;               // of the commit being built
  std::vector<LedgerGap> holes;    // jumped over in it
  bool touched = false;
  IntervalSet since_coverage;      // held since the newest coverage record
  std::size_t gaps_covered = 0;    // gaps named by coverage records
  bool changed_since_coverage = false;
};

class Ledger {
 public:
  /// What was recorded up to the commit of `state`.
  Result<void> load(const Db& db, const StoreState& state);

  enum class Verdict { fresh, held };
  /// Notes an arriving offset; `held` leaves everything as it was.
  Verdict arrive(const Origin* origin, std::uint32_t partition, std::uint64_t offset);
  /// True when the offset came earlier in the commit being built.
  bool is_fresh(const Origin* origin, std::uint32_t partition, std::uint64_t offset);
  void add_gap(const OffsetGap& gap);

  /// Adds what the commit `number` brings to the batch and takes it over. New origins get ids from `origins`.
  void write(WriteBatch& batch, std::uint64_t number, std::uint32_t& origins);
  bool has_news() const { return !touched_.empty(); }

  LedgerPartition* find(const Origin* origin, std::uint32_t partition);
  const LedgerPartition* find(const Origin& origin, std::uint32_t partition) const;
  std::vector<const LedgerPartition*> all() const;  // by origin id, then partition
  std::vector<Position> positions() const;
  /// Gaps without what came after all.
  static std::vector<LedgerGap> open_gaps(const LedgerPartition& partition);
  void coverage_written();

 private:
  struct PlaceHash {
    std::size_t operator()(const std::pair<const Origin*, std::uint32_t>& place) const {
      return std::hash<const void*>()(place.first) * 31 + place.second;
    }
  };
  LedgerPartition& place(const Origin* origin, std::uint32_t partition);
  LedgerPartition& touch(const Origin* origin, std::uint32_t partition);
  void write_partition(WriteBatch& batch, LedgerPartition& p, std::uint64_t number);
  void record_gap(LedgerPartition& p, std::uint64_t from, std::uint64_t to, const std::string& reason,
                  std::vector<LedgerGap>& out) const;

  std::unordered_map<std::pair<const Origin*, std::uint32_t>, std::unique_ptr<LedgerPartition>, PlaceHash> partitions_;
  std::unordered_map<const Origin*, std::uint32_t> origin_ids_;
  std::vector<LedgerPartition*> touched_;
  std::vector<OffsetGap> said_;  // explicit gaps of the commit being built
  LedgerPartition* last_ = nullptr;
};

}  // namespace tidewaiter::store
