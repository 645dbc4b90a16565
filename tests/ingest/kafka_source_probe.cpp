// Runs KafkaSource against a real broker for kafka_real_test.py: what it gives comes out as JSON lines, and everything
// counts as stored at once. Usage: kafka_source_probe [--stall-ms N] [-X property=value]... TOPIC...; ends on SIGTERM or end of input.
#include <poll.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/text.hpp"
#include "ingest/kafka_source.hpp"

namespace {

using namespace tidewaiter;
using nlohmann::json;

std::string hex(const TopicId& id) { return to_hex({reinterpret_cast<const char*>(id.data()), id.size()}); }

void print(const json& line) { std::cout << line.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl; }

bool input_is_over() {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  char byte;
  return ::poll(&in, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0;
}

}  // namespace

int main(int argc, char** argv) {
  ingest::KafkaSourceOptions options;
  options.batch.flush_interval_ms = 20;
  options.topic_check_ms = 200;
  options.offset_commit_ms = 50;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--stall-ms" && i + 1 < argc) {
      options.stall_ms = std::stoi(argv[++i]);
    } else if (word != "-X") {
      options.topics.push_back(word);
    } else if (++i < argc) {
      const std::string pair = argv[i];
      options.properties[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
    }
  }
  std::map<std::pair<const Origin*, std::uint32_t>, std::uint64_t> positions;
  options.position_for = [&](const Origin& origin, std::uint32_t partition) -> std::optional<std::uint64_t> {
    const auto found = positions.find({intern_origin(origin.cluster, origin.topic_id, origin.topic), partition});
    return found == positions.end() ? std::nullopt : std::optional(found->second);
  };
  options.record_control = [](const std::string& text) { print({{"control", json::parse(text)}}); };
  options.commit_metadata = [](const Origin&) { return std::string("probe"); };
  SystemClock clock;
  auto opened = ingest::KafkaSource::open(options, clock);
  if (!opened) {
    print({{"error", opened.error().message}});
    return 2;
  }
  auto source = std::move(opened).value();
  std::string last_state;
  while (!input_is_over()) {
    auto batch = source->poll(50);
    const auto status = source->status();
    const std::string state = std::string(ingest::source_state_name(status.state)) + "|" + status.reason + "|" +
                              std::to_string(status.partitions.size());
    if (state != last_state)
      print({{"state", ingest::source_state_name(status.state)}, {"reason", status.reason}, {"partitions", status.partitions.size()}});
    last_state = state;
    if (!batch || !*batch) continue;
    source->claim(**batch);
    const auto ends = ingest::ends_of(**batch);
    for (const Record& record : (*batch)->records)
      print({{"topic", record.origin->topic}, {"id", hex(record.origin->topic_id)}, {"partition", record.partition},
             {"offset", record.offset}, {"value", record.value_null ? json() : json(std::string(record.value))}});
    for (const OffsetGap& gap : (*batch)->gaps)
      print({{"gap", gap.reason}, {"partition", gap.partition}, {"from", gap.from}, {"to", gap.to}});
    for (const auto& end : ends) positions[{end.origin, end.partition}] = end.next_offset;
    source->committed(ends);
  }
  return 0;
}
