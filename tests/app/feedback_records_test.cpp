#include "app/feedback_records.hpp"

#include <gtest/gtest.h>

#include "core/text.hpp"
#include "detect/alert.hpp"
#include "store/query.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::app {
namespace {

using Json = nlohmann::json;
namespace samples = store::samples;

constexpr std::int64_t day_ns = 86'400ll * 1'000'000'000;
constexpr std::int64_t now_ns = 1'772'000'000ll * 1'000'000'000;  // 2026-02-25T06:13:20Z

/// A store with two alerts, of volume and of a policy rule, and a digest.
class FeedbackRecords : public ::testing::Test {
 protected:
  void SetUp() override {
    store::Options options;
    options.directory = directory_ / "store";
    auto log = store::Log::open(options, metrics_);
    ASSERT_TRUE(log) << log.error().message;
    log_ = std::move(*log);
    const detect::Watermark watermark{0};
    detect::Alert alert;
    alert.detector = detect::Detector::volume;
    alert.rule = "volume.destination";
    alert.entity_type = "principal";
    alert.entity = "agent:a";
    alert.tenant = "eu";
    alert.dst_host = "files.example";
    alert.title = "it sent much";
    alert.time_ns = now_ns - day_ns;
    std::vector<OwnRecord> own = {detect::alert_record(alert, watermark, {}, 0)};
    alert.detector = detect::Detector::policy;
    alert.rule = "no-pii";
    own.push_back(detect::alert_record(alert, watermark, {}, 0));
    detect::Note note;
    note.kind = "suppressed_digest";
    note.rule = "volume";
    note.title = "held back";
    own.push_back(detect::note_record(note, watermark, {}, 0));
    for (const OwnRecord& record : own) uids_.push_back(Json::parse(record.body)["uid"]);
    ASSERT_TRUE(log_->commit(nullptr, {}, std::move(own), {}));
  }

  std::unique_ptr<store::Reader> reader() { return std::move(*store::Reader::open(*log_)); }
  void write(OwnRecord record) {
    std::vector<OwnRecord> control;
    control.push_back(std::move(record));
    ASSERT_TRUE(log_->commit(nullptr, std::move(control), {}, {}));
  }
  Result<OwnRecord> verdict(const Json& request, std::size_t alert = 0, std::int64_t at = now_ns) {
    return verdict_record(*reader(), uids_[alert], request, {"command line", at});
  }
  Result<OwnRecord> suppression(const Json& request, std::int64_t at = now_ns) {
    return suppression_record(*reader(), request, {"soc", at});
  }
  void refused(const Result<OwnRecord>& record, Code code, const std::string& word) {
    ASSERT_FALSE(record) << record.value().body;
    EXPECT_EQ(record.error().code, code) << record.error().message;
    EXPECT_NE(record.error().message.find(word), std::string::npos) << record.error().message;
  }

  static Json said(const std::string& word) { return {{"verdict", word}, {"owner", "ann"}, {"reason", "looked"}}; }
  static Json wanted() {
    return {{"entity", "agent:a"}, {"rule", "volume.destination"}, {"until", "14d"}, {"owner", "ann"}, {"reason", "migration"}};
  }
  static Json with(Json json, const char* name, const Json& value) {
    json[name] = value;
    return json;
  }
  static Json without(Json json, const char* name) {
    json.erase(name);
    return json;
  }

  samples::TemporaryDirectory directory_;
  Metrics metrics_;
  std::unique_ptr<store::Log> log_;
  std::vector<std::string> uids_;
};

TEST_F(FeedbackRecords, a_verdict_names_its_alert_and_the_finding_that_it_speaks_of) {
  const auto record = verdict(said("false"));
  ASSERT_TRUE(record) << record.error().message;
  const Json json = Json::parse(record->body);
  EXPECT_EQ(json["type"], "verdict");
  EXPECT_EQ(json["alert"], uids_[0]);
  EXPECT_EQ(json["alert_time"], "2026-02-24T06:13:20Z");
  EXPECT_EQ(json["by"], "command line");
  EXPECT_EQ(json["time"], "2026-02-25T06:13:20Z");
  EXPECT_EQ(json["findings"], Json::parse(R"([{"detector":"volume","rule":"volume.destination","dst_host":"files.example",
      "entity":{"type":"principal","id":"agent:a","tenant":"eu"}}])"));
  EXPECT_FALSE(json.contains("until"));
  EXPECT_EQ(json["uid"].get<std::string>().size(), 32u);
}

