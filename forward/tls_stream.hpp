// TlsStream: one TLS connection as a client; the only user of OpenSSL's TLS in this room. Blocking with deadlines,
// owned by one thread; cancel() from any thread ends a running call.
// With TLS 1.3 a server can refuse our certificate after the handshake has succeeded here and after bytes were sent:
// only reading shows it. So the owner must call look() while it waits, and treat a closed stream as a failed send.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace tidewaiter::forward {

struct TlsOptions {
  std::string host, port;
  std::string server_name;  // what the certificate must be for; empty = host
  std::string ca_file;      // empty = the system's
  std::string cert_file, key_file;  // client certificate (mutual TLS)
  bool tls = true;          // false: plain TCP, for receivers on the same machine
  std::int64_t timeout_ms = 10'000;
};

class TlsStream {
 public:
  explicit TlsStream(TlsOptions options);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// Connects and shakes hands; does nothing when connected. Errors: unavailable, permission (certificate).
  Result<void> connect();
  bool connected() const;
  /// Writes all of it. Error: the connection is gone and was closed; how much arrived is unknown.
  Result<void> write(std::string_view bytes);
  /// Reads what has come, without waiting longer than `wait_ms`. Error: the peer closed or sent an alert (permission
  /// when the alert is about certificates); the stream is closed then.
  Result<void> look(std::int64_t wait_ms);
  /// A mark behind everything written so far, and how far the peer's kernel has acknowledged (same unit).
  std::uint64_t written_mark() const;
  std::uint64_t acknowledged_mark() const;
  /// TLS version and cipher, or "plain TCP".
  std::string description() const;
  void close();

  void cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::forward
