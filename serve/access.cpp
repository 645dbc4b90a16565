#include "serve/access.hpp"

#include <sys/stat.h>

#include <charconv>
#include <fstream>
#include <memory>

#include "core/text.hpp"

namespace tidewaiter::serve {

namespace {

constexpr std::size_t token_characters_min = 16;
constexpr std::string_view write_word = "write ";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  const std::optional<Ip> ip = parse_ip(host);
  if (!ip) return false;
  const std::string text = format_ip(*ip);
  return text == "::1" || text.rfind("127.", 0) == 0;
}

/// The host of a Host header, without its port.
std::string_view host_name(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

bool equal_in_constant_time(const Hash& a, const Hash& b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

bool ListenAddress::loopback() const { return is_loopback(host); }

Result<ListenAddress> parse_listen(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::invalid_argument,
                "'" + std::string(text) + "' is no address to listen on: expected host:port such as 127.0.0.1:8470");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return bad();
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (host.empty() || error != std::errc() || end != digits.data() + digits.size()) return bad();
  return ListenAddress{std::string(host), port};
}

Result<AccessRule> AccessRule::from_file(const std::string& path) {
  struct stat status {};
  std::ifstream file(path);
  if (!file || ::stat(path.c_str(), &status) != 0)
    return fail(Code::not_found, "the token file " + path + " cannot be read");
  if (status.st_mode & (S_IROTH | S_IWOTH))
    return fail(Code::permission, "the token file " + path + " is open to every user: chmod 640 " + path);
  AccessRule rule;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string_view text = trim(line);
    if (text.empty() || text.front() == '#') continue;
    const bool may_write = text.starts_with(write_word);
    if (may_write) text = trim(text.substr(write_word.size()));
    const std::size_t colon = text.find(':');
    const std::string name =
        colon == std::string_view::npos ? "token " + std::to_string(number) : std::string(trim(text.substr(0, colon)));
    const std::string_view token = colon == std::string_view::npos ? text : trim(text.substr(colon + 1));
    if (token.size() < token_characters_min)
      return fail(Code::invalid_argument, path + ":" + std::to_string(number) + ": a token needs at least " +
                                              std::to_string(token_characters_min) +
                                              " characters; make one with: openssl rand -hex 24");
    rule.tokens_.push_back({name, sha256(token), may_write});
  }
  if (rule.tokens_.empty())
    return fail(Code::invalid_argument, "no token in " + path + "; make one with: openssl rand -hex 24 > " + path);
  return rule;
}

std::optional<std::string> AccessRule::who(std::string_view authorization, std::string_view host) const {
  if (tokens_.empty()) return is_loopback(host_name(host)) ? std::optional<std::string>("local") : std::nullopt;
  const Token* found = find(authorization);
  return found ? std::optional(found->name) : std::nullopt;
}

bool AccessRule::may_write(std::string_view authorization) const {
  if (tokens_.empty()) return true;
  const Token* found = find(authorization);
  return found != nullptr && found->may_write;
}

const AccessRule::Token* AccessRule::find(std::string_view authorization) const {
  constexpr std::string_view scheme = "Bearer ";
  if (authorization.substr(0, scheme.size()) != scheme) return nullptr;
  const Hash digest = sha256(trim(authorization.substr(scheme.size())));
  const Token* found = nullptr;
  for (const Token& token : tokens_)
    if (equal_in_constant_time(token.digest, digest)) found = &token;
  return found;
}

std::string printable(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c < 0x7f) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

OwnRecord access_record(const Access& access) {
  OwnRecord record;
  record.kind = RecordKind::access;
  record.time_ns = access.time_ns;
  std::string& body = record.body;
  body = "{\"type\":\"access\",\"who\":";
  append_json_string(body, access.who);
  body += ",\"from\":";
  append_json_string(body, access.remote);
  body += ",\"method\":";
  append_json_string(body, access.method);
  body += ",\"path\":";
  append_json_string(body, access.path);
  body += ",\"query\":";
  append_json_string(body, access.query);
  body += ",\"status\":" + std::to_string(access.status) + ",\"rows\":" + std::to_string(access.rows) + ",\"time\":";
  append_json_string(body, format_rfc3339(access.time_ns));
  body += '}';

  record.strings = std::make_shared<std::deque<std::string>>();
  const auto keep = [&](std::string text) -> std::string_view { return record.strings->emplace_back(std::move(text)); };
  const auto cut = [](std::string_view text, std::size_t bytes) { return std::string(text.substr(0, bytes)); };
  Event event;
  event.set(Num::time, static_cast<std::uint64_t>(access.time_ns));
  event.set(Num::family, static_cast<std::uint64_t>(Family::control));
  event.set(Str::principal, keep(cut(access.who, info(Str::principal).limit_bytes)));
  event.set(Num::action, *enums::action.find(access.method == "POST" ? "create" : "read"));
  event.set(Str::operation, keep(cut(access.method + " " + access.path, info(Str::operation).limit_bytes)));
  event.set(Str::resource, keep(cut(access.query, info(Str::resource).limit_bytes)));
  event.set(Num::resource_count, access.rows);
  event.set(Num::outcome, *enums::outcome.find(access.status < 400 ? "success" : "failure"));
  if (const auto ip = parse_ip(access.remote)) event.set(Addr::src_ip, *ip);
  record.columns = event;
  return record;
}

}  // namespace tidewaiter::serve
