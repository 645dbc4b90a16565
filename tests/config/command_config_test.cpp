#include "app/command_config.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "app/config.hpp"
#include "store/note.hpp"
#include "tests/config/folder.hpp"

namespace tidewaiter::app {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStdout;
using test::Folder;

int init(const Folder& folder, bool force = false) {
  CaptureStdout();
  const int code = command_init({folder.path().string(), force});
  GetCapturedStdout();
  return code;
}

std::pair<int, std::string> check(const std::string& file, bool json = false) {
  CaptureStdout();
  const int code = command_check_config({file, json});
  return {code, GetCapturedStdout()};
}

TEST(Init, what_it_writes_passes_check_config) {
  const Folder folder;
  ASSERT_EQ(init(folder), 0);
  const auto [code, text] = check(folder.file("tidewaiter.yaml"));
  EXPECT_EQ(code, 0) << text;
  EXPECT_THAT(text, HasSubstr("fine (6 logs, 1 topics"));
  const auto config = load_config(folder.file("tidewaiter.yaml"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->store.signing_key_file, folder.file("tidewaiter.key"));
  EXPECT_EQ(config->policy_file, folder.file("policy.yaml"));
}

TEST(Init, what_is_commented_out_of_the_store_is_its_default) {
  const Folder folder;
  ASSERT_EQ(init(folder), 0);
  std::ifstream written(folder.file("tidewaiter.yaml"));
  std::string text, line;
  int uncommented = 0;
  for (bool store = false; std::getline(written, line); text += line + "\n") {
    if (!line.empty() && line[0] != ' ' && line[0] != '#') store = line == "store:";
    if (store && line.starts_with("  # ") && line.find("_") != line.npos && line.find(": ") < line.find(' ', 4)) {
      line.erase(2, 2);
      ++uncommented;
    }
  }
  EXPECT_EQ(uncommented, 7);
  const auto config = load_config(folder.write("all.yaml", text));
  ASSERT_TRUE(config) << config.error().message;
  const StoreConfig defaults;
  EXPECT_EQ(config->store.checkpoint_interval_ms, defaults.checkpoint_interval_ms);
  EXPECT_EQ(config->store.flush_interval_ms, defaults.flush_interval_ms);
  EXPECT_EQ(config->store.commit_bytes, defaults.commit_bytes);
  EXPECT_EQ(config->store.block_bytes_max, defaults.block_bytes_max);
  EXPECT_EQ(config->store.segment_records, defaults.segment_records);
  EXPECT_EQ(config->store.cache_bytes, defaults.cache_bytes);
  EXPECT_EQ(config->store.zstd_level, defaults.zstd_level);
}

TEST(CheckConfig, judges_the_tables_of_users_behind_the_file_and_its_policy) {
  const Folder folder;
  folder.write("apps.csv", "app,risk_tier\nbilling,high\nbilling,low\n");
  const std::string file = folder.write("c.yaml", "version: 1\nstore: {directory: s}\nenrichment: {apps: apps.csv}\nlog_level: lod\n");
  const auto [code, text] = check(file);
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("c.yaml:4: log_level"));
  folder.write("c.yaml", "version: 1\nstore: {directory: s}\nenrichment: {apps: apps.csv}\n");
  const auto [again, said] = check(file, true);
  EXPECT_EQ(again, 1);
  const auto json = nlohmann::json::parse(said);
  ASSERT_EQ(json["findings"].size(), 1u);
  EXPECT_EQ(json["findings"][0]["file"], folder.file("apps.csv"));
  EXPECT_EQ(json["findings"][0]["line"], 3);
  EXPECT_EQ(json["findings"][0]["column"], 1);
  EXPECT_EQ(json["findings"][0]["key"], "app");
}

TEST(Init, the_classes_it_writes_are_the_default_ones) {
  const Folder folder;
  ASSERT_EQ(init(folder), 0);
  const auto config = load_config(folder.file("tidewaiter.yaml"));
  ASSERT_TRUE(config);
  const auto expected = default_config("").logs;
  ASSERT_EQ(config->logs.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(config->logs[i].name, expected[i].name);
    EXPECT_EQ(config->logs[i].retention_days, expected[i].retention_days);
    EXPECT_EQ(config->logs[i].where, expected[i].where);
  }
}

TEST(Init, the_key_is_private_and_its_public_half_fits) {
  const Folder folder;
  ASSERT_EQ(init(folder), 0);
  struct stat info {};
  ASSERT_EQ(::stat(folder.file("tidewaiter.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto key = store::SigningKey::load(folder.file("tidewaiter.key"));
  const auto public_key = store::load_public_key(folder.file("tidewaiter.pub"));
  ASSERT_TRUE(key && public_key);
  EXPECT_EQ(key->public_key(), *public_key);
}

TEST(Init, nothing_is_overwritten_without_force_and_the_key_never) {
  const Folder folder;
  ASSERT_EQ(init(folder), 0);
  const std::string key = folder.read("tidewaiter.key");
  folder.write("policy.yaml", "version: 1\n");
  EXPECT_EQ(init(folder), 2);
  EXPECT_EQ(folder.read("policy.yaml"), "version: 1\n");
  EXPECT_EQ(init(folder, true), 0);
  EXPECT_NE(folder.read("policy.yaml"), "version: 1\n");
  EXPECT_EQ(folder.read("tidewaiter.key"), key);
}

TEST(CheckConfig, findings_of_all_files_are_printed_and_the_exit_status_is_1) {
  const Folder folder;
  folder.write("policy.yaml", "version: 1\nrulez: []\n");
  const std::string file = folder.write("tidewaiter.yaml", R"(version: 1
store: {directory: store}
policy_file: policy.yaml
connectors:
  - {name: a, type: splunk_hec, url: "http://splunk.example.com:8088", token_env: TIDEWAITER_TEST_NO_TOKEN}
)");
  const auto [code, text] = check(file);
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("policy.yaml:2: rulez: unknown key; did you mean 'rules'?"));
  EXPECT_THAT(text, HasSubstr("tidewaiter.yaml:5: connectors[0]."));
  const auto [json_code, json_text] = check(file, true);
  EXPECT_EQ(json_code, 1);
  const auto json = nlohmann::json::parse(json_text);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["findings"].size(), 2u);
  EXPECT_EQ(json["findings"][1]["line"], 2);
}

}  // namespace
}  // namespace tidewaiter::app
