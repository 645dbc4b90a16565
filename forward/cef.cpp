// ArcSight Common Event Format, "Implementing ArcSight CEF", revision 25: `|` and `\` are escaped in the header, `=`,
// `\` and line breaks in extension values. Keys stand in one fixed order, so a line is stable on redelivery.
#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "forward/format.hpp"

namespace tidewaiter::forward {
namespace {

using Json = nlohmann::json;

// Some receivers end a message at a control character.
char plain(char c) { return static_cast<unsigned char>(c) < 0x20 ? ' ' : c; }

// A header field has 512 characters at most; cut between two of them.
void append_header(std::string& out, std::string_view text) {
  if (text.size() > 512) {
    std::size_t size = 512;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
    text = text.substr(0, size);
  }
  for (const char c : text) {
    if (c == '\\' || c == '|') out += '\\';
    out += plain(c);
  }
  out += '|';
}

void append_extension(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  if (out.back() != '|') out += ' ';
  out += key;
  out += '=';
  for (const char c : value) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case '=': out += "\\="; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      default: out += plain(c);
    }
  }
}

void append_labelled(std::string& out, std::string_view key, std::string_view label, std::string_view value) {
  if (value.empty()) return;
  append_extension(out, std::string(key) + "Label", label);
  append_extension(out, key, value);
}

std::string number_of(const Event& event, Num column) {
  return event.has(column) ? std::to_string(event.get(column)) : std::string();
}

std::string_view word_of(const Event& event, Num column) {
  return event.has(column) ? info(column).words->word(event.get(column)) : std::string_view();
}

std::string words_of(const Event& event, Num column) {
  std::string out;
  const auto words = info(column).words->words;
  for (std::size_t i = 0; i < words.size(); ++i)
    if (event.get(column) >> i & 1) out += (out.empty() ? "" : ",") + std::string(words[i]);
  return out;
}

std::string ip_of(const Event& event, Addr column) {
  const Ip* ip = event.get(column);
  return ip == nullptr ? std::string() : format_ip(*ip);
}

/// A text that may hold a URL.
std::string url_of(const Event& event, Str column, const FormatOptions& options) {
  const std::string_view text = event.get(column);
  return options.mask_secrets ? without_url_passwords(text) : std::string(text);
}

void append_columns(std::string& out, const Event& event, const FormatOptions& options) {
  append_extension(out, "act", word_of(event, Num::action));
  append_extension(out, "outcome", word_of(event, Num::outcome));
  append_extension(out, "suser", url_of(event, Str::principal, options));
  append_extension(out, "sourceServiceName", url_of(event, Str::app, options));
  append_extension(out, "shost", event.get(Str::src_host));
  append_extension(out, "src", ip_of(event, Addr::src_ip));
  append_extension(out, "spt", number_of(event, Num::src_port));
  append_extension(out, "dhost", event.get(Str::dst_host));
  append_extension(out, "dst", ip_of(event, Addr::dst_ip));
  append_extension(out, "dpt", number_of(event, Num::dst_port));
  append_extension(out, "app", word_of(event, Num::l7));
  append_extension(out, "out", number_of(event, Num::bytes_out));
  append_extension(out, "in", number_of(event, Num::bytes_in));
  append_extension(out, "request", url_of(event, Str::resource, options));
  append_labelled(out, "cs1", "riskTier", word_of(event, Num::risk_tier));
  append_labelled(out, "cs2", "dataClasses", words_of(event, Num::data_classes));
  append_labelled(out, "cs3", "agentUid", event.get(Str::agent_uid));
  append_labelled(out, "cs4", "tenant", event.get(Str::tenant));
  append_labelled(out, "cs5", "toolName", event.get(Str::tool_name));
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_alert(std::string& out, const Envelope& envelope, const FormatOptions& options) {
  const Json body = Json::parse(envelope.body, nullptr, false);
  append_extension(out, "msg", envelope.title);
  append_extension(out, "request", options.link_base + "/v1/alerts?uid=" + envelope.uid);
  if (!body.is_object()) return;
  const auto member = [&](const char* object, const char* key) {
    const auto it = body.find(object);
    return it != body.end() && it->is_object() && it->contains(key) ? text_of((*it)[key]) : std::string();
  };
  append_extension(out, "duser", member("entity", "id"));
  append_labelled(out, "cs1", "entityType", member("entity", "type"));
  append_labelled(out, "cs2", "kind", body.value("kind", Json("")).is_string() ? text_of(body.value("kind", Json(""))) : "");
  append_labelled(out, "cs3", "observed", member("explanation", "observed"));
  append_labelled(out, "cs4", "tenant", member("entity", "tenant"));
  append_labelled(out, "cs5", "expected", member("explanation", "expected"));
  append_labelled(out, "cn1", "revision", std::to_string(envelope.revision));
  const auto window = [&](const char* key) {
    const auto time = parse_rfc3339(member("window", key));
    return time ? std::to_string(*time / 1'000'000) : std::string();
  };
  append_extension(out, "start", window("start"));
  append_extension(out, "end", window("end"));
}

/// The note is in `msg`, with its line breaks escaped as the format has it.
void append_checkpoint(std::string& out, const Envelope& envelope) {
  const CheckpointLines lines = checkpoint_lines(envelope.body);
  append_extension(out, "msg", envelope.body);
  append_labelled(out, "cs1", "origin", lines.origin);
  append_labelled(out, "cs2", "root", lines.root);
  append_labelled(out, "cn1", "size", lines.size);
}

}  // namespace

std::string to_cef(const Envelope& envelope, const FormatOptions& options) {
  const bool alert = envelope.kind == Envelope::Kind::alert, event = envelope.kind == Envelope::Kind::event;
  std::string out = "CEF:0|tidewaiter|tidewaiter|1|";
  if (alert) {
    append_header(out, envelope.detector + (envelope.rule.empty() ? "" : ":" + envelope.rule));
    append_header(out, envelope.title.empty() ? std::string_view("alert") : std::string_view(envelope.title));
  } else if (!event) {
    append_header(out, "checkpoint");
    append_header(out, "signed checkpoint");
  } else {
    const std::string_view family = word_of(*envelope.event, Num::family);
    const std::string_view operation = envelope.event->get(Str::operation);
    append_header(out, family.empty() ? "event" : family);
    append_header(out, operation.empty() ? word_of(*envelope.event, Num::action) : operation);
  }
  append_header(out, std::to_string(cef_severity(envelope.severity)));
  append_extension(out, "rt", std::to_string(envelope.time_ns / 1'000'000));
  append_extension(out, "externalId", item_uid(envelope));
  append_extension(out, "cat", kind_word(envelope.kind));
  append_labelled(out, "cs6", "log",
                  std::string(envelope.log) + "/" + std::to_string(envelope.seq) +
                      (event ? "/" + std::to_string(envelope.sub) : ""));
  if (alert)
    append_alert(out, envelope, options);
  else if (!event)
    append_checkpoint(out, envelope);
  else
    append_columns(out, *envelope.event, options);
  append_labelled(out, "cfp1", "sampleRate", rate_text(envelope.sample_rate));
  return out;
}

}  // namespace tidewaiter::forward
