// A wrong configuration is refused before anything runs, by a sentence that begins with the key.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "forward/connector.hpp"

namespace tidewaiter::forward {
namespace {

ConnectorConfig good_hec() {
  setenv("TIDEWAITER_TEST_HEC_TOKEN", "secret", 1);
  ConnectorConfig config;
  config.name = "splunk";
  config.type = "splunk_hec";
  config.settings = {{"url", "https://splunk.example:8088"}, {"token_env", "TIDEWAITER_TEST_HEC_TOKEN"}};
  return config;
}

ConnectorConfig good_syslog() {
  ConnectorConfig config;
  config.name = "qradar";
  config.type = "syslog";
  config.settings = {{"host", "siem.example"}};
  return config;
}

std::string error_of(const ConnectorConfig& config) {
  SystemClock clock;
  Metrics metrics;
  auto made = Connector::create(config, {}, clock, metrics);
  if (made) return "";
  EXPECT_EQ(made.error().code, Code::invalid_argument);
  return made.error().message;
}

std::string with(ConnectorConfig config, const std::string& key, const std::string& value) {
  config.settings[key] = value;
  return error_of(config);
}

TEST(Settings, good_ones_are_taken) {
  EXPECT_EQ(error_of(good_hec()), "");
  EXPECT_EQ(error_of(good_syslog()), "");
}

TEST(Settings, the_place_in_the_file_is_named) {
  ConnectorConfig config = good_hec();
  config.index = 3;
  EXPECT_EQ(with(config, "url", "splunk"), "connectors[3].url: expected https://HOST:PORT, got 'splunk'");
}

TEST(Settings, an_unknown_key_is_refused_with_the_nearest_one) {
  EXPECT_EQ(with(good_hec(), "gzipp", "true"), "connectors[0].gzipp: unknown setting; did you mean 'gzip'?");
}

TEST(Settings, an_unknown_type_is_refused_with_the_nearest_one) {
  ConnectorConfig config = good_hec();
  config.type = "splunk-hec";
  EXPECT_NE(error_of(config).find("did you mean 'splunk_hec'?"), std::string::npos);
}

TEST(Settings, a_token_does_not_belong_into_the_file) {
  EXPECT_NE(with(good_hec(), "token", "secret").find("connectors[0].token: secrets do not belong"), std::string::npos);
}

TEST(Settings, a_missing_token_is_named) {
  ConnectorConfig config = good_hec();
  config.settings.erase("token_env");
  EXPECT_EQ(error_of(config), "connectors[0].token_file: is missing (or token_env)");
  EXPECT_NE(with(good_hec(), "token_env", "TIDEWAITER_NO_SUCH_VARIABLE").find("is not set"), std::string::npos);
}

TEST(Settings, a_token_does_not_travel_in_clear_beyond_this_machine) {
  EXPECT_NE(with(good_hec(), "url", "http://splunk.example:8088").find("in clear"), std::string::npos);
  EXPECT_EQ(with(good_hec(), "url", "http://127.0.0.1:8088"), "");
  ConnectorConfig config = good_hec();
  config.settings["allow_plaintext"] = "true";
  EXPECT_EQ(with(config, "url", "http://splunk.example:8088"), "");
}

TEST(Settings, a_filter_that_is_wrong_is_named_by_its_key) {
  ConnectorConfig config = good_hec();
  config.select_events = "risk_teir == high";
  EXPECT_TRUE(error_of(config).starts_with("connectors[0].select_events: ")) << error_of(config);
}

TEST(Settings, a_connector_that_selects_nothing_is_refused) {
  ConnectorConfig config = good_hec();
  config.select_alerts = config.select_events = "off";
  EXPECT_NE(error_of(config).find("alerts, events and checkpoints are all off"), std::string::npos);
}

TEST(Settings, files_must_be_readable_and_certificates_come_in_pairs) {
  EXPECT_NE(with(good_syslog(), "ca_file", "/no/such/file").find("connectors[0].ca_file: cannot read"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "cert_file", "/etc/hostname").find("belong together"), std::string::npos);
}

TEST(Settings, numbers_and_words_have_bounds) {
  EXPECT_NE(with(good_syslog(), "port", "70000").find("from 1 to 65535"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "port", "12x").find("whole number"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "body", "jsn").find("did you mean 'json'?"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "bytes_max", "100").find("from 2048"), std::string::npos);
  EXPECT_EQ(with(good_syslog(), "bytes_max", "4KiB"), "");
  EXPECT_NE(with(good_syslog(), "bytes_max", "1KB").find("such as 8192 or 8KiB"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "bytes_max", "99999999999999999MiB").find("got"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "tls", "yes").find("true or false"), std::string::npos);
  EXPECT_NE(with(good_syslog(), "hostname", "two words").find("printable"), std::string::npos);
}

TEST(Settings, a_line_break_cannot_smuggle_a_header) {
  EXPECT_NE(with(good_hec(), "index", "main\r\nX-Evil: 1").find("single line"), std::string::npos);
}

TEST(Settings, names_are_plain_words) {
  ConnectorConfig config = good_hec();
  config.name = "a/b";
  EXPECT_TRUE(error_of(config).starts_with("connectors[0].name: "));
}

}  // namespace
}  // namespace tidewaiter::forward
