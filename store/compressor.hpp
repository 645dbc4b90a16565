// Compressor: appends zstd frames to a buffer. One for bodies and one for columns, since matches are looked for in other
// ways; both make the same format. Keeps its memory from frame to frame. Not thread-safe.
#pragma once

#define ZSTD_STATIC_LINKING_ONLY  // ZSTD_c_literalCompressionMode
#include <zstd.h>

#include <memory>
#include <string_view>

#include "core/check.hpp"
#include "store/bytes.hpp"

namespace tidewaiter::store {

/// How level 1 looks for matches; measured on blocks of the generated corpus. A longer stride (zstd's targetLength) looks
/// at fewer places.
struct Tuning {
  int hash_log, match_bytes_min, stride;
};
/// Bodies are templated text: their matches are long.
inline constexpr Tuning body_tuning{16, 7, 3};
/// Columns are some tens of KiB, many of them random: a table that stays in the first-level cache finds what there is.
inline constexpr Tuning column_tuning{10, 5, 3};

class Compressor {
 public:
  Compressor(int level, const Tuning& tuning) : zstd_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    CHECK(zstd_ != nullptr);
    set(ZSTD_c_compressionLevel, level);
    if (level != 1) return;
    set(ZSTD_c_hashLog, tuning.hash_log);
    set(ZSTD_c_minMatch, tuning.match_bytes_min);
    // A stride switches the compression of literals off. The parameter is experimental: without it, neither.
    const auto literals = ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
    if (!ZSTD_isError(literals)) set(ZSTD_c_targetLength, tuning.stride);
  }
  void append(Bytes& out, std::string_view plain) {
    const std::size_t bound = ZSTD_compressBound(plain.size());
    char* const place = out.grow(bound);
    const std::size_t written = ZSTD_compress2(zstd_.get(), place, bound, plain.data(), plain.size());
    CHECK(!ZSTD_isError(written));
    out.end_at(place + written);
  }

 private:
  void set(ZSTD_cParameter name, int value) { CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd_.get(), name, value))); }
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> zstd_;
};

}  // namespace tidewaiter::store
