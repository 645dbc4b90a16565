#include "app/command_generate.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include "app/command_store.hpp"
#include "app/generator.hpp"
#include "core/result.hpp"
#include "core/text.hpp"
#include "ingest/kafka_producer.hpp"

namespace tidewaiter::app {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// Where messages go. Called per message, but not part of the service.
class Output {
 public:
  virtual ~Output() = default;
  virtual Result<void> put(const Message& message) = 0;
  /// Everything is out (or acknowledged).
  virtual Result<void> flush() = 0;
};

/// One value a line. A tombstone has no value and is left out.
class LineOutput final : public Output {
 public:
  Result<void> put(const Message& message) override {
    if (!message.value) return {};
    buffer_.append(*message.value).push_back('\n');
    return buffer_.size() < (1 << 20) ? Result<void>() : flush();
  }
  Result<void> flush() override {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t made = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (made < 0 && errno == EINTR) continue;
      if (made < 0) return fail(Code::disk, std::string("cannot write to stdout: ") + std::strerror(errno));
      rest.remove_prefix(static_cast<std::size_t>(made));
    }
    buffer_.clear();
    return {};
  }

 private:
  std::string buffer_;
};

/// One topic with its producer. "audit:6" spreads over the partitions 0 to 5 of the topic audit, by key.
struct Topic {
  std::string name;
  std::uint32_t partitions = 0;  // 0 = as the client distributes keys
  std::unique_ptr<ingest::KafkaProducer> producer;
};

Result<Topic> parse_topic(const std::string& text) {
  Topic topic;
  const std::size_t colon = text.rfind(':');
  topic.name = text.substr(0, colon);
  if (colon == std::string::npos) return topic;
  const std::string number = text.substr(colon + 1);
  const bool digits = !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == std::string::npos;
  if (digits) topic.partitions = static_cast<std::uint32_t>(std::stoul(number));
  if (topic.name.empty() || topic.partitions == 0)
    return fail(Code::invalid_argument, "--topic " + text + ": expected NAME or NAME:PARTITIONS");
  return topic;
}