TEST_F(FeedbackRecords, detection_takes_up_what_was_made) {
  detect::Feedback feedback;
  feedback.apply(Json::parse(verdict(said("false"))->body), detect::Watermark::none);
  feedback.apply(Json::parse(suppression(with(wanted(), "dst_host", "files.example"))->body), detect::Watermark::none);
  EXPECT_EQ(feedback.prior("volume", "volume.destination", "principal", "agent:a", "eu", now_ns - day_ns).factor, 2);
  ASSERT_EQ(feedback.suppressions().size(), 1u);
  EXPECT_EQ(feedback.suppressions().begin()->second.until_ns, now_ns + 14 * day_ns);
  EXPECT_EQ(feedback.suppressions().begin()->second.target.detector, "volume");
}

TEST_F(FeedbackRecords, what_is_missing_or_wrong_is_said) {
  refused(verdict(without(said("true"), "owner")), Code::invalid_argument, "'owner'");
  refused(verdict(with(said("true"), "reason", "  ")), Code::invalid_argument, "'reason'");
  refused(verdict(said("maybe")), Code::invalid_argument, "true, false, benign");
  refused(verdict(with(said("true"), "until", "14d")), Code::invalid_argument, "benign");
  refused(verdict(said("benign")), Code::invalid_argument, "'until'");
  refused(verdict(with(said("true"), "verdit", "true")), Code::invalid_argument, "'verdict'");
  refused(verdict(with(said("true"), "owner", 7)), Code::invalid_argument, "'owner' must be a text");
  refused(verdict(with(said("true"), "owner", std::string(129, 'x'))), Code::invalid_argument, "longer");
  refused(verdict("text"), Code::invalid_argument, "object");
  refused(verdict(with(said("true"), "store", "another")), Code::conflict, "another");
  refused(verdict(said("true"), 2), Code::invalid_argument, "suppressed_digest");
  refused(verdict_record(*reader(), "fff0", said("true"), {"x", now_ns}), Code::not_found, "fff0");
  refused(verdict_record(*reader(), "", said("true"), {"x", now_ns}), Code::not_found, "");
  refused(suppression(without(wanted(), "entity")), Code::invalid_argument, "'entity'");
  refused(suppression(with(wanted(), "detector", "flow")), Code::invalid_argument, "no rule of the detector flow");
  refused(suppression(with(wanted(), "rule", "no-pii")), Code::invalid_argument, "exceptions");
  refused(suppression(with(without(wanted(), "rule"), "detector", "policy")), Code::invalid_argument, "exception");
  refused(suppression(with(without(wanted(), "rule"), "detector", "volumes")), Code::invalid_argument, "'volume'");
}

TEST_F(FeedbackRecords, an_end_is_in_the_future_and_not_too_far) {
  for (const char* text : {"soon", "2026-02-25T06:13:20Z", "2026-02-25", "0d", "367d", "2027-03-01"})
    refused(suppression(with(wanted(), "until", text)), Code::invalid_argument, "'until'");
  for (const auto& [text, until] : {std::pair("366d", "2027-02-26T06:13:20Z"), std::pair("90m", "2026-02-25T07:43:20Z"),
                                    std::pair("2026-03-01", "2026-03-01T00:00:00Z"),
                                    std::pair("2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00Z")}) {
    const auto record = suppression(with(wanted(), "until", text));
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(Json::parse(record->body)["until"], until);
  }
}

TEST_F(FeedbackRecords, policy_is_spoken_of_but_not_suppressed) {
  EXPECT_TRUE(verdict(said("false"), 1));
  refused(verdict(with(said("benign"), "until", "14d"), 1), Code::invalid_argument, "exception in policy.yaml");
}

