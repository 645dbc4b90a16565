// Which librdkafka properties a source does not take, because offsets could be skipped or a rebalance could lose batches
// that are under way. Used by the source itself and by the check of the configuration; knows nothing of librdkafka.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace tidewaiter::ingest {

struct RefusedProperty {
  std::string name, reason;
};

/// The first property that is refused, or nothing.
std::optional<RefusedProperty> refused_property(const std::map<std::string, std::string>& properties);

/// A partition that the store knows nothing of starts at the end of its log (auto.offset.reset).
bool starts_at_end(const std::map<std::string, std::string>& properties);

/// Messages of open and aborted transactions as well (isolation.level); librdkafka's default is without them.
bool reads_uncommitted(const std::map<std::string, std::string>& properties);

}  // namespace tidewaiter::ingest
