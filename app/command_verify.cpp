// `tidewaiter verify`: runs the checks of store/verify.hpp and says the verdict.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "app/command_replay.hpp"
#include "app/command_store.hpp"
#include "app/detect_stage.hpp"
#include "app/text_table.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "forward/cursor.hpp"
#include "store/proof_file.hpp"
#include "store/verify.hpp"

namespace tidewaiter::app {

namespace {

void show_progress(std::uint64_t done, std::uint64_t total) {
  constexpr std::size_t width = 40;
  const std::size_t filled = total ? static_cast<std::size_t>(done * width / total) : width;
  std::string bar(filled, '#');
  bar.resize(width, '.');
  std::fprintf(stderr, "\r[%s] %s of %s records", bar.c_str(), grouped(done).c_str(), grouped(total).c_str());
  std::fflush(stderr);
}

/// The head file outside a store, which has a note of every log, or a checkpoint as a connector has delivered it.
Result<void> read_kept_json(const std::string& file, const std::string& text,
                            std::vector<store::VerifyRequest::Kept>& kept) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto note_of = [](const nlohmann::json& value) {
    const auto note = value.is_object() ? value.value("note", nlohmann::json()) : nlohmann::json();
    return note.is_string() ? note.get<std::string>() : std::string();
  };
  const std::size_t before = kept.size();
  if (json.is_object() && json.contains("heads") && json["heads"].is_array()) {
    for (const auto& head : json["heads"])
      if (auto note = note_of(head); !note.empty()) kept.push_back({file, std::move(note)});
  } else if (json.is_object()) {
    for (const auto* value : {&json, json.contains("event") ? &json["event"] : &json})
      if (auto note = note_of(*value); !note.empty() && kept.size() == before) kept.push_back({file, std::move(note)});
  }
  if (kept.size() == before)
    return fail(Code::invalid_argument, file + ": neither a checkpoint nor JSON with one ('note', or 'heads' with notes)");
  return {};
}

Result<std::vector<store::VerifyRequest::Kept>> read_checkpoints(const std::vector<std::string>& files) {
  std::vector<store::VerifyRequest::Kept> kept;
  for (const std::string& file : files) {
    TRY_ASSIGN(std::string text, read_text_file(file));
    if (text.starts_with('{'))
      TRY(read_kept_json(file, text, kept));
    else
      kept.push_back({file, std::move(text)});
  }
  return kept;
}

std::string cursor_wrong(std::string_view name, std::string_view value, const store::FollowerView& view) {
  constexpr std::string_view connector = "forward/";
  if (name.starts_with(connector)) {
    const auto cursor = forward::read_cursor(value, name.substr(connector.size()));
    if (!cursor) return "is not one of this connector";
    return cursor->place.commit > view.commit + 1 ? "lies beyond the newest commit: what comes next would never be sent" : "";
  }
  if (name == detect_cursor_name) {
    const auto cursor = DetectCursor::decode(value);
    if (!cursor) return "is not one of detection";
    if (cursor->commit > view.commit) return "lies beyond the newest commit: what comes next would never be judged";
    if (view.whole && cursor->alerts != view.alerts)
      return "counts " + std::to_string(cursor->alerts) + " alerts, and " + std::to_string(view.alerts) + " are stored";
  }
  if (name == detect_config_cursor && !decode_detect_config(value)) return "does not hold settings of detection";
  return "";
}

std::string snapshot_wrong(std::string_view name, std::uint64_t commit, std::string_view value,
                           const store::FollowerView& view) {
  if (name != detect_snapshot_name) return "";
  const auto cursor = DetectCursor::decode(value.substr(0, DetectCursor().encode().size()));
  if (!cursor) return "does not begin with its cursor";
  if (cursor->commit != commit) return "says that it is of commit " + std::to_string(cursor->commit);
  return view.whole && cursor->alerts > view.alerts ? "counts more alerts than are stored" : "";
}

Result<store::VerifyRequest> request_of(const VerifyOptions& options) {
  store::VerifyRequest request;
  request.directory = options.store;
  request.cursor_wrong = cursor_wrong;
  request.snapshot_wrong = snapshot_wrong;
  request.threads = options.threads ? options.threads : 1;
  if (!options.public_key_file.empty()) {
    auto key = store::load_trusted_key(options.public_key_file);
    if (!key) return fail(Code::invalid_argument, key.error().message);
    request.public_key = std::move(*key);
  }
  TRY_ASSIGN(request.against, read_checkpoints(options.against));
  TRY_ASSIGN(request.since, read_checkpoints(options.since));
  if (!options.json && ::isatty(STDERR_FILENO)) request.progress = show_progress;
  return request;
}

std::string finding_place(const store::Finding& finding) {
  std::string out = finding.log.empty() ? "store" : "log " + finding.log;
  if (finding.to_seq > finding.from_seq)
    out += ", records " + std::to_string(finding.from_seq) + " to " + std::to_string(finding.to_seq - 1);
  return out + " (" + finding.place + ")";
}

std::string report_json(const store::VerifyReport& report) {
  std::string out = "{\"verdict\":\"" + std::string(report.verdict()) + "\",\"store_id\":\"" + report.store_id +
                    "\",\"generation\":" + std::to_string(report.generation) + ",\"commit\":" + std::to_string(report.commit) +
                    ",\"records\":" + std::to_string(report.records) + ",\"events\":" + std::to_string(report.events) +
                    ",\"body_bytes\":" + std::to_string(report.body_bytes) +
                    ",\"signatures\":" + std::to_string(report.signatures) + ",\"logs\":[";
  for (const store::VerifiedLog& log : report.logs) {
    if (&log != &report.logs.front()) out += ',';
    out += "{\"name\":";
    append_json_string(out, log.name);
    out += ",\"size\":" + std::to_string(log.size) + ",\"read_from\":" + std::to_string(log.read_from) +
           ",\"covered\":" + std::to_string(log.covered) + ",\"heads\":" + std::to_string(log.heads) + ",\"root\":\"" +
           to_base64(as_view(log.root)) + "\"";
    if (log.head_time_ns) out += ",\"head_time\":\"" + format_rfc3339(log.head_time_ns) + "\"";
    out += '}';
  }
  out += "],\"findings\":[";
  for (const store::Finding& finding : report.findings) {
    if (&finding != &report.findings.front()) out += ',';
    out += "{\"log\":";
    append_json_string(out, finding.log);
    out += ",\"from_seq\":" + std::to_string(finding.from_seq) + ",\"to_seq\":" + std::to_string(finding.to_seq);
    if (finding.from_ns) out += ",\"from\":\"" + format_rfc3339(finding.from_ns) + "\"";
    if (finding.to_ns) out += ",\"to\":\"" + format_rfc3339(finding.to_ns) + "\"";
    out += ",\"place\":\"" + finding.place + "\",\"what\":";
    append_json_string(out, finding.what);
    out += '}';
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3f", report.seconds);
  return out + (report.more_findings ? "],\"more_findings\":true" : "],\"more_findings\":false") + ",\"seconds\":" + seconds + "}\n";
}

void print_findings(const store::VerifyReport& report) {
  std::puts("WRONG: this store does not say the truth. The first lie:");
  bool first = true;
  for (const store::Finding& finding : report.findings) {
    std::printf("  %s\n    %s\n", printable_text(finding_place(finding)).c_str(), printable_text(finding.what).c_str());
    if (first && report.findings.size() > 1) std::puts("then:");
    first = false;
  }
  if (report.more_findings) std::puts("  and more");
}

void print_report(const store::VerifyReport& report) {
  TextTable table({"log", "records", "heads", "under the newest", "of"});
  for (std::size_t column : {1, 2, 3}) table.align_right(column);
  std::uint64_t uncovered = 0;
  std::int64_t newest = 0;
  for (const store::VerifiedLog& log : report.logs) {
    uncovered += log.size - std::min(log.size, log.covered);
    newest = std::max(newest, log.head_time_ns);
    table.add({log.name, grouped(log.size), grouped(log.heads), grouped(log.covered),
               log.head_time_ns ? format_rfc3339(log.head_time_ns) : "-"});
  }
  std::printf("%s\n", table.text().c_str());
  if (!report.good()) {
    print_findings(report);
    return;
  }
  std::printf("%s: everything recomputed from %s records, %s of raw bytes, up to commit %s", report.verdict(),
              grouped(report.records).c_str(), human_bytes(report.body_bytes).c_str(), grouped(report.commit).c_str());
  if (report.keyed) std::printf("; %s signatures hold", grouped(report.signatures).c_str());
  std::puts("");
  if (!report.keyed)
    std::puts("  without --public-key nobody's signature was checked: who can write to the store could have rewritten it all");
  for (const store::VerifiedLog& log : report.logs)
    if (log.read_from)
      std::printf("  %s: the records before %s were not read again\n", log.name.c_str(), grouped(log.read_from).c_str());
  if (uncovered && newest)
    std::printf("  %s records are newer than the newest head of %s: until the next head they can be rewritten unseen\n",
                grouped(uncovered).c_str(), format_rfc3339(newest).c_str());
  else if (uncovered)
    std::puts("  there is no signed head yet: nothing is shown to be authentic, all of it can be rewritten unseen");
}

}  // namespace

int command_verify(const VerifyOptions& options) {
  const auto request = request_of(options);
  if (!request) return report_error(request.error(), options.json);
  const auto report = store::verify_store(*request);
  if (request->progress) std::fputs("\r\x1b[K", stderr);
  if (!report) return report_error(report.error(), options.json);
  if (options.json) std::fputs(report_json(*report).c_str(), stdout);
  else print_report(*report);
  if (!options.json && report->seconds > 0 && report->records > 0)
    std::fprintf(stderr, "%s in %.1f s: %s records/s, %s/s\n", grouped(report->records).c_str(), report->seconds,
                 grouped(static_cast<std::uint64_t>(static_cast<double>(report->records) / report->seconds)).c_str(),
                 human_bytes(static_cast<std::uint64_t>(static_cast<double>(report->body_bytes) / report->seconds)).c_str());
  // Who gives a key asks for more than a store that agrees with itself.
  const bool authentic = std::string_view(report->verdict()) == "authentic";
  return report->good() && (!report->keyed || authentic) ? exit_ok : exit_finding;
}

}  // namespace tidewaiter::app
