#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

/// Observers 0..9 report every `every`; number 0 stops at `stop`.
Stream sensors(int days, std::int64_t every, std::int64_t stop, int stopping = 1) {
  Stream stream;
  stream.tick(0, {}, {0});
  std::mt19937_64 random(2);
  for (std::int64_t at = 0; at < days * day; at += every)
    for (int i = 0; i < 10; ++i) {
      if (i < stopping && at >= stop) continue;
      if (i != 0 && random() % 5 == 0) continue;
      Made made;
      made.principal = "svc:" + std::to_string(i);
      made.app = "app-" + std::to_string(i);
      made.observer = "sensor-" + std::to_string(i);
      made.time = monday + at + i * second;
      stream.add(made);
    }
  stream.tick(monday + days * day, {0});
  return stream;
}

TEST(Silence, a_sensor_that_stops_is_told_once_with_its_rhythm) {
  const auto alerts = judge(sensors(14, 10 * minute, 12 * day));
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["detector"], "silence");
  EXPECT_EQ(alerts[0]["entity"]["id"], "sensor-0");
  EXPECT_EQ(alerts[0]["entity"]["type"], "observer");
  EXPECT_EQ(alerts[0]["window"]["start"].get<std::string>().substr(0, 13), "2025-09-12T23");
  EXPECT_LT(alerts[0]["explanation"]["p_value"].get<double>(), 1e-6);
}

TEST(Silence, sensors_that_go_on_are_never_silent) {
  EXPECT_TRUE(judge(sensors(14, 10 * minute, 20 * day)).empty());
}

TEST(Silence, a_young_source_has_no_rhythm_yet) {
  EXPECT_TRUE(judge(sensors(6, 10 * minute, 5 * day)).empty());
}

TEST(Silence, when_most_fall_silent_together_one_alert_tells_it) {
  const auto alerts = judge(sensors(14, 10 * minute, 12 * day, 9));
  std::size_t pipeline = 0, single = 0;
  for (const auto& alert : alerts) ++(alert["rule"] == "silence.pipeline" ? pipeline : single);
  EXPECT_EQ(pipeline, 1u);
  EXPECT_LE(single, 2u);
}

TEST(Silence, nights_and_weekends_without_work_are_no_silence) {
  Stream stream;
  stream.tick(0, {}, {0});
  for (int at = 0; at < 21 * 24 * 6; ++at) {
    const int hour_of_day = at / 6 % 24, weekday = at / 144 % 7;
    Made made;
    made.time = monday + at * 10 * minute;
    made.observer = "always";
    stream.add(made);
    made.observer = "office";
    if (weekday < 5 && hour_of_day >= 8 && hour_of_day < 18) stream.add(made);
  }
  stream.tick(monday + 21 * day, {0});
  EXPECT_TRUE(judge(stream).empty());
}

}  // namespace
}  // namespace tidewaiter::detect
