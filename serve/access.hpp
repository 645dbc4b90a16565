// Who may read, and write: listen addresses, bearer tokens, and the record that each read leaves behind. Pure but for reading the
// token file. Tokens are compared by digest in constant time and are never logged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "core/sha256.hpp"

namespace tidewaiter::serve {

struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
  bool loopback() const;  // 127.0.0.0/8, ::1 or localhost
};
/// "127.0.0.1:8470", "[::1]:8470", "localhost:0". Error: invalid_argument.
Result<ListenAddress> parse_listen(std::string_view text);

class AccessRule {
 public:
  /// No tokens: everybody on this machine may read.
  static AccessRule open_to_this_machine() { return AccessRule(); }
  /// One token a line, "name:token" or "token", which may read; with "write " before it, it may also give verdicts and
  /// suppress. '#' starts a comment. Errors: invalid_argument (none in it, shorter
  /// than 16 characters), permission (readable by others), not_found.
  static Result<AccessRule> from_file(const std::string& path);

  bool needs_token() const { return !tokens_.empty(); }
  /// Name of who asks, or nothing when refused. Without tokens only requests that name this machine as their host are
  /// served, so that no web page can read through a visitor's browser.
  std::optional<std::string> who(std::string_view authorization, std::string_view host) const;
  /// Whether who asks may also write; for a request that who() lets in.
  bool may_write(std::string_view authorization) const;

 private:
  struct Token {
    std::string name;
    Hash digest;
    bool may_write = false;
  };
  const Token* find(std::string_view authorization) const;
  std::vector<Token> tokens_;
};

/// Percent-encodes everything but visible ASCII, so that what a client sent is plain text wherever it is stored.
std::string printable(std::string_view text);

/// What is written down of one read.
struct Access {
  std::string who, remote, method, path, query;
  int status = 0;
  std::uint64_t rows = 0;
  std::int64_t time_ns = 0;
};
/// Kind access, with columns principal, action, operation, resource, src_ip and outcome.
OwnRecord access_record(const Access& access);

}  // namespace tidewaiter::serve
