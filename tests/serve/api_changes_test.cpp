// The routes that write, over a real store: what goes in, what is refused, and that every change and every refusal is
// in the log `access`.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "serve/api.hpp"
#include "tests/query/sample_store.hpp"

namespace tidewaiter::serve {
namespace {

using test::SampleStore;
using Json = nlohmann::json;

class ApiChangesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.add(20);
    backend_.open_reader = [this] { return store::Reader::open(store_.log()); };
    backend_.record_access = [this](OwnRecord record) -> Result<void> {
      std::vector<OwnRecord> own;
      own.push_back(std::move(record));
      if (auto commit = store_.log().commit(nullptr, {}, std::move(own), {}); !commit) return commit.error();
      return {};
    };
    backend_.make_change = [](const store::Reader&, const Change& change) -> Result<OwnRecord> {
      if (change.body == "wrong") return fail(Code::invalid_argument, "no owner");
      if (change.body == "unknown") return fail(Code::not_found, "no such alert");
      if (change.body == "other") return fail(Code::conflict, "another store");
      OwnRecord record;
      record.kind = RecordKind::control;
      record.body = Json{{"type", static_cast<int>(change.kind)}, {"uid", change.uid}, {"body", change.body}, {"by", change.who}}.dump();
      return record;
    };
    backend_.record_change = [this](OwnRecord control, OwnRecord access) -> Result<std::uint64_t> {
      if (paused_) return fail(Code::unavailable, "the store takes no records right now");
      std::vector<OwnRecord> first, last;
      first.push_back(std::move(control));
      last.push_back(std::move(access));
      auto commit = store_.log().commit(nullptr, std::move(first), std::move(last), {});
      if (!commit) return commit.error();
      return (*commit)->number;
    };
    backend_.suppressions = [](const store::Reader&) -> Result<std::string> { return std::string(R"([{"uid":"ab"}])"); };
  }
  HttpRequest request(const std::string& path, const std::string& body = "{}") const {
    HttpRequest made;
    made.method = "POST";
    made.path = path;
    made.host = "127.0.0.1:8470";
    made.remote = "127.0.0.1";
    made.content_type = "application/json";
    made.body = body;
    return made;
  }
  HttpResponse send(const HttpRequest& made) { return Api(config_, backend_, rule_).read(made); }
  /// Bodies of the records of a kind in the newest commit, but for the store's own.
  std::vector<Json> newest(RecordKind kind) {
    const auto reader = store_.reader();
    std::vector<Json> bodies;
    const auto commit = *reader->commit(reader->last_commit(), true);
    for (const Record& record : commit->records)
      if (record.kind == kind && record.value.find("salt_key") == std::string_view::npos) bodies.push_back(Json::parse(record.value));
    return bodies;
  }
  std::uint64_t last_commit() { return store_.reader()->last_commit(); }

  SampleStore store_;
  ServeConfig config_;
  Backend backend_;
  AccessRule rule_ = AccessRule::open_to_this_machine();
  bool paused_ = false;
};

TEST_F(ApiChangesTest, a_change_is_one_commit_with_its_access_record_and_answered_with_it) {
  const std::tuple<const char*, int, const char*> cases[] = {
      {"/v1/alerts/ab12/verdict", 0, "ab12"}, {"/v1/suppressions", 1, ""}, {"/v1/suppressions/cd34-1/end", 2, "cd34-1"}};
  for (const auto& [path, kind, uid] : cases) {
    const HttpResponse response = send(request(path, R"({"a":1})"));
    ASSERT_EQ(response.status, 200) << response.body;
    const Json answer = Json::parse(response.body), record = {{"type", kind}, {"uid", uid}, {"body", R"({"a":1})"}, {"by", "local"}};
    EXPECT_EQ(answer["record"], record);
    EXPECT_EQ(answer["commit"], last_commit());
    EXPECT_EQ(newest(RecordKind::control), std::vector<Json>{record});
    ASSERT_EQ(newest(RecordKind::access).size(), 1u);
    EXPECT_EQ(newest(RecordKind::access)[0]["method"], "POST");
    EXPECT_EQ(newest(RecordKind::access)[0]["path"], path);
    EXPECT_EQ(newest(RecordKind::access)[0]["status"], 200);
  }
}

