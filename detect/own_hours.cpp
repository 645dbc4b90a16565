#include "detect/own_hours.hpp"

#include <algorithm>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000, hour_ns = 3600 * second_ns;
constexpr double fixed = 64, share_up = 1.0 / 12, share_down = 1.0 / 60;
constexpr double growth_max = 2;

std::size_t hour_of(std::int64_t time_ns) { return static_cast<std::size_t>(time_ns / hour_ns % 24); }

}  // namespace

std::array<double, rate_scales> OwnHours::per_min(Key key, std::int64_t time_ns) const {
  std::array<double, rate_scales> result{};
  const Slot* const slot = slots_.find_rare(key);
  if (slot == nullptr) return result;
  const std::size_t hour = hour_of(time_ns);
  const double now = slot->per_min[hour] / fixed;
  const double before = slot->per_min[(hour + hours - 1) % hours] / fixed;
  const auto left = rate_decay(static_cast<double>(time_ns % hour_ns) / 60e9);
  for (std::size_t i = 0; i < rate_scales; ++i) result[i] = now + std::max(0.0, before - now) * double{left[i]};
  return result;
}

void OwnHours::learn(Key key, std::uint16_t quota, std::int64_t time_ns, double per_min, double most_per_min) {
  const auto [slot, inserted] = slots_.find_or_insert(key, quota);
  slot->last_s = static_cast<std::uint32_t>(time_ns / second_ns);
  std::uint16_t& known = slot->per_min[hour_of(time_ns)];
  const double mean = known / fixed;
  const double learns = std::min(per_min, std::max(most_per_min, growth_max * mean));
  const double next = known == 0 ? learns : mean + (learns > mean ? share_up : share_down) * (learns - mean);
  known = static_cast<std::uint16_t>(std::clamp(next * fixed + 0.5, 1.0, 65535.0));
}

}  // namespace tidewaiter::detect
