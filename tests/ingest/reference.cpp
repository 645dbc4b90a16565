#include "tests/ingest/reference.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/text.hpp"
#include "tests/ingest/reference_reader/values.hpp"

namespace tidewaiter::ingest::testing {
namespace {

using nlohmann::json;

std::string hex_of(const Ip& ip) { return to_hex({reinterpret_cast<const char*>(ip.data()), ip.size()}); }

/// Floating numbers as they are written, behind this character: a double would lose their text.
constexpr char raw_number = '\x01';

class KeepNumbers : public nlohmann::detail::json_sax_dom_parser<json> {
 public:
  using json_sax_dom_parser::json_sax_dom_parser;
  bool number_float(double, const std::string& text) {
    std::string kept = raw_number + text;
    return string(kept);
  }
};

/// The text of a scalar as it stands in the document; nothing for null, objects and arrays.
std::optional<std::string> scalar(const json& value) {
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    return text.starts_with(raw_number) ? text.substr(1) : text;
  }
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return value.dump();
  return std::nullopt;
}

class Reference {
 public:
  Reference(const json& root, std::int64_t receive_ns) : root_(root), receive_ns_(receive_ns) {
    if (root.contains("data") && root["data"].is_object()) data_ = root["data"];
  }

  Columns run() {
    for (const ColumnInfo& column : columns) fill(column);
    envelope();
    defaults();
    times();
    out_["format"] = "1";
    out_["mapping_version"] = "6";
    if (flags_ != 0) out_["flags"] = std::to_string(flags_);
    return out_;
  }

 private:
  /// The value in the data at "a" or "a.b".
  const json* find(std::string_view name) const {
    const json* at = &data_;
    for (std::string rest(name); !rest.empty();) {
      const std::size_t dot = rest.find('.');
      const std::string key = rest.substr(0, dot);
      if (!at->is_object() || !at->contains(key)) return nullptr;
      at = &(*at)[key];
      rest = dot == std::string::npos ? "" : rest.substr(dot + 1);
    }
    return at;
  }

  void put_string(const ColumnInfo& column, std::string text) {
    if (column.name == "dst_host" || column.name == "src_host") text = host_form(text);
    if (text.size() > column.limit_bytes) {
      std::size_t end = column.limit_bytes;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      text.resize(end);
      flags_ |= flag::truncated_column;
    }
    out_[std::string(column.name)] = text;
  }

  std::vector<std::string> words(const json& value) const {
    std::vector<std::string> texts;
    if (value.is_array()) {
      for (const json& element : value)
        if (element.is_string() && !element.get<std::string>().starts_with(raw_number)) texts.push_back(element.get<std::string>());
    } else if (auto text = scalar(value)) {
      texts.push_back(*text);
    }
    return texts;
  }

  void fill(const ColumnInfo& column) {
    const std::string name(column.name);
    if (name == "format" || name == "mapping_version" || name == "flags") return;
    const json* value = find(name);
    if (value == nullptr) return;
    if (column.kind == ColumnKind::set) {
      std::uint64_t bits = 0;
      for (const std::string& word : words(*value)) bits |= std::uint64_t{1} << column.words->find(word).value_or(0);
      if (bits != 0) out_[name] = std::to_string(bits);
      return;
    }
    if (name == "capability.scopes") return scopes(column, words(*value));
    const auto text = scalar(*value);
    if (!text) return;
    switch (column.kind) {
      case ColumnKind::string: return put_string(column, id_without_secrets(name, *text, flags_));
      case ColumnKind::enumeration: out_[name] = std::to_string(column.words->find(*text).value_or(0)); return;
      case ColumnKind::ip:
        if (const auto ip = parse_ip(*text)) {
          out_[name] = hex_of(*ip);
          if (has_padded_octet(*text)) flags_ |= flag::leading_zeros;
        }
        return;
      case ColumnKind::time:
        return time_of(name, *text);
      default: return number(name, *text);
    }
  }

  void time_of(const std::string& name, const std::string& text) {
    const auto time = reference_time(text, "any");
    if (time && *time >= 0) out_[name] = std::to_string(*time);
    else if (is_number(text)) flags_ |= flag::lossy_number;
  }

  void scopes(const ColumnInfo& column, const std::vector<std::string>& texts) {
    std::string joined;
    bool any = false;
    for (const std::string& given : texts) {
      const std::string text = id_without_secrets("capability.scopes", given, flags_);
      if (!joined.empty() && joined.size() + 1 + text.size() > column.limit_bytes) {
        flags_ |= flag::truncated_column;
        continue;
      }
      if (!joined.empty()) joined += ' ';
      joined += text;
      any = true;
    }
    if (any) put_string(column, joined);
  }

  void number(const std::string& name, const std::string& text) {
    if (!put_number(name, text) && is_number(text)) flags_ |= flag::lossy_number;
  }

