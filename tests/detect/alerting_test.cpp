#include "detect/alerting.hpp"

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

struct Desk {
  Watermark watermark{0};
  Alerting alerting{{}, watermark};
  std::vector<OwnRecord> out;
  Desk() { alerting.begin(out, 0); }
  void raise(Detector detector, int entity, std::int64_t time) {
    Alert alert;
    alert.detector = detector;
    alert.rule = "some.rule";
    alert.title = "something";
    alert.entity_type = "principal";
    alert.entity = std::to_string(entity);
    alert.time_ns = alert.window_start_ns = alert.window_end_ns = time;
    const Key key = hash_name(alert.entity);
    if (!alerting.repeated(detector, "some", key, time)) alerting.emit(alert, "some", key);
  }
};

TEST(Alerting, the_digest_tells_at_the_end_of_the_day_what_was_held_back) {
  Desk desk;
  Record record;
  record.origin = intern_origin("test", TopicId{1}, "events");
  const std::uint32_t partition = desk.watermark.partition_of(record);
  const auto hold = [&](double rate, const char* title, std::uint64_t seq) {
    Alert alert;
    alert.detector = Detector::flow;
    alert.title = title;
    alert.rate_per_day = rate;
    alert.time_ns = monday + minute;
    EvidenceRef evidence;
    evidence.seq = seq;
    evidence.used = 1;
    evidence.partition = partition;
    alert.evidence.push_back(evidence);
    desk.alerting.over_budget(alert);
    alert.title = "once more";
    desk.alerting.follow_up(alert);
  };
  hold(0.1, "odd", 1);
  hold(0.01, "odder", 2);
  desk.alerting.close(monday + day - 1);
  EXPECT_TRUE(desk.out.empty());
  desk.alerting.close(monday + day);
  ASSERT_EQ(desk.out.size(), 1u);
  const auto digest = nlohmann::json::parse(desk.out[0].body);
  EXPECT_EQ(digest["kind"], "suppressed_digest");
  EXPECT_EQ(digest["explanation"]["over_budget"], 2);
  EXPECT_EQ(digest["explanation"]["repeats"], 2);
  EXPECT_EQ(digest["explanation"]["rarest_over_budget"], "odder");
  EXPECT_EQ(digest["window"]["end"], "2025-09-02T00:00:00Z");
  EXPECT_EQ(digest["evidence"].size(), 4u);
  EXPECT_EQ(desk.alerting.suppressed(), 4u);
}

TEST(Alerting, one_entity_is_told_once_an_hour) {
  Desk desk;
  desk.raise(Detector::policy, 1, monday);
  desk.raise(Detector::policy, 1, monday + 59 * minute);
  desk.raise(Detector::policy, 1, monday + 60 * minute);
  EXPECT_EQ(desk.out.size(), 2u);
}

TEST(Alerting, the_uid_names_the_incident_and_does_not_depend_on_when_it_is_written) {
  Desk one, two;
  two.alerting.begin(two.out, 77);
  one.raise(Detector::policy, 1, monday);
  two.raise(Detector::policy, 1, monday);
  EXPECT_EQ(one.out[0].body, two.out[0].body);
  two.raise(Detector::policy, 2, monday);
  EXPECT_NE(nlohmann::json::parse(two.out[0].body)["uid"], nlohmann::json::parse(two.out[1].body)["uid"]);
}

TEST(Alerting, windows_that_begin_alike_and_differ_in_length_have_uids_of_their_own) {
  Watermark watermark{0};
  Alert alert;
  alert.detector = Detector::volume;
  alert.rule = "volume.destination";
  alert.window_start_ns = monday;
  alert.window_end_ns = monday + 5 * minute;
  const OwnRecord short_one = alert_record(alert, watermark, {}, 0);
  alert.window_end_ns = monday + 60 * minute;
  const OwnRecord long_one = alert_record(alert, watermark, {}, 0);
  EXPECT_NE(nlohmann::json::parse(short_one.body)["uid"], nlohmann::json::parse(long_one.body)["uid"]);
}

}  // namespace
}  // namespace tidewaiter::detect
