#include "store/sha256_wide.hpp"

#include "core/check.hpp"
#include "store/sha256_rounds.hpp"

#if defined(__x86_64__)
#ifndef __clang__  // GCC 12 takes the undefined operands in its own header for mistakes
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

// Only these functions know AVX-512; what they call is inlined into them, so that no other code gets to use it.
#define TIDEWAITER_WIDE [[gnu::target("avx512f,avx512bw")]]

namespace tidewaiter::store {
namespace {

constexpr int either = 0x96;    // a ^ b ^ c
constexpr int choice = 0xca;    // a ? b : c
constexpr int majority = 0xe8;

TIDEWAITER_WIDE inline __m512i sum(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }

template <int first, int second, int third>
TIDEWAITER_WIDE inline __m512i rotations(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, first), _mm512_ror_epi32(x, second), _mm512_ror_epi32(x, third), either);
}

template <int first, int second, int shift>
TIDEWAITER_WIDE inline __m512i schedule(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, first), _mm512_ror_epi32(x, second), _mm512_srli_epi32(x, shift), either);
}

/// From a vector of sixteen words per message to one of the same word of sixteen messages, in big-endian order.
TIDEWAITER_WIDE inline void load_words(__m512i (&w)[16], const char* const (&blocks)[wide_lanes]) {
  const __m512i big_endian = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  __m512i a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[i]), big_endian);
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // 4 x 4 words within each quarter of four vectors
    const __m512i low01 = _mm512_unpacklo_epi32(a[i], a[i + 1]), high01 = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    const __m512i low23 = _mm512_unpacklo_epi32(a[i + 2], a[i + 3]), high23 = _mm512_unpackhi_epi32(a[i + 2], a[i + 3]);
    b[i] = _mm512_unpacklo_epi64(low01, low23);
    b[i + 1] = _mm512_unpackhi_epi64(low01, low23);
    b[i + 2] = _mm512_unpacklo_epi64(high01, high23);
    b[i + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // 4 x 4 quarters
    const __m512i even0 = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88), odd0 = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xdd);
    const __m512i even1 = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88), odd1 = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xdd);
    w[i] = _mm512_shuffle_i32x4(even0, even1, 0x88);
    w[i + 4] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
    w[i + 8] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
    w[i + 12] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
  }
}

}  // namespace

bool has_wide_lanes() {
  static const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  return there;
}

TIDEWAITER_WIDE void compress_wide(WideWords& words, const char* const (&blocks)[wide_lanes]) {
  __m512i w[16], s[8];
  load_words(w, blocks);
  for (int i = 0; i < 8; ++i) s[i] = _mm512_load_si512(words.at[i]);
  for (int first = 0; first < 64; first += 16) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      // The eight words move on by one place a round: here their names do.
      __m512i &a = s[-i & 7], &b = s[(1 - i) & 7], &c = s[(2 - i) & 7], &d = s[(3 - i) & 7];
      __m512i &e = s[(4 - i) & 7], &f = s[(5 - i) & 7], &g = s[(6 - i) & 7], &h = s[(7 - i) & 7];
      const __m512i constant = _mm512_set1_epi32(static_cast<int>(sha256_rounds[first + i]));
      h = sum(sum(h, sum(w[i], constant)), sum(rotations<6, 11, 25>(e), _mm512_ternarylogic_epi32(e, f, g, choice)));
      d = sum(d, h);
      h = sum(h, sum(rotations<2, 13, 22>(a), _mm512_ternarylogic_epi32(a, b, c, majority)));
      if (first < 48)  // the word of sixteen rounds ahead, in the place of this one
        w[i] = sum(sum(w[i], schedule<7, 18, 3>(w[(i + 1) & 15])), sum(w[(i + 9) & 15], schedule<17, 19, 10>(w[(i + 14) & 15])));
    }
  }
  for (int i = 0; i < 8; ++i) _mm512_store_si512(words.at[i], sum(s[i], _mm512_load_si512(words.at[i])));
}

}  // namespace tidewaiter::store

#else

namespace tidewaiter::store {

bool has_wide_lanes() { return false; }
void compress_wide(WideWords&, const char* const (&)[wide_lanes]) { CHECK(false); }

}  // namespace tidewaiter::store

#endif
