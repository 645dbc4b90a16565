#include "detect/windows.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "core/check.hpp"

namespace tidewaiter::detect {

void Window::take(const EvidenceRef& evidence) {
  if (top[0].used == 0 || evidence.bytes_kb > top[0].bytes_kb) {
    top[1] = top[0];
    top[0] = evidence;
  } else if (top[1].used == 0 || evidence.bytes_kb > top[1].bytes_kb) {
    top[1] = evidence;
  }
}

WindowTable::WindowTable(std::uint64_t memory_bytes)
    : capacity_(static_cast<std::uint32_t>(
          std::clamp<std::uint64_t>(memory_bytes / (sizeof(Window) + overhead_bytes), 1024, 1u << 26))),
      mask_(std::bit_ceil(std::uint64_t{capacity_} * 3 / 2) - 1),
      index_(mask_ + 1),
      next_(capacity_, none) {
  void* memory = mmap(nullptr, capacity_ * sizeof(Window), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, capacity_ * sizeof(Window), MADV_HUGEPAGE);
  slab_ = static_cast<Window*>(memory);
  constexpr std::size_t page_bytes = 4096;  // all pages are touched here, not later
  for (std::size_t at = 0; at < capacity_ * sizeof(Window); at += page_bytes) static_cast<volatile char*>(memory)[at] = 0;
}

WindowTable::~WindowTable() { munmap(slab_, capacity_ * sizeof(Window)); }

Window* WindowTable::find(Key key) {
  for (std::uint64_t at = key & mask_; index_[at].used(); at = (at + 1) & mask_)
    if (is(index_[at], key)) return &slab_[index_[at].slot];
  return nullptr;
}

std::uint32_t WindowTable::allocate() {
  if (free_ != none) return std::exchange(free_, next_[free_]);
  return fresh_ < capacity_ ? fresh_++ : none;
}

Window* WindowTable::find_or_open(Key key, std::uint8_t scale, std::int64_t start_s, SeriesKind kind, bool& opened) {
  opened = false;
  if (Window* window = find(key)) return window;
  const std::uint32_t slot = allocate();
  if (slot == none) return nullptr;
  Window& window = slab_[slot];
  window = {};
  window.key = key;
  window.scale = scale;
  window.start_s = start_s;
  window.kind = kind;
  index_insert(key, slot);
  append(order_of(window), slot);
  ++open_;
  opened = true;
  return &window;
}

std::uint64_t WindowTable::order_of(const Window& window) {
  return static_cast<std::uint64_t>(window.end_s()) << 8 | static_cast<std::uint64_t>(window.scale) << 4 |
         static_cast<std::uint64_t>(window.kind);
}

void WindowTable::append(std::uint64_t order, std::uint32_t slot) {
  next_[slot] = none;
  Newest& newest = newest_[order & (newest_.size() - 1)];
  if (newest.list == nullptr || newest.order != order) {
    const auto [list, inserted] = groups_.try_emplace(order, List{slot, slot});
    newest = {order, &list->second};
    if (inserted) return;
  }
  next_[newest.list->tail] = slot;
  newest.list->tail = slot;
}

WindowTable::Group WindowTable::take_first_group() {
  const auto first = groups_.begin();
  const Group group{first->first, first->second.head, first->second.tail};
  if (Newest& newest = newest_[group.order & (newest_.size() - 1)]; newest.order == group.order) newest = {};
  groups_.erase(first);
  return group;
}

void WindowTable::release(std::uint32_t slot) {
  index_erase(slab_[slot].key);
  next_[slot] = free_;
  free_ = slot;
  --open_;
}

void WindowTable::index_insert(Key key, std::uint32_t slot) {
  std::uint64_t at = key & mask_;
  while (index_[at].used()) at = (at + 1) & mask_;
  index_[at] = {static_cast<std::uint32_t>(key), slot};
}

// Linear probing without tombstones: entries behind the hole move up when their own place allows it (Knuth 6.4, R).
void WindowTable::index_erase(Key key) {
  std::uint64_t hole = key & mask_;
  while (!is(index_[hole], key)) {
    CHECK(index_[hole].used());
    hole = (hole + 1) & mask_;
  }
  for (std::uint64_t at = (hole + 1) & mask_; index_[at].used(); at = (at + 1) & mask_) {
    const std::uint64_t home = index_[at].key_low & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = {};
}

void WindowTable::save(SnapshotWriter& out) const {
  out.put(capacity_);
  out.put(open_);
  for (const auto& [order, list] : groups_)
    for (std::uint32_t slot = list.head; slot != none; slot = next_[slot])
      out.put_bytes(&slab_[slot], sizeof(Window));
}

bool WindowTable::load(SnapshotReader& in) {
  if (in.get<std::uint32_t>() != capacity_) return false;
  for (std::uint64_t n = in.get_count(sizeof(Window)); n > 0 && in.ok(); --n) {
    const std::uint32_t slot = allocate();
    if (slot == none) return false;
    in.get_bytes(static_cast<void*>(&slab_[slot]), sizeof(Window));
    if (slab_[slot].scale >= scales) return false;
    index_insert(slab_[slot].key, slot);
    append(order_of(slab_[slot]), slot);
    ++open_;
  }
  return in.ok();
}

}  // namespace tidewaiter::detect
