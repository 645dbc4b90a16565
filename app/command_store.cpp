#include "app/command_store.hpp"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/text_table.hpp"
#include "core/clock.hpp"
#include "core/sampling.hpp"
#include "core/text.hpp"
#include "store/query.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {

int exit_code(const Error& error) {
  switch (error.code) {
    case Code::invalid_argument: return exit_usage;
    case Code::not_found: return exit_finding;
    default: return exit_environment;
  }
}

int report_error(const Error& error, bool json) {
  std::fprintf(stderr, "tidewaiter: %s\n", error.message.c_str());
  if (json) {
    std::string out = "{\"error\":{\"code\":";
    append_json_string(out, code_name(error.code));
    out += ",\"message\":";
    append_json_string(out, error.message);
    out += "}}\n";
    std::fputs(out.c_str(), stdout);
  }
  return exit_code(error);
}

std::optional<std::int64_t> parse_span(std::string_view text) {
  const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
  if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  constexpr std::pair<char, std::int64_t> units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
  for (const auto& [letter, seconds] : units)
    if (text.back() == letter) return std::stol(std::string(digits)) * seconds * 1'000'000'000;
  return std::nullopt;
}

Result<std::optional<std::int64_t>> parse_time(const std::string& text, const char* option, std::int64_t now_ns) {
  if (text.empty()) return std::optional<std::int64_t>();
  if (const auto time = parse_rfc3339(text)) return std::optional(*time);
  if (const auto day = parse_rfc3339(text + "T00:00:00Z")) return std::optional(*day);
  std::string_view age = text;
  if (age.substr(0, 3) == "now") age.remove_prefix(3);
  if (age.empty()) return std::optional(now_ns);
  if (age.front() == '-')
    if (const auto span = parse_span(age.substr(1))) return std::optional<std::int64_t>(now_ns - *span);
  return fail(Code::invalid_argument, std::string(option) + ": '" + text +
                                          "' is no time; give 2026-03-04T05:06:07Z, 2026-03-04, now, or an age such as -7d");
}

std::string shell_quoted(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                                             "_-./:=@%+,") == std::string::npos;
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

Result<std::string> read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    if (file && file.peek() == std::ifstream::traits_type::eof()) return std::string();
    return fail(Code::invalid_argument, "the file " + path + " cannot be read");
  }
  return text.str();
}

Result<std::unique_ptr<store::Reader>> open_store(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error))
    return fail(Code::unavailable, "there is no store at " + directory + ": give the store directory with --store");
  auto reader = store::Reader::open(directory);
  if (!reader && reader.error().code == Code::not_found)
    return fail(Code::unavailable, reader.error().message);
  return reader;
}

Result<std::uint16_t> find_log(const store::Reader& reader, const std::string& name) {
  std::vector<std::string_view> known;
  for (const store::LogInfo& log : reader.logs()) {
    if (log.name == name) return log.id;
    known.push_back(log.name);
  }
  std::string message = "this store has no log '" + name + "'";
  if (const auto near = nearest_word(name, known); !near.empty()) message += "; did you mean '" + std::string(near) + "'?";
  return fail(Code::invalid_argument, message + " `tidewaiter stats` lists them");
}

