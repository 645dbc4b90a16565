#include "ingest/host_name.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::ingest {
namespace {

TEST(HostNames, are_lower_case_without_the_last_dot) {
  EXPECT_EQ(normal_host("API.Example.COM."), "api.example.com");
  EXPECT_EQ(normal_host("box-1"), "box-1");
  EXPECT_EQ(normal_host("XN--Bcher-KVA.example"), "xn--bcher-kva.example");
  EXPECT_EQ(normal_host(""), "");
}

// The names of RFC 3492, section 7.1 and of UTS #46, section 4.
TEST(HostNames, of_other_scripts_become_a_labels) {
  EXPECT_EQ(normal_host("bücher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(normal_host("BÜCHER.Example."), "xn--bcher-kva.example");
  EXPECT_EQ(normal_host("faß.de"), "xn--fa-hia.de");
  EXPECT_EQ(normal_host("他们为什么不说中文"), "xn--ihqwcrb4cv8a8dqg056pqjye");
  EXPECT_EQ(normal_host("почемужеонинеговорятпорусски.рф"), "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l.xn--p1ai");
}

TEST(HostNames, written_with_wide_letters_and_dots_are_the_plain_ones) {
  EXPECT_EQ(normal_host("ｅｘａｍｐｌｅ。ｃｏｍ"), "example.com");
  EXPECT_EQ(normal_host("bu\u0308cher.example"), "xn--bcher-kva.example");
}

TEST(HostNames, that_are_none_stay_but_for_case) {
  EXPECT_EQ(normal_host("No \u2028Host."), "no \u2028host");
  EXPECT_EQ(normal_host("Büro 7"), "büro 7");
  const std::string long_label = std::string(64, 'a') + "ü.Example";
  EXPECT_EQ(normal_host(long_label), std::string(64, 'a') + "ü.example");
  EXPECT_EQ(normal_host("A\xFF.example"), "a\xFF.example");
}

TEST(HostNames, need_work_when_it_would_change_them) {
  for (const char* done : {"", "api.example.com", "xn--bcher-kva.example", "a-rather-long-name-0.of-a-host.example"})
    EXPECT_FALSE(host_needs_work(done)) << done;
  for (const char* work : {"x.", "A", "longer.than.eighT", "EIGHT888", "bücher.example", "eight888ü"})
    EXPECT_TRUE(host_needs_work(work)) << work;
}

TEST(HostNames, are_told_from_addresses_and_other_text) {
  for (const char* host : {"box-1", "a.b", "_dmarc.example", "bücher.example", "xn--p1ai"}) EXPECT_TRUE(is_host_name(host)) << host;
  for (const char* other : {"", "10.0.0.1", "::1", "12", "a b", "ü b", "http://x", "A\xFF"}) EXPECT_FALSE(is_host_name(other)) << other;
}

}  // namespace
}  // namespace tidewaiter::ingest
