#include "store/int_column.hpp"

#include <algorithm>

namespace tidewaiter::store {
namespace {

enum Form : std::uint8_t { constant, arithmetic, plain, deltas, small, scaled };

bool is_arithmetic(std::span<const std::uint64_t> values) {
  const std::uint64_t step = values[1] - values[0];
  for (std::size_t i = 2; i < values.size(); ++i)
    if (values[i] - values[i - 1] != step) return false;
  return true;
}

std::int64_t common_divisor(std::span<const std::uint64_t> values) {
  for (const std::int64_t divisor : {std::int64_t{1'000'000'000}, std::int64_t{1'000'000}, std::int64_t{1'000}})
    if (std::all_of(values.begin(), values.end(),
                    [&](std::uint64_t v) { return static_cast<std::int64_t>(v) % divisor == 0; }))
      return divisor;
  return 1;
}

void put_deltas(Bytes& out, std::span<const std::uint64_t> values, std::int64_t divisor) {
  std::uint64_t last = 0;
  for (std::uint64_t v : values) {
    if (divisor != 1) v = static_cast<std::uint64_t>(static_cast<std::int64_t>(v) / divisor);
    out.varint(zigzag(static_cast<std::int64_t>(v - last)));
    last = v;
  }
}

}  // namespace

void put_ints(Bytes& out, std::span<const std::uint64_t> values, IntHint hint) {
  if (values.empty()) return;
  if (values.size() == 1 || (values[1] == values[0] && is_arithmetic(values))) {
    out.u8(constant);
    out.varint(values[0]);
    return;
  }
  if (is_arithmetic(values)) {
    out.u8(arithmetic);
    out.varint(values[0]);
    out.varint(zigzag(static_cast<std::int64_t>(values[1] - values[0])));
    return;
  }
  if (hint == IntHint::time_ns) {
    const std::int64_t divisor = common_divisor(values);
    out.u8(scaled);
    out.varint(static_cast<std::uint64_t>(divisor));
    put_deltas(out, values, divisor);
    return;
  }
  if (hint == IntHint::sorted) {
    out.u8(deltas);
    put_deltas(out, values, 1);
    return;
  }
  if (std::all_of(values.begin(), values.end(), [](std::uint64_t v) { return v < 256; })) {
    out.u8(small);
    char* place = out.grow(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) place[i] = static_cast<char>(values[i]);
    return;
  }
  out.u8(plain);
  for (const std::uint64_t v : values) out.varint(v);
}

bool get_ints(ByteReader& in, std::size_t count, std::vector<std::uint64_t>& out) {
  out.resize(count);
  if (count == 0) return in.ok();
  const std::uint8_t form = in.u8();
  switch (form) {
    case constant:
      std::fill(out.begin(), out.end(), in.varint());
      return in.ok();
    case arithmetic: {
      std::uint64_t v = in.varint();
      const auto step = static_cast<std::uint64_t>(unzigzag(in.varint()));
      for (std::uint64_t& x : out) {
        x = v;
        v += step;
      }
      return in.ok();
    }
    case plain:
      for (std::uint64_t& x : out) x = in.varint();
      return in.ok();
    case deltas:
    case scaled: {
      const std::uint64_t divisor = form == scaled ? in.varint() : 1;
      std::uint64_t v = 0;
      for (std::uint64_t& x : out) {
        v += static_cast<std::uint64_t>(unzigzag(in.varint()));
        x = v * divisor;
      }
      return in.ok();
    }
    case small: {
      const std::string_view bytes = in.bytes(count);
      if (!in.ok()) return false;
      for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(bytes[i]);
      return true;
    }
    default:
      in.fail();
      return false;
  }
}

}  // namespace tidewaiter::store
