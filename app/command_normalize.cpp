#include "app/command_normalize.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "app/command_store.hpp"
#include "app/config.hpp"
#include "app/config_checks.hpp"
#include "app/sample_messages.hpp"
#include "app/text_table.hpp"
#include "core/body.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "ingest/json_check.hpp"
#include "ingest/json_text.hpp"
#include "ingest/parser.hpp"
#include "store/mask.hpp"

namespace tidewaiter::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr ingest::JsonLimits limits{16 << 20, 64, 1'000'000};

int complain(const Error& error) {
  std::fprintf(stderr, "tidewaiter: %s\n", error.message.c_str());
  return exit_code(error);
}

/// What reads files here reads them as they are.
Result<std::string> uncompressed(const std::string& name, std::string text) {
  const char* program = text.starts_with("\x1F\x8B") ? "zcat" : text.starts_with("\x28\xB5\x2F\xFD") ? "zstdcat" : nullptr;
  if (program == nullptr) return text;
  return fail(Code::invalid_argument, name + ": is compressed; `" + program + " " + (name == "-" ? "FILE" : shell_quoted(name)) +
                                          " | tidewaiter ... -` reads what is in it");
}

Result<std::string> text_of(const std::string& file) {
  if (file == "-") return uncompressed(file, std::string(std::istreambuf_iterator<char>(std::cin), {}));
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return fail(Code::invalid_argument, file + ": is a directory; name the files in it");
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    const Code code = errno == EACCES ? Code::permission : Code::invalid_argument;
    return fail(code, file + ": cannot be read: " + std::strerror(errno));
  }
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return fail(Code::disk, file + ": cannot be read to its end");
  return uncompressed(file, std::move(text));
}

/// Valid ones, or everything that is wrong with them by file, line and key.
Result<std::vector<ingest::MappingFile>> mapping_files(const std::vector<std::string>& names) {
  std::vector<ingest::MappingFile> files;
  std::vector<Finding> findings;
  for (const std::string& name : names) {
    TRY_ASSIGN(std::string text, text_of(name));
    check_mapping_text(name, text, findings);
    files.push_back({name, std::move(text)});
  }
  std::string message;
  for (const Finding& finding : findings) message += (message.empty() ? "" : "\n") + to_text(finding);
  if (!findings.empty()) return fail(Code::invalid_argument, std::move(message));
  return files;
}

/// Messages of one file, parsed one at a time.
class Trial {
 public:
  Trial(ingest::Parser& parser, const std::string& name, const std::vector<std::string>& headers, std::int64_t now_ns)
      : parser_(parser), origin_(intern_origin("file", {}, name)) {
    parts_.receive_time_ns = now_ns;
    for (const std::string& header : headers) {
      const std::size_t equals = header.find('=');
      const std::string_view text = header;
      parts_.headers.push_back({text.substr(0, equals), text.substr(equals == std::string::npos ? text.size() : equals + 1)});
    }
  }

  ingest::Explanation run(Batch& batch, std::string_view message, bool explain) {
    parts_.value = message;
    append_message(batch, origin_, 0, number_++, -1, parts_);
    if (explain) return parser_.explain(batch, batch.records.front());
    parser_.parse(batch);
    return {};
  }
  static std::size_t arena_bytes(std::string_view message) { return message.size() * 3 + (1 << 16); }

 private:
  ingest::Parser& parser_;
  const Origin* origin_;
  BodyParts parts_;
  std::uint64_t number_ = 0;
};

Result<std::int64_t> received_at(const std::string& text) {
  if (text.empty()) return SystemClock().now_ns();
  if (const auto time = parse_rfc3339(text)) return *time;
  return fail(Code::invalid_argument, "--received: '" + text + "' is no RFC 3339 time");
}

bool has_unmapped(const Batch& batch) {
  return std::any_of(batch.events.begin(), batch.events.end(), [](const Event& event) { return !event.has(Num::format); });
}

/// The messages of a file; what its reader should know of how it was cut is said.
std::vector<SampleMessage> messages_of(const std::string& name, std::string_view text) {
  std::vector<SampleMessage> messages = sample_messages(text);
  if (messages.empty()) std::fprintf(stderr, "%s: is empty: there is no message in it\n", name.c_str());
  for (const SampleMessage& message : messages) {
    if (message.lines == 1) continue;
    std::fprintf(stderr, "%s:%zu: a document over %zu lines, read as one message; `tidewaiter ingest` takes each line of a file for "
                 "one: `jq -c .` puts it into one line\n", name.c_str(), message.line, message.lines);
    break;
  }
  return messages;
}

