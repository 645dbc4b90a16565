#include "ingest/enrich.hpp"

#include <gtest/gtest.h>

#include <random>

#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

DestinationNet net(std::string_view base, int bits) {
  const bool v4 = base.find(':') == std::string_view::npos;
  return {*parse_ip(base), bits + (v4 ? 96 : 0)};
}

std::vector<DestinationGroup> company() {
  return {{"internal", {"Corp.Example.", "localhost"}, {net("10.0.0.0", 8), net("fd00::", 8)}},
          {"partner", {"api.corp.example", "partner.example"}, {net("203.0.113.128", 25)}}};
}

TEST(Destinations, a_suffix_is_itself_and_everything_below_it) {
  Destinations table(company());
  EXPECT_EQ(table.category_of("corp.example", nullptr), "internal");
  EXPECT_EQ(table.category_of("a.b.corp.example", nullptr), "internal");
  EXPECT_EQ(table.category_of("notcorp.example", nullptr), "public");
  EXPECT_EQ(table.category_of("example", nullptr), "public");
  EXPECT_EQ(table.category_of("x.partner.example", nullptr), "partner");
}

TEST(Destinations, the_first_group_that_fits_wins_not_the_longest_suffix) {
  Destinations table(company());
  EXPECT_EQ(table.category_of("api.corp.example", nullptr), "internal");
}

TEST(Destinations, a_host_is_asked_before_an_address) {
  Destinations table(company());
  const Ip inside = *parse_ip("10.1.2.3"), outside = *parse_ip("8.8.8.8"), edge = *parse_ip("203.0.113.127");
  EXPECT_EQ(table.category_of("x.partner.example", &inside), "partner");
  EXPECT_EQ(table.category_of("unknown.example", &inside), "internal");
  EXPECT_EQ(table.category_of("", &inside), "internal");
  EXPECT_EQ(table.category_of("", &outside), "public");
  EXPECT_EQ(table.category_of("", &edge), "public");
  const Ip partner = *parse_ip("203.0.113.128"), six = *parse_ip("fd12::1");
  EXPECT_EQ(table.category_of("", &partner), "partner");
  EXPECT_EQ(table.category_of("", &six), "internal");
}

TEST(Destinations, the_category_outlives_the_table) {
  std::string_view category;
  { category = Destinations(company()).category_of("localhost", nullptr); }
  EXPECT_EQ(category, "internal");
}

TEST(Destinations, remembering_hosts_changes_no_answer) {
  std::mt19937 random(3);
  auto label = [&] { return std::string(1, static_cast<char>('a' + random() % 4)); };
  std::vector<DestinationGroup> groups;
  for (int i = 0; i < 6; ++i) {
    DestinationGroup group{"g" + std::to_string(i), {}, {}};
    for (int k = 0; k < 4; ++k) group.hosts.push_back(label() + "." + label() + (random() % 2 ? "." + label() : ""));
    groups.push_back(group);
  }
  Destinations table(groups);
  for (int i = 0; i < 20'000; ++i) {
    std::string host = label();
    for (auto parts = random() % 5; parts > 0; --parts) host += "." + label();
    std::string expected = "public";
    for (auto group = groups.rbegin(); group != groups.rend(); ++group)
      for (const std::string& suffix : group->hosts)
        if (host == suffix || host.ends_with("." + suffix)) expected = group->category;
    ASSERT_EQ(table.category_of(host, nullptr), expected) << host;
  }
}

}  // namespace
}  // namespace tidewaiter::ingest
