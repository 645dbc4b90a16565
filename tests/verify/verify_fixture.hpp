// A closed store with two heads, something newer, sealed segments, a gap, a conflict, an alert, a cursor and a snapshot;
// and verify on it. For the tests of verify.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "store/verify.hpp"
#include "tests/query/sample_store.hpp"
#include "tests/verify/tamper.hpp"

namespace tidewaiter::store {

using test::SampleStore;

inline VerifyReport verify(const SampleStore& store, bool with_key = true, const std::vector<VerifyRequest::Kept>& against = {},
                    const std::vector<VerifyRequest::Kept>& since = {}) {
  VerifyRequest request;
  request.directory = store.directory();
  if (with_key) request.public_key = store.key();
  request.against = against;
  request.since = since;
  auto report = verify_store(request);
  EXPECT_TRUE(report) << (report ? "" : report.error().message);
  return report ? *report : VerifyReport();
}

inline std::string said(const VerifyReport& report) {
  std::string out;
  for (const Finding& finding : report.findings)
    out += finding.place + " " + finding.log + " [" + std::to_string(finding.from_seq) + ", " +
           std::to_string(finding.to_seq) + "): " + finding.what + "\n";
  return out;
}

inline std::string note_of(const std::vector<Head>& heads, std::uint16_t log) {
  for (const Head& head : heads)
    if (head.log == log) return head.note;
  return {};
}

inline Head head_of(const std::vector<Head>& heads, std::uint16_t log) {
  for (const Head& head : heads)
    if (head.log == log) return head;
  return {};
}

inline constexpr std::uint16_t main_log() { return 5; }

/// Segments of 256 records, so that there are sealed ones; small blocks; two heads and something newer.
class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() : store_(SampleStore::Setup{256, 8 * 1024, true}) {}
  void SetUp() override {
    for (int i = 0; i < 8; ++i) store_.add(50);
    first_heads_ = store_.checkpoint();
    store_.skip(3);
    for (int i = 0; i < 4; ++i) store_.add(50);
    store_.redeliver(3, false);
    store_.redeliver(4, true);
    store_.add_alert("ab12", "something", 0);
    store_.add_cursor("detect", "12345");
    ASSERT_TRUE(store_.log().put_snapshot("detect", 3, "state of the detector"));
    store_.seal();
    second_heads_ = store_.checkpoint();
    store_.add(7);
    store_.close();
  }
  SampleStore store_;
  std::vector<Head> first_heads_, second_heads_;
};

}  // namespace tidewaiter::store
