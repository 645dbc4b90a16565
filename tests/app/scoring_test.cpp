#include "app/scoring.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::app {
namespace {

std::string alert(const std::string& kind, const std::string& id, const std::string& start, const std::string& end) {
  return R"({"kind":")" + kind + R"(","uid":"u","detector":"flow","rule":"r","title":"t","time":")" + end +
         R"(","entity":{"type":"principal","id":")" + id + R"("},"window":{"start":")" + start + R"(","end":")" + end + R"("}})";
}

struct ScoringTest : testing::Test {
  std::vector<Incident> truth;
  ScoringTest() {
    Incident incident;
    incident.id = "bulk-1";
    incident.start_ns = 1'756'720'800'000'000'000;  // 2025-09-01T10:00:00Z
    incident.end_ns = incident.start_ns + 3600ll * 1'000'000'000;
    incident.principals = {"agent:a"};
    truth.push_back(incident);
  }
};

TEST_F(ScoringTest, an_alert_of_its_entity_in_its_time_finds_an_incident) {
  const auto facts = read_alert(alert("alert", "agent:a", "2025-09-01T10:00:00Z", "2025-09-01T10:05:00Z"));
  ASSERT_TRUE(facts && *facts);
  const Score result = score(truth, {**facts}, 0);
  EXPECT_TRUE(result.incidents[0].found);
  EXPECT_EQ(result.incidents[0].time_to_detect_ns, 300ll * 1'000'000'000);
  EXPECT_TRUE(result.false_alerts.empty());
}

TEST_F(ScoringTest, another_entity_or_another_time_is_a_false_alert) {
  const auto other = read_alert(alert("alert", "agent:b", "2025-09-01T10:00:00Z", "2025-09-01T10:05:00Z"));
  const auto early = read_alert(alert("alert", "agent:a", "2025-09-01T08:00:00Z", "2025-09-01T08:05:00Z"));
  const Score result = score(truth, {**other, **early}, 0);
  EXPECT_FALSE(result.incidents[0].found);
  EXPECT_EQ(result.false_alerts.size(), 2u);
}

TEST_F(ScoringTest, a_digest_is_no_alert_and_broken_json_is_an_error) {
  const auto digest = read_alert(alert("suppressed_digest", "agent:a", "2025-09-01T10:00:00Z", "2025-09-01T10:05:00Z"));
  ASSERT_TRUE(digest);
  EXPECT_FALSE(*digest);
  EXPECT_FALSE(read_alert("{"));
}

}  // namespace
}  // namespace tidewaiter::app