/// False when a message was rejected.
bool normalize(ingest::Parser& parser, const std::string& name, std::string_view text, const NormalizeOptions& options,
               std::int64_t now_ns) {
  Trial trial(parser, name, options.headers, now_ns);
  bool good = true;
  std::string out;
  for (const SampleMessage& message : messages_of(name, text)) {
    Batch batch(Trial::arena_bytes(message.text));
    trial.run(batch, message.text, false);
    const Record& record = batch.records.front();
    std::size_t place = 0;
    const RejectReason strict_reason = ingest::check_json(message.text, limits, &place);
    if (record.kind == RecordKind::reject) {
      std::fprintf(stderr, "%s:%zu: rejected: %s at byte %zu of the message\n", name.c_str(), message.line,
                   reject_reason_name(record.reason), place);
      good = false;
    } else if (strict_reason != RejectReason::none && ingest::begins_like_json(message.text)) {
      std::fprintf(stderr, "%s:%zu: accepted, but %s at byte %zu of the message: a topic with `strict: true` rejects it\n",
                   name.c_str(), message.line, reject_reason_name(strict_reason), place);
    } else if (message.text.size() > LimitsConfig().message_bytes_max) {
      std::fprintf(stderr, "%s:%zu: accepted, but with %zu bytes it is larger than `limits.message_bytes_max`, %llu unless configured: "
                   "beyond that it is rejected\n", name.c_str(), message.line, message.text.size(),
                   static_cast<unsigned long long>(LimitsConfig().message_bytes_max));
    } else if (!ingest::begins_like_json(message.text) && has_unmapped(batch)) {
      std::fprintf(stderr, "%s:%zu: a line whose columns are not known: put its header line before it, or name the columns "
                   "in `formats.text_columns`\n", name.c_str(), message.line);
    }
    for (const Event& event : batch.events) {
      out.clear();
      append_event_json(out, event, !options.unmask);
      if (!options.unmask) out = store::mask_secrets(out);
      out += '\n';
      std::fwrite(out.data(), 1, out.size(), stdout);
    }
  }
  return good;
}

/// What a mapping file says of itself.
struct Known {
  std::string name, description, example;
  int number = 0, version = 0;
};

Known known_of(const ingest::MappingFile& file) {
  const Json mapping = Json::parse(file.json, nullptr, false);
  Known known;
  if (!mapping.is_object()) return known;
  known.name = mapping.value("format", "");
  known.description = mapping.value("description", "");
  known.number = mapping.value("number", 0);
  known.version = mapping.value("version", 0);
  if (mapping.contains("example"))
    known.example = mapping["example"].is_string() ? mapping["example"].get<std::string>() : mapping["example"].dump();
  return known;
}

std::string value_of(const Json& event, std::string_view column) {
  const Json* at = &event;
  while (!column.empty()) {
    const std::size_t dot = column.find('.');
    const std::string key(column.substr(0, dot));
    if (!at->is_object() || !at->contains(key)) return "";
    at = &(*at)[key];
    column = dot == std::string_view::npos ? std::string_view() : column.substr(dot + 1);
  }
  return at->is_string() ? at->get<std::string>() : at->dump();
}

void print_explanation(const ingest::Explanation& explanation, const std::vector<Json>& events, bool unmapped) {
  if (unmapped) std::printf("No event of this format: the message would be one unmapped event.\n");
  if (events.empty()) return (void)std::printf("No event: a header line, which names the columns of the lines behind it.\n");
  for (std::size_t sub = 0; sub < events.size() && !unmapped; ++sub) {
    const bool is_of_format = events[sub].contains("format");
    std::printf("event %zu%s\n", sub, is_of_format ? "" : ": not of this format, and so unmapped");
    for (const auto& line : explanation.lines)
      if (line.sub == sub)
        std::printf("  %-28s %-44s %s\n", line.column.c_str(), line.source.c_str(), value_of(events[sub], line.column).c_str());
  }
  std::printf("keys that nothing reads:%s\n", explanation.unread.empty() ? " none" : "");
  for (const std::string& key : explanation.unread) std::printf("  %s\n", key.c_str());
}

/// "there is no format 'k8s_audi'; did you mean 'k8s_audit'?"
std::string no_format(const std::string& name, const std::vector<ingest::MappingFile>& files) {
  std::vector<std::string> names;
  for (const ingest::MappingFile& file : files) names.push_back(known_of(file).name);
  const std::vector<std::string_view> words(names.begin(), names.end());
  const std::string_view near = nearest_word(name, words);
  return "there is no format '" + name + "'; " +
         (near.empty() ? "`tidewaiter formats` lists those that are known" : "did you mean '" + std::string(near) + "'?");
}

Result<ingest::MappingFile> one_mapping(const std::string& name) {
  std::vector<ingest::MappingFile> files = ingest::embedded_mappings();
  for (ingest::MappingFile& file : files)
    if (known_of(file).name == name) return std::move(file);
  std::error_code error;
  if (name != "-" && !std::filesystem::exists(name, error) && name.find_first_of("./") == std::string::npos)
    return fail(Code::invalid_argument, no_format(name, files) + " A mapping of one's own is named by its file, and there is none of this name");
  TRY_ASSIGN(std::vector<ingest::MappingFile> own, mapping_files({name}));
  return std::move(own.front());
}

