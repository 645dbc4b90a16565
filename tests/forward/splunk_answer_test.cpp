// The classifier table of Splunk's codes, line by line.
#include "forward/splunk_answer.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::forward {
namespace {

Answer classify(int status, const std::string& body, bool wants_ack = false) {
  std::optional<std::uint64_t> ack_id;
  return classify_hec({status, body, {}}, 0, wants_ack, ack_id);
}

std::string with_code(int code) { return "{\"text\":\"words\",\"code\":" + std::to_string(code) + "}"; }

TEST(SplunkAnswer, every_code_has_its_outcome) {
  for (const int code : {0, 17}) EXPECT_EQ(classify(200, with_code(code)).verdict, Verdict::ok) << code;
  for (const int code : {5, 6, 12, 13, 15}) EXPECT_EQ(classify(400, with_code(code)).verdict, Verdict::refused) << code;
  for (const int code : {7, 10, 11, 14, 16}) EXPECT_EQ(classify(400, with_code(code)).verdict, Verdict::park) << code;
  for (const int code : {1, 2, 3, 4}) EXPECT_EQ(classify(403, with_code(code)).verdict, Verdict::park) << code;
  for (const int code : {8, 9, 18, 19, 20}) EXPECT_EQ(classify(503, with_code(code)).verdict, Verdict::retry) << code;
}

TEST(SplunkAnswer, without_a_code_the_status_decides) {
  EXPECT_EQ(classify(200, "").verdict, Verdict::ok);
  EXPECT_EQ(classify(204, "").verdict, Verdict::ok);
  for (const int status : {408, 429, 500, 502, 503, 504}) EXPECT_EQ(classify(status, "<html>").verdict, Verdict::retry);
  for (const int status : {301, 302, 401, 403, 404, 405}) EXPECT_EQ(classify(status, "").verdict, Verdict::park);
  EXPECT_EQ(classify(400, "bad").verdict, Verdict::refused);
  EXPECT_EQ(classify(413, "").verdict, Verdict::too_large);
}

TEST(SplunkAnswer, a_success_code_under_a_failing_status_is_no_success) {
  EXPECT_EQ(classify(502, with_code(0)).verdict, Verdict::retry);
}

TEST(SplunkAnswer, a_failing_code_under_a_good_status_is_a_failure) {
  EXPECT_EQ(classify(200, with_code(9)).verdict, Verdict::retry);
  EXPECT_EQ(classify(200, with_code(4)).verdict, Verdict::park);
}

TEST(SplunkAnswer, the_number_of_the_invalid_event_is_an_accusation) {
  const Answer answer = classify(400, "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":17}");
  EXPECT_EQ(answer.verdict, Verdict::accused);
  EXPECT_EQ(answer.accused, 17u);
  EXPECT_EQ(classify(400, "{\"code\":7,\"invalid-event-number\":0}").verdict, Verdict::park)
      << "an index that is not allowed is no fault of one event";
  EXPECT_EQ(classify(400, "{\"code\":6,\"invalid-event-number\":-1}").verdict, Verdict::refused);
}

TEST(SplunkAnswer, an_acknowledgement_id_of_zero_is_an_id) {
  std::optional<std::uint64_t> ack_id;
  EXPECT_EQ(classify_hec({200, "{\"code\":0,\"ackId\":0}", {}}, 0, true, ack_id).verdict, Verdict::ok);
  EXPECT_EQ(ack_id, 0u);
}

TEST(SplunkAnswer, a_success_without_an_id_parks_when_acknowledgement_is_wanted) {
  EXPECT_EQ(classify(200, "{\"code\":0}", true).verdict, Verdict::park);
  EXPECT_EQ(classify(200, "", true).verdict, Verdict::park);
  EXPECT_EQ(classify(200, "{\"code\":0,\"ackId\":\"7\"}", true).verdict, Verdict::park);
}

TEST(SplunkAnswer, an_answer_about_acknowledgements_never_refuses_items) {
  for (const int status : {400, 413, 422})
    EXPECT_EQ(classify_hec_ack({status, "", {}}, 0).verdict, Verdict::retry) << status;
  EXPECT_EQ(classify_hec_ack({404, "", {}}, 0).verdict, Verdict::park);
  EXPECT_EQ(classify_hec_ack({503, "", {}}, 0).verdict, Verdict::retry);
  EXPECT_EQ(classify_hec_ack({400, with_code(14), {}}, 0).verdict, Verdict::park);
}

TEST(SplunkAnswer, the_wish_to_wait_is_read_from_the_header) {
  std::optional<std::uint64_t> ack_id;
  const Answer answer = classify_hec({429, "", {{"retry-after", "10"}}}, 0, false, ack_id);
  EXPECT_EQ(answer.retry_after_ns, 10'000'000'000);
}

TEST(SplunkAnswer, whatever_is_answered_the_reason_is_short_and_printable) {
  const Answer answer = classify(500, std::string(100'000, '\x01'));
  EXPECT_LT(answer.reason.size(), 300u);
  for (const char c : answer.reason) EXPECT_GE(c, ' ');
  classify(200, "[[[[");
  classify(200, "null");
  classify(200, "[1,2]");
  classify(400, "{\"code\":\"6\"}");
}

}  // namespace
}  // namespace tidewaiter::forward
