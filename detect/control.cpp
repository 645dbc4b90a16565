#include "detect/control.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace tidewaiter::detect {
namespace {

void name_partitions(const nlohmann::json& list, bool idle, Watermark& watermark) {
  if (!list.is_array()) return;
  for (const auto& item : list) {
    if (!item.is_object()) continue;
    const auto bytes = from_hex(item.value("topic_id", std::string(32, '0')));
    TopicId topic_id{};
    if (!bytes || bytes->size() != topic_id.size()) continue;
    std::copy(bytes->begin(), bytes->end(), topic_id.begin());
    watermark.name(item.value("cluster", std::string()), topic_id, item.value("topic", std::string()),
                   item.value("partition", 0u), idle);
  }
}

}  // namespace

bool move_by_tick(const nlohmann::json& tick, Watermark& watermark) {
  if (tick.contains("idle")) name_partitions(tick["idle"], true, watermark);
  if (tick.contains("active")) name_partitions(tick["active"], false, watermark);
  return watermark.tick(tick.value("event_time_ns", std::int64_t{0}));
}

}  // namespace tidewaiter::detect
