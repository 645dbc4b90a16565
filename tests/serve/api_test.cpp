#include "serve/api.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

#include <nlohmann/json.hpp>

#include "store/proof_file.hpp"
#include "tests/query/sample_store.hpp"

namespace tidewaiter::serve {
namespace {

using test::SampleStore;
using Json = nlohmann::json;

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.add(100);
    store_.add_alert("ab12cd", "agent-1 sends pii to a new place", 3);
    store_.checkpoint();
    store_.add(10);
    backend_.open_reader = [this] { return store::Reader::open(store_.log()); };
    backend_.record_access = [this](OwnRecord record) -> Result<void> {
      if (refuse_records_) return fail(Code::unavailable, "the writer is gone");
      const std::lock_guard lock(mutex_);
      accesses_.push_back(std::move(record));
      return {};
    };
    backend_.metrics = &metrics_;
    backend_.checkpoint_interval_ns = 1'000'000'000;
  }
  HttpResponse get(const std::string& path, std::multimap<std::string, std::string> params = {},
                   const std::string& host = "127.0.0.1:8470") {
    HttpRequest request;
    request.path = path;
    request.params = std::move(params);
    request.host = host;
    request.remote = "127.0.0.1";
    return Api(config_, backend_, rule_).read(request);
  }
  Json get_json(const std::string& path, std::multimap<std::string, std::string> params = {}) {
    const HttpResponse response = get(path, std::move(params));
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body);
  }
  std::uint64_t covered(const std::string& name) {
    const auto reader = store_.reader();
    for (const store::LogInfo& log : reader->logs())
      if (log.name == name) return reader->heads(log.id)->back().size;
    return 0;
  }

  SampleStore store_;
  ServeConfig config_;
  Backend backend_;
  AccessRule rule_ = AccessRule::open_to_this_machine();
  Metrics metrics_;
  bool refuse_records_ = false;
  std::mutex mutex_;
  std::vector<OwnRecord> accesses_;
};

TEST_F(ApiTest, events_are_found_by_filter_with_the_commit_they_were_read_at) {
  const Json answer = get_json("/v1/events", {{"where", "principal == agent-2"}, {"limit", "1000"}});
  EXPECT_EQ(answer["rows"].size(), 22u);
  EXPECT_EQ(answer["commit"], store_.reader()->last_commit());
  for (const Json& row : answer["rows"]) EXPECT_EQ(row["event"]["principal"], "agent-2");
}

TEST_F(ApiTest, pages_follow_one_another_without_hole_or_double) {
  std::set<std::pair<std::string, std::uint64_t>> seen;
  std::multimap<std::string, std::string> params{{"where", "family == agent"}, {"limit", "7"}};
  for (int page = 0; page < 50; ++page) {
    const Json answer = get_json("/v1/events", params);
    for (const Json& row : answer["rows"]) EXPECT_TRUE(seen.emplace(row["log"], row["seq"]).second);
    if (!answer.contains("next")) break;
    params.erase("page");
    params.emplace("page", answer["next"]);
  }
  EXPECT_EQ(seen.size(), get_json("/v1/events", {{"where", "family == agent"}, {"limit", "1000"}})["rows"].size());
}

TEST_F(ApiTest, groups_are_counted) {
  const Json answer = get_json("/v1/events", {{"where", "family == agent"}, {"by", "dst_host"}});
  ASSERT_EQ(answer["groups"].size(), 3u);
  std::uint64_t sum = 0;
  for (const Json& group : answer["groups"]) sum += group["count"].get<std::uint64_t>();
  EXPECT_EQ(sum, answer["rows"]);
}

