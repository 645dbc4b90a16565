#include "serve/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "serve/metrics_exporter.hpp"
#include "tests/query/sample_store.hpp"

namespace tidewaiter::serve {
namespace {

using test::SampleStore;

/// Sends bytes to a loopback port and reads until the other side closes.
std::string talk(std::uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t n = ::recv(fd, buffer, sizeof buffer, 0); n > 0; n = ::recv(fd, buffer, sizeof buffer, 0))
      answer.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return answer;
}
std::string get(std::uint16_t port, const std::string& target, const std::string& headers = "") {
  return talk(port, "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers + "\r\n");
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.add(50);
    store_.checkpoint();
    config_.operations_listen = config_.api_listen = "127.0.0.1:0";
    backend_.open_reader = [this] { return store::Reader::open(store_.log()); };
    backend_.record_access = [this](OwnRecord) -> Result<void> {
      ++recorded_;
      return {};
    };
    backend_.metrics = &metrics_;
  }
  std::unique_ptr<Server> start() {
    auto server = Server::start(config_, backend_);
    EXPECT_TRUE(server) << (server ? "" : server.error().message);
    return server ? std::move(*server) : nullptr;
  }
  SampleStore store_;
  ServeConfig config_;
  Backend backend_;
  Metrics metrics_;
  std::atomic<int> recorded_{0};
};

TEST_F(ServerTest, both_addresses_answer_their_own_routes_and_not_each_others) {
  const auto server = start();
  ASSERT_TRUE(server);
  EXPECT_NE(get(server->operations_port(), "/healthz").find("200 OK"), std::string::npos);
  EXPECT_NE(get(server->operations_port(), "/v1/events").find("404"), std::string::npos);
  EXPECT_NE(get(server->api_port(), "/v1/events?where=principal%20%3D%3D%20agent-1&limit=2").find("\"agent-1\""), std::string::npos);
  EXPECT_NE(get(server->api_port(), "/metrics").find("404"), std::string::npos);
  EXPECT_EQ(recorded_, 2);
}

TEST_F(ServerTest, the_checkpoint_arrives_byte_for_byte) {
  const auto server = start();
  ASSERT_TRUE(server);
  const std::string answer = get(server->api_port(), "/v1/checkpoint?log=main");
  const auto reader = store_.reader();
  std::string note;
  for (const store::LogInfo& log : reader->logs())
    if (log.name == "main") note = reader->heads(log.id)->back().note;
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), note);
  EXPECT_NE(answer.find("Cache-Control: no-store"), std::string::npos);
}

TEST_F(ServerTest, beyond_loopback_the_api_starts_only_with_a_token) {
  config_.api_listen = "0.0.0.0:0";
  const auto refused = Server::start(config_, backend_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::permission);
  config_.token_file = store_.file("tokens");
  std::ofstream(config_.token_file) << "soc:0123456789abcdef0123\n";
  ::chmod(config_.token_file.c_str(), 0600);
  const auto server = start();
  ASSERT_TRUE(server);
  EXPECT_NE(get(server->api_port(), "/v1/checkpoint").find("401"), std::string::npos);
  EXPECT_NE(get(server->api_port(), "/v1/checkpoint", "Authorization: Bearer 0123456789abcdef0123\r\n").find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, an_address_in_use_is_an_error) {
  const auto first = start();
  ASSERT_TRUE(first);
  config_.api_listen = "127.0.0.1:" + std::to_string(first->api_port());
  const auto second = Server::start(config_, backend_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
}

TEST_F(ServerTest, a_request_that_is_too_large_or_broken_is_refused_and_the_next_one_served) {
  const auto server = start();
  ASSERT_TRUE(server);
  const std::uint16_t port = server->api_port();
  talk(port, "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 100000000\r\n\r\n");
  talk(port, "\r\n\r\n");
  talk(port, std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_NE(get(port, "/" + std::string(10'000, 'a')).find("41"), std::string::npos);
  EXPECT_NE(get(port, "/v1/checkpoint").find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, many_readers_at_once_get_whole_answers) {
  const auto server = start();
  ASSERT_TRUE(server);
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&] {
      for (int n = 0; n < 10; ++n) good += get(server->api_port(), "/v1/events?limit=50").ends_with("}\n");
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 80);
  EXPECT_EQ(recorded_, 80);
}

TEST_F(ServerTest, stopping_twice_and_starting_again_is_fine) {
  auto server = start();
  ASSERT_TRUE(server);
  server->stop();
  server->stop();
  EXPECT_EQ(get(server->api_port(), "/v1/checkpoint"), "");
  server = start();
  ASSERT_TRUE(server);
  EXPECT_NE(get(server->api_port(), "/v1/checkpoint").find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, an_address_that_is_switched_off_does_not_listen) {
  config_.operations_listen.clear();
  const auto server = start();
  ASSERT_TRUE(server);
  EXPECT_EQ(server->operations_port(), 0);
}

/// The exposition format, line by line, as Prometheus' own checker reads it.
void check_metrics_format(const std::string& text) {
  const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) .+"), type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)");
  const std::regex sample("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{([a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\\\n]|\\\\[\\\\\"n])*\",?)*\\})? "
                          "([-+0-9.eE]+|NaN|[+-]?Inf)");
  ASSERT_TRUE(text.empty() || text.back() == '\n');
  std::istringstream lines(text);
  std::string line, family;
  std::set<std::string> families, series;
  while (std::getline(lines, line)) {
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      EXPECT_TRUE(families.insert(match[1]).second) << "a family comes twice: " << line;
    } else if (std::regex_match(line, match, type)) {
      family = match[1];
      EXPECT_TRUE(match[2] != "counter" || family.ends_with("_total")) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], family) << line;
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << "a series comes twice: " << line;
    }
  }
}

TEST_F(ServerTest, metrics_are_in_the_format_that_prometheus_reads) {
  metrics_.counter("tidewaiter_a_total", "A \"quoted\" help\nwith two lines.", {{"name", "x\"y\\z\n"}}).add(3);
  metrics_.gauge("tidewaiter_b_seconds", "B.").set(0.25);
  metrics_.counter("tidewaiter_a_total", "A.", {{"name", "other"}}).add(18446744073709551u);
  const auto server = start();
  ASSERT_TRUE(server);
  get(server->api_port(), "/v1/checkpoint");
  const std::string answer = get(server->operations_port(), "/metrics");
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4; charset=utf-8"), std::string::npos);
  const std::string text = answer.substr(answer.find("\r\n\r\n") + 4);
  check_metrics_format(text);
  EXPECT_NE(text.find("tidewaiter_b_seconds 0.25\n"), std::string::npos);
  EXPECT_NE(text.find("tidewaiter_http_requests_total{route=\"/v1/checkpoint\",status=\"200\"} 1\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace tidewaiter::serve
