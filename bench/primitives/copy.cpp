#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace tidewaiter::bench::primitives {

std::uint64_t copy(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count) {
  static std::vector<char> arena(1 << 20);
  std::size_t used = 0;
  std::uint64_t check = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (used + size[i] + 64 > arena.size()) used = 0;
    std::memcpy(arena.data() + used, bytes + begin[i], size[i]);
    check += static_cast<unsigned char>(arena[used + size[i] / 2]);
    used += size[i];
  }
  return check;
}

}  // namespace tidewaiter::bench::primitives
