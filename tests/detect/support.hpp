// Events and commits by hand, for the tests of detection.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/metrics.hpp"
#include "core/record.hpp"
#include "detect/engine.hpp"

namespace tidewaiter::detect {

inline constexpr std::int64_t second = 1'000'000'000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
inline constexpr std::int64_t monday = 1'756'684'800ll * second;  // 2025-09-01 00:00 UTC

/// One event by column words.
struct Made {
  std::string principal = "agent:a", app = "billing", role = "billing", tenant = "eu", host = "db.corp.example";
  std::string category = "internal", action = "send", data_class = "internal", tier = "medium", observer;
  std::string principal_type = "agent";
  std::uint64_t bytes = 1000;
  std::uint32_t partition = 0;
  std::int64_t time = monday;
  std::vector<std::pair<Str, std::string>> strings;
  std::vector<std::pair<Num, std::uint64_t>> numbers;
};

/// A growing log: events and control records in order, cut into commits as asked.
class Stream {
 public:
  void add(const Made& made) {
    Event event;
    const auto text = [&](Str column, const std::string& value) {
      if (!value.empty()) event.set(column, strings_.emplace_back(value));
    };
    const auto word = [&](Num column, const EnumTable& table, const std::string& value) {
      event.set(column, table.find(value).value());
    };
    event.set(Num::time, static_cast<std::uint64_t>(made.time));
    text(Str::principal, made.principal);
    text(Str::app, made.app);
    text(Str::role, made.role);
    text(Str::tenant, made.tenant);
    text(Str::dst_host, made.host);
    text(Str::dst_category, made.category);
    text(Str::observer, made.observer);
    word(Num::principal_type, enums::principal_type, made.principal_type);
    word(Num::action, enums::action, made.action);
    word(Num::risk_tier, enums::risk_tier, made.tier);
    if (!made.data_class.empty())
      event.set(Num::data_classes, std::uint64_t{1} << enums::data_class.find(made.data_class).value());
    if (made.bytes > 0) event.set(Num::bytes_out, made.bytes);
    for (const auto& [column, value] : made.strings) text(column, value);
    for (const auto& [column, value] : made.numbers) event.set(column, value);
    Item item;
    item.event = event;
    item.record.origin = intern_origin("test", TopicId{1}, "events");
    item.record.partition = made.partition;
    item.record.offset = offsets_[made.partition]++;
    item.record.seq = seq_++;
    item.record.log = 3;
    item.record.event_count = 1;
    items_.push_back(item);
  }
  void control(const std::string& json) {
    Item item;
    item.record.kind = RecordKind::control;
    item.record.value = strings_.emplace_back(json);
    items_.push_back(item);
  }
  void policy(const std::string& json) { control(R"({"type":"policy","content":)" + json + "}"); }
  void tick(std::int64_t time, const std::vector<int>& idle, const std::vector<int>& active = {}) {
    const auto list = [](const std::vector<int>& numbers) {
      nlohmann::json out = nlohmann::json::array();
      for (int number : numbers)
        out.push_back({{"cluster", "test"}, {"topic_id", "01" + std::string(30, '0')}, {"partition", number}});
      return out;
    };
    control(nlohmann::json{{"type", "tick"}, {"event_time_ns", time}, {"idle", list(idle)}, {"active", list(active)}}.dump());
  }
  std::size_t size() const { return items_.size(); }

  /// Items [from, to) as one commit. A control record must come first in a commit: cuts are moved before it.
  Commit commit(std::size_t from, std::size_t to, std::uint64_t number) const {
    Commit commit;
    commit.number = number;
    for (std::size_t i = from; i < to; ++i) {
      Record record = items_[i].record;
      if (!is_own(record.kind)) {
        record.first_event = static_cast<std::uint32_t>(commit.events.size());
        commit.events.push_back(items_[i].event);
        commit.events.back().record = static_cast<std::uint32_t>(commit.records.size());
      }
      commit.records.push_back(record);
    }
    return commit;
  }

  /// Feeds items [from, to) in commits of `cut()` items.
  template <class Cut>
  void feed(Engine& engine, std::size_t from, std::size_t to, Cut cut, std::vector<OwnRecord>& alerts) const {
    std::uint64_t number = engine.status().commit + 1;
    while (from < to) {
      const std::size_t end = std::min<std::size_t>(to, from + std::max<std::size_t>(1, cut()));
      engine.process(commit(from, end, number++), alerts);
      from = end;
    }
  }

