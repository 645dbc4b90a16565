#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tidewaiter::bench::primitives {
namespace {

struct alignas(64) Slot {
  std::uint64_t key;
  float fast, middle, slow, mean;
  std::uint64_t last;
  std::uint64_t rest[4];
};
static_assert(sizeof(Slot) == 64);

constexpr std::size_t ahead = 32;

}  // namespace

class Slots {
 public:
  explicit Slots(std::size_t table_bytes);
  ~Slots();
  std::uint64_t update(const std::uint64_t* keys, std::size_t count);

 private:
  void* memory_;
  std::size_t bytes_, mask_;
};

Slots::Slots(std::size_t table_bytes) : bytes_(std::bit_floor(table_bytes)), mask_(bytes_ / sizeof(Slot) - 1) {
  memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) memory_ = nullptr;
  if (memory_ != nullptr) ::madvise(memory_, bytes_, MADV_HUGEPAGE);
}

Slots::~Slots() {
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
}

std::uint64_t Slots::update(const std::uint64_t* keys, std::size_t count) {
  if (memory_ == nullptr) return 0;
  auto* slots = static_cast<Slot*>(memory_);
  std::uint64_t check = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + ahead < count) __builtin_prefetch(&slots[keys[i + ahead] & mask_], 1);
    std::size_t at = keys[i] & mask_;
    while (slots[at].key != keys[i] && slots[at].key != 0) at = (at + 1) & mask_;
    Slot& slot = slots[at];
    slot.key = keys[i];
    slot.fast = slot.fast * 0.5f + 1;
    slot.middle = slot.middle * 0.9f + 1;
    slot.slow = slot.slow * 0.98f + 1;
    slot.mean += (slot.fast - slot.mean) * 0.01f;
    slot.last = i;
    check += static_cast<std::uint64_t>(slot.slow);
  }
  return check + 1;
}

}  // namespace tidewaiter::bench::primitives
