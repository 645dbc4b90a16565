// The engine as a whole: determinism, snapshots, memory, the schema of what it writes.
#include <chrono>
#include <optional>
#include <thread>

#include "core/bounded_queue.hpp"
#include "detect/correction.hpp"
#include "tests/detect/alert_schema.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

/// Three weeks with alerts of every detector, late events and two policies.
const Stream& eventful() {
  static const Stream stream = [] {
    Stream made_stream;
    made_stream.policy(default_policy_like());
    made_stream.tick(0, {}, {0, 1, 2, 3});
    Company play;
    std::mt19937_64 random(99);
    std::int64_t last = 0, count = 0;
    play.play([&](Made made) {
      ++count;
      if (made.app == "app-3" && made.time < monday + 17 * day) {
        Made seen = made;
        seen.observer = "sensor";
        made_stream.add(seen);
      }
      if (count % 900 == 0) {
        Made late = made;
        late.time -= 2 * hour;
        late.tier = "high";
        late.data_class = "pii";
        late.category = "public";
        late.host = "late.example";
        made_stream.add(late);
      }
      if (made.time > monday + 14 * day && random() % 150 == 0) {
        made.host = "drop-" + std::to_string(random() % 1000) + ".example.net";
        made.category = "public";
        if (random() % 2) made.bytes = 90'000'000;
      }
      if (count == 12'000) made_stream.policy(R"({"version":1,"rules":[{"id":"big","type":"where","where":"bytes_out > 50MB"}]})");
      made_stream.add(made);
      last = made.time;
    });
    made_stream.tick(last + hour, {0, 1, 2, 3});
    made_stream.tick(last + 2 * day, {0, 1, 2, 3});
    return made_stream;
  }();
  return stream;
}

std::vector<std::string> straight() {
  Machine machine;
  std::vector<OwnRecord> alerts;
  eventful().feed(*machine.engine, 0, eventful().size(), [] { return 500; }, alerts);
  return bodies(alerts);
}

TEST(Engine, every_detector_speaks_in_the_eventful_weeks) {
  std::map<std::string, int> by_detector;
  for (const std::string& body : straight()) ++by_detector[nlohmann::json::parse(body)["detector"]];
  for (const char* detector : {"policy", "flow", "volume", "silence"}) EXPECT_GT(by_detector[detector], 0) << detector;
}

TEST(Engine, where_commits_are_cut_changes_no_alert) {
  const auto expected = straight();
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::mt19937_64 random(seed);
    Machine machine;
    std::vector<OwnRecord> alerts;
    eventful().feed(*machine.engine, 0, eventful().size(), [&] { return random() % (seed == 1 ? 3 : 3000); }, alerts);
    EXPECT_EQ(bodies(alerts), expected) << "seed " << seed;
  }
}

TEST(Engine, a_replay_from_a_snapshot_in_the_middle_gives_the_same_alerts_byte_for_byte) {
  const auto expected = straight();
  for (const std::size_t at : {eventful().size() / 3, eventful().size() * 3 / 4, eventful().size() - 1}) {
    Machine first, second;
    std::vector<OwnRecord> alerts;
    eventful().feed(*first.engine, 0, at, [] { return 400; }, alerts);
    const std::string snapshot = first.engine->snapshot();
    const auto restored = second.engine->restore(snapshot);
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(second.engine->snapshot(), snapshot) << "snapshots are deterministic";
    eventful().feed(*second.engine, at, eventful().size(), [] { return 700; }, alerts);
    EXPECT_EQ(bodies(alerts), expected);
  }
}

TEST(Engine, its_two_halves_on_two_threads_give_the_same_records_byte_for_byte) {
  std::vector<Commit> commits;
  for (std::size_t from = 0; from < eventful().size(); from += 300)
    commits.push_back(eventful().commit(from, std::min(from + 300, eventful().size()), commits.size() + 1));
  Machine whole, halves;
  std::vector<OwnRecord> expected, found;
  for (const Commit& commit : commits) whole.engine->process(commit, expected);
  BoundedQueue<std::shared_ptr<Engine::Scores>> ahead(4);
  std::thread scoring([&] {
    for (const Commit& commit : commits) ahead.push(halves.engine->score(commit));
  });
  for (const Commit& commit : commits) {
    std::optional<std::shared_ptr<Engine::Scores>> scores;
    while (!scores) scores = ahead.pop_for(std::chrono::milliseconds(100));
    halves.engine->process(commit, **scores, found);
  }
  scoring.join();
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].body, expected[i].body);
  EXPECT_FALSE(receipts(found).empty());
  EXPECT_EQ(halves.engine->snapshot(), whole.engine->snapshot());
}

TEST(Engine, a_damaged_or_foreign_snapshot_is_refused) {
  Machine machine;
  std::vector<OwnRecord> alerts;
  eventful().feed(*machine.engine, 0, 2000, [] { return 400; }, alerts);
  const std::string snapshot = machine.engine->snapshot();
  EXPECT_FALSE(Machine().engine->restore(snapshot.substr(0, snapshot.size() / 2)));
  EXPECT_FALSE(Machine().engine->restore("nonsense"));
  EXPECT_FALSE(Machine().engine->restore(snapshot + "x"));
  EngineConfig larger = small_config();
  larger.memory_bytes *= 2;
  Machine other(larger);
  const auto restored = other.engine->restore(snapshot);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Code::conflict);
}