TEST_F(ApiTest, secrets_never_leave_by_the_api) {
  const HttpResponse response = get("/v1/events", {{"limit", "1000"}});
  EXPECT_EQ(response.body.find("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(response.body.find("hunter-"), std::string::npos);
}

TEST_F(ApiTest, rows_are_found_by_text_but_not_by_a_secret) {
  EXPECT_EQ(get_json("/v1/events", {{"text", "NOT json"}})["rows"].size(), 4u);  // 24, 49, 74, 99
  EXPECT_EQ(get_json("/v1/events", {{"text", "not json"}, {"text", "99"}})["rows"].size(), 1u);
  EXPECT_EQ(get_json("/v1/events", {{"text", "hunter-"}})["rows"].size(), 0u);
  EXPECT_EQ(get("/v1/events", {{"text", ""}}).status, 400);
}

TEST_F(ApiTest, a_page_ends_early_when_it_grows_too_large) {
  config_.response_bytes_max = 2000;
  const Json answer = get_json("/v1/events", {{"limit", "1000"}});
  EXPECT_LT(answer.dump().size(), 5000u);
  EXPECT_TRUE(answer["limited"]);
  EXPECT_TRUE(answer.contains("next"));
}

TEST_F(ApiTest, a_damaged_place_is_named_and_everything_else_is_still_answered) {
  SampleStore store({.block_bytes_max = 4096});
  for (int commit = 0; commit < 40; ++commit) store.add(200);  // several blocks of a table file
  store.close();
  config_.response_bytes_max = 64u << 20;
  const std::multimap<std::string, std::string> all{{"kind", "event"}, {"limit", "10000"}};
  backend_.open_reader = [&] { return store::Reader::open(store.directory()); };
  const std::size_t whole = get_json("/v1/events", all)["rows"].size();
  std::vector<std::filesystem::path> tables;
  for (const auto& entry : std::filesystem::directory_iterator(store.directory()))
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  std::sort(tables.begin(), tables.end(),
            [](const auto& a, const auto& b) { return std::filesystem::file_size(a) > std::filesystem::file_size(b); });
  tables.resize(2);  // bodies, which are not read here, and columns
  std::size_t named = 0;
  for (const auto& table : tables) {
    const std::string copy = store.file("damaged-" + table.stem().string());
    std::filesystem::copy(store.directory(), copy, std::filesystem::copy_options::recursive);
    {
      std::fstream file(copy + "/" + table.filename().string(), std::ios::in | std::ios::out | std::ios::binary);
      const auto place = static_cast<std::streamoff>(std::filesystem::file_size(table) * 3 / 4);  // of an event log
      const auto byte = static_cast<char>(file.seekg(place).get() ^ 1);
      file.seekp(place).put(byte);
    }
    backend_.open_reader = [&] { return store::Reader::open(copy); };
    const Json answer = get_json("/v1/events", all);
    if (!answer.contains("not_read")) {
      EXPECT_EQ(answer["rows"].size(), whole);
      continue;
    }
    ++named;
    EXPECT_NE(answer["not_read"][0]["reason"].get<std::string>().find(table.filename().string()), std::string::npos)
        << answer["not_read"];
    std::set<std::pair<std::string, std::uint64_t>> given;
    for (const Json& row : answer["rows"]) given.emplace(row["log"], row["seq"]);
    EXPECT_GT(given.size(), 0u);
    for (const Json& damage : answer["not_read"])
      for (std::uint64_t seq = damage["from_seq"]; seq < damage["to_seq"]; ++seq)
        EXPECT_FALSE(given.contains({damage["log"], seq}));
    EXPECT_LT(given.size(), whole);
    const Json groups = get_json("/v1/events", {{"kind", "event"}, {"by", "principal"}});
    EXPECT_EQ(groups["not_read"], answer["not_read"]);
    EXPECT_EQ(groups["rows"], given.size());
  }
  EXPECT_EQ(named, 1u);
}

TEST_F(ApiTest, alerts_are_listed_and_found_by_uid) {
  EXPECT_EQ(get_json("/v1/alerts")["alerts"][0]["body"]["uid"], "ab12cd");
  EXPECT_EQ(get_json("/v1/alerts", {{"uid", "ab12cd"}})["alerts"].size(), 1u);
  EXPECT_EQ(get("/v1/alerts", {{"uid", "ffff"}}).status, 404);
}

TEST_F(ApiTest, a_proof_from_the_api_verifies) {
  const HttpResponse response = get("/v1/proof", {{"log", "main"}, {"seq", "5"}});
  ASSERT_EQ(response.status, 200) << response.body;
  const auto verdict = store::verify_proof(response.body, std::nullopt, store_.key());
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_EQ(verdict->index, 5u);
}

TEST_F(ApiTest, a_record_without_a_head_over_it_says_when_the_next_is_due) {
  const HttpResponse response = get("/v1/proof", {{"log", "main"}, {"seq", std::to_string(covered("main"))}});
  EXPECT_EQ(response.status, 409);
  const Json error = Json::parse(response.body)["error"];
  EXPECT_EQ(error["code"], "not_covered");
  EXPECT_NE(error["hint"].get<std::string>().find("due at"), std::string::npos);
}

TEST_F(ApiTest, the_checkpoint_is_the_signed_note_itself) {
  const HttpResponse response = get("/v1/checkpoint");
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
  const auto checkpoint = store::open_checkpoint(response.body, store_.key());
  ASSERT_TRUE(checkpoint);
  EXPECT_TRUE(checkpoint->origin.ends_with("/control"));
}

TEST_F(ApiTest, every_read_is_recorded_with_who_what_and_how_much) {
  get("/v1/events", {{"where", "principal == agent-2"}, {"limit", "3"}});
  get("/v1/alerts");
  get("/v1/proof", {{"log", "main"}, {"seq", "5"}});
  get("/v1/checkpoint");
  get("/v1/events", {{"where", "nonsense ="}});
  ASSERT_EQ(accesses_.size(), 5u);
  const Json first = Json::parse(accesses_[0].body);
  EXPECT_EQ(accesses_[0].kind, RecordKind::access);
  EXPECT_EQ(first["who"], "local");
  EXPECT_EQ(first["path"], "/v1/events");
  EXPECT_EQ(first["query"], "limit=3&where=principal%20==%20agent-2");
  EXPECT_EQ(first["rows"], 3);
  EXPECT_EQ(Json::parse(accesses_[4].body)["status"], 400);
  EXPECT_EQ(accesses_[0].columns->get(Str::operation), "GET /v1/events");
}

TEST_F(ApiTest, a_read_that_cannot_be_recorded_is_not_answered) {
  refuse_records_ = true;
  const HttpResponse response = get("/v1/events");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body.find("agent-"), std::string::npos);
}

TEST_F(ApiTest, an_access_record_joins_the_log_and_is_found_by_the_same_filter) {
  get("/v1/checkpoint");
  std::vector<OwnRecord> own;
  own.push_back(std::move(accesses_.at(0)));
  ASSERT_TRUE(store_.log().commit(nullptr, {}, std::move(own), {}));
  const Json answer = get_json("/v1/events", {{"where", "operation == \"GET /v1/checkpoint\""}});
  ASSERT_EQ(answer["rows"].size(), 1u);
  EXPECT_EQ(answer["rows"][0]["log"], "access");
}

TEST_F(ApiTest, what_is_wrong_with_a_request_is_said_with_the_nearest_right_word) {
  const std::pair<std::multimap<std::string, std::string>, const char*> cases[] = {
      {{{"wher", "x"}}, "where"},          {{{"where", "principle == x"}}, "principal"}, {{{"log", "mian"}}, "main"},
      {{{"limit", "0"}}, "limit"},         {{{"limit", "99999999"}}, "limit"},           {{{"limit", "-1"}}, "limit"},
      {{{"from", "yesterday"}}, "from"},   {{{"page", "1.2"}}, "page"},                  {{{"order", "up"}}, "newest"},
      {{{"by", "dst_hots"}}, "dst_host"},  {{{"kind", "alret"}}, "alert"},
  };
  for (const auto& [params, word] : cases) {
    const HttpResponse response = get("/v1/events", params);
    EXPECT_EQ(response.status, 400) << response.body;
    EXPECT_NE(response.body.find(word), std::string::npos) << response.body;
  }
  EXPECT_EQ(get("/v1/event").status, 404);
  EXPECT_NE(get("/v1/event").body.find("/v1/events"), std::string::npos);
  EXPECT_EQ(get("/v1/proof").status, 400);
  EXPECT_EQ(get("/v1/proof", {{"log", "main"}, {"seq", "99999"}}).status, 404);
}

TEST_F(ApiTest, only_reading_is_allowed) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/v1/events";
  request.host = "localhost";
  EXPECT_EQ(Api(config_, backend_, rule_).read(request).status, 405);
}

