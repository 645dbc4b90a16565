// Sink splunk_hec: Splunk's HTTP Event Collector, with or without indexer acknowledgement.
//
// Without acknowledgement a 200 is the confirmation. With it, each request on our channel (a GUID) gets an ackId, and
// the collector is asked until it says true. Its traps, and what is done here:
// - true is said once, then forgotten: when that answer is lost, the batch times out and is sent again (same uid);
// - "dropped" and "not yet" both read false: the courier gives up after a while and sends again;
// - ackIds begin anew when the channel is reset (a restarted indexer): an id that does not rise shows it, and the
//   older tickets of the channel are lost, never taken for confirmed;
// - after a request whose answer was lost the channel is left, so that no id can come twice unseen.
// Sources: Splunk, "About HTTP Event Collector Indexer Acknowledgment", "Format events for HTTP Event Collector".
#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <random>

#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "forward/gzip.hpp"
#include "forward/http_client.hpp"
#include "forward/sink.hpp"
#include "forward/splunk_answer.hpp"

namespace tidewaiter::forward {
namespace {

struct HecOptions {
  std::string base_url, token;
  std::string host, source, index, event_sourcetype, alert_sourcetype, checkpoint_sourcetype;
  bool gzip = true, ack = false;
  std::int64_t ack_poll_ms = 1000, ack_timeout_ms = 300'000;
  FormatOptions format;
  HttpOptions http;
};

std::string make_guid(std::mt19937_64& random) {
  const std::uint64_t a = random(), b = random();
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(a >> 32),
                static_cast<unsigned>(a >> 16 & 0xFFFF), static_cast<unsigned>(a & 0xFFF),
                static_cast<unsigned>(0x8000 | (b >> 48 & 0x3FFF)), static_cast<unsigned long long>(b & 0xFFFFFFFFFFFF));
  return text;
}

// Seconds since 1970 with milliseconds, as HEC wants `time`.
std::string epoch_seconds(std::int64_t time_ns) {
  const std::int64_t ms = time_ns / 1'000'000;
  char text[32];
  std::snprintf(text, sizeof text, "%s%lld.%03lld", ms < 0 ? "-" : "", static_cast<long long>(std::abs(ms) / 1000),
                static_cast<long long>(std::abs(ms) % 1000));
  return text;
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  out += ",\"";
  out += key;
  out += "\":";
  append_json_string(out, value);
}

struct Ticket {
  std::string channel;
  std::uint64_t ack_id = 0;
};

class SplunkHec final : public Sink {
 public:
  SplunkHec(HecOptions options, const Clock& clock, std::uint64_t seed)
      : options_(std::move(options)), clock_(clock), random_(seed), client_(options_.http) {
    new_channel();
  }

  void encode(std::span<const Envelope> items, std::vector<std::string>& out) const override {
    for (const Envelope& item : items) out.push_back(encode_one(item));
  }
  Answer send(std::span<const Item* const> batch) override;
  Confirmation confirm(std::span<const std::uint64_t> tickets) override;
  Result<std::string> test() override;
  SinkTraits traits() const override {
    return {options_.ack_poll_ms * 1'000'000, options_.ack_timeout_ms * 1'000'000};
  }
  void cancel() override { client_.cancel(); }

 private:
  const std::string& sourcetype(Envelope::Kind kind) const;
  std::string encode_one(const Envelope& item) const;
  std::vector<std::string> headers(bool compressed, const std::string& channel) const;
  Answer no_answer(const Error& error) const;
  void new_channel() {
    channel_ = make_guid(random_);
    last_ack_id_.reset();
  }
  void take_ticket(std::uint64_t ack_id, Answer& answer);
  const std::string& channel_to_ask(std::span<const std::uint64_t> tickets);
  void read_acks(const std::string& body, const std::string& channel, Confirmation& out) const;

