#include "store/snapshot_value.hpp"

#include "store/compressor.hpp"
#include "store/state.hpp"

namespace tidewaiter::store {
namespace {

constexpr char plain_version = 1, frame_version = 2;
constexpr int zstd_level = 1;
constexpr std::uint64_t state_bytes_max = 64ull << 30;

Result<std::string> decompress(std::string_view frame) {
  const auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > state_bytes_max)
    return fail(Code::corruption, "a snapshot does not say its size");
  std::string state(size, '\0');
  const std::size_t got = ZSTD_decompress(state.data(), state.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) || got != size) return fail(Code::corruption, "the frame of a snapshot cannot be read");
  return state;
}

}  // namespace

std::string encode_snapshot(std::string_view state) {
  std::string out(1 + ZSTD_compressBound(state.size()), '\0');
  out[0] = frame_version;
  const std::size_t frame = ZSTD_compress(out.data() + 1, out.size() - 1, state.data(), state.size(), zstd_level);
  CHECK(!ZSTD_isError(frame));
  out.resize(1 + frame);
  return with_checksum(std::move(out));
}

Result<std::string> decode_snapshot(std::string_view value) {
  TRY_ASSIGN(const std::string_view content, without_checksum(value));
  if (content.starts_with(plain_version)) return std::string(content.substr(1));
  if (!content.starts_with(frame_version)) return fail(Code::corruption, "a snapshot of a format that is not known");
  return decompress(content.substr(1));
}

}  // namespace tidewaiter::store
