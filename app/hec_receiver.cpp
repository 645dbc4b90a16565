#include "app/hec_receiver.hpp"

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

namespace tidewaiter::app {
namespace {

using Json = nlohmann::json;

constexpr std::size_t request_bytes_max = 64u << 20;

HecRequest read_request(const httplib::Request& request) {
  HecRequest out;
  out.authorization = request.get_header_value("Authorization");
  out.channel = request.get_header_value("X-Splunk-Request-Channel");
  if (out.channel.empty() && request.has_param("channel")) out.channel = request.get_param_value("channel");
  out.body = request.body;
  return out;
}

void write_answer(const HecAnswer& answer, unsigned slow_ms, httplib::Response& response) {
  if (slow_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
  response.status = answer.status;
  if (!answer.retry_after.empty()) response.set_header("Retry-After", answer.retry_after);
  if (!answer.cut_off) {
    response.set_content(answer.body, "application/json; charset=UTF-8");
    return;
  }
  // A body is announced and the connection closed instead of sending it.
  response.set_content_provider(answer.body.size() + 64, "application/json",
                                [](std::size_t, std::size_t, httplib::DataSink&) { return false; });
}

unsigned percent(const Json& faults, const char* name) {
  const auto it = faults.find(name);
  return it != faults.end() && it->is_number_unsigned() ? it->get<unsigned>() : 0;
}

HecFaults read_faults(const Json& in) {
  HecFaults out;
  if (!in.is_object()) return out;
  out.lose_answer = percent(in, "lose_answer");
  out.close_early = percent(in, "close_early");
  out.busy = percent(in, "busy");
  out.unavailable = percent(in, "unavailable");
  out.rate_limited = percent(in, "rate_limited");
  out.lose_ack = percent(in, "lose_ack");
  out.drop_batch = percent(in, "drop_batch");
  out.reset_channel = percent(in, "reset_channel");
  out.slow_ms = percent(in, "slow_ms");
  out.refuse_token = percent(in, "refuse_token");
  return out;
}

std::atomic<bool> interrupted{false};
void on_signal(int) { interrupted = true; }

}  // namespace

struct HecReceiver::State {
  State(HecReceiverOptions options_in) : options(std::move(options_in)), indexer(options.indexer, clock) {}

  HecReceiverOptions options;
  SystemClock clock;
  HecIndexer indexer;
  httplib::Server server;
  std::thread thread;
  int port = 0;

  void add_routes() {
    const auto events = [this](const httplib::Request& request, httplib::Response& response) {
      write_answer(indexer.take_events(read_request(request)), indexer.faults().slow_ms, response);
    };
    for (const char* path : {"/services/collector", "/services/collector/event", "/services/collector/event/1.0"})
      server.Post(path, events);
    server.Post("/services/collector/ack", [this](const httplib::Request& request, httplib::Response& response) {
      write_answer(indexer.tell_acks(read_request(request)), indexer.faults().slow_ms, response);
    });
    const auto health = [](const httplib::Request&, httplib::Response& response) {
      response.set_content("{\"text\":\"HEC is healthy\",\"code\":17}", "application/json");
    };
    for (const char* path : {"/services/collector/health", "/services/collector/health/1.0"}) server.Get(path, health);
    add_own_routes();
  }

  void add_own_routes() {
    server.Get("/receiver/totals", [this](const httplib::Request&, httplib::Response& response) {
      const HecTotals totals = indexer.totals();
      response.set_content(Json{{"requests", totals.requests}, {"events", totals.events}, {"unique", totals.unique}}.dump(),
                           "application/json");
    });
    server.Get("/receiver/counts", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(Json(indexer.counts()).dump(), "application/json");
    });
    server.Post("/receiver/faults", [this](const httplib::Request& request, httplib::Response& response) {
      indexer.set_faults(read_faults(Json::parse(request.body, nullptr, false)));
      response.set_content("{}", "application/json");
    });
  }
};

HecReceiver::HecReceiver(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HecReceiver>> HecReceiver::start(HecReceiverOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  State& s = *state;
  s.add_routes();
  s.server.set_payload_max_length(request_bytes_max);
  s.server.set_keep_alive_max_count(1'000'000);
  s.server.set_tcp_nodelay(true);
  const bool any = s.options.port == 0;
  s.port = any ? s.server.bind_to_any_port(s.options.host) : s.options.port;
  if (s.port <= 0 || (!any && !s.server.bind_to_port(s.options.host, s.port)))
    return fail(Code::unavailable, "cannot listen on " + s.options.host + ":" + std::to_string(s.options.port));
  s.thread = std::thread([&s] { s.server.listen_after_bind(); });
  // stop() before the server runs would be forgotten by it.
  while (!s.server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return std::unique_ptr<HecReceiver>(new HecReceiver(std::move(state)));
}

HecReceiver::~HecReceiver() { stop(); }

int HecReceiver::port() const { return state_->port; }
std::string HecReceiver::url() const { return "http://" + state_->options.host + ":" + std::to_string(state_->port); }
HecIndexer& HecReceiver::indexer() { return state_->indexer; }

void HecReceiver::stop() {
  state_->server.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

int command_hec_receiver(const HecReceiverCommandOptions& options) {
  auto receiver = HecReceiver::start(options.receiver);
  if (!receiver) {
    std::fprintf(stderr, "%s\n", receiver.error().message.c_str());
    return 3;
  }
  (*receiver)->indexer().set_faults(options.faults);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGINT, on_signal);
  std::printf("%s\n", (*receiver)->url().c_str());
  std::fflush(stdout);
  while (!interrupted) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const HecTotals totals = (*receiver)->indexer().totals();
  std::printf("%llu events, %llu different\n", static_cast<unsigned long long>(totals.events),
              static_cast<unsigned long long>(totals.unique));
  return 0;
}

}  // namespace tidewaiter::app