/// A message goes to a topic and a partition by its key, so that everything of one app stays in order.
class KafkaOutput final : public Output {
 public:
  static Result<std::unique_ptr<Output>> open(const GenerateOptions& options) {
    ingest::KafkaProducerOptions producer;
    producer.properties["bootstrap.servers"] = options.brokers;
    for (const std::string& setting : options.settings) {
      const std::size_t equals = setting.find('=');
      if (equals == std::string::npos || equals == 0)
        return fail(Code::invalid_argument, "--set " + setting + ": expected NAME=VALUE");
      producer.properties[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
    auto output = std::make_unique<KafkaOutput>();
    if (options.topics.empty()) return fail(Code::invalid_argument, "--brokers needs --topic NAME[:PARTITIONS]");
    for (const std::string& text : options.topics) {
      TRY_ASSIGN(Topic topic, parse_topic(text));
      producer.topic = topic.name;
      TRY_ASSIGN(topic.producer, ingest::KafkaProducer::open(producer));
      output->topics_.push_back(std::move(topic));
    }
    return std::unique_ptr<Output>(std::move(output));
  }

  Result<void> put(const Message& message) override {
    const Topic& topic = topics_[message.partition_hash % topics_.size()];
    const auto spread = static_cast<std::uint32_t>(message.partition_hash / topics_.size());
    out_.partition = topic.partitions > 0 ? static_cast<std::int32_t>(spread % topic.partitions) : -1;
    out_.key = message.key;
    out_.value = message.value;
    out_.headers.assign(message.headers.begin(), message.headers.end());
    // Kafka's own time stays today's: a broker deletes what is older than its retention, and the company's time is past.
    return topic.producer->send(out_);
  }
  Result<void> flush() override {
    for (const Topic& topic : topics_) TRY(topic.producer->flush(60'000));
    return {};
  }

 private:
  std::vector<Topic> topics_;
  ingest::OutMessage out_;
};

/// Keeps to a rate and tells how far it is, ten times a second at most.
class Pace {
 public:
  Pace(const GenerateOptions& options, std::uint64_t events)
      : options_(options), events_(events), show_(!options.quiet && ::isatty(STDERR_FILENO) == 1) {}

  void after(std::uint64_t count) {
    if (count % 256 != 0 && options_.rate == 0) return;
    const double elapsed = seconds();
    if (options_.rate > 0) {
      const double ahead = static_cast<double>(count) / options_.rate - elapsed;
      if (ahead > 0.002) std::this_thread::sleep_for(std::chrono::duration<double>(ahead));
    }
    if (show_ && elapsed - shown_ >= 0.1) {
      std::fprintf(stderr, "\r%llu of %llu messages, %.0f/s ", static_cast<unsigned long long>(count),
                   static_cast<unsigned long long>(events_), static_cast<double>(count) / elapsed);
      shown_ = elapsed;
    }
  }
  void done(const Generator& generator) const {
    if (options_.quiet) return;
    const GeneratorCounts counts = generator.counts();
    std::fprintf(stderr, "%s%llu messages, %.1f MB, in %.1f s; %zu incidents\n", show_ ? "\r" : "",
                 static_cast<unsigned long long>(counts.messages), static_cast<double>(counts.bytes) / 1e6, seconds(),
                 generator.truth().size());
  }

 private:
  double seconds() const { return std::chrono::duration<double>(SteadyClock::now() - start_).count(); }
  const GenerateOptions& options_;
  const std::uint64_t events_;
  const bool show_;
  const SteadyClock::time_point start_ = SteadyClock::now();
  double shown_ = 0;
};

Result<void> write_truth(const std::string& file, const Generator& generator) {
  std::ofstream out(file, std::ios::binary);
  out << generator.truth_json();
  if (!out.flush()) return fail(Code::disk, "cannot write " + file + ": " + std::strerror(errno));
  return {};
}

Result<void> generate(const GenerateOptions& options) {
  const auto named = std::ranges::find(company_names, options.company);
  if (named == std::end(company_names))
    return fail(Code::invalid_argument, "--company " + options.company + ": it is one of demo, full, other");
  GeneratorConfig config = GeneratorConfig::of(static_cast<Company>(named - std::begin(company_names)));
  if (options.events > 0) config.events = options.events;
  if (options.days > 0) config.days = options.days;
  config.seed = options.seed;
  if (!options.start.empty()) {
    const auto start = parse_rfc3339(options.start + "T00:00:00Z");
    if (!start) return fail(Code::invalid_argument, "--start " + options.start + ": expected a date such as 2025-09-01");
    config.start_ns = *start;
  }
  config.malformed_per_million = static_cast<std::uint32_t>(options.malformed * 1e6);
  Generator generator(config);
  std::unique_ptr<Output> output = std::make_unique<LineOutput>();
  if (!options.brokers.empty()) {
    TRY_ASSIGN(output, KafkaOutput::open(options));
  }
  // What is injected is known before the first message: who reads the messages from a pipe can hold them against it. Counts follow.
  if (!options.truth.empty()) TRY(write_truth(options.truth, generator));
  Pace pace(options, config.events);
  Message message;
  for (std::uint64_t count = 1; generator.next(message); ++count) {
    TRY(output->put(message));
    if (options.brokers.empty() && options.rate > 0) TRY(output->flush());
    pace.after(count);
  }
  TRY(output->flush());
  pace.done(generator);
  if (!options.truth.empty()) TRY(write_truth(options.truth, generator));
  return {};
}

constexpr const char* truth_footer =
    "The truth file is one JSON object:\n"
    "  generator   events, seed, days, start, learning_end (nothing is injected before it)\n"
    "  company     name and numbers of tenants, apps, agents, destinations\n"
    "  counts      messages, value_bytes, late, by_kind (event, tombstone, unmapped, and each kind of broken message)\n"
    "  incidents   id, kind, expect (policy, flow, volume, silence), start, end, tenant, app, principals,\n"
    "              destinations, sources, events, sentence\n"
    "  look_alikes the same without expect and events: benign, and must not alert\n"
    "Of the companies full and other the kind of an incident is its scenario, expect is left out, counts_from is when harm\n"
    "begins if that is later than start, and counts has entity_days and incident_entity_days. Their ramps begin before\n"
    "learning_end, nothing else does.\n"
    "Times are event times, which begin on Monday 2025-09-01. Incidents need 14 days and 20,000 messages; of full and other\n"
    "42 days, and their bursts 1,300,000 and 1,700,000 messages.";

}  // namespace

int command_generate(const GenerateOptions& options) {
  auto done = generate(options);
  if (done) return exit_ok;
  std::fprintf(stderr, "generate: %s\n", done.error().message.c_str());
  return done.error().code == Code::invalid_argument ? exit_usage : exit_environment;
}

void add_generate_command(CLI::App& cli, int& code) {
  static GenerateOptions options;
  auto* sub = cli.add_subcommand("generate", "Play a company with injected incidents: NDJSON to stdout, or into Kafka");
  sub->add_option("--company", options.company,
                  "demo: some 125 agents, 300,000 messages in 28 days. full: 2,000 agents, 20,000,000 in 56 days, twelve "
                  "scenarios of data that leaves, and apps that fail or are slow. other: 700 agents of another week and spread, 8,000,000 in 42 days")
      ->capture_default_str()->check(CLI::IsMember({"demo", "full", "other"}));
  sub->add_option("--events", options.events, "How many messages, in place of the company's")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
  sub->add_option("--seed", options.seed, "Which company and which incidents; the same seed gives the same bytes")
      ->capture_default_str();
  sub->add_option("--start", options.start, "First day of the company's time, such as 2025-09-01");
  sub->add_option("--days", options.days, "Over how many days of event time, in place of the company's")->check(CLI::Range(1, 3660));
  sub->add_option("--truth", options.truth, "Write the list of injected incidents to this file, before the first message; its counts at the end");
  auto* brokers = sub->add_option("--brokers", options.brokers, "Produce to this Kafka cluster instead of stdout");
  sub->add_option("--topic", options.topics, "NAME, or NAME:PARTITIONS to spread keys over that many; repeatable")
      ->needs(brokers);
  sub->add_option("--set", options.settings, "NAME=VALUE: a property of librdkafka, such as security.protocol=SSL")
      ->needs(brokers);
  sub->add_option("--malformed", options.malformed, "Share of broken messages, tombstones and unknown shapes")
      ->capture_default_str()->check(CLI::Range(0.0, 1.0));
  sub->add_option("--rate", options.rate, "At most so many messages per second; 0 = no limit")->capture_default_str();
  sub->add_flag("--quiet", options.quiet, "No progress on stderr");
  sub->footer(truth_footer);
  sub->callback([&code] { code = command_generate(options); });
}

}  // namespace tidewaiter::app