 private:
  struct Item {
    Record record;
    Event event;
  };
  std::deque<Item> items_;
  std::deque<std::string> strings_;
  std::map<std::uint32_t, std::uint64_t> offsets_;
  std::uint64_t seq_ = 0;
};

inline EngineConfig small_config() {
  EngineConfig config;
  config.memory_bytes = 32ull << 20;
  config.log_names[3] = "agent-high";
  return config;
}

struct Machine {
  explicit Machine(EngineConfig config = small_config()) {
    auto created = Engine::create(std::move(config), metrics);
    EXPECT_TRUE(created) << created.error().message;
    engine = std::move(*created);
  }
  Metrics metrics;
  std::unique_ptr<Engine> engine;
};

inline bool is_receipt(const OwnRecord& record) {
  return record.body.find(R"("kind":"detection_receipt")") != std::string::npos;
}

/// All but receipts, which name commits and so differ where commits are cut in another way.
inline std::vector<std::string> bodies(const std::vector<OwnRecord>& alerts) {
  std::vector<std::string> out;
  for (const OwnRecord& alert : alerts)
    if (!is_receipt(alert)) out.push_back(alert.body);
  return out;
}

inline std::vector<nlohmann::json> parsed(const std::vector<OwnRecord>& alerts) {
  std::vector<nlohmann::json> out;
  for (const std::string& body : bodies(alerts)) out.push_back(nlohmann::json::parse(body));
  return out;
}

inline std::vector<nlohmann::json> receipts(const std::vector<OwnRecord>& alerts) {
  std::vector<nlohmann::json> out;
  for (const OwnRecord& alert : alerts)
    if (is_receipt(alert)) out.push_back(nlohmann::json::parse(alert.body));
  return out;
}

/// All alerts of a stream in one go.
inline std::vector<nlohmann::json> judge(const Stream& stream, EngineConfig config = small_config()) {
  Machine machine(std::move(config));
  std::vector<OwnRecord> alerts;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 100; }, alerts);
  return parsed(alerts);
}

inline std::size_t count_rule(const std::vector<nlohmann::json>& alerts, const std::string& rule) {
  return static_cast<std::size_t>(std::ranges::count_if(alerts, [&](const nlohmann::json& alert) {
    return alert["rule"] == rule && alert["kind"] == "alert";
  }));
}

/// A small company over some weeks: two tenants, four roles, a weekly rhythm, log-normal sizes, some browsing.
struct Company {
  std::mt19937_64 random{7};
  int days = 21;
  int agents = 40;
  std::uint32_t partitions = 4;

  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  Made usual(int agent, std::int64_t time) {
    Made made;
    const int role = agent % 4;
    made.principal = "agent:" + std::to_string(agent);
    made.role = "role-" + std::to_string(role);
    made.app = "app-" + std::to_string(agent % 10);
    made.tenant = agent % 2 ? "eu" : "us";
    made.partition = static_cast<std::uint32_t>(agent % 10) % partitions;
    made.time = time;
    const int choice = static_cast<int>(uniform() * uniform() * 5);
    const bool out = uniform() < 0.5;
    made.host = (out ? "api-" : "db-") + std::to_string(role) + "-" + std::to_string(choice) + (out ? ".saas.example" : ".corp.example");
    made.category = out ? "public" : "internal";
    if (role == 3 && uniform() < 0.01) made.host = "www-" + std::to_string(random() % 100000) + ".example.org", made.category = "public";
    made.data_class = out ? "public" : role == 0 ? "financial" : "internal";
    made.bytes = static_cast<std::uint64_t>(20'000 * std::exp(0.5 * normal()));
    made.observer.clear();
    return made;
  }
  /// Calls `visit(Made)` in order of time.
  template <class Visit>
  void play(Visit visit) {
    for (std::int64_t at = 0; at < days * 24; ++at) {
      const std::int64_t weekday = (at / 24) % 7, hour_of_day = at % 24;
      const double activity = weekday >= 5 ? 0.1 : hour_of_day >= 7 && hour_of_day < 19 ? 1 : 0.1;
      const int events = static_cast<int>(agents * 4 * activity);
      for (int i = 0; i < events; ++i) {
        const std::int64_t time = monday + at * hour + i * hour / events;
        visit(usual(static_cast<int>(random() % static_cast<std::uint64_t>(agents)), time));
      }
    }
  }
};

inline std::string default_policy_like() {
  return R"({"version":1,"rules":[
    {"id":"flow","type":"forbidden_flow","risk_tiers":["high"],"data_classes":["pii"],"destinations":["public"]},
    {"id":"cap","type":"egress_cap","window":"1h","bytes":"10GB"}]})";
}

}  // namespace tidewaiter::detect