TEST_F(ApiChangesTest, refusals_say_why_and_are_recorded_too) {
  for (const auto& [body, status, word] : {std::tuple("wrong", 400, "no owner"), std::tuple("unknown", 404, "no such alert"),
                                           std::tuple("other", 409, "another store")}) {
    const HttpResponse response = send(request("/v1/suppressions", body));
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_NE(response.body.find(word), std::string::npos) << response.body;
    EXPECT_TRUE(newest(RecordKind::control).empty());
    ASSERT_EQ(newest(RecordKind::access).size(), 1u);
    EXPECT_EQ(newest(RecordKind::access)[0]["status"], status);
  }
}

TEST_F(ApiChangesTest, what_cannot_be_written_down_is_not_answered_as_done) {
  paused_ = true;
  const HttpResponse response = send(request("/v1/suppressions"));
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(newest(RecordKind::control).empty());
  EXPECT_EQ(newest(RecordKind::access).at(0)["status"], 503);
}

TEST_F(ApiChangesTest, web_pages_cannot_write_through_a_visitors_browser) {
  HttpRequest page = request("/v1/suppressions");
  page.origin = "https://evil.example";
  EXPECT_EQ(send(page).status, 403);
  HttpRequest form = request("/v1/suppressions");
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}) {
    form.content_type = type;
    EXPECT_EQ(send(form).status, 415) << type;
  }
  HttpRequest rebound = request("/v1/suppressions");
  rebound.host = "evil.example:8470";
  EXPECT_EQ(send(rebound).status, 403);
  EXPECT_TRUE(newest(RecordKind::control).empty());
}

TEST_F(ApiChangesTest, with_tokens_a_write_needs_one_and_carries_its_name) {
  const std::string file = store_.file("tokens");
  std::ofstream(file) << "reader: fedcba98765432100123\nwrite soc: 0123456789abcdef0123\n";
  ::chmod(file.c_str(), 0600);
  rule_ = *AccessRule::from_file(file);
  HttpRequest made = request("/v1/alerts/ab/verdict");
  const std::uint64_t before = last_commit();
  EXPECT_EQ(send(made).status, 401);
  made.authorization = "Bearer wrong-wrong-wrong-wrong";
  EXPECT_EQ(send(made).status, 401);
  EXPECT_EQ(last_commit(), before);
  made.authorization = "Bearer fedcba98765432100123";
  const HttpResponse only_reads = send(made);
  EXPECT_EQ(only_reads.status, 403);
  EXPECT_NE(only_reads.body.find("may only read"), std::string::npos) << only_reads.body;
  EXPECT_TRUE(newest(RecordKind::control).empty());
  EXPECT_EQ(newest(RecordKind::access).at(0)["who"], "reader");
  made.authorization = "Bearer 0123456789abcdef0123";
  EXPECT_EQ(send(made).status, 200);
  EXPECT_EQ(newest(RecordKind::control).at(0)["by"], "soc");
  EXPECT_EQ(newest(RecordKind::access).at(0)["who"], "soc");
}

TEST_F(ApiChangesTest, each_route_has_its_method_and_uids_are_of_hex_digits) {
  for (const char* path : {"/v1/alerts/ab/verdict", "/v1/suppressions/ab/end"}) {
    HttpRequest get = request(path);
    get.method = "GET";
    EXPECT_EQ(send(get).status, 405) << path;
  }
  for (const char* path : {"/v1/alerts/AB/verdict", "/v1/alerts//verdict", "/v1/alerts/a/b/verdict", "/v1/alerts/verdict", "/v1/suppressions/end",
                           "/v1/alerts/%61/verdict"})
    EXPECT_EQ(send(request(path)).status, 405) << path;  // no such route, and none that is posted to
  HttpRequest with_parameter = request("/v1/suppressions");
  with_parameter.params.emplace("entity", "x");
  EXPECT_EQ(send(with_parameter).status, 400);
  HttpRequest list = request("/v1/suppressions");
  list.method = "GET";
  const HttpResponse response = send(list);
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(Json::parse(response.body)["suppressions"], Json::parse(R"([{"uid":"ab"}])"));
}

TEST_F(ApiChangesTest, without_a_way_to_write_the_api_only_reads) {
  backend_.make_change = nullptr;
  EXPECT_EQ(send(request("/v1/suppressions")).status, 405);
}

}  // namespace
}  // namespace tidewaiter::serve
