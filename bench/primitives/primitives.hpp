// The bare primitives that the service cannot do without, timed on the same bytes in the same run.
// Their .cpp files include none of our headers (not even this one; otlp_row.hpp is a struct and no more), so that nothing
// of ours makes them faster or slower; tests/house holds them to it. Each function returns a checksum or what it has made, so that no work can be
// optimised away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/primitives/otlp_row.hpp"

namespace tidewaiter::bench::primitives {

/// Pieces of one contiguous buffer: [begin[i], begin[i] + size[i]). 64 readable bytes follow each piece.
struct Pieces {
  const char* bytes;
  const std::uint64_t* begin;
  const std::uint32_t* size;
  std::size_t count;
};

/// Copies each piece into an arena of 1 MiB that is used over and over.
std::uint64_t copy(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count);

/// simdjson On-Demand: walks the document and takes every value that has a column. `fields` receives how many.
std::uint64_t extract(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count,
                      std::uint64_t& fields);

/// simdjson On-Demand: walks over every key and value of each piece. 0: one of them is no JSON.
std::uint64_t walk(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count);

/// The columns of one format, extracted by code written for it alone. `events` counts them. 0: a piece is of another form.
std::uint64_t zeek_conn_by_hand(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size,
                                std::size_t count, std::uint64_t& events);
std::uint64_t cloudtrail_by_hand(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size,
                                 std::size_t count, std::uint64_t& events);

/// As above, for spans; the rows that were in `to` are gone. Texts of rows are in `to` or in `bytes`.
bool otlp_spans_by_hand(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count,
                        OtlpRows& to);

/// OpenSSL, fetched digest and reused context: per piece a salted body, a leaf of 92 bytes and a node of 65.
std::uint64_t hash(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count);

/// zstd at `level` over blocks of `block_bytes`; what comes out is appended to `out`.
std::uint64_t compress(const char* bytes, std::size_t size, std::size_t block_bytes, int level, std::string& out);

/// write() of `size` bytes in `writes` equal parts to a new file at `path`, fdatasync() after each.
/// False when the file cannot be written.
bool write_and_sync(const char* path, const char* bytes, std::size_t size, std::size_t writes);

/// A table of 64-byte slots of `table_bytes`, filled once; update() finds each key, decays and adds, with the
/// prefetch that a batch allows.
class Slots {
 public:
  explicit Slots(std::size_t table_bytes);
  ~Slots();
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;
  std::uint64_t update(const std::uint64_t* keys, std::size_t count);

 private:
  void* memory_;
  std::size_t bytes_, mask_;
};

/// librdkafka: consumes `count` messages of `topic` from its beginning through a consume callback on one queue, and
/// touches the first byte of each. Returns how many came (fewer after 30 quiet seconds).
std::uint64_t consume(const char* brokers, const char* topic, std::uint64_t count, std::uint64_t& bytes,
                      std::string& error);

}  // namespace tidewaiter::bench::primitives
