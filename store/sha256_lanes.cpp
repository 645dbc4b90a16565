// Built without AVX (see CMakeLists.txt): SHA instructions in code with AVX encodings run many times slower in some
// shapes. FIPS 180-4; message schedule as Intel's SHA extensions define it.

#include "store/sha256_lanes.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"
#include "core/text.hpp"

#if defined(__x86_64__) && defined(__SHA__)
#include <cpuid.h>
#include <immintrin.h>
#define TIDEWAITER_SHA_INSTRUCTIONS 1
#endif

namespace tidewaiter::store {

void hash_all_portable(std::span<const HashJob> jobs) {
  thread_local Sha256 sha;
  for (const HashJob& job : jobs) *job.out = sha.digest(job.prefix, job.body);
}

#ifdef TIDEWAITER_SHA_INSTRUCTIONS
namespace {

alignas(16) constexpr std::uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/// The eight words of the state as the instructions want them.
struct Words {
  __m128i abef, cdgh;
};

Words initial_words() {
  return {_mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85), 0x510e527f, static_cast<int>(0x9b05688c)),
          _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19)};
}

void write_digest(const Words& words, Hash& out) {
  alignas(16) std::uint32_t ef_ab[4], gh_cd[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(ef_ab), words.abef);  // f, e, b, a
  _mm_store_si128(reinterpret_cast<__m128i*>(gh_cd), words.cdgh);  // h, g, d, c
  const std::uint32_t ordered[8] = {ef_ab[3], ef_ab[2], gh_cd[3], gh_cd[2], ef_ab[1], ef_ab[0], gh_cd[1], gh_cd[0]};
  for (int i = 0; i < 8; ++i) put_be<std::uint32_t>(reinterpret_cast<char*>(out.data()) + 4 * i, ordered[i]);
}

/// A block of `lanes` messages at once; one round group of all lanes after the other.
template <int lanes>
inline void compress(Words* words, const char* const* blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i m[lanes][4];
  Words at[lanes];
  for (int l = 0; l < lanes; ++l) {
    at[l] = words[l];
    for (int i = 0; i < 4; ++i)
      m[l][i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[l] + 16 * i)), big_endian);
  }
#pragma GCC unroll 16
  for (int group = 0; group < 16; ++group) {
    const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(round_constants + 4 * group));
#pragma GCC unroll 2
    for (int l = 0; l < lanes; ++l) {
      const __m128i now = m[l][group % 4];
      __m128i wk = _mm_add_epi32(now, k);
      at[l].cdgh = _mm_sha256rnds2_epu32(at[l].cdgh, at[l].abef, wk);
      wk = _mm_shuffle_epi32(wk, 0x0e);
      at[l].abef = _mm_sha256rnds2_epu32(at[l].abef, at[l].cdgh, wk);
      if (group < 12) {  // words of four groups ahead, in the place of this one's
        const __m128i next = m[l][(group + 1) % 4], last = m[l][(group + 3) % 4];
        __m128i w = _mm_sha256msg1_epu32(now, next);
        w = _mm_add_epi32(w, _mm_alignr_epi8(last, m[l][(group + 2) % 4], 4));
        m[l][group % 4] = _mm_sha256msg2_epu32(w, last);
      }
    }
  }
  for (int l = 0; l < lanes; ++l) {
    words[l].abef = _mm_add_epi32(words[l].abef, at[l].abef);
    words[l].cdgh = _mm_add_epi32(words[l].cdgh, at[l].cdgh);
  }
}

/// Walks through the blocks of one message: the first is put together from prefix and body, the middle ones are read
/// in place, the last one or two carry the padding.
class Lane {
 public:
  void start(const HashJob& job) {
    CHECK(job.prefix.size() <= 64);
    words = initial_words();
    out_ = job.out;
    body_ = job.body;
    const std::uint64_t size = job.prefix.size() + job.body.size();
    const std::size_t held = (size + 1 + 8 + 63) / 64;  // blocks with padding
    left_ = held;
    bits_ = size * 8;
    const std::size_t from_body = std::min(body_.size(), 64 - job.prefix.size());
    std::memset(buffer_, 0, 64);
    copy(buffer_, job.prefix);
    copy(buffer_ + job.prefix.size(), body_.substr(0, from_body));
    std::size_t filled = job.prefix.size() + from_body;
    body_.remove_prefix(from_body);
    ended_ = false;
    if (filled < 64) end_message(buffer_, filled);
    if (left_ == 1) put_be<std::uint64_t>(buffer_ + 56, bits_);
    block = buffer_;
  }
  /// To the next block; false when the message is done and its digest written.
  bool next() {
    if (--left_ == 0) {
      write_digest(words, *out_);
      return false;
    }
    if (body_.size() >= 64) {
      block = body_.data();
      body_.remove_prefix(64);
      return true;
    }
    std::memset(buffer_, 0, 64);
    copy(buffer_, body_);
    const std::size_t filled = body_.size();
    body_ = {};
    end_message(buffer_, filled);
    if (left_ == 1) put_be<std::uint64_t>(buffer_ + 56, bits_);
    block = buffer_;
    return true;
  }

  Words words;
  const char* block = nullptr;

 private:
  static void copy(char* to, std::string_view from) {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }
  void end_message(char* place, std::size_t filled) {
    if (!ended_) place[filled] = static_cast<char>(0x80);
    ended_ = true;
  }
  alignas(16) char buffer_[64];
  std::string_view body_;
  Hash* out_ = nullptr;
  std::uint64_t bits_ = 0;
  std::size_t left_ = 0;
  bool ended_ = false;
};

void hash_all_lanes(std::span<const HashJob> jobs) {
  Lane lanes[2];
  std::size_t next = 0;
  const auto refill = [&](Lane& lane) {
    if (next == jobs.size()) return false;
    lane.start(jobs[next++]);
    return true;
  };
  bool first = refill(lanes[0]), second = refill(lanes[1]);
  while (first && second) {
    Words words[2] = {lanes[0].words, lanes[1].words};
    const char* const blocks[2] = {lanes[0].block, lanes[1].block};
    compress<2>(words, blocks);
    lanes[0].words = words[0];
    lanes[1].words = words[1];
    first = lanes[0].next() || refill(lanes[0]);
    second = lanes[1].next() || refill(lanes[1]);
  }
  for (Lane* rest = first ? &lanes[0] : second ? &lanes[1] : nullptr; rest != nullptr;) {
    compress<1>(&rest->words, &rest->block);
    if (!rest->next()) rest = nullptr;
  }
}

bool detect() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0;
}

}  // namespace

bool has_sha_instructions() {
  static const bool there = detect();
  return there;
}

void hash_all(std::span<const HashJob> jobs) {
  if (has_sha_instructions())
    hash_all_lanes(jobs);
  else
    hash_all_portable(jobs);
}

#else

bool has_sha_instructions() { return false; }
void hash_all(std::span<const HashJob> jobs) { hash_all_portable(jobs); }

#endif

}  // namespace tidewaiter::store
