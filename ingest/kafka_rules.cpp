#include "ingest/kafka_rules.hpp"

#include <set>
#include <string_view>

namespace tidewaiter::ingest {
namespace {

struct Rule {
  std::string_view name;
  std::set<std::string_view> allowed;
  std::string_view reason;
};

const Rule rules[] = {
    {"enable.auto.commit", {"false"}, "must stay 'false': offsets are committed only after the durable write"},
    {"enable.auto.offset.store", {"false"}, "must stay 'false': offsets are committed only after the durable write"},
    {"enable.partition.eof", {"true"}, "must stay 'true': the ends of partitions tell which are idle"},
    {"auto.offset.reset",
     {"earliest", "smallest", "beginning", "latest", "largest", "end"},
     "must be 'earliest' or 'latest': it says where a partition starts of which nothing is stored, never what to skip"},
    {"partition.assignment.strategy",
     {"range", "cooperative-sticky"},
     "must be 'range' or 'cooperative-sticky': hand-overs are tested under these"},
    {"group.protocol", {"classic", "consumer"}, "must be 'classic' or 'consumer'"},
};

}  // namespace

std::optional<RefusedProperty> refused_property(const std::map<std::string, std::string>& properties) {
  for (const Rule& rule : rules) {
    const auto found = properties.find(std::string(rule.name));
    if (found != properties.end() && !rule.allowed.contains(found->second))
      return RefusedProperty{found->first, std::string(rule.reason) + "; found '" + found->second + "'"};
  }
  const auto protocol = properties.find("group.protocol");
  if (protocol == properties.end() || protocol->second != "consumer") return std::nullopt;
  for (const char* name : {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"})
    if (properties.contains(name))
      return RefusedProperty{name, "has no meaning with group.protocol 'consumer': the broker decides it"};
  return std::nullopt;
}

bool starts_at_end(const std::map<std::string, std::string>& properties) {
  const auto reset = properties.find("auto.offset.reset");
  return reset != properties.end() && (reset->second == "latest" || reset->second == "largest" || reset->second == "end");
}

bool reads_uncommitted(const std::map<std::string, std::string>& properties) {
  const auto isolation = properties.find("isolation.level");
  return isolation != properties.end() && isolation->second == "read_uncommitted";
}

}  // namespace tidewaiter::ingest
