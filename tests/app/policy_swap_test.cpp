#include "app/policy_swap.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::app {
namespace {

constexpr const char* old_policy = R"({"version":1,"destinations":[{"category":"partner","hosts":["a.example"]}],"rules":[]})";
constexpr const char* new_policy = R"({"version":1,"destinations":[{"category":"internal","hosts":["a.example","b.example"]}],"rules":[]})";

struct PolicySwapTest : testing::Test {
  std::deque<std::string> texts;
  Commit commit;

  void add_control(const std::string& json) {
    Record record;
    record.kind = RecordKind::control;
    record.value = texts.emplace_back(json + std::string(Arena::padding_bytes, '\0'));
    record.value.remove_suffix(Arena::padding_bytes);
    commit.records.push_back(record);
  }
  void add_event(std::string_view host, std::string_view category) {
    Record record;
    record.first_event = static_cast<std::uint32_t>(commit.events.size());
    record.event_count = 1;
    Event event;
    if (!host.empty()) event.set(Str::dst_host, host);
    if (!category.empty()) event.set(Str::dst_category, category);
    commit.events.push_back(event);
    commit.records.push_back(record);
  }
  void add_policy(const std::string& json) { add_control(R"({"type":"policy","hash":"x","content":)" + json + "}"); }
};

TEST_F(PolicySwapTest, the_policies_of_the_log_are_left_out_and_ticks_stay) {
  auto swap = PolicySwap::make(new_policy);
  ASSERT_TRUE(swap);
  EXPECT_NE(swap->first().records.at(0).value.find(R"("b.example")"), std::string_view::npos);
  add_policy(old_policy);
  add_control(R"({"type":"tick","event_time_ns":5})");
  add_event("", "");
  const CommitPtr copy = swap->fit(std::make_shared<const Commit>(commit));
  const Commit& fitted = *copy;
  ASSERT_EQ(fitted.records.size(), 2u);
  EXPECT_EQ(fitted.records[0].value, commit.records[1].value);
  EXPECT_EQ(fitted.events.size(), 1u);
}

TEST_F(PolicySwapTest, a_destination_gets_the_category_of_the_new_policy_but_not_against_a_table) {
  auto swap = PolicySwap::make(new_policy);
  ASSERT_TRUE(swap);
  add_policy(old_policy);
  add_event("x.a.example", "partner");
  add_event("b.example", "public");
  add_event("c.example", "public");
  add_event("b.example", "lab");  // said by a user table
  add_event("", "");
  const CommitPtr copy = swap->fit(std::make_shared<const Commit>(commit));
  const Commit& fitted = *copy;
  ASSERT_EQ(fitted.events.size(), 5u);
  EXPECT_EQ(fitted.events[0].get(Str::dst_category), "internal");
  EXPECT_EQ(fitted.events[1].get(Str::dst_category), "internal");
  EXPECT_EQ(fitted.events[2].get(Str::dst_category), "public");
  EXPECT_EQ(fitted.events[3].get(Str::dst_category), "lab");
  EXPECT_FALSE(fitted.events[4].has(Str::dst_category));
  EXPECT_EQ(commit.events[0].get(Str::dst_category), "partner");
}

TEST_F(PolicySwapTest, a_commit_in_which_nothing_changes_is_not_copied) {
  auto swap = PolicySwap::make(old_policy);
  ASSERT_TRUE(swap);
  add_policy(old_policy);
  swap->fit(std::make_shared<const Commit>(commit));
  commit.records.clear();
  add_event("x.a.example", "partner");
  const auto same = std::make_shared<const Commit>(commit);
  EXPECT_EQ(swap->fit(same), same);
}

TEST_F(PolicySwapTest, a_copy_keeps_what_its_texts_point_into) {
  auto swap = PolicySwap::make(new_policy);
  ASSERT_TRUE(swap);
  add_event("b.example", "public");
  auto original = std::make_shared<const Commit>(commit);
  const std::weak_ptr<const Commit> watched = original;
  CommitPtr copy = swap->fit(original);
  ASSERT_NE(copy, original);
  original.reset();
  EXPECT_FALSE(watched.expired());
  copy.reset();
  EXPECT_TRUE(watched.expired());
}

TEST_F(PolicySwapTest, a_bad_policy_is_refused) { EXPECT_FALSE(PolicySwap::make(R"({"rules":[{"id":"x"}]})")); }

}  // namespace
}  // namespace tidewaiter::app
