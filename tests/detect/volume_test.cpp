// Volume through the whole engine, on a small company.
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

Stream company(const std::function<void(Stream&, std::int64_t)>& inject = nullptr, Company play = {}) {
  Stream stream;
  stream.tick(0, {}, {0, 1, 2, 3});
  std::int64_t last = 0;
  play.play([&](const Made& made) {
    if (inject) inject(stream, made.time);
    stream.add(made);
    last = made.time;
  });
  stream.tick(last + 2 * hour, {0, 1, 2, 3});
  return stream;
}

std::vector<nlohmann::json> of_detector(const std::vector<nlohmann::json>& alerts, const std::string& detector) {
  std::vector<nlohmann::json> out;
  for (const auto& alert : alerts)
    if (alert["detector"] == detector && alert["kind"] == "alert") out.push_back(alert);
  return out;
}

/// One send of agent 5 at a working hour of the day `at_day`.
auto bulk(int at_day, std::uint64_t bytes, const std::string& host) {
  return [=, done = false](Stream& stream, std::int64_t time) mutable {
    if (done || time < monday + at_day * day + 10 * hour) return;
    done = true;
    Company play;
    Made made = play.usual(5, time);
    made.host = host;
    made.category = "public";
    made.data_class = "public";
    made.bytes = bytes;
    stream.add(made);
  };
}

TEST(Volume, a_clean_company_of_three_weeks_gives_hardly_any_statistical_alert) {
  const auto alerts = judge(company());
  EXPECT_LE(of_detector(alerts, "volume").size() + of_detector(alerts, "flow").size(), 3u);
  EXPECT_TRUE(of_detector(alerts, "silence").empty());
}

TEST(Volume, one_bulk_send_to_a_new_destination_is_found_in_its_bucket) {
  const auto alerts = of_detector(judge(company(bulk(16, 80'000'000, "drop.example.net"))), "volume");
  ASSERT_FALSE(alerts.empty());
  const auto& alert = alerts[0];
  EXPECT_EQ(alert["principal"], "agent:5");
  EXPECT_EQ(alert["window"]["start"], "2025-09-17T10:00:00Z");
  EXPECT_NE(alert["title"].get<std::string>().find("80 MB"), std::string::npos) << alert["title"];
  EXPECT_GE(alert["explanation"]["observed"].get<double>(), 8e7);
  EXPECT_LT(alert["explanation"]["expected"].get<double>(), 1e6);
  EXPECT_LT(alert["explanation"]["not_an_alert_below"].get<double>(), 8e7);
  EXPECT_LT(alert["explanation"]["p_value"].get<double>(), 1e-3);
  const auto& calibration = alert["explanation"]["calibration"];
  EXPECT_EQ(calibration["class"], "pair_5m");
  EXPECT_GT(calibration["expected"].get<double>(), 0);
  EXPECT_GE(calibration["level"].get<double>(), alert["explanation"]["p_value"].get<double>());
  EXPECT_GT(calibration["factor"].get<double>(), 0);
  EXPECT_FALSE(alert["evidence"].empty());
}

TEST(Volume, what_one_series_explains_is_not_told_again_by_hour_day_principal_or_app) {
  const auto alerts = of_detector(judge(company(bulk(16, 80'000'000, "drop.example.net"))), "volume");
  EXPECT_EQ(alerts.size(), 1u);
}

TEST(Volume, a_cold_principal_is_left_to_policy) {
  const auto alerts = of_detector(judge(company([done = false](Stream& stream, std::int64_t time) mutable {
    if (done || time < monday + 16 * day + 10 * hour) return;
    done = true;
    Made made;
    made.principal = "agent:new";
    made.app = "app-new";
    made.host = "drop.example.net";
    made.category = "public";
    made.bytes = 500'000'000;
    made.time = time;
    stream.add(made);
  })), "volume");
  EXPECT_TRUE(alerts.empty());
}