TEST_F(ApiTest, without_tokens_a_request_by_another_host_name_is_refused) {
  EXPECT_EQ(get("/v1/events", {}, "evil.example:8470").status, 403);
  EXPECT_EQ(get("/v1/events", {}, "").status, 403);
  for (const char* host : {"localhost", "localhost:8470", "127.0.0.1", "[::1]:8470", "127.8.9.1:1"})
    EXPECT_EQ(get("/v1/events", {}, host).status, 200) << host;
  EXPECT_EQ(accesses_.size(), 5u);
}

TEST_F(ApiTest, a_token_is_needed_once_there_are_tokens_and_its_name_is_recorded) {
  const std::string file = store_.file("tokens");
  std::ofstream(file) << "# readers\nsoc: 0123456789abcdef0123\n\nfedcba98765432100123\n";
  ::chmod(file.c_str(), 0600);
  const auto rule = AccessRule::from_file(file);
  ASSERT_TRUE(rule) << rule.error().message;
  rule_ = *rule;
  HttpRequest request;
  request.path = "/v1/checkpoint";
  request.host = "anything.example";
  const Api api(config_, backend_, rule_);
  for (const char* header : {"", "Bearer", "Bearer ", "Bearer wrong", "Basic 0123456789abcdef0123", "0123456789abcdef0123"}) {
    request.authorization = header;
    const HttpResponse refused = api.read(request);
    EXPECT_EQ(refused.status, 401) << header;
    EXPECT_EQ(refused.headers.at(0).first, "WWW-Authenticate");
  }
  EXPECT_TRUE(accesses_.empty());
  request.authorization = "Bearer 0123456789abcdef0123";
  EXPECT_EQ(api.read(request).status, 200);
  request.authorization = "Bearer fedcba98765432100123";
  EXPECT_EQ(api.read(request).status, 200);
  EXPECT_EQ(Json::parse(accesses_.at(0).body)["who"], "soc");
  EXPECT_EQ(Json::parse(accesses_.at(1).body)["who"], "token 4");
}

