// Made-up batches, events and stores for the tests of the store.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/body.hpp"
#include "core/metrics.hpp"
#include "core/record.hpp"
#include "store/log.hpp"
#include "store/reader.hpp"

namespace tidewaiter::store::samples {

/// A directory that is gone when the test is over.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string place = (std::filesystem::temp_directory_path() / "tidewaiter-test-XXXXXX").string();
    if (::mkdtemp(place.data()) == nullptr) std::abort();
    path_ = place;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline TopicId topic_id(std::uint8_t n) {
  TopicId id{};
  id[15] = n;
  return id;
}
inline const Origin* kafka_topic(std::uint8_t n = 1) {
  return intern_origin("cluster-a", topic_id(n), "audit-" + std::to_string(n));
}

inline Event random_event(Batch& batch, std::mt19937_64& random) {
  Event event;
  for (std::size_t c = 0; c < str_count; ++c) {
    if (random() % 3 == 0) continue;
    const std::uint64_t n = random();
    std::string text = n % 5 == 0 ? std::string() : "v" + std::to_string(n % (n % 2 == 0 ? 20 : 100000));
    if (n % 11 == 0) text += std::string(n % 40, 'x');
    event.set(static_cast<Str>(c), batch.keep(std::move(text)));
  }
  for (std::size_t c = 0; c < num_count; ++c) {
    if (random() % 3 == 0) continue;
    std::uint64_t value = random() >> random() % 64;
    if (columns[str_count + c].kind == ColumnKind::time) value = 1'700'000'000'000'000'000u + random() % 1'000'000'000u * 1'000'000u;
    if (columns[str_count + c].kind == ColumnKind::enumeration) value = random() % 5;
    event.set(static_cast<Num>(c), value);
  }
  if (random() % 2 == 0) {
    Ip ip{};
    for (auto& b : ip) b = static_cast<std::uint8_t>(random());
    event.set(Addr::dst_ip, ip);
  }
  return event;
}

struct Message {
  const Origin* origin = kafka_topic();
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  std::string value = "{}";
  std::string key = "app-1";
  std::int64_t kafka_time_ms = 1'700'000'000'000;
  std::int64_t receive_time_ns = 1'700'000'000'000'000'000;
};

/// Adds a message with one small event: principal "p-OFFSET%10", time = offset seconds.
inline void add(Batch& batch, const Message& m) {
  BodyParts parts;
  parts.key = m.key;
  parts.headers = {{"content-type", "application/json"}};
  parts.kafka_time_ms = m.kafka_time_ms;
  parts.receive_time_ns = m.receive_time_ns;
  parts.value = m.value;
  if (!append_message(batch, m.origin, m.partition, m.offset, 3, parts)) std::abort();
  Record& record = batch.records.back();
  record.first_event = static_cast<std::uint32_t>(batch.events.size());
  record.event_count = 1;
  Event event;
  event.set(Str::principal, batch.keep("p-" + std::to_string(m.offset % 10)));
  event.set(Num::time, 1'700'000'000'000'000'000u + m.offset * 1'000'000'000u);
  event.record = static_cast<std::uint32_t>(batch.records.size() - 1);
  event.sub = 0;
  batch.events.push_back(event);
}

inline std::unique_ptr<Batch> offsets(std::uint64_t from, std::uint64_t to, std::uint32_t partition = 0,
                                      const Origin* origin = kafka_topic()) {
  auto batch = std::make_unique<Batch>(std::size_t{4} << 20);
  for (std::uint64_t o = from; o < to; ++o) {
    Message m;
    m.origin = origin;
    m.partition = partition;
    m.offset = o;
    m.value = "{\"offset\":" + std::to_string(o) + "}";
    add(*batch, m);
  }
  return batch;
}

inline OwnRecord own(RecordKind kind, std::string json, std::int64_t time_ns = 1'700'000'000'000'000'000) {
  OwnRecord record;
  record.kind = kind;
  record.body = std::move(json);
  record.time_ns = time_ns;
  return record;
}

/// A batch of everything at once, in random shape.
inline std::unique_ptr<Batch> random_batch(std::mt19937_64& random, std::uint64_t& next_offset, std::size_t records) {
  auto batch = std::make_unique<Batch>(std::size_t{8} << 20);
  for (std::size_t i = 0; i < records; ++i) {
    BodyParts parts;
    std::string value(random() % 900, 'a'), key = "k" + std::to_string(random() % 7);
    for (char& c : value) c = static_cast<char>('a' + random() % 20);
    const bool null_value = random() % 17 == 0;
    if (random() % 2 == 0) parts.key = key;
    if (random() % 3 == 0) parts.headers = {{"h", "1"}, {"null", std::nullopt}};
    parts.kafka_time_ms = random() % 5 == 0 ? -1 : static_cast<std::int64_t>(1'700'000'000'000 + random() % 1000);
    parts.receive_time_ns = static_cast<std::int64_t>(1'700'000'000'000'000'000 + random() % 1'000'000'000);
    if (!null_value) parts.value = value;
    if (!append_message(*batch, kafka_topic(static_cast<std::uint8_t>(1 + random() % 2)),
                        static_cast<std::uint32_t>(random() % 3), next_offset++, static_cast<std::int32_t>(random() % 4),
                        parts))
      std::abort();
    Record& record = batch->records.back();
    record.first_event = static_cast<std::uint32_t>(batch->events.size());
    record.event_count = null_value ? 0 : static_cast<std::uint32_t>(random() % 4);
    if (!null_value && record.event_count == 0) {
      record.kind = RecordKind::reject;
      record.reason = RejectReason::not_json;
    }
    for (std::uint32_t e = 0; e < record.event_count; ++e) {
      batch->events.push_back(random_event(*batch, random));
      batch->events.back().record = static_cast<std::uint32_t>(i);
      batch->events.back().sub = e;
    }
  }
  return batch;
}

/// Everything that a follower may see of a commit, as text: two equal commits give equal text.
inline std::string describe(const Commit& commit, bool bodies) {
  std::string out = "commit " + std::to_string(commit.number) + " at " + std::to_string(commit.time_ns) + "\n";
  const auto add = [&](const char* name, std::uint64_t n) { out += std::string(" ") + name + "=" + std::to_string(n); };
  for (std::size_t i = 0; i < commit.records.size(); ++i) {
    const Record& r = commit.records[i];
    out += std::string(record_kind_name(r.kind)) + " " + reject_reason_name(r.reason);
    add("null", r.value_null);
    add("log", r.log);
    add("seq", r.seq);
    if (r.origin != nullptr) out += " " + r.origin->cluster + "/" + r.origin->topic;
    add("partition", r.partition);
    add("offset", r.offset);
    add("epoch", static_cast<std::uint64_t>(static_cast<std::int64_t>(r.leader_epoch)));
    add("received", static_cast<std::uint64_t>(r.receive_time_ns));
    add("kafka", static_cast<std::uint64_t>(r.kafka_time_ms));
    if (bodies || r.kind == RecordKind::control)
      out += " body=" + std::string(r.body) + " key=" + std::string(r.key) + " value=" + std::string(r.value);
    for (std::uint32_t e = 0; e < r.event_count; ++e) {
      const Event& event = commit.events[r.first_event + e];
      out += "\n  event";
      add("record", event.record == i);
      add("sub", event.sub);
      for (std::size_t c = 0; c < str_count; ++c)
        if (event.has(static_cast<Str>(c)))
          out += " " + std::string(columns[c].name) + "=" + std::string(event.strings[c]);
      for (std::size_t c = 0; c < num_count; ++c)
        if (event.has(static_cast<Num>(c))) add(columns[str_count + c].name.data(), event.numbers[c]);
      for (std::size_t c = 0; c < addr_count; ++c)
        if (event.has(static_cast<Addr>(c)))
          out += " ip" + std::string(event.addresses[c].begin(), event.addresses[c].end());
    }
    out += "\n";
  }
  return out;
}

inline Options options(const TemporaryDirectory& directory) {
  Options o;
  o.directory = directory / "store";
  o.event_logs = {{0, "agent-high", 2555}, {0, "runtime-low", 30}};
  return o;
}

/// Opens and stops the test when that fails.
inline std::unique_ptr<Log> open(const Options& o, Metrics& metrics) {
  auto log = Log::open(o, metrics);
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    std::abort();
  }
  (*log)->set_route([](const Record& r, const Event*, std::size_t) {
    return static_cast<std::uint16_t>(r.partition % 2 == 0 ? 5 : 6);
  });
  return std::move(*log);
}

}  // namespace tidewaiter::store::samples
