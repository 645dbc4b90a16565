// format_bench: CPU per event of the plan of each format beside simdjson's bare walk of the same bytes, and for three
// formats beside an extraction by hand. docs/benchmarks.md explains the figures.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/meter.hpp"
#include "bench/otlp_comparison.hpp"
#include "bench/primitives/primitives.hpp"
#include "core/body.hpp"
#include "core/memory.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::bench {
namespace {

constexpr std::size_t batch_bytes = 2 << 20, arena_bytes = 16 << 20;
constexpr std::int64_t receive_ns = 1'780'000'000'000'000'000;

struct Options {
  std::string folder = TIDEWAITER_FORMAT_TESTS;
  int rounds = 15;
  std::string only;  // this format; "" = all
};

struct Message {
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
};

std::vector<Message> messages_of(const Options& options, const std::string& format) {
  std::ifstream input(options.folder + "/" + format + "/input.jsonl");
  std::ifstream expected(options.folder + "/" + format + "/expected.jsonl");
  std::vector<Message> messages;
  for (std::string line, outcome; std::getline(input, line) && std::getline(expected, outcome);) {
    if (line.empty() || (line[0] != '{' && line[0] != '[')) continue;  // lines of text are no JSON to be walked
    Message message{line, {}};
    const auto parsed = nlohmann::json::parse(outcome);
    const auto headers = parsed.value("headers", nlohmann::json::object());
    for (const auto& [name, value] : headers.items()) message.headers.emplace_back(name, value);
    messages.push_back(std::move(message));
  }
  return messages;
}

bool append(Batch& batch, const std::string& format, const Message& message, std::uint64_t offset) {
  BodyParts parts;
  for (const auto& [name, value] : message.headers) parts.headers.push_back({name, value});
  parts.receive_time_ns = receive_ns;
  parts.value = message.value;
  return append_message(batch, intern_origin("bench", {}, format), 0, offset, -1, parts);
}

/// The messages over and over, not parsed yet.
std::unique_ptr<Batch> fill(const std::string& format, const std::vector<Message>& messages) {
  auto batch = std::make_unique<Batch>(arena_bytes);
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; bytes < batch_bytes; ++i) {
    const Message& message = messages[i % messages.size()];
    if (!append(*batch, format, message, i)) break;
    bytes += message.value.size();
  }
  return batch;
}

/// The values of a batch for a primitive.
struct Values {
  const char* bytes = nullptr;
  std::vector<std::uint64_t> begin;
  std::vector<std::uint32_t> size;

  explicit Values(const Batch& batch) : bytes(batch.records.front().value.data()) {
    for (const Record& record : batch.records) {
      begin.push_back(static_cast<std::uint64_t>(record.value.data() - bytes));
      size.push_back(static_cast<std::uint32_t>(record.value.size()));
    }
  }
};

using Primitive = std::function<std::uint64_t(const Values&)>;

std::uint64_t bare_walk(const Values& values) {
  return primitives::walk(values.bytes, values.begin.data(), values.size.data(), values.begin.size());
}

struct Figures {
  double plan_ns = 0, primitive_ns = 0, bytes = 0;  // per event
};

/// Medians over the rounds; in each both run over the same batch.
Figures measure(ingest::Parser& parser, const std::string& format, const std::vector<Message>& messages,
                const Primitive& primitive, int rounds) {
  Figures figures;
  std::vector<double> plan, bare;
  for (int round = -1; round < rounds; ++round) {  // the first one warms up
    const auto batch = fill(format, messages);
    const Values values(*batch);
    const std::int64_t before = thread_cpu_ns();
    if (primitive(values) == 0) return {};
    const std::int64_t between = thread_cpu_ns();
    parser.parse(*batch);
    const std::int64_t after = thread_cpu_ns();
    if (round < 0) continue;
    const auto events = static_cast<double>(batch->events.size());
    bare.push_back(static_cast<double>(between - before) / events);
    plan.push_back(static_cast<double>(after - between) / events);
    std::size_t bytes = 0;
    for (const std::uint32_t size : values.size) bytes += size;
    figures.bytes = static_cast<double>(bytes) / events;
  }
  figures.plan_ns = median(plan);
  figures.primitive_ns = median(bare);
  return figures;
}

