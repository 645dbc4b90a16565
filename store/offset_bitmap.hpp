// A set of offsets as a bit each: 8 KiB per 65,536 neighbouring offsets whatever their order of arrival. For checks that
// see a partition's offsets in no order; the writer's own set is IntervalSet.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace tidewaiter::store {

class OffsetBitmap {
 public:
  /// False when it was there already.
  bool add(std::uint64_t offset) {
    std::uint64_t& word = chunk_of(offset)[offset >> 6 & 1023];
    const std::uint64_t bit = std::uint64_t{1} << (offset & 63);
    if (word & bit) return false;
    word |= bit;
    ++count_;
    return true;
  }
  std::uint64_t count() const { return count_; }

  /// Sorted, disjoint, coalesced ranges [from, to).
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges() const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    for (const auto& [number, words] : chunks_)
      for (std::uint64_t i = 0; i < 65536; ++i) {
        if ((i & 63) == 0 && (*words)[i >> 6] == 0) i += 63;
        else if ((*words)[i >> 6] >> (i & 63) & 1) append(out, number << 16 | i);
      }
    return out;
  }

 private:
  using Chunk = std::array<std::uint64_t, 1024>;

  static void append(std::vector<std::pair<std::uint64_t, std::uint64_t>>& out, std::uint64_t offset) {
    if (!out.empty() && out.back().second == offset) ++out.back().second;
    else out.emplace_back(offset, offset + 1);
  }
  Chunk& chunk_of(std::uint64_t offset) {
    const std::uint64_t number = offset >> 16;
    if (last_ && number == last_number_) return *last_;
    auto& chunk = chunks_[number];
    if (!chunk) chunk = std::make_unique<Chunk>();
    last_ = chunk.get();
    last_number_ = number;
    return *last_;
  }

  std::map<std::uint64_t, std::unique_ptr<Chunk>> chunks_;
  Chunk* last_ = nullptr;
  std::uint64_t last_number_ = 0, count_ = 0;
};

}  // namespace tidewaiter::store
