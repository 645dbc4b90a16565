#include "store/string_column.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "store/int_column.hpp"

namespace tidewaiter::store {
namespace {

enum Written : std::uint8_t { dictionary, plain, hexadecimal, heads };

bool is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
/// These are written so that the compiler makes vector code of them.
bool is_hex(std::string_view text) {
  unsigned wrong = 0;
  for (const char c : text) wrong |= static_cast<unsigned>(!is_digit(c));
  return wrong == 0;
}
constexpr std::size_t hex_step = 16;  // digits of many an identifier and hash, bytes of a vector
bool is_hex_step(const char* text) {
  unsigned char wrong = 0;
  for (std::size_t i = 0; i < hex_step; ++i)
    wrong = static_cast<unsigned char>(wrong | static_cast<unsigned char>(!is_digit(text[i])));
  return wrong == 0;
}
std::uint8_t digit(char c) { return static_cast<std::uint8_t>((c & 15) + (c >> 6) * 9); }

void put_hex(Bytes& out, std::string_view text) {
  const std::size_t pairs = text.size() / 2;
  char* place = out.grow((text.size() + 1) / 2);
  for (std::size_t i = 0; i < pairs; ++i)
    place[i] = static_cast<char>(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
  if (text.size() % 2 != 0) place[pairs] = static_cast<char>(digit(text.back()) << 4);
}

std::string_view get_hex(std::string_view packed, std::size_t digits, UnpackedBytes& unpacked) {
  unpacked.emplace_back(new char[packed.size() * 2 + 1]);
  char* place = unpacked.back().get();
  const auto text = [](unsigned v) { return static_cast<char>(v + '0' + (v > 9) * ('a' - '0' - 10)); };
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const auto b = static_cast<unsigned char>(packed[i]);
    place[2 * i] = text(b >> 4);
    place[2 * i + 1] = text(b & 15u);
  }
  return {place, digits};
}

bool cut(std::string_view bytes, const std::vector<std::uint64_t>& lengths, std::vector<std::string_view>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (lengths[i] > bytes.size()) return false;
    out[i] = bytes.substr(0, lengths[i]);
    bytes.remove_prefix(lengths[i]);
  }
  return bytes.empty();
}

constexpr std::uint64_t bytes_max = std::uint64_t{1} << 32;

bool get_lengths(ByteReader& in, std::vector<std::uint64_t>& lengths, std::size_t count, std::uint64_t& sum) {
  if (!get_ints(in, count, lengths)) return false;
  sum = 0;
  for (const std::uint64_t length : lengths) {
    if (length > bytes_max) return false;
    sum += length;
  }
  return true;
}

std::uint8_t id_width(std::uint32_t entries) {
  if (entries <= 1) return 0;
  return entries <= 256 ? 1 : entries <= 65536 ? 2 : 4;
}

template <class T>
void put_ids(Bytes& out, const std::vector<std::uint32_t>& ids) {
  char* place = out.grow(ids.size() * sizeof(T));
  for (const std::uint32_t id : ids) {
    const T narrow = static_cast<T>(id);
    std::memcpy(place, &narrow, sizeof narrow);
    place += sizeof narrow;
  }
}

template <class T>
bool get_ids(ByteReader& in, std::size_t entries, std::vector<std::uint32_t>& ids) {
  const std::string_view bytes = in.bytes(ids.size() * sizeof(T));
  if (!in.ok()) return false;
  std::uint32_t highest = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    T id;
    std::memcpy(&id, bytes.data() + i * sizeof id, sizeof id);
    ids[i] = id;
    highest = std::max<std::uint32_t>(highest, id);
  }
  return highest < entries;
}

bool get_dictionary(ByteReader& in, std::size_t count, StringIds& out) {
  const std::uint64_t entries = in.varint();
  if (entries == 0 || entries > in.left()) return false;
  out.entries.clear();
  for (std::uint64_t i = 0; i < entries; ++i) out.entries.push_back(in.string());
  out.ids.resize(count);
  switch (in.u8()) {
    case 0:
      std::fill(out.ids.begin(), out.ids.end(), 0);
      return in.ok();
    case 1:
      return get_ids<std::uint8_t>(in, entries, out.ids);
    case 2:
      return get_ids<std::uint16_t>(in, entries, out.ids);
    case 4:
      return get_ids<std::uint32_t>(in, entries, out.ids);
    default:
      return false;
  }
}

/// Each head and its digits, put together. A head is stored once and read many times: beyond this, no store wrote it.
constexpr std::uint64_t heads_bytes_max = std::uint64_t{1} << 30;
bool get_heads(ByteReader& in, ByteReader& uncompressed, std::vector<std::string_view>& out, UnpackedBytes& unpacked) {
  thread_local StringIds of_heads;
  thread_local std::vector<std::uint64_t> lengths;
  std::uint64_t digits = 0;
  if (!get_dictionary(in, out.size(), of_heads) || !get_lengths(in, lengths, out.size(), digits)) return false;
  const std::string_view packed = uncompressed.bytes((digits + 1) / 2);
  if (!uncompressed.ok()) return false;
  std::uint64_t size = digits;
  for (const std::uint32_t id : of_heads.ids) size += of_heads.entries[id].size();
  if (size > heads_bytes_max) return false;
  UnpackedBytes unpacked_digits;
  std::string_view left = get_hex(packed, digits, unpacked_digits);
  char* place = unpacked.emplace_back(new char[size + 1]).get();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::string_view head = of_heads.entries[of_heads.ids[i]];
    char* const end = copy_text(copy_text(place, head.data(), head.size()), left.data(), lengths[i]);
    left.remove_prefix(lengths[i]);
    out[i] = {place, static_cast<std::size_t>(end - place)};
    place = end;
  }
  return left.empty();
}

