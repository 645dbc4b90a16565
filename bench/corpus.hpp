// Corpus: the messages that a bench run works on, generated once into a file and mapped, so that they are the same
// for the primitives and for the service and count as file pages, not as the service's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/record.hpp"
#include "core/result.hpp"

namespace tidewaiter::bench {

struct CorpusMessage {
  std::string_view key, value;
  std::int64_t delivery_ns = 0;
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;  // dense per partition
};

class Corpus {
 public:
  static constexpr std::uint32_t partitions = 6;

  /// Generates `events` messages of company `seed` over `days` into a file that is unlinked at once. Error: disk.
  static Result<std::unique_ptr<Corpus>> make(const std::string& directory, std::uint64_t events, std::uint64_t seed,
                                              std::uint32_t days);
  ~Corpus();
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  /// In a process forked since: its pages are mapped there as they are here, so that no measurement pays for them.
  void map_again() const;

  std::uint64_t events() const { return events_; }
  std::uint64_t value_bytes() const { return value_bytes_; }

  /// Reads forward; false at the end.
  class Reader {
   public:
    explicit Reader(const Corpus& corpus) : corpus_(&corpus) {}
    bool next(CorpusMessage& message);

   private:
    const Corpus* corpus_;
    std::uint64_t at_ = 0;
    std::uint64_t offsets_[partitions] = {};
  };

  /// Fills a batch of about `bytes` with messages; nullptr at the end. `receive_ns` is their receive time.
  static std::unique_ptr<Batch> next_batch(Reader& reader, std::size_t bytes, std::int64_t receive_ns);
  static const Origin* origin();

 private:
  Corpus() = default;
  const char* bytes_ = nullptr;
  std::uint64_t size_ = 0, events_ = 0, value_bytes_ = 0;
};

}  // namespace tidewaiter::bench
