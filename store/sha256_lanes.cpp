// Built without AVX (see CMakeLists.txt): SHA instructions in code with AVX encodings run many times slower in some
// shapes. FIPS 180-4; message schedule as Intel's SHA extensions define it.

#include "store/sha256_lanes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/check.hpp"
#include "core/text.hpp"
#include "store/sha256_rounds.hpp"
#include "store/sha256_wide.hpp"

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

/// The eight words of the state as the instructions want them.
struct Words {
  __m128i abef, cdgh;
};

Words from_order(const std::uint32_t (&at)[8]) {
  const auto word = [&](int i) { return static_cast<int>(at[i]); };
  return {_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7))};
}

void write_digest(const std::uint32_t (&ordered)[8], Hash& out) {
  for (int i = 0; i < 8; ++i) put_be<std::uint32_t>(reinterpret_cast<char*>(out.data()) + 4 * i, ordered[i]);
}

void write_digest(const Words& words, Hash& out) {
  alignas(16) std::uint32_t ef_ab[4], gh_cd[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(ef_ab), words.abef);  // f, e, b, a
  _mm_store_si128(reinterpret_cast<__m128i*>(gh_cd), words.cdgh);  // h, g, d, c
  write_digest({ef_ab[3], ef_ab[2], gh_cd[3], gh_cd[2], ef_ab[1], ef_ab[0], gh_cd[1], gh_cd[0]}, out);
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
    const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(sha256_rounds + 4 * group));
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
class Message {
 public:
  void start(const HashJob& job) {
    CHECK(job.prefix.size() <= 64);
    out = job.out;
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
  /// To the next block; false when there is none.
  bool next() {
    if (--left_ == 0) return false;
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

  const char* block = nullptr;
  Hash* out = nullptr;

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
  std::uint64_t bits_ = 0;
  std::size_t left_ = 0;
  bool ended_ = false;
};

struct Lane {
  Message message;
  Words words;
};

/// Two at a time. `refill(spare)` gives the next lane that has a block, perhaps `spare` anew, or nullptr.
template <class Refill>
void hash_pairs(Refill refill) {
  Lane spares[2];
  Lane* lanes[2] = {refill(&spares[0]), refill(&spares[1])};
  const auto go_on = [&](Lane*& lane) {
    if (lane->message.next()) return;
    write_digest(lane->words, *lane->message.out);
    lane = refill(lane);
  };
  while (lanes[0] != nullptr && lanes[1] != nullptr) {
    Words words[2] = {lanes[0]->words, lanes[1]->words};
    const char* const blocks[2] = {lanes[0]->message.block, lanes[1]->message.block};
    compress<2>(words, blocks);
    lanes[0]->words = words[0];
    lanes[1]->words = words[1];
    go_on(lanes[0]);
    go_on(lanes[1]);
  }
  for (Lane* rest = lanes[0] != nullptr ? lanes[0] : lanes[1]; rest != nullptr; go_on(rest))
    compress<1>(&rest->words, &rest->message.block);
}

void hash_all_pairs(std::span<const HashJob> jobs) {
  std::size_t next = 0;
  hash_pairs([&](Lane* spare) -> Lane* {
    if (next == jobs.size()) return nullptr;
    spare->message.start(jobs[next++]);
    spare->words = from_order(sha256_initial);
    return spare;
  });
}

/// Sixteen at a time while there are as many, the rest two at a time. At least sixteen jobs.
void hash_all_wide(std::span<const HashJob> jobs) {
  Lane lanes[wide_lanes];
  WideWords words;
  std::size_t next = 0;
  const auto start = [&](std::size_t l) {
    lanes[l].message.start(jobs[next++]);
    for (int i = 0; i < 8; ++i) words.at[i][l] = sha256_initial[i];
  };
  const auto words_of = [&](std::size_t l, std::uint32_t (&ordered)[8]) {
    for (int i = 0; i < 8; ++i) ordered[i] = words.at[i][l];
  };
  for (std::size_t l = 0; l < wide_lanes; ++l) start(l);
  std::uint32_t ordered[8];
  unsigned busy = (1u << wide_lanes) - 1;
  while (busy == (1u << wide_lanes) - 1) {
    const char* blocks[wide_lanes];
    for (std::size_t l = 0; l < wide_lanes; ++l) blocks[l] = lanes[l].message.block;
    compress_wide(words, blocks);
    for (std::size_t l = 0; l < wide_lanes; ++l) {
      if (lanes[l].message.next()) continue;
      words_of(l, ordered);
      write_digest(ordered, *lanes[l].message.out);
      if (next != jobs.size()) start(l);
      else busy &= ~(1u << l);
    }
  }
  hash_pairs([&](Lane*) -> Lane* {
    if (busy == 0) return nullptr;
    const auto l = static_cast<std::size_t>(std::countr_zero(busy));
    busy &= busy - 1;
    words_of(l, ordered);
    lanes[l].words = from_order(ordered);
    return &lanes[l];
  });
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
  if (!has_sha_instructions()) return hash_all_portable(jobs);
  if (jobs.size() >= wide_lanes && has_wide_lanes()) return hash_all_wide(jobs);
  hash_all_pairs(jobs);
}

#else

bool has_sha_instructions() { return false; }
void hash_all(std::span<const HashJob> jobs) { hash_all_portable(jobs); }

#endif

}  // namespace tidewaiter::store
