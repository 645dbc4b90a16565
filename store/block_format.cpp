#include "store/block_format.hpp"

#include <zstd.h>

#include <cstring>
#include <string>

#include "core/record.hpp"

namespace tidewaiter::store::block_format {

Result<BlockHeader> get_header(ByteReader& in) {
  BlockHeader h;
  if (const std::uint8_t version = in.u8(); version != format_version)
    return fail(Code::corruption, "block has format version " + std::to_string(version) + ", 1 is known");
  h.log = in.fixed<std::uint16_t>();
  h.first_seq = in.fixed<std::uint64_t>();
  h.records = in.fixed<std::uint32_t>();
  h.events = in.fixed<std::uint32_t>();
  h.unit = in.fixed<std::uint64_t>();
  h.first_commit = in.fixed<std::uint64_t>();
  h.last_commit = in.fixed<std::uint64_t>();
  h.min_time_ns = in.fixed<std::int64_t>();
  h.max_time_ns = in.fixed<std::int64_t>();
  h.min_receive_ns = in.fixed<std::int64_t>();
  h.max_receive_ns = in.fixed<std::int64_t>();
  h.body_bytes = in.fixed<std::uint64_t>();
  if (!in.ok()) return fail(Code::corruption, "block header is cut short");
  return h;
}

Result<Plain> decompress(std::string_view frame, std::uint64_t size, const char* part) {
  if (size > plain_bytes_max || ZSTD_getFrameContentSize(frame.data(), frame.size()) != size)
    return fail(Code::corruption, std::string("block ") + part + ": size of the compressed frame is wrong");
  thread_local std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> zstd(ZSTD_createDCtx(), ZSTD_freeDCtx);
  Plain plain;
  plain.bytes.reset(new char[size + Arena::padding_bytes]);
  const std::size_t got =
      ZSTD_decompressDCtx(zstd.get(), plain.bytes.get(), size, frame.data(), frame.size());
  if (ZSTD_isError(got) || got != size)
    return fail(Code::corruption, std::string("block ") + part + ": the compressed frame cannot be read");
  std::memset(plain.bytes.get() + size, 0, Arena::padding_bytes);
  plain.view = {plain.bytes.get(), size};
  return plain;
}

Result<ColumnParts> get_parts(ByteReader& in, const BlockHeader& header) {
  const auto size = in.fixed<std::uint32_t>();
  const std::string_view uncompressed = in.bytes(in.fixed<std::uint32_t>());
  if (!in.ok() || header.records > plain_bytes_max / 16 || header.events > plain_bytes_max / 16)
    return fail(Code::corruption, "block cols: the header is wrong");
  TRY_ASSIGN(Plain payload, decompress(in.bytes(in.left()), size, "cols"));
  return ColumnParts{std::move(payload), uncompressed};
}

}  // namespace tidewaiter::store::block_format
