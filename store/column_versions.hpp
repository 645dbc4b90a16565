// Later columns: the same records as newer mappings read them. Version 0 is what was scored live and what a replay reads;
// Log::remap() adds 1, 2, … to the records that are there then, without touching a leaf. A control record "remap" begins
// a version and another one ends it, with a digest of its columns for every log; the ended ones stand in the cursor
// "columns" too, where readers find them. What was begun and not ended is read by nobody.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "store/column_digest.hpp"

namespace tidewaiter::store {

inline constexpr std::string_view columns_cursor = "columns";

struct ColumnVersion {
  struct Part {
    std::uint16_t log = 0;
    std::uint64_t records = 0;  // [0, records) have columns of this version
    Hash digest{};
    bool operator==(const Part&) const = default;
  };
  std::uint8_t version = 0;
  std::vector<Part> parts;

  std::uint64_t records_of(std::uint16_t log) const;
  bool operator==(const ColumnVersion&) const = default;
};

/// The newest of these versions up to `version_max` that covers this record of the log; 0 = as scored.
std::uint8_t newest_version(const std::vector<ColumnVersion>& versions, std::uint8_t version_max, std::uint16_t log,
                            std::uint64_t seq);

/// {"version":1,"logs":[{"log_id":5,"records":1000,"digest":"<hex>"}]}, and a list of such. Error: corruption.
std::string encode_column_version(const ColumnVersion& version);
Result<ColumnVersion> decode_column_version(std::string_view json);
std::string encode_column_versions(const std::vector<ColumnVersion>& versions);
Result<std::vector<ColumnVersion>> decode_column_versions(std::string_view json);

/// Digest over the columns of the records [0, n) of a log, independent of blocks: the chain D ← SHA-256(D ‖ d), from 32
/// zero bytes, over runs of 4096 records; d is the SHA-256 of the run's records in the form of column_digest.hpp.
class LaterColumnDigest {
 public:
  /// Records in order of seq, from 0.
  void add(const Record& record, std::uint32_t ordinal, const Event* events);
  Hash finish();

 private:
  void end_run();
  Sha256 sha_;
  ColumnDigest run_;
  std::uint64_t records_ = 0;
  Hash chain_{};
};

}  // namespace tidewaiter::store