/// The forms without a dictionary of whole values.
bool get_values(std::uint8_t form, ByteReader& in, ByteReader& uncompressed, std::vector<std::string_view>& out,
                UnpackedBytes& unpacked) {
  if (form == heads) return get_heads(in, uncompressed, out, unpacked);
  thread_local std::vector<std::uint64_t> lengths;
  std::uint64_t sum = 0;
  if ((form != plain && form != hexadecimal) || !get_lengths(in, lengths, out.size(), sum)) return false;
  if (form == plain) {
    const std::string_view bytes = in.bytes(sum);
    return in.ok() && cut(bytes, lengths, out);
  }
  const std::string_view packed = uncompressed.bytes((sum + 1) / 2);
  return uncompressed.ok() && cut(get_hex(packed, sum, unpacked), lengths, out);
}

}  // namespace

std::size_t StringColumnWriter::hex_tail(std::string_view value) {
  std::size_t left = value.size();
  while (left >= hex_step && is_hex_step(value.data() + left - hex_step)) left -= hex_step;
  while (left > 0 && is_digit(value[left - 1])) --left;
  return value.size() - left;
}

/// Of plain values, by the first few: what stands before at least 8 digits is often the same.
bool StringColumnWriter::heads_repeat() const {
  constexpr std::size_t looked_at = 16;
  std::array<std::string_view, looked_at> seen;
  std::size_t found = 0;
  std::string_view bytes = bytes_.view();
  for (std::size_t i = 0; i < std::min(looked_at, lengths_.size()); ++i) {
    const std::string_view value = bytes.substr(0, lengths_[i]);
    bytes.remove_prefix(lengths_[i]);
    const std::size_t digits = hex_tail(value);
    if (digits >= 8) seen[found++] = value.substr(0, value.size() - digits);
  }
  const auto end = seen.begin() + static_cast<std::ptrdiff_t>(found);
  std::sort(seen.begin(), end);
  return found >= looked_at * 3 / 4 && std::adjacent_find(seen.begin(), end) != end;
}

void StringColumnWriter::begin() {
  if (values_ >= 64) {
    const bool few = entries_ * 2 < values_;
    if (form_ == Form::dictionary) repeats_ = few;
    if (form_ == Form::heads) heads_repeat_ = few;
  }
  form_ = repeats_ || ++blocks_ % 16 == 0 ? Form::dictionary : heads_repeat_ ? Form::heads : Form::plain;
  ++epoch_;
  ids_.clear();
  lengths_.clear();
  bytes_.clear();
  digits_.clear();
  entries_ = values_ = 0;
}

void StringColumnWriter::finish(Bytes& out, Bytes& uncompressed) {
  if (form_ == Form::plain) {
    const bool hex = is_hex(bytes_.view());
    out.u8(hex ? hexadecimal : plain);
    put_ints(out, lengths_, IntHint::plain);
    if (hex)
      put_hex(uncompressed, bytes_.view());
    else
      out.bytes(bytes_.view());
    heads_repeat_ = !hex && heads_repeat();
    return;
  }
  out.u8(form_ == Form::heads ? heads : dictionary);
  out.varint(entries_);
  out.bytes(bytes_.view());
  const std::uint8_t width = id_width(entries_);
  out.u8(width);
  if (width == 1) put_ids<std::uint8_t>(out, ids_);
  if (width == 2) put_ids<std::uint16_t>(out, ids_);
  if (width == 4) put_ids<std::uint32_t>(out, ids_);
  if (form_ != Form::heads) return;
  put_ints(out, lengths_, IntHint::plain);
  put_hex(uncompressed, digits_.view());
}

bool get_strings(ByteReader& in, ByteReader& uncompressed, std::size_t count, std::vector<std::string_view>& out,
                 UnpackedBytes& unpacked) {
  out.resize(count);
  if (count == 0) return in.ok();
  const std::uint8_t form = in.u8();
  if (form != dictionary) return get_values(form, in, uncompressed, out, unpacked);
  thread_local StringIds coded;
  if (!get_dictionary(in, count, coded)) return false;
  for (std::size_t i = 0; i < count; ++i) out[i] = coded.entries[coded.ids[i]];
  return true;
}

bool get_string_ids(ByteReader& in, ByteReader& uncompressed, std::size_t count, StringIds& out,
                    UnpackedBytes& unpacked) {
  out.entries.clear();
  out.ids.clear();
  if (count == 0) return in.ok();
  const std::uint8_t form = in.u8();
  if (form == dictionary) return get_dictionary(in, count, out);
  out.entries.resize(count);
  out.ids.resize(count);
  std::iota(out.ids.begin(), out.ids.end(), 0u);
  return get_values(form, in, uncompressed, out.entries, unpacked);
}

}  // namespace tidewaiter::store