TEST(Engine, every_alert_validates_against_its_schema_and_carries_columns_and_evidence) {
  AlertSchema schema;
  Machine machine;
  std::vector<OwnRecord> alerts;
  eventful().feed(*machine.engine, 0, eventful().size(), [] { return 500; }, alerts);
  ASSERT_GT(alerts.size(), 20u);
  std::set<std::string> uids;
  for (const OwnRecord& alert : alerts) {
    const nlohmann::json json = nlohmann::json::parse(alert.body);
    EXPECT_EQ(schema.problem(json), "");
    EXPECT_TRUE(uids.insert(json["uid"]).second) << "uid twice: " << alert.body;
    ASSERT_TRUE(alert.columns);
    EXPECT_EQ(alert.kind, RecordKind::alert);
    EXPECT_EQ(alert.columns->get(Str::rule), json["rule"].get<std::string>());
    EXPECT_EQ(alert.columns->get(Num::class_uid), 2004u);
    if (json["kind"] != "alert") continue;
    EXPECT_EQ(alert.columns->get(Str::tenant), json["entity"].value("tenant", ""));
    EXPECT_FALSE(json["evidence"].empty());
  }
}

TEST(Engine, memory_is_bounded_under_a_flood_of_ids) {
  EngineConfig config = small_config();
  Machine machine(config);
  EXPECT_LE(machine.engine->status().memory_bytes, config.memory_bytes);
  Stream stream;
  stream.tick(0, {}, {0});
  for (int i = 0; i < 150'000; ++i) {
    Made made;
    made.principal = "agent:" + std::to_string(i);
    made.app = "app-" + std::to_string(i % 5000);
    made.host = "h" + std::to_string(i * 7) + ".example";
    made.category = "public";
    made.time = monday + i * (30 * second);
    stream.add(made);
  }
  std::vector<OwnRecord> alerts;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 1000; }, alerts);
  const Status status = machine.engine->status();
  EXPECT_LE(status.memory_bytes, config.memory_bytes);
  EXPECT_GT(status.evictions, 0u) << "losses are counted";
  EXPECT_LT(machine.engine->snapshot().size(), config.memory_bytes * 2);
}

TEST(Engine, says_of_each_detector_that_is_on_how_well_its_p_values_hold) {
  EngineConfig config = small_config();
  config.sequence = false;
  Machine machine(config);
  std::vector<OwnRecord> alerts;
  eventful().feed(*machine.engine, 0, eventful().size(), [] { return 500; }, alerts);
  std::map<std::string_view, std::set<std::string_view>> classes;
  double expected = 0;
  for (const Calibration& of : machine.engine->calibration()) {
    EXPECT_TRUE(classes[of.detector].insert(of.tail_class).second) << of.detector << ' ' << of.tail_class;
    for (const Pit::Level& level : of.pit.counts()) expected += level.expected;
    for (const double factor : of.correction) {
      EXPECT_GE(factor, Correction::least);
      EXPECT_LE(factor, Correction::most);
    }
  }
  EXPECT_GT(expected, 1) << "after the first week they count";
  EXPECT_EQ(classes["flow"].size(), 4u);
  EXPECT_EQ(classes["volume"].size(), 13u);
  EXPECT_EQ(classes["burst"].size(), 16u);
  EXPECT_EQ(classes["rhythm"].size(), 3u);
  EXPECT_EQ(classes["health"].size(), 2u);
  EXPECT_FALSE(classes.contains("sequence"));
  const auto samples = machine.metrics.samples();
  const auto shown = [&](const char* detector) {
    return std::ranges::count_if(samples, [&](const MetricSample& sample) {
      return sample.name == "tidewaiter_detect_p_values_seen" &&
             std::ranges::find(sample.labels, std::pair<std::string, std::string>("detector", detector)) != sample.labels.end();
    });
  };
  EXPECT_EQ(shown("volume"), 13 * static_cast<std::ptrdiff_t>(Pit::levels.size()));
  EXPECT_EQ(shown("sequence"), 0);
  EXPECT_EQ(std::ranges::count(samples, "tidewaiter_detect_p_value_correction", &MetricSample::name),
            static_cast<std::ptrdiff_t>((4 + 13 + 16 + 3 + 2) * Pit::levels.size()));
}

TEST(Engine, records_of_its_own_and_rejects_are_passed_over) {
  Machine machine;
  Commit commit;
  commit.number = 1;
  for (const RecordKind kind : {RecordKind::alert, RecordKind::receipt, RecordKind::access, RecordKind::reject, RecordKind::tombstone}) {
    Record record;
    record.kind = kind;
    record.origin = intern_origin("test", TopicId{1}, "events");
    record.event_count = kind == RecordKind::alert ? 1 : 0;
    commit.records.push_back(record);
  }
  Event event;
  event.set(Num::time, static_cast<std::uint64_t>(monday));
  commit.events.push_back(event);
  std::vector<OwnRecord> alerts;
  machine.engine->process(commit, alerts);
  EXPECT_EQ(machine.engine->status().events, 0u);
  EXPECT_EQ(machine.engine->status().commit, 1u);
}

TEST(Engine, a_control_record_of_another_kind_or_shape_changes_nothing) {
  Stream stream;
  for (const char* json : {R"({"type":"coverage"})", "[]", "not json", R"({"type":"tick","idle":7,"event_time_ns":"x"})",
                           R"({"type":"policy","content":{"version":9}})", R"({"type":3})"})
    stream.control(json);
  EXPECT_TRUE(judge(stream).empty());
}

TEST(Engine, too_little_memory_is_refused) {
  EngineConfig config;
  config.memory_bytes = 1 << 20;
  Metrics metrics;
  const auto engine = Engine::create(config, metrics);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace tidewaiter::detect
