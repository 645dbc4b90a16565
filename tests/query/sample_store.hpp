// A small real store in a temporary directory, for the tests of everything that reads one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "store/log.hpp"
#include "store/note.hpp"
#include "store/proof_file.hpp"
#include "store/reader.hpp"

namespace tidewaiter::test {

class SampleStore {
 public:
  struct Setup {
    std::uint64_t segment_records = 262'144;
    std::uint64_t block_bytes_max = 256 * 1024;
    bool keyed = true;
  };
  SampleStore() : SampleStore(Setup()) {}
  explicit SampleStore(Setup setup);
  ~SampleStore();

  /// One commit of `count` messages on topic "audit", partition 0, from the next offset on. Message i says
  /// principal agent-(i mod 5), host h(i mod 3).example, bytes_out i, time = start + i minutes; every tenth goes to
  /// the log "quiet", every 25th is a reject, every 40th a tombstone.
  void add(std::size_t count);
  /// Offsets that come again, with the same bytes or others.
  void redeliver(std::uint64_t offset, bool other_bytes);
  /// The next `count` offsets never come: a gap.
  void skip(std::uint64_t count) { next_offset_ += count; }
  void add_alert(const std::string& uid, const std::string& title, std::uint64_t evidence_seq);
  void add_cursor(const std::string& name, const std::string& value);
  std::vector<store::Head> checkpoint();
  void seal();

  void close() { log_.reset(); }
  void reopen(store::Recover recover = store::Recover::none);
  store::Log& log() { return *log_; }
  std::unique_ptr<store::Reader> reader() const;   // beside the open log
  std::unique_ptr<store::Reader> outside() const;  // as another process sees it

  std::string directory() const { return (root_ / "store").string(); }
  std::string file(const std::string& name) const { return (root_ / name).string(); }
  store::TrustedKey key() const;
  const Origin* origin() const { return origin_; }
  std::uint64_t next_offset() const { return next_offset_; }

  static constexpr std::int64_t start_ns = 1'772'000'000'000'000'000;
  static constexpr std::int64_t minute_ns = 60'000'000'000;

 private:
  void fill(Batch& batch, std::uint64_t offset, bool other_bytes = false) const;
  std::filesystem::path root_;
  Setup setup_;
  Metrics metrics_;
  ManualClock clock_{start_ns};
  const Origin* origin_;
  std::unique_ptr<store::Log> log_;
  std::uint64_t next_offset_ = 0;
};

}  // namespace tidewaiter::test
