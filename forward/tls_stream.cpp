#include "forward/tls_stream.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "core/text.hpp"

namespace tidewaiter::forward {
namespace {

using Steady = std::chrono::steady_clock;

std::string openssl_error(const char* what) {
  std::string text = what;
  const unsigned long code = ERR_get_error();
  if (code != 0) {
    char buffer[256];
    ERR_error_string_n(code, buffer, sizeof buffer);
    const char* reason = ERR_reason_error_string(code);
    text += std::string(": ") + (reason != nullptr ? reason : buffer);
  }
  ERR_clear_error();
  return text;
}

bool is_certificate_alert() {
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return false;
  switch (ERR_GET_REASON(code)) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return true;
    default: return false;
  }
}

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

}  // namespace

struct TlsStream::State {
  TlsOptions options;
  std::unique_ptr<SSL_CTX, ContextDeleter> context;
  SSL* ssl = nullptr;
  int socket = -1;
  std::atomic<bool> cancelled{false};

  void close() {
    if (ssl != nullptr) {
      SSL_shutdown(ssl);
      SSL_free(ssl);
      ssl = nullptr;
    }
    if (socket >= 0) ::close(socket);
    socket = -1;
    ERR_clear_error();
  }

  Steady::time_point deadline() const { return Steady::now() + std::chrono::milliseconds(options.timeout_ms); }

  // In slices, so that cancel() is seen soon.
  Result<void> wait_for(short events, Steady::time_point until, const char* what) {
    for (;;) {
      if (cancelled) return fail(Code::unavailable, "cancelled");
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now()).count();
      if (left <= 0) return fail(Code::unavailable, std::string(what) + " took longer than " + std::to_string(options.timeout_ms) + " ms");
      pollfd entry{socket, events, 0};
      const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 100)));
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR) return fail(Code::unavailable, std::string("poll: ") + std::strerror(errno));
    }
  }

  Result<void> make_context() {
    if (context || !options.tls) return {};
    context.reset(SSL_CTX_new(TLS_client_method()));
    if (!context) return fail(Code::internal, openssl_error("TLS context"));
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context.get(), SSL_MODE_AUTO_RETRY);
    const bool roots = options.ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                           : SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) == 1;
    if (!roots) return drop_context("cannot load ca_file '" + options.ca_file + "'");
    if (options.cert_file.empty()) return {};
    if (SSL_CTX_use_certificate_chain_file(context.get(), options.cert_file.c_str()) != 1)
      return drop_context("cannot load cert_file '" + options.cert_file + "'");
    if (SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1)
      return drop_context("key_file '" + options.key_file + "' does not fit cert_file");
    return {};
  }

  Error drop_context(const std::string& what) {
    context.reset();
    return fail(Code::permission, openssl_error(what.c_str()));
  }

  Result<void> open_socket(Steady::time_point until) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int code = getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &list); code != 0)
      return fail(Code::unavailable, "cannot resolve '" + options.host + "': " + gai_strerror(code));
    Result<void> last = fail(Code::unavailable, "no address for '" + options.host + "'");
    for (const addrinfo* address = list; address != nullptr; address = address->ai_next) {
      last = connect_to(*address, until);
      if (last) break;
      close();
    }
    freeaddrinfo(list);
    return last;
  }

  Result<void> connect_to(const addrinfo& address, Steady::time_point until) {
    const std::string where = options.host + ":" + options.port;
    socket = ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol);
    if (socket < 0) return fail(Code::unavailable, std::string("socket: ") + std::strerror(errno));
    const int on = 1;
    const auto user_timeout = static_cast<unsigned>(options.timeout_ms * 3);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    // A peer that has vanished without a word shows as an error of the socket after this time.
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
    if (::connect(socket, address.ai_addr, address.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) return fail(Code::unavailable, "cannot connect to " + where + ": " + std::strerror(errno));
    TRY(wait_for(POLLOUT, until, "connecting"));
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(Code::unavailable, "cannot connect to " + where + ": " + std::strerror(error));
    return {};
  }

  Result<void> shake_hands(Steady::time_point until) {
    ssl = SSL_new(context.get());
    if (ssl == nullptr) return fail(Code::internal, openssl_error("TLS"));
    SSL_set_fd(ssl, socket);
    const std::string& name = options.server_name.empty() ? options.host : options.server_name;
    if (parse_ip(name)) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl, name.c_str());
      SSL_set1_host(ssl, name.c_str());
    }
    for (;;) {
      ERR_clear_error();
      const int done = SSL_connect(ssl);
      if (done == 1) return {};
      TRY(wait_or_fail(done, until, "TLS handshake"));
    }
  }

  // After a call that did not finish: waits for what it needs, or says why it failed.
  Result<void> wait_or_fail(int returned, Steady::time_point until, const char* what) {
    switch (SSL_get_error(ssl, returned)) {
      case SSL_ERROR_WANT_READ: return wait_for(POLLIN, until, what);
      case SSL_ERROR_WANT_WRITE: return wait_for(POLLOUT, until, what);
      default: return broken(what);
    }
  }

  Error broken(const char* what) {
    const int saved = errno;
    const bool certificate = is_certificate_alert();
    std::string message;
    if (const long verify = ssl != nullptr ? SSL_get_verify_result(ssl) : X509_V_OK; verify != X509_V_OK) {
      message = std::string(what) + ": the receiver's certificate is not accepted: " + X509_verify_cert_error_string(verify);
    } else if (ERR_peek_error() != 0) {
      message = openssl_error(what);
    } else {
      message = std::string(what) + ": " + (saved != 0 ? std::strerror(saved) : "the receiver closed the connection");
    }
    return fail(certificate ? Code::permission : Code::unavailable, message);
  }

  Result<void> write_some(std::string_view& bytes, Steady::time_point until) {
    errno = 0;
    ERR_clear_error();
    if (ssl == nullptr) {
      const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        return {};
      }
      if (errno == EAGAIN || errno == EINTR) return wait_for(POLLOUT, until, "writing");
      return fail(Code::unavailable, std::string("writing: ") + std::strerror(errno));
    }
    std::size_t sent = 0;
    const int done = SSL_write_ex(ssl, bytes.data(), bytes.size(), &sent);
    if (done == 1) {
      bytes.remove_prefix(sent);
      return {};
    }
    return wait_or_fail(done, until, "writing");
  }

  // One read. True when there may be more; an error when the peer is gone.
  Result<bool> read_some() {
    char buffer[4096];
    errno = 0;
    ERR_clear_error();
    if (ssl == nullptr) {
      const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
      if (got > 0) return true;
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
      return broken("reading");
    }
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl, buffer, sizeof buffer, &got);
    if (done == 1) return true;
    const int reason = SSL_get_error(ssl, done);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return false;
    return broken("reading");
  }
};