TEST_F(FeedbackRecords, what_is_in_force_comes_from_the_log_with_its_uses) {
  EXPECT_TRUE(suppressions_in_force(*reader(), now_ns)->empty());
  write(*suppression(wanted()));
  write(*verdict(with(said("benign"), "until", "2d")));
  auto list = *suppressions_in_force(*reader(), now_ns + day_ns);
  ASSERT_EQ(list.size(), 2u);
  const SuppressionInForce made = list[0].suppression.alert.empty() ? list[0] : list[1];
  const SuppressionInForce benign = list[0].suppression.alert.empty() ? list[1] : list[0];
  EXPECT_EQ(describe(made.suppression.target), "findings of volume.destination about agent:a");
  EXPECT_EQ(describe(benign.suppression.target), "findings of volume.destination about agent:a of tenant eu to files.example");
  EXPECT_EQ(benign.suppression.alert, uids_[0]);
  detect::Note note;
  note.kind = "suppression_used";
  note.entity_type = "suppression";
  note.entity = made.uid;
  note.rule = "volume.destination";
  note.title = "kept silent";
  note.explanation.count("uses", 3);
  std::vector<OwnRecord> own = {detect::note_record(note, detect::Watermark{0}, {}, 0)};
  note.window_start_ns = day_ns;
  own.push_back(detect::note_record(note, detect::Watermark{0}, {}, 0));
  ASSERT_TRUE(log_->commit(nullptr, {}, std::move(own), {}));
  list = *suppressions_in_force(*reader(), now_ns + day_ns);
  ASSERT_EQ(list.size(), 2u);
  for (const SuppressionInForce& one : list)
    EXPECT_EQ(one.uses, one.uid == made.uid ? 6u : 0u);
  EXPECT_EQ(suppressions_in_force(*reader(), now_ns + 3 * day_ns)->size(), 1u);  // the benign one is over
  EXPECT_TRUE(suppressions_in_force(*reader(), now_ns + 15 * day_ns)->empty());
}

TEST_F(FeedbackRecords, a_suppression_is_lifted_by_its_uid_once) {
  write(*suppression(wanted()));
  const std::string uid = suppressions_in_force(*reader(), now_ns)->at(0).uid;
  const Json why = {{"owner", "bob"}, {"reason", "migration done"}};
  refused(suppression_end_record(*reader(), "00", why, {"x", now_ns}), Code::not_found, "suppressions");
  refused(suppression_end_record(*reader(), uid, Json::object(), {"x", now_ns}), Code::invalid_argument, "'owner'");
  const auto end = suppression_end_record(*reader(), uid.substr(0, 8), why, {"x", now_ns});
  ASSERT_TRUE(end) << end.error().message;
  write(*end);
  EXPECT_TRUE(suppressions_in_force(*reader(), now_ns)->empty());
  refused(suppression_end_record(*reader(), uid, why, {"x", now_ns}), Code::not_found, uid);
}

TEST_F(FeedbackRecords, an_alert_knows_what_was_said_of_it) {
  write(*verdict(said("false")));
  write(*verdict(with(said("benign"), "until", "7d"), 0, now_ns + 1));
  write(*verdict(said("true"), 1));
  const auto verdicts = verdicts_on(*reader(), uids_[0]);
  ASSERT_TRUE(verdicts);
  ASSERT_EQ(verdicts->size(), 2u);
  EXPECT_EQ((*verdicts)[0]["verdict"], "false");
  EXPECT_EQ((*verdicts)[1]["verdict"], "benign");
  EXPECT_EQ(suppressions_in_force(*reader(), now_ns + 2)->size(), 1u);
}

TEST_F(FeedbackRecords, an_alert_is_found_by_the_beginning_of_its_uid_unless_several_begin_so) {
  EXPECT_EQ(find_alert(*reader(), uids_[1].substr(0, 20))->body["rule"], "no-pii");
  const auto none = find_alert(*reader(), "zz");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found);
}

}  // namespace
}  // namespace tidewaiter::app
