// Rhythm through the whole engine, on a small company.
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

using More = std::vector<Made>;

/// The company with more events, in order of time.
Stream company(More more = {}, Company play = {}) {
  std::ranges::stable_sort(more, {}, &Made::time);
  Stream stream;
  stream.tick(0, {}, {0, 1, 2, 3});
  std::int64_t last = 0;
  auto next = more.begin();
  play.play([&](const Made& made) {
    for (; next != more.end() && next->time <= made.time; ++next) stream.add(*next);
    stream.add(made);
    last = made.time;
  });
  stream.tick(last + 2 * hour, {0, 1, 2, 3});
  return stream;
}

std::vector<nlohmann::json> rhythm_alerts(const Stream& stream) {
  std::vector<nlohmann::json> out;
  for (const auto& alert : judge(stream))
    if (alert["detector"] == "rhythm" && alert["kind"] == "alert") out.push_back(alert);
  return out;
}

std::size_t count_of(const std::vector<nlohmann::json>& alerts, const std::string& principal) {
  return static_cast<std::size_t>(std::ranges::count_if(alerts, [&](const auto& alert) { return alert["principal"] == principal; }));
}

/// What `agent` sends to its most used public host, of the usual size.
Made usual_send(int agent, std::int64_t time) {
  Company play;
  Made made = play.usual(agent, time);
  made.host = "api-" + std::to_string(agent % 4) + "-0.saas.example";
  made.category = "public";
  made.data_class = "public";
  made.bytes = 20'000;
  return made;
}

/// `count` of them, not quite regular.
More sends(int agent, std::int64_t time, int count, std::int64_t step) {
  More out;
  std::mt19937_64 random(3);
  for (int i = 0; i < count; ++i) out.push_back(usual_send(agent, time + i * step + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(step))));
  return out;
}

More beacon(int agent, std::int64_t start, std::int64_t span, std::int64_t period, double jitter, std::uint64_t bytes) {
  More out;
  std::mt19937_64 random(11);
  for (std::int64_t time = start; time < start + span;) {
    Made made = usual_send(agent, time);
    if (bytes > 0) made.bytes = bytes + random() % (bytes / 3);
    else made.bytes = static_cast<std::uint64_t>(12'000 + random() % 25'000);
    out.push_back(made);
    const double factor = 1 - jitter + 2 * jitter * static_cast<double>(random() % 1000) / 1000;
    time += static_cast<std::int64_t>(static_cast<double>(period) * factor);
  }
  return out;
}

More operator+(More a, const More& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Rhythm, a_clean_company_of_three_weeks_gives_no_alert) { EXPECT_TRUE(rhythm_alerts(company()).empty()); }

TEST(Rhythm, an_export_of_usual_size_at_three_in_the_morning_is_found_within_the_hour) {
  const auto alerts = rhythm_alerts(company(sends(5, monday + 16 * day + 3 * hour + 5 * minute, 10, 5 * minute)));
  ASSERT_FALSE(alerts.empty());
  const auto& alert = alerts[0];
  EXPECT_EQ(alert["rule"], "rhythm.odd_hours");
  EXPECT_EQ(alert["principal"], "agent:5");
  EXPECT_EQ(alert["window"]["start"], "2025-09-17T03:00:00Z");
  EXPECT_LT(alert["time"].get<std::string>(), "2025-09-17T04:10:00Z");
  const auto& why = alert["explanation"];
  EXPECT_LT(why["expected"].get<double>(), 2);
  EXPECT_GT(why["observed"].get<double>(), 4);
  EXPECT_LE(why["not_an_alert_below"].get<double>(), why["observed"].get<double>());
  EXPECT_LT(why["expected_per_day"].get<double>(), 0.05);
  EXPECT_EQ(why["hour_of_week"], "Wednesday 03:00 UTC");
  EXPECT_GE(alert["evidence"].size(), 2u);
}

TEST(Rhythm, as_many_at_a_busy_hour_are_no_matter_of_rhythm) {
  EXPECT_EQ(count_of(rhythm_alerts(company(sends(5, monday + 16 * day + 10 * hour, 10, 6 * minute))), "agent:5"), 0u);
}

TEST(Rhythm, an_action_from_which_no_bytes_leave_counts_half) {
  More reads = sends(5, monday + 16 * day + 3 * hour, 10, 5 * minute);
  for (Made& made : reads) made.category = "internal", made.host = "db-1-0.corp.example", made.action = "read";
  const auto of_sends = rhythm_alerts(company(sends(5, monday + 16 * day + 3 * hour, 10, 5 * minute)));
  const auto of_reads = rhythm_alerts(company(reads));
  ASSERT_FALSE(of_sends.empty());
  EXPECT_TRUE(of_reads.empty() || of_reads[0]["time"] > of_sends[0]["time"]);
}