/// How many mapped events the message is; 0 when it is none of this format.
std::size_t events_in(ingest::Parser& parser, const std::string& format, const Message& message) {
  Batch batch(message.value.size() * 4 + (1 << 16));
  if (!append(batch, format, message, 0)) return 0;
  parser.parse(batch);
  return batch.records[0].kind == RecordKind::event ? batch.events.size() : 0;
}

void report_walks(ingest::Parser& parser, const std::vector<std::string>& formats, const Options& options) {
  std::printf("%-20s %12s %14s %14s %8s\n", "format", "bytes/event", "plan ns/event", "walk ns/event", "ratio");
  for (const std::string& format : formats) {
    if (!options.only.empty() && options.only != format) continue;
    std::vector<Message> messages = messages_of(options, format);
    std::erase_if(messages, [&](const Message& message) { return events_in(parser, format, message) == 0; });
    if (messages.empty()) {
      std::printf("%-20s no JSON message of this format in its tests\n", format.c_str());
      continue;
    }
    const Figures figures = measure(parser, format, messages, bare_walk, options.rounds);
    std::printf("%-20s %12.0f %14.0f %14.0f %8.2f\n", format.c_str(), figures.bytes, figures.plan_ns,
                figures.primitive_ns, figures.plan_ns / figures.primitive_ns);
  }
}

using ByHand = std::function<std::uint64_t(const Values&, std::uint64_t& events)>;

/// A function of primitives.hpp that adds up what it reads.
template <class Function>
ByHand adding_up(Function by_hand) {
  return [by_hand](const Values& values, std::uint64_t& events) {
    return by_hand(values.bytes, values.begin.data(), values.size.data(), values.begin.size(), events);
  };
}

bool read_spans(const Values& values, primitives::OtlpRows& rows) {
  return primitives::otlp_spans_by_hand(values.bytes, values.begin.data(), values.size.data(), values.begin.size(), rows);
}

struct Comparison {
  const char* format;
  const char* what;
  std::vector<const char*> holds;  // messages with all of these in them, beginning with the first
  std::vector<const char*> lacks;  // ... and none of these, which the hand does not read
  ByHand by_hand;
};

bool is_compared(ingest::Parser& parser, const Comparison& comparison, const Message& message) {
  const auto holds = [&](const char* text) { return message.value.find(text) != std::string::npos; };
  if (!message.value.starts_with(comparison.holds[0])) return false;
  if (!std::all_of(comparison.holds.begin(), comparison.holds.end(), holds)) return false;
  if (std::any_of(comparison.lacks.begin(), comparison.lacks.end(), holds)) return false;
  Batch batch(message.value.size() * 4 + (1 << 16));
  if (!append(batch, comparison.format, message, 0)) return false;
  std::uint64_t events = 0;
  return comparison.by_hand(Values(batch), events) != 0 && events == events_in(parser, comparison.format, message);
}

/// Of the messages that are compared; says each difference.
bool are_equal_spans(ingest::Parser& parser, const std::vector<Message>& messages) {
  bool equal = true;
  for (const Message& message : messages) {
    Batch batch(message.value.size() * 4 + (1 << 16));
    append(batch, "otlp", message, 0);
    primitives::OtlpRows rows(message.value.size());
    read_spans(Values(batch), rows);
    parser.parse(batch);
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      const std::string what = differences(batch.events[i], rows.rows[i]);
      if (what.empty()) continue;
      std::cerr << "format_bench: plan and hand differ: " << what << "\n  in " << message.value.substr(0, 400) << "\n";
      equal = false;
    }
  }
  return equal;
}

