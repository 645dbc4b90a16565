// Sink syslog: RFC 5424 messages over TLS (RFC 5425: octet counting, mutual TLS), with a CEF or JSON body.
//
// The protocol confirms nothing. A batch counts as confirmed once its bytes are acknowledged by the receiver's kernel
// and the connection has stayed open for settle_ms after that moment's send, with the socket being read meanwhile: a
// refused certificate or a dead receiver shows there as an alert or an end of file. When the connection ends sooner,
// every batch of it that has not settled is sent again. What a receiver loses later than that is not seen: a limit.
// No byte order mark is sent (receivers keep it in MSG), bodies have no line breaks, and a message is cut field by
// field to bytes_max.
#include <algorithm>
#include <deque>

#include "core/text.hpp"
#include "forward/sink.hpp"
#include "forward/tls_stream.hpp"

namespace tidewaiter::forward {
namespace {

constexpr std::string_view body_words[] = {"cef", "json"};

struct SyslogOptions {
  TlsOptions stream;
  bool cef = true;
  int facility = 13;  // log audit
  std::string hostname, app_name, enterprise_id;
  std::size_t bytes_max = 8192;
  std::int64_t settle_ms = 2000;
  FormatOptions format;
};

// RFC 5424 section 6: at most six digits of a second.
std::string timestamp(std::int64_t time_ns) { return format_rfc3339(time_ns / 1000 * 1000); }

// PARAM-VALUE, section 6.3.3: `"`, `\` and `]` are escaped.
void append_param(std::string& out, std::string_view name, std::string_view value) {
  out += ' ';
  out += name;
  out += "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == ']') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  out += '"';
}

class Syslog final : public Sink {
 public:
  Syslog(SyslogOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock), stream_(options_.stream) {}

  void encode(std::span<const Envelope> items, std::vector<std::string>& out) const override {
    for (const Envelope& item : items) out.push_back(encode_one(item));
  }
  Answer send(std::span<const Item* const> batch) override;
  Confirmation confirm(std::span<const std::uint64_t> tickets) override;
  Result<std::string> test() override;
  SinkTraits traits() const override {
    return {std::max<std::int64_t>(options_.settle_ms / 4, 10) * 1'000'000,
            (options_.settle_ms + 4 * options_.stream.timeout_ms) * 1'000'000};
  }
  void cancel() override { stream_.cancel(); }

 private:
  struct Unsettled {
    std::uint64_t ticket = 0, mark = 0;
    std::int64_t sent_ns = 0;
  };
  std::string encode_one(const Envelope& item) const;
  Answer failed(const Error& error) const;
  void connection_ended(const Error& error);