/// Which of the formats is meant; "" = any.
Result<std::string> chosen_format(const std::string& name, const std::vector<ingest::MappingFile>& mappings) {
  if (name == "auto") return std::string();
  std::vector<ingest::MappingFile> files = ingest::embedded_mappings();
  files.insert(files.end(), mappings.begin(), mappings.end());
  for (const ingest::MappingFile& file : files)
    if (known_of(file).name == name) return name;
  return fail(Code::invalid_argument, "--format: " + no_format(name, files));
}

}  // namespace

int command_normalize(const NormalizeOptions& options) {
  ingest::ParserOptions parser_options;
  parser_options.limits = limits;
  parser_options.strict = options.strict;
  auto mappings = mapping_files(options.mappings);
  if (!mappings) return complain(mappings.error());
  auto format = chosen_format(options.format, *mappings);
  if (!format) return complain(format.error());
  parser_options.format = std::move(*format);
  parser_options.mappings = *mappings;
  auto parser = ingest::Parser::create(std::move(parser_options));
  if (!parser) return complain(parser.error());
  const auto now = received_at(options.received);
  if (!now) return complain(now.error());
  int code = exit_ok;
  for (const std::string& file : options.files.empty() ? std::vector<std::string>{"-"} : options.files) {
    const auto text = text_of(file);
    if (!text) return complain(text.error());
    if (!normalize(**parser, file, *text, options, *now)) code = exit_finding;
  }
  return code;
}

int command_formats(const FormatsOptions& options) {
  auto mappings = mapping_files(options.mappings);
  if (!mappings) return complain(mappings.error());
  std::vector<ingest::MappingFile> files = ingest::embedded_mappings();
  files.insert(files.end(), mappings->begin(), mappings->end());
  Json list = Json::array();
  TextTable table({"format", "number", "version", "what it is"});
  for (const ingest::MappingFile& file : files) {
    const Known known = known_of(file);
    if (!options.name.empty() && known.name != options.name) continue;
    list.push_back({{"format", known.name}, {"number", known.number}, {"version", known.version},
                    {"description", known.description}, {"example", known.example}});
    table.add({known.name, std::to_string(known.number), std::to_string(known.version), known.description});
  }
  if (list.empty()) return complain(fail(Code::invalid_argument, no_format(options.name, files)));
  if (options.json) {
    std::printf("%s\n", list.dump(2).c_str());
  } else if (!options.name.empty()) {
    std::printf("%s (number %d, version %d)\n%s\n\n%s\n", options.name.c_str(), list[0]["number"].get<int>(),
                list[0]["version"].get<int>(), list[0]["description"].get<std::string>().c_str(),
                list[0]["example"].get<std::string>().c_str());
  } else {
    std::printf("%s\nAn example of one: tidewaiter formats NAME\n", table.text().c_str());
  }
  return exit_ok;
}

int command_explain_mapping(const ExplainMappingOptions& options) {
  auto mapping = one_mapping(options.mapping);
  if (!mapping) return complain(mapping.error());
  const auto text = text_of(options.sample);
  if (!text) return complain(text.error());
  ingest::ParserOptions parser_options;
  parser_options.limits = limits;
  parser_options.explain = true;
  parser_options.format = known_of(*mapping).name;
  auto parser = ingest::Parser::create(std::move(parser_options), {*mapping});
  if (!parser) return complain(parser.error());
  Trial trial(**parser, options.sample, options.headers, SystemClock().now_ns());
  int code = exit_ok;
  const std::vector<SampleMessage> messages = messages_of(options.sample, *text);
  for (const SampleMessage& message : messages) {
    if (messages.size() > 1 && !options.json) std::printf("%s:%zu\n", options.sample.c_str(), message.line);
    Batch batch(Trial::arena_bytes(message.text));
    ingest::Explanation explanation = trial.run(batch, message.text, true);
    for (std::string& key : explanation.unread) key = printable_text(store::mask_secrets(key));
    const Record& record = batch.records.front();
    std::vector<Json> events;
    for (const Event& event : batch.events) {
      std::string out;
      append_event_json(out, event, true);
      events.push_back(Json::parse(store::mask_secrets(out)));
    }
    if (record.kind == RecordKind::reject) {
      std::size_t place = 0;
      ingest::check_json(message.text, limits, &place);
      const char* reason = reject_reason_name(record.reason);
      if (options.json) std::printf("%s\n", Json{{"line", message.line}, {"rejected", reason}, {"byte", place}}.dump(2).c_str());
      else std::printf("rejected: %s at byte %zu of the message\n", reason, place);
      code = exit_finding;
    } else if (options.json) {
      Json lines = Json::array();
      for (const auto& line : explanation.lines)
        lines.push_back({{"event", line.sub}, {"column", line.column}, {"from", line.source},
                         {"value", value_of(events.at(line.sub), line.column)}});
      std::printf("%s\n", Json{{"line", message.line}, {"mapped", record.kind == RecordKind::event}, {"columns", lines},
                               {"unread", explanation.unread}}.dump(2).c_str());
    } else {
      print_explanation(explanation, events, record.kind != RecordKind::event);
    }
  }
  return code;
}

}  // namespace tidewaiter::app