TlsStream::TlsStream(TlsOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  // OpenSSL writes with write(2), which has no MSG_NOSIGNAL: a broken pipe must be an error, never the end of us.
  std::signal(SIGPIPE, SIG_IGN);
}

TlsStream::~TlsStream() { state_->close(); }

bool TlsStream::connected() const { return state_->socket >= 0; }
void TlsStream::close() { state_->close(); }
void TlsStream::cancel() { state_->cancelled = true; }

Result<void> TlsStream::connect() {
  if (connected()) return {};
  TRY(state_->make_context());
  const auto until = state_->deadline();
  Result<void> result = state_->open_socket(until);
  if (result && state_->options.tls) result = state_->shake_hands(until);
  if (!result) state_->close();
  return result;
}

Result<void> TlsStream::write(std::string_view bytes) {
  if (!connected()) return fail(Code::unavailable, "not connected");
  const auto until = state_->deadline();
  while (!bytes.empty()) {
    if (Result<void> done = state_->write_some(bytes, until); !done) {
      state_->close();
      return done;
    }
  }
  return {};
}

Result<void> TlsStream::look(std::int64_t wait_ms) {
  if (!connected()) return fail(Code::unavailable, "not connected");
  pollfd entry{state_->socket, POLLIN, 0};
  const bool buffered = state_->ssl != nullptr && SSL_pending(state_->ssl) > 0;
  if (!buffered && ::poll(&entry, 1, static_cast<int>(wait_ms)) <= 0) return {};
  // A receiver of syslog has nothing to say: what little it says is read and forgotten.
  for (int i = 0; i < 16; ++i) {
    Result<bool> more = state_->read_some();
    if (!more) {
      state_->close();
      return std::move(more).error();
    }
    if (!*more) break;
  }
  return {};
}

std::uint64_t TlsStream::acknowledged_mark() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (!connected() || getsockopt(state_->socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_acked;
}

std::uint64_t TlsStream::written_mark() const {
  // Read again when an acknowledgement came between the two questions: it would be counted twice.
  for (;;) {
    const std::uint64_t before = acknowledged_mark();
    int queued = 0;
    if (!connected() || ioctl(state_->socket, SIOCOUTQ, &queued) != 0) return 0;
    if (acknowledged_mark() == before) return before + static_cast<std::uint64_t>(queued);
  }
}

std::string TlsStream::description() const {
  if (state_->ssl == nullptr) return "plain TCP";
  return std::string(SSL_get_version(state_->ssl)) + " " + SSL_get_cipher_name(state_->ssl);
}

}  // namespace tidewaiter::forward