TEST(Volume, a_poisoned_ramp_does_not_take_the_baseline_with_it) {
  // Two per cent more each day from the first week on, then fifty times the usual.
  double factor = 1;
  std::int64_t last_day = -1;
  const auto alerts = of_detector(judge(company([&, done = false](Stream& stream, std::int64_t time) mutable {
    const std::int64_t today = (time - monday) / day;
    if (today > 4 && today != last_day) {
      last_day = today;
      factor *= 1.02;
      Company play;
      Made made = play.usual(5, time);
      made.host = "api-1-0.saas.example";
      made.category = "public";
      made.bytes = static_cast<std::uint64_t>(20'000 * factor);
      stream.add(made);
    }
    if (!done && today == 18 && (time - monday) % day > 11 * hour) {
      done = true;
      Company play;
      Made made = play.usual(5, time);
      made.host = "api-1-0.saas.example";
      made.category = "public";
      made.bytes = 20'000'000;
      stream.add(made);
    }
  })), "volume");
  ASSERT_FALSE(alerts.empty());
  EXPECT_LT(alerts[0]["explanation"]["expected"].get<double>(), 80'000) << "expected level taken along";
}

/// Twenty agents that send some 200 kB every few minutes for twelve days; `inject` adds to what they send at a time.
Stream steady(const std::function<void(Stream&, int agent, Made)>& inject) {
  Stream stream;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  stream.tick(0, {}, {0});
  std::int64_t time = monday;
  for (; time < monday + 12 * day; time += 5 * minute)
    for (int agent = 0; agent < 20; ++agent) {
      if (random() % 4 == 0) continue;
      Made made;
      made.principal = "agent:" + std::to_string(agent);
      made.app = "app-" + std::to_string(agent % 5);
      made.host = "files.example";
      made.category = "public";
      made.time = time + agent * second;
      made.bytes = static_cast<std::uint64_t>(200'000 * std::exp(0.7 * normal(random)));
      stream.add(made);
      inject(stream, agent, made);
    }
  stream.tick(time + 2 * hour, {0});
  return stream;
}

TEST(Volume, an_hour_of_many_high_windows_is_found_where_none_of_them_nor_the_hour_is_a_record) {
  const std::int64_t begin = monday + 11 * day + 14 * hour;
  const auto alerts = of_detector(judge(steady([&](Stream& stream, int agent, Made made) {
    if (agent != 3) return;
    if (made.time / (5 * minute) == (monday + day) / (5 * minute)) {  // the record, while nothing was known of it
      made.bytes = 900'000'000;
      stream.add(made);
    }
    if (made.time >= begin && made.time < begin + hour) {
      made.bytes = 1'600'000;
      stream.add(made);
    }
  })), "volume");
  ASSERT_EQ(alerts.size(), 1u);
  const auto& alert = alerts[0];
  EXPECT_EQ(alert["rule"], "volume.stretch");
  EXPECT_EQ(alert["principal"], "agent:3");
  EXPECT_EQ(alert["window"]["start"], "2025-09-12T14:00:00Z");
  EXPECT_EQ(alert["explanation"]["calibration"]["class"], "stretch_pair");
  const int high = alert["explanation"]["high_windows_of_5_min"];
  EXPECT_GE(high, 5);
  EXPECT_NE(alert["title"].get<std::string>().find(std::to_string(high) + " times more than usual within 5 minutes"), std::string::npos);
  EXPECT_LT(alert["explanation"]["not_an_alert_below"], alert["explanation"]["observed"]);
}

TEST(Volume, an_hour_of_high_windows_that_the_others_of_the_role_have_too_is_no_stretch) {
  const std::int64_t begin = monday + 11 * day + 14 * hour;
  const auto stretches = [&](const std::function<bool(int agent)>& more) {
    const auto alerts = of_detector(judge(steady([&](Stream& stream, int agent, Made made) {
      const bool record = made.time / (5 * minute) == (monday + day) / (5 * minute);
      if (!record && (made.time < begin || made.time >= begin + hour || !more(agent))) return;
      made.bytes = record ? 900'000'000 : 1'600'000;
      stream.add(made);
    })), "volume");
    return std::ranges::count_if(alerts, [](const nlohmann::json& alert) { return alert["rule"] == "volume.stretch"; });
  };
  EXPECT_EQ(stretches([](int agent) { return agent == 3; }), 1);
  EXPECT_EQ(stretches([](int) { return true; }), 0);
}

TEST(Volume, a_shock_that_all_of_a_role_share_is_nobodys_anomaly) {
  Company play;
  std::mt19937_64 random(5);
  Stream stream;
  stream.tick(0, {}, {0, 1, 2, 3});
  std::int64_t last = 0;
  play.play([&](Made made) {
    const bool release = made.time >= monday + 16 * day && made.time < monday + 17 * day;
    if (release && made.category == "public") made.bytes *= 4;
    stream.add(made);
    last = made.time;
  });
  stream.tick(last + 2 * hour, {0, 1, 2, 3});
  EXPECT_LE(of_detector(judge(stream), "volume").size(), 6u) << "ten principals per role rose together";
}

}  // namespace
}  // namespace tidewaiter::detect