  SyslogOptions options_;
  const Clock& clock_;
  TlsStream stream_;
  std::deque<Unsettled> unsettled_;  // of the present connection
  std::uint64_t next_ticket_ = 1;
  bool anything_settled_ = false;    // on the present connection
  Answer trouble_;                   // how the last connection ended, until confirm() has told
};

std::string Syslog::encode_one(const Envelope& item) const {
  const int priority = options_.facility * 8 + syslog_severity(item.severity);
  std::string head = "<" + std::to_string(priority) + ">1 " + timestamp(item.time_ns) + " " + options_.hostname + " " +
                     options_.app_name + " - " + std::string(kind_word(item.kind)) + " [tidewaiter@" + options_.enterprise_id;
  append_param(head, "uid", item_uid(item));
  append_param(head, "log", item.log);
  append_param(head, "seq", std::to_string(item.seq));
  if (item.kind == Envelope::Kind::event) append_param(head, "sub", std::to_string(item.sub));
  head += "] ";
  const std::size_t room = options_.bytes_max - std::min(options_.bytes_max - 512, head.size());
  const std::string message = head + (options_.cef ? trim_cef(to_cef(item, options_.format), room)
                                                   : trim_json(to_json(item, options_.format), room));
  return std::to_string(message.size()) + " " + message;
}

Answer Syslog::failed(const Error& error) const {
  Answer answer;
  answer.verdict = error.code == Code::permission ? Verdict::park : Verdict::retry;
  answer.reason = error.message;
  return answer;
}

void Syslog::connection_ended(const Error& error) {
  trouble_ = failed(error);
  // Some receivers refuse a certificate by nothing more than a reset.
  if (!anything_settled_ && !options_.stream.cert_file.empty() && trouble_.verdict == Verdict::retry)
    trouble_.reason += " (before anything had settled: perhaps the receiver refuses our certificate)";
  unsettled_.clear();
  anything_settled_ = false;
}

Answer Syslog::send(std::span<const Item* const> batch) {
  // First what has come from the receiver: a connection that has ended must not take another batch.
  if (stream_.connected()) {
    if (const auto looked = stream_.look(0); !looked) connection_ended(looked.error());
  }
  if (const auto connected = stream_.connect(); !connected) return failed(connected.error());
  std::string frames;
  for (const Item* item : batch) frames += item->bytes;
  if (const auto written = stream_.write(frames); !written) {
    connection_ended(written.error());
    return trouble_;
  }
  Answer answer;
  answer.verdict = Verdict::pending;
  answer.ticket = next_ticket_++;
  answer.reason = "written, connection stayed open";
  unsettled_.push_back({answer.ticket, stream_.written_mark(), clock_.now_ns()});
  return answer;
}

Confirmation Syslog::confirm(std::span<const std::uint64_t> tickets) {
  Confirmation out;
  out.answer.verdict = Verdict::ok;
  if (stream_.connected()) {
    if (const auto looked = stream_.look(0); !looked) connection_ended(looked.error());
  }
  const std::uint64_t acknowledged = stream_.acknowledged_mark();
  const std::int64_t settled_before = clock_.now_ns() - options_.settle_ms * 1'000'000;
  while (!unsettled_.empty() && unsettled_.front().sent_ns <= settled_before && unsettled_.front().mark <= acknowledged) {
    anything_settled_ = true;
    out.confirmed.push_back(unsettled_.front().ticket);
    unsettled_.pop_front();
  }
  for (const std::uint64_t id : tickets) {
    const auto known = [&](const Unsettled& entry) { return entry.ticket == id; };
    const bool confirmed = std::find(out.confirmed.begin(), out.confirmed.end(), id) != out.confirmed.end();
    if (!confirmed && std::none_of(unsettled_.begin(), unsettled_.end(), known)) out.lost.push_back(id);
  }
  if (!out.lost.empty()) {
    out.answer = trouble_;
    if (out.answer.reason.empty()) out.answer.reason = "the connection ended before its last messages had settled";
  }
  return out;
}

Result<std::string> Syslog::test() {
  stream_.close();
  unsettled_.clear();
  TRY(stream_.connect());
  const std::string message = "<" + std::to_string(options_.facility * 8 + 6) + ">1 " + timestamp(clock_.now_ns()) + " " +
                              options_.hostname + " " + options_.app_name + " - test - connection test of tidewaiter";
  TRY(stream_.write(std::to_string(message.size()) + " " + message));
  const std::string seen = stream_.description();
  TRY(stream_.look(options_.settle_ms));  // a refusal of our certificate comes only now
  if (!stream_.connected()) return fail(Code::unavailable, "the receiver closed the connection");
  stream_.close();
  return options_.stream.host + ":" + options_.stream.port + " took one test message over " + seen +
         " and kept the connection open (syslog confirms nothing more)";
}

// HOSTNAME and APP-NAME: printable ASCII without spaces.
void check_printable(Settings& settings, std::string_view key, const std::string& value, std::size_t limit) {
  const bool good = std::all_of(value.begin(), value.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  if (value.empty() || !good || value.size() > limit)
    settings.wrong(key, "expected 1 to " + std::to_string(limit) + " printable ASCII characters without spaces");
}

void read_stream(Settings& settings, TlsOptions& stream) {
  stream.host = settings.required("host");
  stream.port = std::to_string(settings.number("port", 6514, 1, 65535));
  stream.server_name = settings.text("server_name");
  stream.tls = settings.flag("tls", true);
  const bool loopback = stream.host.starts_with("127.") || stream.host == "localhost" || stream.host == "::1";
  if (!settings.flag("allow_plaintext", false) && !stream.tls && !loopback)
    settings.wrong("tls", "events would travel in clear: leave tls on, or set allow_plaintext: true");
  stream.ca_file = settings.file("ca_file");
  stream.cert_file = settings.file("cert_file");
  stream.key_file = settings.file("key_file");
  if (stream.cert_file.empty() != stream.key_file.empty())
    settings.wrong("cert_file", "cert_file and key_file belong together");
  stream.timeout_ms = static_cast<std::int64_t>(settings.number("timeout_ms", 10'000, 10, 300'000));
}

}  // namespace

std::unique_ptr<Sink> make_syslog(Settings& settings, const Clock& clock, std::uint64_t) {
  SyslogOptions options;
  read_stream(settings, options.stream);
  options.cef = settings.word("body", "cef", body_words) == "cef";
  options.facility = static_cast<int>(settings.number("facility", 13, 0, 23));
  options.hostname = settings.text("hostname", "tidewaiter");
  options.app_name = settings.text("app_name", "tidewaiter");
  options.enterprise_id = settings.text("enterprise_id", "32473");
  check_printable(settings, "hostname", options.hostname, 255);
  check_printable(settings, "app_name", options.app_name, 48);
  if (options.enterprise_id.find_first_not_of("0123456789.") != std::string::npos || options.enterprise_id.empty())
    settings.wrong("enterprise_id", "expected digits, such as 32473");
  options.bytes_max = settings.bytes("bytes_max", 8192, 2048, 1u << 20);
  options.settle_ms = static_cast<std::int64_t>(settings.number("settle_ms", 2000, 10, 60'000));
  options.format.link_base = settings.text("link_base");
  options.format.mask_secrets = settings.flag("mask_secrets", true);
  return std::make_unique<Syslog>(std::move(options), clock);
}

}  // namespace tidewaiter::forward
