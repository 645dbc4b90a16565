#include "store/string_column.hpp"

#include "store/int_column.hpp"

namespace tidewaiter::store {
namespace {

enum Form : std::uint8_t { dictionary, plain };

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
bool get_ids(ByteReader& in, const std::vector<std::string_view>& entries, std::vector<std::string_view>& out) {
  const std::string_view bytes = in.bytes(out.size() * sizeof(T));
  if (!in.ok()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    T id;
    std::memcpy(&id, bytes.data() + i * sizeof id, sizeof id);
    if (id >= entries.size()) return false;
    out[i] = entries[id];
  }
  return true;
}

bool get_dictionary(ByteReader& in, std::vector<std::string_view>& out) {
  const std::uint64_t count = in.varint();
  if (count == 0 || count > in.left()) return false;
  thread_local std::vector<std::string_view> entries;
  entries.clear();
  for (std::uint64_t i = 0; i < count; ++i) entries.push_back(in.string());
  switch (in.u8()) {
    case 0:
      for (std::string_view& value : out) value = entries[0];
      return in.ok();
    case 1:
      return get_ids<std::uint8_t>(in, entries, out);
    case 2:
      return get_ids<std::uint16_t>(in, entries, out);
    case 4:
      return get_ids<std::uint32_t>(in, entries, out);
    default:
      return false;
  }
}

}  // namespace

void StringColumnWriter::begin() {
  if (values_ >= 64) pays_ = plain_ ? pays_ : entries_ * 2 < values_;
  plain_ = !pays_ && ++blocks_ % 16 != 0;
  ++epoch_;
  ids_.clear();
  lengths_.clear();
  bytes_.clear();
  entries_ = values_ = 0;
}

void StringColumnWriter::finish(Bytes& out) {
  if (plain_) {
    out.u8(plain);
    put_ints(out, lengths_, IntHint::plain);
    out.bytes(bytes_.view());
    return;
  }
  out.u8(dictionary);
  out.varint(entries_);
  out.bytes(bytes_.view());
  const std::uint8_t width = id_width(entries_);
  out.u8(width);
  if (width == 1) put_ids<std::uint8_t>(out, ids_);
  if (width == 2) put_ids<std::uint16_t>(out, ids_);
  if (width == 4) put_ids<std::uint32_t>(out, ids_);
}

bool get_strings(ByteReader& in, std::size_t count, std::vector<std::string_view>& out) {
  out.resize(count);
  if (count == 0) return in.ok();
  switch (in.u8()) {
    case dictionary:
      return get_dictionary(in, out);
    case plain: {
      thread_local std::vector<std::uint64_t> lengths;
      if (!get_ints(in, count, lengths)) return false;
      for (std::size_t i = 0; i < count; ++i) {
        if (lengths[i] > in.left()) return false;
        out[i] = in.bytes(lengths[i]);
      }
      return in.ok();
    }
    default:
      return false;
  }
}

}  // namespace tidewaiter::store
