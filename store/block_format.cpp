#include "store/block_format.hpp"

#include <xxhash.h>
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

void put_checksum(Bytes& out) {
  const std::string_view before = out.view();
  out.fixed(static_cast<std::uint64_t>(XXH3_64bits(before.data(), before.size())));
}

Result<std::string_view> check_value(std::string_view value, const char* part) {
  if (value.size() < sizeof(std::uint64_t))
    return fail(Code::corruption, std::string("block ") + part + " is cut short");
  const std::string_view content = value.substr(0, value.size() - sizeof(std::uint64_t));
  std::uint64_t checksum;
  std::memcpy(&checksum, value.data() + content.size(), sizeof checksum);
  if (checksum != XXH3_64bits(content.data(), content.size()))
    return fail(Code::corruption, std::string("block ") + part + " does not have its checksum");
  return content;
}

Result<Columns> get_columns(std::string_view cols) {
  TRY(read_block_header(cols));  // names an unknown version rather than a wrong checksum
  TRY_ASSIGN(const std::string_view content, check_value(cols, "cols"));
  ByteReader in(content);
  Columns columns;
  TRY_ASSIGN(columns.header, get_header(in));
  const auto size = in.fixed<std::uint32_t>();
  columns.parts.uncompressed = in.bytes(in.fixed<std::uint32_t>());
  const std::uint64_t rows_max = plain_bytes_max / 16;
  if (!in.ok() || columns.header.records > rows_max || columns.header.events > rows_max)
    return fail(Code::corruption, "block cols: the header is wrong");
  TRY_ASSIGN(columns.parts.payload, decompress(in.bytes(in.left()), size, "cols"));
  return columns;
}

}  // namespace tidewaiter::store::block_format
