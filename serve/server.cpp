#include "serve/server.hpp"

#include <httplib.h>
#include <sys/socket.h>

#include <optional>
#include <thread>

#include "core/log_line.hpp"
#include "serve/api.hpp"

namespace tidewaiter::serve {

namespace {

HttpRequest to_request(const httplib::Request& from) {
  HttpRequest request;
  request.method = from.method;
  request.path = from.path;
  for (const auto& [name, value] : from.params) request.params.emplace(name, value);
  request.authorization = from.get_header_value("Authorization");
  request.host = from.get_header_value("Host");
  request.remote = from.remote_addr;
  request.content_type = from.get_header_value("Content-Type");
  request.origin = from.get_header_value("Origin");
  request.body = from.body;
  return request;
}

void answer(HttpResponse response, httplib::Response& out) {
  out.status = response.status;
  for (const auto& [name, value] : response.headers) out.set_header(name, value);
  out.set_header("X-Content-Type-Options", "nosniff");
  out.set_header("Cache-Control", "no-store");
  out.set_content(std::move(response.body), response.content_type);
}

/// One listening socket with its pool of threads.
class Listener {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  Listener(const ServeConfig& config, Handler handler) : handler_(std::move(handler)) {
    const std::size_t threads = config.threads ? config.threads : 1;
    server_.new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
    server_.set_payload_max_length(config.request_bytes_max);
    server_.set_read_timeout(static_cast<time_t>(config.read_timeout_s));
    server_.set_write_timeout(static_cast<time_t>(config.read_timeout_s));
    server_.set_keep_alive_timeout(2);  // an idle connection holds a thread of the pool
    // The library's own choice would let a second process bind the same port unnoticed.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const auto serve = [this](const httplib::Request& in, httplib::Response& out) { answer(handler_(to_request(in)), out); };
    server_.Get(".*", serve);
    server_.Post(".*", serve);
    server_.Put(".*", serve);
    server_.Patch(".*", serve);
    server_.Delete(".*", serve);
    server_.Options(".*", serve);
    server_.set_error_handler([](const httplib::Request&, httplib::Response& out) {
      if (out.body.empty()) answer(error_response(out.status, "invalid_argument", "the request cannot be read", {}), out);
    });
    server_.set_exception_handler([](const httplib::Request&, httplib::Response& out, std::exception_ptr) {
      answer(error_response(500, "internal", "the request failed", "see the log of the service"), out);
    });
  }

  Result<void> listen(const ListenAddress& address) {
    const int bound = address.port ? (server_.bind_to_port(address.host, address.port) ? address.port : -1)
                                   : server_.bind_to_any_port(address.host);
    if (bound <= 0)
      return fail(Code::unavailable, "cannot listen on " + address.host + ":" + std::to_string(address.port) +
                                         ": the address is in use or not of this machine");
    port_ = static_cast<std::uint16_t>(bound);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() before the loop has begun would be lost.
    for (int ms = 0; ms < 5000 && !server_.is_running(); ++ms) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!server_.is_running()) return fail(Code::unavailable, "the listener on " + address.host + " did not start");
    return {};
  }

  ~Listener() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }
  std::uint16_t port() const { return port_; }

 private:
  Handler handler_;
  httplib::Server server_;
  std::thread thread_;
  std::uint16_t port_ = 0;
};

Result<AccessRule> rule_for(const ServeConfig& config, const ListenAddress& address) {
  if (!config.token_file.empty()) return AccessRule::from_file(config.token_file);
  if (address.loopback()) return AccessRule::open_to_this_machine();
  return fail(Code::permission, "the API address " + address.host +
                                    " can be reached from other machines, and no token file is configured: set one, or "
                                    "listen on 127.0.0.1");
}

}  // namespace

struct Server::State {
  std::unique_ptr<Api> api;
  std::unique_ptr<Listener> operations, reads;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::start(ServeConfig config, Backend backend) {
  std::optional<ListenAddress> operations_address, api_address;
  AccessRule rule = AccessRule::open_to_this_machine();
  if (!config.operations_listen.empty()) {
    TRY_ASSIGN(operations_address, parse_listen(config.operations_listen));
  }
  if (!config.api_listen.empty()) {
    TRY_ASSIGN(api_address, parse_listen(config.api_listen));
    TRY_ASSIGN(rule, rule_for(config, *api_address));
  }
  auto state = std::make_unique<State>();
  state->api = std::make_unique<Api>(config, std::move(backend), std::move(rule));
  const Api* api = state->api.get();
  if (operations_address) {
    state->operations = std::make_unique<Listener>(config, [api](const HttpRequest& r) { return api->operate(r); });
    TRY(state->operations->listen(*operations_address));
  }
  if (api_address) {
    state->reads = std::make_unique<Listener>(config, [api](const HttpRequest& r) { return api->read(r); });
    TRY(state->reads->listen(*api_address));
  }
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::stop() {
  if (state_->reads) state_->reads->stop();
  if (state_->operations) state_->operations->stop();
}

std::uint16_t Server::operations_port() const { return state_->operations ? state_->operations->port() : 0; }
std::uint16_t Server::api_port() const { return state_->reads ? state_->reads->port() : 0; }

}  // namespace tidewaiter::serve