/// A plan may cost twice what the hand does. False: they do not make the same of a message.
bool report_by_hand(ingest::Parser& parser, const Options& options) {
  constexpr double most = 2;
  primitives::OtlpRows rows(2 * batch_bytes);
  const auto spans = [&rows](const Values& values, std::uint64_t& events) -> std::uint64_t {
    if (!read_spans(values, rows)) return 0;
    events += rows.rows.size();
    return 1;
  };
  const Comparison comparisons[] = {
      // missed_bytes stands in every line of a conn.log, but not in those that show one odd field.
      {"zeek", "conn", {"{\"ts\"", "\"id.orig_h\"", "\"conn_state\"", "\"proto\"", "\"missed_bytes\""}, {},
       adding_up(primitives::zeek_conn_by_hand)},
      {"cloudtrail", "events", {"{\"eventVersion\"", "\"userIdentity\"", "\"eventTime\""}, {},
       adding_up(primitives::cloudtrail_by_hand)},
      {"otlp", "spans", {"{\"resourceSpans\"", "\"scopeSpans\""},
       {"\"db.", "\"rpc.", "\"messaging.", "\"url.path\"", "\"http.method\"", "\"gen_ai.system\"", "\"mcp.tool.name\"", "prompt.name",
        "openinference", "traceloop", "\"ai.", "\"llm."}, spans}};
  std::printf("\n%-20s %12s %14s %14s %8s\n", "by hand", "bytes/event", "plan ns/event", "hand ns/event", "ratio");
  for (const Comparison& comparison : comparisons) {
    if (!options.only.empty() && options.only != comparison.format) continue;
    std::vector<Message> messages = messages_of(options, comparison.format);
    std::erase_if(messages, [&](const Message& message) { return !is_compared(parser, comparison, message); });
    const std::string name = std::string(comparison.format) + " " + comparison.what;
    if (messages.empty()) {
      std::printf("%-20s no message that both read\n", name.c_str());
      continue;
    }
    if (std::string_view(comparison.format) == "otlp" && !are_equal_spans(parser, messages)) return false;
    const Figures figures = measure(parser, comparison.format, messages, [&](const Values& values) {
      std::uint64_t events = 0;
      return comparison.by_hand(values, events);
    }, options.rounds);
    const double ratio = figures.plan_ns / figures.primitive_ns;
    std::printf("%-20s %12.0f %14.0f %14.0f %8.2f%s\n", name.c_str(), figures.bytes, figures.plan_ns,
                figures.primitive_ns, ratio, ratio <= most ? "" : "  above 2");
  }
  return true;
}

int main_function(int argc, char** argv) {
  keep_freed_memory();
  CLI::App cli{"CPU per event of each format's plan beside simdjson's bare walk and beside code written by hand"};
  Options options;
  cli.add_option("--format-tests", options.folder, "Folder of the formats' test messages")->capture_default_str();
  cli.add_option("--rounds", options.rounds, "Rounds, of which medians are reported")->capture_default_str();
  cli.add_option("--format", options.only, "This format alone");
  cli.allow_extras();  // `make bench ARGS=…` gives all programs the same
  CLI11_PARSE(cli, argc, argv);
  auto parser = ingest::Parser::create();
  if (!parser) {
    std::cerr << "format_bench: " << parser.error().message << "\n";
    return 1;
  }
  std::vector<std::string> formats;
  for (const ingest::FormatCount& count : (*parser)->counts())
    if (count.format != "unknown") formats.push_back(count.format);
  std::printf("%s\n\n", machine().c_str());
  report_walks(**parser, formats, options);
  return report_by_hand(**parser, options) ? 0 : 1;
}

}  // namespace
}  // namespace tidewaiter::bench

int main(int argc, char** argv) { return tidewaiter::bench::main_function(argc, argv); }