TEST(AccessRule, a_token_file_that_is_empty_short_open_to_all_or_missing_is_refused) {
  char name[] = "/tmp/tidewaiter-tokens-XXXXXX";
  const int fd = ::mkstemp(name);
  ASSERT_GE(fd, 0);
  ::close(fd);
  const auto with = [&](const char* text, mode_t mode) {
    std::ofstream(name) << text;
    ::chmod(name, mode);
    return AccessRule::from_file(name);
  };
  EXPECT_FALSE(with("", 0600));
  EXPECT_FALSE(with("# nothing\n", 0600));
  EXPECT_FALSE(with("short\n", 0600));
  EXPECT_FALSE(with("0123456789abcdef0123\n", 0644));
  EXPECT_TRUE(with("0123456789abcdef0123\n", 0640));
  ::unlink(name);
  EXPECT_FALSE(AccessRule::from_file(name));
}

TEST(ListenAddress, addresses_are_read_and_loopback_is_known) {
  const std::pair<const char*, bool> good[] = {{"127.0.0.1:0", true},  {"localhost:80", true}, {"[::1]:8470", true},
                                               {"127.3.2.1:9", true},  {"0.0.0.0:80", false},  {"[::]:80", false},
                                               {"10.0.0.1:80", false}, {"example.com:80", false}};
  for (const auto& [text, loopback] : good) {
    const auto address = parse_listen(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->loopback(), loopback) << text;
  }
  for (const char* text : {"", "80", ":80", "host", "host:", "host:x", "host:70000", "::1:80", "[::1]", "host:-1"})
    EXPECT_FALSE(parse_listen(text)) << text;
}

TEST_F(ApiTest, health_tells_alive_from_ready_and_names_the_parts) {
  backend_.health = [] {
    return Health{true, false, {{"store", "ok", ""}, {"source/kafka", "parked", "wrong password"}}};
  };
  const Api api(config_, backend_, rule_);
  HttpRequest request;
  request.path = "/healthz";
  EXPECT_EQ(api.operate(request).status, 200);
  request.path = "/readyz";
  const HttpResponse response = api.operate(request);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(Json::parse(response.body)["parts"][1]["detail"], "wrong password");
  request.path = "/metric";
  EXPECT_EQ(api.operate(request).status, 404);
}

}  // namespace
}  // namespace tidewaiter::serve
