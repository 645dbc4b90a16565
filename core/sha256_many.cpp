// Intel SHA extensions (Intel SDM vol. 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2); FIPS 180-4 for the constants.
// This file is compiled without AVX: mixed with 256-bit code the legacy-encoded SHA instructions stall.
#include "core/sha256_many.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>

#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter {

void sha256_many_portable(std::span<const Sha256Message> messages) {
  thread_local Sha256 hasher;
  for (const Sha256Message& m : messages) *m.out = hasher.digest(m.prefix, m.text);
}

#if defined(__x86_64__)
namespace {

constexpr std::size_t block_bytes = 64;

alignas(16) constexpr std::uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::array<std::uint32_t, 8> initial_state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/// The two halves of the state in the order that the instructions want: A B E F and C D G H.
struct State {
  __m128i abef, cdgh;
};

State first_state() {
  const auto& h = initial_state;
  auto lanes = [](std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return _mm_set_epi32(static_cast<int>(a), static_cast<int>(b), static_cast<int>(c), static_cast<int>(d));
  };
  return {lanes(h[0], h[1], h[4], h[5]), lanes(h[2], h[3], h[6], h[7])};
}

void write_digest(const State& state, Hash& out) {
  std::uint32_t abef[4], cdgh[4];  // lowest lane first: F E B A, H G D C
  _mm_storeu_si128(reinterpret_cast<__m128i*>(abef), state.abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(cdgh), state.cdgh);
  const std::uint32_t words[8] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
  for (std::size_t i = 0; i < 8; ++i) put_be<std::uint32_t>(reinterpret_cast<char*>(out.data()) + 4 * i, words[i]);
}

/// One block of each of `lanes` messages.
template <std::size_t lanes>
inline void compress(State* const* states, const char* const* blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef[lanes], cdgh[lanes], w[lanes][4];
  for (std::size_t l = 0; l < lanes; ++l) {
    abef[l] = states[l]->abef;
    cdgh[l] = states[l]->cdgh;
    for (std::size_t i = 0; i < 4; ++i)
      w[l][i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[l]) + i), swap);
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 16; ++i) {
    const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(round_constants) + i);
    for (std::size_t l = 0; l < lanes; ++l) {
      __m128i sum = _mm_add_epi32(w[l][i % 4], k);
      cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], sum);
      sum = _mm_shuffle_epi32(sum, 0x0E);
      abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], sum);
      if (i < 12) {
        const __m128i older = _mm_alignr_epi8(w[l][(i + 3) % 4], w[l][(i + 2) % 4], 4);
        const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(w[l][i % 4], w[l][(i + 1) % 4]), older);
        w[l][i % 4] = _mm_sha256msg2_epu32(partial, w[l][(i + 3) % 4]);
      }
    }
  }
  for (std::size_t l = 0; l < lanes; ++l) {
    states[l]->abef = _mm_add_epi32(states[l]->abef, abef[l]);
    states[l]->cdgh = _mm_add_epi32(states[l]->cdgh, cdgh[l]);
  }
}

/// A message on its way through the compression: whole blocks in place, its first and last ones in buffers.
struct Lane {
  const Sha256Message* message = nullptr;
  State state;
  std::size_t next = 0, blocks = 0, whole_end = 0;  // blocks in all; blocks before whole_end are not padded
  char head[block_bytes];
  char tail[2 * block_bytes];

  void begin(const Sha256Message& m) {
    CHECK(m.prefix.size() <= block_bytes);
    message = &m;
    state = first_state();
    next = 0;
    const std::size_t total = m.prefix.size() + m.text.size();
    blocks = (total + 1 + 8 + block_bytes - 1) / block_bytes;
    whole_end = total / block_bytes;
    if (whole_end > 0 && !m.prefix.empty()) {
      std::memcpy(head, m.prefix.data(), m.prefix.size());
      std::memcpy(head + m.prefix.size(), m.text.data(), block_bytes - m.prefix.size());
    }
    std::memset(tail, 0, sizeof tail);
    const std::size_t done = whole_end * block_bytes;
    std::size_t at = 0;
    if (done < m.prefix.size()) {
      std::memcpy(tail, m.prefix.data() + done, m.prefix.size() - done);
      at = m.prefix.size() - done;
    }
    const std::size_t text_done = done + at - m.prefix.size();
    if (text_done < m.text.size()) {
      std::memcpy(tail + at, m.text.data() + text_done, m.text.size() - text_done);
      at += m.text.size() - text_done;
    }
    tail[at] = static_cast<char>(0x80);
    put_be<std::uint64_t>(tail + (blocks - whole_end) * block_bytes - 8, total * 8);
  }
  const char* take() {
    const std::size_t i = next++;
    if (i >= whole_end) return tail + (i - whole_end) * block_bytes;
    if (i == 0 && !message->prefix.empty()) return head;
    return message->text.data() + i * block_bytes - message->prefix.size();
  }
  bool done() const { return next == blocks; }
};

void sha256_many_accelerated(std::span<const Sha256Message> messages) {
  Lane lanes[2];
  std::size_t taken = 0, active = 0;
  while (active < 2 && taken < messages.size()) lanes[active++].begin(messages[taken++]);
  while (active > 0) {
    const std::size_t rounds =
        active == 2 ? std::min(lanes[0].blocks - lanes[0].next, lanes[1].blocks - lanes[1].next) : lanes[0].blocks - lanes[0].next;
    State* states[2] = {&lanes[0].state, &lanes[1].state};
    for (std::size_t i = 0; i < rounds; ++i) {
      const char* blocks[2] = {lanes[0].take(), active == 2 ? lanes[1].take() : nullptr};
      if (active == 2)
        compress<2>(states, blocks);
      else
        compress<1>(states, blocks);
    }
    for (std::size_t l = active; l-- > 0;) {
      if (!lanes[l].done()) continue;
      write_digest(lanes[l].state, *lanes[l].message->out);
      if (taken < messages.size())
        lanes[l].begin(messages[taken++]);
      else if (--active > l)
        lanes[l] = lanes[active];
    }
  }
}

bool detect_sha_extensions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0;
}

}  // namespace

bool sha256_is_accelerated() {
  static const bool accelerated = detect_sha_extensions();
  return accelerated;
}

void sha256_many(std::span<const Sha256Message> messages) {
  if (sha256_is_accelerated())
    sha256_many_accelerated(messages);
  else
    sha256_many_portable(messages);
}
#else
bool sha256_is_accelerated() { return false; }
void sha256_many(std::span<const Sha256Message> messages) { sha256_many_portable(messages); }
#endif

}  // namespace tidewaiter
