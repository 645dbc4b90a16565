// Inside of blocks, shared by block.cpp and block_terms.cpp. Nobody else includes this.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/column.hpp"
#include "store/block.hpp"
#include "store/bytes.hpp"

namespace tidewaiter::store::block_format {

inline constexpr std::uint8_t format_version = 1;
inline constexpr std::uint64_t plain_bytes_max = std::uint64_t{1} << 31;
inline constexpr std::uint64_t all_strings = str_count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << str_count) - 1;
inline constexpr std::uint64_t all_numbers =
    num_count + addr_count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (num_count + addr_count)) - 1;

enum RecordColumn : std::size_t {
  kind, reason, value_null, source, offset, leader_epoch, receive_time, kafka_time, body_size, event_count, commit,
  ordinal, record_column_count
};
struct Shape {
  std::uint64_t strings, numbers;
  bool operator==(const Shape&) const = default;
};

struct Plain {
  std::shared_ptr<char[]> bytes;
  std::string_view view;
};

/// Both parts of a block end with XXH3-64 of everything before, LE: against decay, not against people.
void put_checksum(Bytes& out);
/// `value` without its checksum. Error: corruption.
Result<std::string_view> check_value(std::string_view value, const char* part);

/// Decompresses a frame of `size` bytes, with the padding that parsers of a value expect behind it.
Result<Plain> decompress(std::string_view frame, std::uint64_t size, const char* part);
Result<BlockHeader> get_header(ByteReader& in);

/// The two parts of the columns behind a header.
struct ColumnParts {
  Plain payload;
  std::string_view uncompressed;  // points into the stored value
};
struct Columns {
  BlockHeader header;
  ColumnParts parts;
};
/// Of a stored value of `cols`.
Result<Columns> get_columns(std::string_view cols);

}  // namespace tidewaiter::store::block_format