  HecOptions options_;
  const Clock& clock_;
  std::mt19937_64 random_;
  HttpClient client_;
  std::string channel_;
  std::optional<std::uint64_t> last_ack_id_;
  std::map<std::uint64_t, Ticket> tickets_;
  std::uint64_t next_ticket_ = 1, asked_ = 0;
};

const std::string& SplunkHec::sourcetype(Envelope::Kind kind) const {
  switch (kind) {
    case Envelope::Kind::alert: return options_.alert_sourcetype;
    case Envelope::Kind::checkpoint: return options_.checkpoint_sourcetype;
    case Envelope::Kind::event: break;
  }
  return options_.event_sourcetype;
}

std::string SplunkHec::encode_one(const Envelope& item) const {
  const bool alert = item.kind == Envelope::Kind::alert;
  std::string out = "{\"time\":" + epoch_seconds(item.time_ns);
  append_member(out, "host", options_.host);
  append_member(out, "source", options_.source);
  append_member(out, "sourcetype", sourcetype(item.kind));
  append_member(out, "index", options_.index);
  out += ",\"event\":" + to_json(item, options_.format);
  // Indexed fields must be flat. What makes a repeat a repeat stands here: `dedup uid` (and revision, for alerts).
  out += ",\"fields\":{\"uid\":\"" + item.uid + "\"";
  if (alert) out += ",\"revision\":\"" + std::to_string(item.revision) + "\"";
  append_member(out, "log", item.log);
  append_member(out, "severity", enums::severity.word(static_cast<std::uint64_t>(item.severity)));
  append_member(out, "sample_rate", rate_text(item.sample_rate));
  out += "}}";
  return out;
}

std::vector<std::string> SplunkHec::headers(bool compressed, const std::string& channel) const {
  std::vector<std::string> out{"Authorization: Splunk " + options_.token, "Content-Type: application/json"};
  if (compressed) out.push_back("Content-Encoding: gzip");
  if (options_.ack) out.push_back("X-Splunk-Request-Channel: " + channel);
  return out;
}

Answer SplunkHec::no_answer(const Error& error) const {
  Answer answer;
  answer.verdict = error.code == Code::permission ? Verdict::park : Verdict::retry;
  answer.reason = error.message;
  return answer;
}

Answer SplunkHec::send(std::span<const Item* const> batch) {
  std::string body;
  for (const Item* item : batch) body += item->bytes;
  if (options_.gzip) body = gzip(body);
  auto response = client_.post(options_.base_url + "/services/collector/event", headers(options_.gzip, channel_), body);
  if (!response) {
    if (options_.ack) new_channel();
    return no_answer(response.error());
  }
  std::optional<std::uint64_t> ack_id;
  Answer answer = classify_hec(*response, clock_.now_ns(), options_.ack, ack_id);
  if (answer.code == "11" && options_.ack) {
    // Not a matter for a person: a channel that the server does not like is replaced.
    new_channel();
    answer.verdict = Verdict::retry;
  }
  if (ack_id) take_ticket(*ack_id, answer);
  return answer;
}

void SplunkHec::take_ticket(std::uint64_t ack_id, Answer& answer) {
  // Forgotten here, the older tickets of this channel are reported as lost by the next confirm().
  if (last_ack_id_ && ack_id <= *last_ack_id_)
    std::erase_if(tickets_, [&](const auto& entry) { return entry.second.channel == channel_; });
  last_ack_id_ = ack_id;
  answer.verdict = Verdict::pending;
  answer.ticket = next_ticket_++;
  answer.ack = channel_ + "/" + std::to_string(ack_id);
  tickets_[answer.ticket] = {channel_, ack_id};
}

// Channels take turns, so that an old one cannot starve the present one.
const std::string& SplunkHec::channel_to_ask(std::span<const std::uint64_t> tickets) {
  std::vector<const std::string*> channels;
  for (const std::uint64_t id : tickets) {
    const auto it = tickets_.find(id);
    if (it == tickets_.end()) continue;
    const std::string& channel = it->second.channel;
    if (std::none_of(channels.begin(), channels.end(), [&](const auto* other) { return *other == channel; }))
      channels.push_back(&channel);
  }
  return channels.empty() ? channel_ : *channels[asked_++ % channels.size()];
}

Confirmation SplunkHec::confirm(std::span<const std::uint64_t> tickets) {
  Confirmation out;
  out.answer.verdict = Verdict::ok;
  std::erase_if(tickets_, [&](const auto& entry) {  // those that the courier has given up
    return std::find(tickets.begin(), tickets.end(), entry.first) == tickets.end();
  });
  for (const std::uint64_t id : tickets)
    if (!tickets_.contains(id)) out.lost.push_back(id);
  if (tickets_.empty()) return out;
  const std::string channel = channel_to_ask(tickets);
  nlohmann::json question{{"acks", nlohmann::json::array()}};
  for (const auto& [id, ticket] : tickets_)
    if (ticket.channel == channel) question["acks"].push_back(ticket.ack_id);
  const auto response =
      client_.post(options_.base_url + "/services/collector/ack", headers(false, channel), question.dump());
  if (!response) {
    out.answer = no_answer(response.error());
    return out;
  }
  out.answer = classify_hec_ack(*response, clock_.now_ns());
  if (out.answer.code == "10" || out.answer.code == "11") {
    out.answer.verdict = Verdict::retry;
    for (const auto& [id, ticket] : tickets_)
      if (ticket.channel == channel) out.lost.push_back(id);
    if (channel == channel_) new_channel();
  } else if (out.answer.verdict == Verdict::ok) {
    read_acks(response->body, channel, out);
  }
  for (const std::uint64_t id : out.confirmed) tickets_.erase(id);
  for (const std::uint64_t id : out.lost) tickets_.erase(id);
  return out;
}

// {"acks":{"0":true,"1":false}}: only a plain true confirms.
void SplunkHec::read_acks(const std::string& body, const std::string& channel, Confirmation& out) const {
  const auto parsed = nlohmann::json::parse(body, nullptr, false);
  const auto acks = parsed.is_object() ? parsed.find("acks") : parsed.end();
  if (!parsed.is_object() || acks == parsed.end() || !acks->is_object()) {
    out.answer.verdict = Verdict::retry;
    out.answer.reason = "the acknowledgement endpoint did not answer with an object 'acks'";
    return;
  }
  for (const auto& [id, ticket] : tickets_) {
    if (ticket.channel != channel) continue;
    const auto it = acks->find(std::to_string(ticket.ack_id));
    if (it != acks->end() && it->is_boolean() && it->get<bool>()) out.confirmed.push_back(id);
  }
}

Result<std::string> SplunkHec::test() {
  // An empty request is refused with code 5 once the token has been accepted: it proves the token, and stores nothing.
  auto response = client_.post(options_.base_url + "/services/collector/event", headers(false, channel_), "");
  if (!response) return std::move(response).error();
  std::optional<std::uint64_t> ack_id;
  const Answer answer = classify_hec(*response, clock_.now_ns(), false, ack_id);
  if (answer.verdict == Verdict::ok || answer.code == "5")
    return options_.base_url + " answers and accepts the token (an empty request was sent, nothing was stored)";
  return fail(answer.verdict == Verdict::park ? Code::permission : Code::unavailable, answer.reason);
}

bool is_loopback(std::string_view url) {
  const std::string_view rest = url.substr(std::string_view("http://").size());
  return rest.starts_with("127.") || rest.starts_with("localhost") || rest.starts_with("[::1]");
}

std::string read_url(Settings& settings) {
  std::string url = settings.required("url");
  const bool plain = url.starts_with("http://");
  const bool allowed = settings.flag("allow_plaintext", false);
  if (!url.empty() && !plain && !url.starts_with("https://"))
    settings.wrong("url", "expected https://HOST:PORT, got '" + url + "'");
  else if (plain && !allowed && !is_loopback(url))
    settings.wrong("url", "the token would travel in clear: use https://, or set allow_plaintext: true");
  for (const std::string_view suffix : {"/services/collector/event", "/services/collector"})
    if (url.ends_with(suffix)) url.resize(url.size() - suffix.size());
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

std::unique_ptr<Sink> make_splunk_hec(Settings& settings, const Clock& clock, std::uint64_t seed) {
  HecOptions options;
  options.base_url = read_url(settings);
  options.token = settings.secret("token", true);
  if (options.token.find_first_of("\r\n\t ") != std::string::npos) settings.wrong("token_file", "the token has white space in it");
  options.host = settings.text("host", "tidewaiter");
  options.source = settings.text("source", "tidewaiter");
  options.index = settings.text("index");
  options.event_sourcetype = settings.text("event_sourcetype", "tidewaiter:event");
  options.alert_sourcetype = settings.text("alert_sourcetype", "tidewaiter:alert");
  options.checkpoint_sourcetype = settings.text("checkpoint_sourcetype", "tidewaiter:checkpoint");
  options.gzip = settings.flag("gzip", true);
  options.ack = settings.flag("ack", false);
  options.ack_poll_ms = static_cast<std::int64_t>(settings.number("ack_poll_ms", 1000, 10, 60'000));
  options.ack_timeout_ms = static_cast<std::int64_t>(settings.number("ack_timeout_ms", 300'000, 100, 3'600'000));
  options.format.link_base = settings.text("link_base");
  options.format.mask_secrets = settings.flag("mask_secrets", true);
  options.http.ca_file = settings.file("ca_file");
  options.http.cert_file = settings.file("cert_file");
  options.http.key_file = settings.file("key_file");
  options.http.proxy = settings.text("proxy");
  options.http.connect_timeout_ms = static_cast<std::int64_t>(settings.number("connect_timeout_ms", 10'000, 10, 300'000));
  options.http.total_timeout_ms = static_cast<std::int64_t>(settings.number("request_timeout_ms", 30'000, 10, 600'000));
  if (options.http.cert_file.empty() != options.http.key_file.empty())
    settings.wrong("cert_file", "cert_file and key_file belong together");
  return std::make_unique<SplunkHec>(std::move(options), clock, seed);
}

}  // namespace tidewaiter::forward
