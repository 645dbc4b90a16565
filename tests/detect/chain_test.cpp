// Rare actions and chains of a role of six agents that read, send and list, and now and then delete, on a few tables.
#include "detect/chain.hpp"

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t agent_type = 3;

struct Desk {
  std::mt19937_64 random{5};
  Chain chain{8 << 20, 0.5};
  std::vector<Chain::Finding> findings;
  std::vector<std::string> resources{"orders", "invoices", "tickets", "contacts", "reports"};
  std::int64_t now_ns = monday;

  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }
  void act(int member, std::string_view action, const std::string& resource) {
    EventKeys keys;
    keys.tenant = 3;
    keys.role = 5;
    keys.quota = 1;
    keys.principal = 1000 + static_cast<Key>(member);
    Event event;
    event.set(Num::time, static_cast<std::uint64_t>(now_ns));
    event.set(Num::action, enums::action.find(action).value());
    event.set(Num::principal_type, agent_type);
    if (!resource.empty()) {
      event.set(Str::resource, resource);
      keys.resource = hash_name(resource);
    }
    chain.observe(keys, event, findings);
  }
  void usual(int member) {
    const double choice = uniform();
    const std::string& table = resources[static_cast<std::size_t>(uniform() * 5)];
    if (choice < 0.45) act(member, "read", table);
    else if (choice < 0.9) act(member, "send", "");
    else if (choice < 0.99) act(member, "list", table);
    else act(member, "delete", table);
  }
  /// An event of somebody every 30 seconds, by day.
  void work(int days) {
    for (const std::int64_t end = now_ns + days * day; now_ns < end; now_ns += 30 * second)
      if (now_ns % day >= 7 * hour && now_ns % day < 19 * hour) usual(static_cast<int>(uniform() * 6));
  }
  void learn() {
    work(14);
    now_ns += 10 * hour;
  }
  std::size_t found_since(std::size_t before) const { return findings.size() - before; }
};

TEST(Chain, a_clean_fortnight_is_nearly_silent) {
  ASSERT_EQ(enums::principal_type.find("agent").value(), agent_type);
  Desk desk;
  desk.learn();
  EXPECT_LE(desk.findings.size(), 6u) << "half a false alert a day is allowed for";
}

TEST(Chain, a_log_that_nobody_deletes_is_told_at_the_first_try) {
  Desk desk;
  desk.learn();
  const std::size_t before = desk.findings.size();
  for (const char* action : {"list", "read", "send"}) {
    desk.act(2, action, *action == 's' ? "" : "orders");
    desk.now_ns += 20 * second;
  }
  EXPECT_EQ(desk.found_since(before), 0u);
  desk.act(2, "delete", "audit_log");
  ASSERT_EQ(desk.found_since(before), 1u);
  const Chain::Finding& finding = desk.findings.back();
  EXPECT_GT(finding.resource_nats, 5);
  EXPECT_GE(finding.score, finding.not_below);
  EXPECT_LT(finding.rate_per_day, finding.bar_per_day);
  EXPECT_EQ(finding.run_events, 4u);
  ASSERT_EQ(finding.before_known, 2u);
  EXPECT_EQ(enums::action.word(finding.before[0]), "send");
}

TEST(Chain, steps_of_which_none_would_tell_add_up) {
  Desk desk;
  desk.learn();
  const std::size_t before = desk.findings.size();
  desk.act(2, "delete", "orders");
  EXPECT_EQ(desk.found_since(before), 0u) << "one in a hundred is a delete";
  for (int i = 0; i < 6; ++i) {
    desk.now_ns += 20 * second;
    desk.act(2, "delete", desk.resources[static_cast<std::size_t>(i) % 5]);
  }
  EXPECT_GT(desk.found_since(before), 0u);
}

TEST(Chain, the_same_steps_over_days_do_not) {
  Desk desk;
  desk.learn();
  const std::size_t before = desk.findings.size();
  for (int i = 0; i < 6; ++i) {
    desk.now_ns += 3 * hour;
    desk.act(2, "delete", desk.resources[static_cast<std::size_t>(i) % 5]);
  }
  EXPECT_EQ(desk.found_since(before), 0u);
}

TEST(Chain, where_resources_are_always_new_a_new_one_is_no_surprise) {
  Desk desk;
  int files = 0;
  for (const std::int64_t end = desk.now_ns + 14 * day; desk.now_ns < end; desk.now_ns += 60 * second)
    if (desk.now_ns % day >= 7 * hour && desk.now_ns % day < 19 * hour)
      desk.act(files % 6, "read", "file-" + std::to_string(files)), ++files;
  const std::size_t before = desk.findings.size();
  desk.now_ns += 10 * hour;
  desk.act(2, "read", "file-never-seen");
  EXPECT_EQ(desk.found_since(before), 0u);
}

TEST(Chain, a_new_agent_is_not_judged) {
  Desk desk;
  desk.learn();
  const std::size_t before = desk.findings.size();
  for (int i = 0; i < 50; ++i, desk.now_ns += second) desk.act(77, "delete", "audit_log");
  EXPECT_EQ(desk.found_since(before), 0u);
}

TEST(Chain, goes_on_after_a_snapshot_as_if_nothing_had_been) {
  Desk desk;
  desk.learn();
  SnapshotWriter saved, again;
  desk.chain.save(saved);
  Chain other(8 << 20, 0.5);
  SnapshotReader in(saved.bytes());
  ASSERT_TRUE(other.load(in));
  EXPECT_TRUE(in.at_end());
  other.save(again);
  EXPECT_EQ(saved.bytes(), again.bytes());
}

}  // namespace
}  // namespace tidewaiter::detect