namespace {

std::uint64_t directory_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(directory, error);
       !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    struct stat status {};
    if (::stat(it->path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

struct Balance {
  std::uint64_t stored = 0, left = 0, right = 0;
  bool holds() const { return left == right; }
};

std::uint64_t count_of(const store::Counters& counters, const char* kind) {
  const auto found = counters.records_by_kind.find(kind);
  return found == counters.records_by_kind.end() ? 0 : found->second;
}

/// P7: read = stored + duplicates, where conflicts are stored too.
Balance balance(const store::Counters& counters) {
  Balance result;
  for (const char* kind : {"event", "unmapped", "reject", "tombstone"}) result.stored += count_of(counters, kind);
  result.left = counters.read;
  result.right = result.stored + count_of(counters, "conflict") + counters.duplicates;
  return result;
}

std::string age_text(std::int64_t time_ns) {
  if (time_ns == 0) return "none yet";
  const std::int64_t age = SystemClock().now_ns() - time_ns;
  return format_rfc3339(time_ns / 1'000'000'000 * 1'000'000'000) + (age >= 0 ? " (" + human_duration(age) + " ago)" : "");
}

void append_counts(std::string& out, const char* name, const std::map<std::string, std::uint64_t>& counts) {
  out += ",\"" + std::string(name) + "\":{";
  for (auto it = counts.begin(); it != counts.end(); ++it) {
    if (it != counts.begin()) out += ',';
    append_json_string(out, it->first);
    out += ":" + std::to_string(it->second);
  }
  out += '}';
}

/// Of the policy in force; nothing is sampled when none of the service's policies said so.
Sampling sampling_in_force(const store::Reader& reader) {
  const auto text = reader.cursor(std::string(sampling_cursor));
  auto sampling = Sampling::parse(text ? *text : std::string());
  return sampling ? std::move(*sampling) : Sampling();
}

std::string sampling_text(const Sampling& sampling) {
  std::string out;
  for (std::size_t tier = 0; tier < risk_tiers; ++tier)
    if (sampling.scoring_rate(tier) < 1 || sampling.forward_rate(tier) < 1)
      out += "sampled: tier " + std::string(enums::risk_tier.word(tier)) + ", a share of " +
             fmt::format("{}", sampling.scoring_rate(tier)) + " of the principals scored by statistics, of " +
             fmt::format("{}", sampling.forward_rate(tier)) + " of the keys forwarded\n";
  return out;
}

std::string stats_json(const store::Reader& reader, const std::vector<store::LogView>& views, std::uint64_t disk) {
  const store::Counters counters = reader.counters();
  const Balance sum = balance(counters);
  std::string out = "{\"store_id\":\"" + reader.store_id() + "\",\"generation\":" + std::to_string(reader.generation()) +
                    ",\"commit\":" + std::to_string(reader.last_commit()) + ",\"bytes_on_disk\":" + std::to_string(disk) +
                    ",\"logs\":[";
  for (std::size_t i = 0; i < views.size(); ++i) {
    out += (i ? ",{\"name\":" : "{\"name\":");
    append_json_string(out, views[i].name);
    out += ",\"records\":" + std::to_string(views[i].size) + ",\"covered\":" + std::to_string(views[i].covered) +
           ",\"retention_days\":" + std::to_string(reader.logs()[i].retention_days);
    if (views[i].head_time_ns) out += ",\"head_time\":\"" + format_rfc3339(views[i].head_time_ns) + "\"";
    out += '}';
  }
  out += "],\"read\":" + std::to_string(counters.read) + ",\"duplicates\":" + std::to_string(counters.duplicates) +
         ",\"stored\":" + std::to_string(sum.stored) + ",\"events\":" + std::to_string(counters.events) +
         ",\"balanced\":" + (sum.holds() ? "true" : "false");
  append_counts(out, "records_by_kind", counters.records_by_kind);
  append_counts(out, "rejects_by_reason", counters.rejects_by_reason);
  append_counts(out, "connectors", counters.connector);
  const Sampling sampling = sampling_in_force(reader);
  out += ",\"sampling\":" + (sampling.text().empty() ? std::string("{}") : sampling.text());
  return out + ",\"retention\":\"nothing expires yet\"}\n";
}

std::string stats_text(const store::Reader& reader, const std::vector<store::LogView>& views, std::uint64_t disk) {
  const store::Counters counters = reader.counters();
  const Balance sum = balance(counters);
  std::string out = "store " + reader.store_id() + ", generation " + std::to_string(reader.generation()) + ", commit " +
                    grouped(reader.last_commit()) + ", " + human_bytes(disk) + " on disk\n\n";
  TextTable logs({"log", "records", "under a head", "newest head", "keeps"});
  logs.align_right(1);
  logs.align_right(2);
  for (std::size_t i = 0; i < views.size(); ++i) {
    const std::uint32_t days = reader.logs()[i].retention_days;
    logs.add({views[i].name, grouped(views[i].size), grouped(views[i].covered), age_text(views[i].head_time_ns),
              days ? std::to_string(days) + " days" : "for ever"});
  }
  out += logs.text() + "\nnothing expires yet: the days above take effect once retention is there\n\n";
  out += "read " + grouped(counters.read) + " = stored " + grouped(sum.stored) + " + conflicts " +
         grouped(count_of(counters, "conflict")) + " + duplicates " + grouped(counters.duplicates) +
         (sum.holds() ? "   balanced\n" : "   NOT BALANCED\n");
  out += "stored " + grouped(sum.stored) + " = event " + grouped(count_of(counters, "event")) + " + unmapped " +
         grouped(count_of(counters, "unmapped")) + " + reject " + grouped(count_of(counters, "reject")) +
         " + tombstone " + grouped(count_of(counters, "tombstone")) + "   with " + grouped(counters.events) + " events\n";
  out += sampling_text(sampling_in_force(reader));
  TextTable others({"", "", ""});
  others.align_right(2);
  for (const auto& [name, n] : counters.records_by_kind)
    if (name != "event" && name != "unmapped" && name != "reject" && name != "tombstone")
      others.add({"records", name, grouped(n)});
  for (const auto& [name, n] : counters.rejects_by_reason) others.add({"rejects", name, grouped(n)});
  for (const auto& [name, n] : counters.connector) others.add({"connector", name, grouped(n)});
  return out + (others.rows() ? "\n" + others.text(true) : "");
}

std::string coverage_json(const store::Reader& reader, const std::vector<store::Reader::PartitionCoverage>& all) {
  std::string out = "{\"commit\":" + std::to_string(reader.last_commit()) + ",\"partitions\":[";
  for (const auto& part : all) {
    if (&part != &all.front()) out += ',';
    out += "{\"cluster\":";
    append_json_string(out, part.cluster);
    out += ",\"topic\":";
    append_json_string(out, part.topic);
    out += ",\"topic_id\":\"" +
           to_hex({reinterpret_cast<const char*>(part.topic_id.data()), part.topic_id.size()}) +
           "\",\"partition\":" + std::to_string(part.partition) + ",\"held\":[";
    for (std::size_t i = 0; i < part.held.size(); ++i)
      out += (i ? ",[" : "[") + std::to_string(part.held[i].first) + "," + std::to_string(part.held[i].second) + "]";
    out += "],\"gaps\":[";
    for (std::size_t i = 0; i < part.gaps.size(); ++i) {
      out += (i ? ",{\"from\":" : "{\"from\":") + std::to_string(part.gaps[i].from) +
             ",\"to\":" + std::to_string(part.gaps[i].to) + ",\"reason\":";
      append_json_string(out, part.gaps[i].reason);
      out += '}';
    }
    out += "]}";
  }
  return out + "]}\n";
}

std::string ranges_text(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges) {
  constexpr std::size_t shown = 4;
  std::string out;
  for (std::size_t i = 0; i < ranges.size() && i < shown; ++i)
    out += (i ? ", " : "") + std::to_string(ranges[i].first) + "-" + std::to_string(ranges[i].second - 1);
  if (ranges.size() > shown) out += " and " + grouped(ranges.size() - shown) + " more ranges";
  return out;
}

std::string gaps_text(const std::vector<store::Reader::PartitionCoverage::Gap>& gaps) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> by_reason;  // offsets, gaps
  for (const auto& gap : gaps) {
    by_reason[gap.reason].first += gap.to - gap.from;
    ++by_reason[gap.reason].second;
  }
  std::string out;
  for (const auto& [reason, sum] : by_reason)
    out += (out.empty() ? "" : "; ") + grouped(sum.first) + " " + reason + (sum.second > 1 ? " in " + grouped(sum.second) + " gaps" : "");
  return out.empty() ? "none" : out;
}

}  // namespace

int command_stats(const StatsOptions& options) {
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), options.json);
  const auto views = store::log_views(**reader);
  if (!views) return report_error(views.error(), options.json);
  const std::uint64_t disk = directory_bytes(options.store);
  const std::string text = options.json ? stats_json(**reader, *views, disk) : stats_text(**reader, *views, disk);
  std::fputs(text.c_str(), stdout);
  return balance((*reader)->counters()).holds() ? exit_ok : exit_finding;
}

int command_coverage(const CoverageOptions& options) {
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), options.json);
  const auto all = (*reader)->coverage();
  if (!all) return report_error(all.error(), options.json);
  if (options.json) {
    std::fputs(coverage_json(**reader, *all).c_str(), stdout);
    return exit_ok;
  }
  TextTable table({"topic", "partition", "offsets held", "count", "gaps"}, 60);
  table.align_right(1);
  table.align_right(3);
  for (const auto& part : *all) {
    std::uint64_t held = 0;
    for (const auto& [from, to] : part.held) held += to - from;
    table.add({part.topic, std::to_string(part.partition), ranges_text(part.held), grouped(held), gaps_text(part.gaps)});
  }
  std::fputs(table.text().c_str(), stdout);
  if (all->empty()) std::fputs("no topic has been read yet\n", stdout);
  std::fprintf(stderr, "read at commit %s\n", grouped((*reader)->last_commit()).c_str());
  return exit_ok;
}

}  // namespace tidewaiter::app
