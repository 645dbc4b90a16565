// Control records as detection reads them: policies, ticks, verdicts and suppressions (engine.hpp has the list).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/record.hpp"
#include "detect/watermark.hpp"

namespace tidewaiter::detect {

/// apply(type, json) of a record that is one. They are ours, but an old or foreign one must not stop a replay: what does not
/// fit is passed over.
template <class Apply>
void read_control(const Record& record, Apply apply) {
  if (record.value.starts_with(R"({"type":"table")")) return;  // large, and their effect is in the columns already
  const auto json = nlohmann::json::parse(record.value, nullptr, false);
  if (!json.is_object()) return;
  try {
    apply(json.value("type", std::string()), json);
  } catch (const nlohmann::json::exception&) {
    return;  // a member of another type than ours
  }
}

/// Names the partitions of a tick and takes its time; true when the watermark moved.
bool move_by_tick(const nlohmann::json& tick, Watermark& watermark);

}  // namespace tidewaiter::detect