TEST(Rhythm, what_all_of_a_role_do_one_night_is_nobodys_odd_hour) {
  More night;
  for (int agent = 1; agent < 40; agent += 4) night = std::move(night) + sends(agent, monday + 16 * day + 3 * hour + agent * minute, 6, 8 * minute);
  const auto alerts = rhythm_alerts(company(night));
  EXPECT_LE(alerts.size(), 1u) << "ten members of the role worked together";
}

TEST(Rhythm, who_has_always_worked_at_night_may) {
  More nights;
  for (int at = 0; at < 20; ++at) nights = std::move(nights) + sends(5, monday + at * day + 3 * hour + at * minute, 10, 5 * minute);
  EXPECT_EQ(count_of(rhythm_alerts(company(nights)), "agent:5"), 0u);
}

TEST(Rhythm, a_principal_without_history_is_left_to_others) {
  More night = sends(5, monday + 16 * day + 3 * hour, 10, 5 * minute);
  for (Made& made : night) made.principal = "agent:new";
  EXPECT_EQ(count_of(rhythm_alerts(company(night)), "agent:new"), 0u);
}

TEST(Rhythm, a_beacon_among_ordinary_transfers_to_the_same_host_is_found_within_hours) {
  const std::int64_t start = monday + 16 * day + 8 * hour;
  const auto alerts = rhythm_alerts(company(beacon(5, start, day, 10 * minute, 0.1, 1500)));
  ASSERT_FALSE(alerts.empty());
  const auto& alert = alerts[0];
  EXPECT_EQ(alert["rule"], "rhythm.beacon");
  EXPECT_EQ(alert["principal"], "agent:5");
  EXPECT_EQ(alert["dst_host"], "api-1-0.saas.example");
  EXPECT_LT(alert["time"].get<std::string>(), "2025-09-17T14:00:00Z");
  EXPECT_NEAR(alert["explanation"]["period_seconds"].get<double>(), 600, 90);
  EXPECT_LE(alert["explanation"]["not_an_alert_below"].get<double>(), alert["explanation"]["observed"].get<double>());
  EXPECT_LE(count_of(alerts, "agent:5"), 8u) << "told again only when there is more to it";
}

TEST(Rhythm, a_beacon_is_found_with_more_jitter_and_with_sizes_like_all_others) {
  const std::int64_t start = monday + 16 * day + 8 * hour;
  EXPECT_GE(count_of(rhythm_alerts(company(beacon(5, start, day, 10 * minute, 0.2, 1500))), "agent:5"), 1u) << "jitter of 20 %";
  EXPECT_GE(count_of(rhythm_alerts(company(beacon(5, start, day, 10 * minute, 0.1, 0))), "agent:5"), 1u) << "usual sizes";
  EXPECT_GE(count_of(rhythm_alerts(company(beacon(5, start, day, 3 * minute, 0.1, 1500))), "agent:5"), 1u) << "every 3 minutes";
  EXPECT_GE(count_of(rhythm_alerts(company(beacon(5, start, 2 * day, hour, 0.1, 1500))), "agent:5"), 1u) << "every hour";
}

TEST(Rhythm, a_batch_of_calls_is_no_beacon) {
  const auto alerts = rhythm_alerts(company(beacon(5, monday + 16 * day + 10 * hour, 25 * minute, minute, 0.05, 1500)));
  EXPECT_EQ(count_of(alerts, "agent:5"), 0u);
}

TEST(Rhythm, an_edge_that_has_always_been_regular_is_no_news) {
  EXPECT_EQ(count_of(rhythm_alerts(company(beacon(5, monday, 20 * day, 10 * minute, 0.05, 1500))), "agent:5"), 0u);
}

TEST(Rhythm, a_new_regular_edge_is_news_unless_all_of_the_role_are_regular) {
  const auto heartbeats = [](int from, int to, std::int64_t start, const std::string& host) {
    More out;
    for (int i = from; i < to; ++i) {
      More one = beacon(1, start + i * minute, monday + 20 * day - start, 15 * minute, 0.03, 1500);
      for (Made& made : one) made.principal = "svc:" + std::to_string(i), made.role = "heartbeat", made.app = "beat", made.host = host;
      out = std::move(out) + one;
    }
    return out;
  };
  const More old_ones = heartbeats(0, 6, monday, "status.saas.example");
  EXPECT_EQ(count_of(rhythm_alerts(company(old_ones + heartbeats(0, 1, monday + 15 * day, "other.saas.example"))), "svc:0"), 0u);
  More of_agent = beacon(5, monday + 15 * day + 8 * hour, day, 15 * minute, 0.03, 1500);
  for (Made& made : of_agent) made.host = "other.saas.example";
  EXPECT_GE(count_of(rhythm_alerts(company(old_ones + of_agent)), "agent:5"), 1u);
}

}  // namespace
}  // namespace tidewaiter::detect