  /// False: the text is no number that the column can hold.
  bool put_number(const std::string& name, const std::string& text) {
    if (text.empty() || text.size() > 64 || text.find_first_not_of("0123456789.eE+-") != std::string::npos) return false;
    if (text[0] < '0' || text[0] > '9') return false;
    std::uint64_t value = 0;
    if (text.find_first_of(".eE") == std::string::npos) {
      if (text.find_first_not_of("0123456789") != std::string::npos) return false;
      for (char c : text)
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, static_cast<unsigned>(c - '0'), &value))
          return false;
    } else {
      char* end = nullptr;
      const double real = std::strtod(text.c_str(), &end);
      if (*end != '\0' || !(real < 18446744073709551616.0) || real != std::floor(real)) return false;
      value = static_cast<std::uint64_t>(real);
      if (real >= 9007199254740992.0) pending_lossy_ = true;
    }
    const bool port = name == "dst_port" || name == "src_port";
    const std::uint64_t max = port ? 65535 : name == "activity_id" ? 255
                              : name == "class_uid" || name == "resource_count" ? 4294967295u : ~std::uint64_t{0};
    const bool lossy = std::exchange(pending_lossy_, false);
    if (value > max) return false;
    if (lossy) flags_ |= flag::lossy_number;
    out_[name] = std::to_string(value);
    return true;
  }

  std::optional<std::string> attribute(const char* name) const {
    return root_.contains(name) ? scalar(root_[name]) : std::nullopt;
  }

  static std::optional<std::string> part(const std::string& text, char separator, int number) {
    std::vector<std::string> parts(1);
    for (char c : text) {
      if (c == separator) parts.emplace_back();
      else parts.back() += c;
    }
    if (number >= static_cast<int>(parts.size()) || parts[static_cast<std::size_t>(number)].empty()) return std::nullopt;
    return parts[static_cast<std::size_t>(number)];
  }

  void envelope() {
    auto string = [&](const char* name, const std::optional<std::string>& text) {
      if (text && !out_.contains(name)) put_string(*find_column(name), *text);
    };
    auto time = [&](const char* name, const char* from) {
      const auto text = attribute(from);
      if (text && !out_.contains(name)) time_of(name, *text);
    };
    const auto type = attribute("type");
    time("time", "time");
    time("observed_time", "recordedtime");
    string("tenant", attribute("tenant"));
    if (const auto parent = attribute("traceparent")) {
      string("trace_id", part(*parent, '-', 1));
      string("span_id", part(*parent, '-', 2));
    }
    if (type && !out_.contains("family"))
      if (const auto word = part(*type, '.', 2)) out_["family"] = std::to_string(enums::family.find(*word).value_or(0));
    if (!type || !type->starts_with("dev.tidewaiter.")) {
      string("operation", type);
      string("resource", attribute("subject"));
    }
    const auto source = attribute("source"), id = attribute("id");
    if (source && id) string("source_id", *source + " " + *id);
  }

  void defaults() {
    if (out_.contains("principal") && out_["principal"].empty()) out_.erase("principal");
    if (out_.contains("on_behalf_of") && out_.contains("principal") && out_["on_behalf_of"] == out_["principal"])
      out_.erase("on_behalf_of");
    out_.try_emplace("principal", "unknown");
    for (const char* name : {"family", "principal_type", "risk_tier", "action", "outcome", "activity_id"})
      out_.try_emplace(name, "0");
    out_.try_emplace("class_uid", "6003");
  }

  void times() {
    out_.try_emplace("observed_time", std::to_string(receive_ns_));
    const std::int64_t day = 86'400'000'000'000, from = *parse_rfc3339("2000-01-01T00:00:00Z");
    if (!out_.contains("time")) {
      out_["time"] = std::to_string(receive_ns_);
      out_["time_quality"] = std::to_string(static_cast<int>(TimeQuality::receive));
      return;
    }
    const std::int64_t time = std::stoll(out_["time"]);
    if (time < from || time > receive_ns_ + day) {
      out_["time"] = std::to_string(receive_ns_);
      out_["time_quality"] = std::to_string(static_cast<int>(TimeQuality::skewed));
      flags_ |= flag::clock_skew;
    }
    out_.try_emplace("time_quality", std::to_string(static_cast<int>(TimeQuality::exact)));
  }

  const json& root_;
  json data_ = json::object();
  const std::int64_t receive_ns_;
  Columns out_;
  std::uint64_t flags_ = 0;
  bool pending_lossy_ = false;
};

}  // namespace

Columns reference_columns(std::string_view message, std::int64_t receive_ns) {
  json root;
  KeepNumbers keep(root, true);
  json::sax_parse(message, &keep);
  return Reference(root, receive_ns).run();
}

Columns columns_of(const Event& event) {
  Columns out;
  for (const ColumnInfo& column : columns) {
    const std::string name(column.name);
    if (column.kind == ColumnKind::string) {
      if (event.has(static_cast<Str>(column.slot))) out[name] = event.get(static_cast<Str>(column.slot));
    } else if (column.kind == ColumnKind::ip) {
      if (const Ip* ip = event.get(static_cast<Addr>(column.slot))) out[name] = hex_of(*ip);
    } else if (event.has(static_cast<Num>(column.slot))) {
      out[name] = std::to_string(event.get(static_cast<Num>(column.slot)));
    }
  }
  return out;
}

}  // namespace tidewaiter::ingest::testing
