#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tidewaiter::bench::primitives {

std::uint64_t compress(const char* bytes, std::size_t size, std::size_t block_bytes, int level, std::string& out) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::vector<char> block(ZSTD_compressBound(block_bytes));
  std::uint64_t total = 0;
  for (std::size_t at = 0; at < size; at += block_bytes) {
    const std::size_t length = std::min(block_bytes, size - at);
    const std::size_t made = ZSTD_compressCCtx(context, block.data(), block.size(), bytes + at, length, level);
    if (ZSTD_isError(made)) break;
    out.append(block.data(), made);
    total += made;
  }
  ZSTD_freeCCtx(context);
  return total;
}

}  // namespace tidewaiter::bench::primitives
