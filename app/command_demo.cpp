#include "app/command_demo.hpp"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "app/assemble.hpp"
#include "app/command_config.hpp"
#include "app/command_store.hpp"
#include "app/config_template.hpp"
#include "app/demo_report.hpp"
#include "app/generator.hpp"
#include "app/hec_receiver.hpp"
#include "app/signals.hpp"
#include "core/log_line.hpp"
#include "ingest/embedded_broker.hpp"
#include "ingest/kafka_producer.hpp"
#include "store/note.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {
namespace {

using std::chrono::milliseconds;

constexpr const char* topic = "audit-events";
constexpr const char* origin = "tidewaiter.demo";
constexpr int partitions = 4;
// The embedded broker keeps 5 MiB per partition and forgets the oldest: never be further ahead of the store than this.
constexpr std::uint64_t ahead_bytes_max = 3 << 20;
constexpr std::int64_t detect_grace_ns = 26ll * 3600 * 1'000'000'000;  // a day's window, and the lateness behind it

double cpu_seconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// The company at work: produces into the embedded broker on its own thread, never too far ahead of the store.
class Company {
 public:
  Company(const GeneratorConfig& config, std::unique_ptr<ingest::KafkaProducer> producer)
      : generator_(config), producer_(std::move(producer)) {}

  void start(std::function<std::uint64_t(std::uint32_t)> stored_offset) {
    stored_offset_ = std::move(stored_offset);
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  void stop() { thread_ = {}; }

  bool done() const { return done_.load(); }
  std::uint64_t produced() const { return produced_.load(); }
  std::uint64_t bytes() const { return bytes_.load(); }
  double cpu_seconds() const { return cpu_seconds_.load(); }
  std::uint64_t failures() const { return failures_.load(); }
  const Generator& generator() const { return generator_; }
  std::int64_t first_ns() const { return first_ns_; }
  std::int64_t last_ns() const { return last_ns_; }

 private:
  struct Partition {
    std::uint64_t offset = 0, bytes = 0, known_offset = 0, known_bytes = 0;
    std::deque<std::pair<std::uint64_t, std::uint64_t>> marks;  // (offset, bytes before it), now and then
  };

  void run(std::stop_token stop) {
    Message message;
    while (!stop.stop_requested() && generator_.next(message)) {
      Partition& partition = partitions_[message.partition_hash % partitions];
      while (!stop.stop_requested() && ahead_bytes(partition, message.partition_hash % partitions) > ahead_bytes_max)
        std::this_thread::sleep_for(milliseconds(1));
      send(message, partition);
    }
    if (auto ok = producer_->flush(30'000); !ok) failures_.fetch_add(1);
    timespec cpu{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    cpu_seconds_.store(static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9);
    done_.store(true);
  }

  void send(const Message& message, Partition& partition) {
    const std::uint64_t size = message.key.size() + (message.value ? message.value->size() : 0) + 100;
    ingest::OutMessage out;
    out.partition = static_cast<std::int32_t>(message.partition_hash % partitions);
    out.key = message.key;
    out.value = message.value;
    for (const auto& [name, value] : message.headers) out.headers.emplace_back(name, value);
    out.time_ms = message.delivery_ns / 1'000'000;
    if (auto ok = producer_->send(out); !ok) failures_.fetch_add(1);
    if (partition.offset % 64 == 0) partition.marks.emplace_back(partition.offset, partition.bytes);
    partition.offset += 1;
    partition.bytes += size;
    produced_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(size, std::memory_order_relaxed);
    if (first_ns_ == 0) first_ns_ = message.time_ns;
    last_ns_ = std::max(last_ns_, message.time_ns);
  }

  std::uint64_t ahead_bytes(Partition& partition, std::uint32_t number) {
    if (partition.bytes - partition.known_bytes <= ahead_bytes_max) return 0;
    const std::uint64_t stored = stored_offset_(number);
    while (!partition.marks.empty() && partition.marks.front().first <= stored) {
      partition.known_bytes = partition.marks.front().second;
      partition.marks.pop_front();
    }
    return partition.bytes - partition.known_bytes;
  }

  Generator generator_;
  std::unique_ptr<ingest::KafkaProducer> producer_;
  std::function<std::uint64_t(std::uint32_t)> stored_offset_;
  std::array<Partition, partitions> partitions_;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  std::atomic<std::uint64_t> produced_{0}, bytes_{0}, failures_{0};
  std::atomic<double> cpu_seconds_{0};
  std::atomic<bool> done_{false};
  std::jthread thread_;
};

/// Where the demo keeps its things: a folder with store, key, configuration and policy.
struct Places {
  std::string folder, store, public_key, config, token_file;
};

Result<Places> make_places(const DemoOptions& options) {
  Places places;
  std::error_code error;
  if (options.store.empty()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidewaiter-demo-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return fail(Code::disk, "cannot make a directory in " + pattern);
    places.folder = pattern;
    places.store = pattern + "/store";
  } else {
    places.store = std::filesystem::absolute(options.store, error).lexically_normal().string();
    if (std::filesystem::exists(places.store, error) && !std::filesystem::is_empty(places.store, error))
      return fail(Code::already_exists, places.store + " is not empty: the demo wants a new store directory");
    places.folder = places.store + "-demo";
    std::filesystem::create_directories(places.folder, error);
    if (error) return fail(Code::disk, places.folder + ": " + error.message());
  }
  places.public_key = places.folder + "/tidewaiter.pub";
  places.config = places.folder + "/tidewaiter.yaml";
  places.token_file = places.folder + "/hec.token";
  return places;
}

Result<void> write_text(const std::string& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return fail(Code::disk, path + " cannot be written");
  return {};
}

/// One false step here is the end of the demo; what it gathers is judged by report_demo.
class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options) {}
  Result<int> run();

 private:
  Result<void> prepare();
  Result<void> start();
  Result<bool> work();
  Result<void> settle();
  Result<DemoFacts> gather();
  void show_status(bool last);
  bool interrupted() { return interrupted_ = interrupted_ || signals_.wait(milliseconds(0)).has_value(); }
  std::uint64_t stored_offset(std::uint32_t partition) const;

  const DemoOptions options_;
  Signals signals_{SIGINT, SIGTERM};
  SystemClock clock_;
  Metrics metrics_;
  Places places_;
  Config config_;
  std::unique_ptr<ingest::EmbeddedBroker> broker_;
  std::unique_ptr<HecReceiver> receiver_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<serve::Server> server_;
  std::unique_ptr<Company> company_;
  std::int64_t begun_ns_ = 0, ended_ns_ = 0, shown_ns_ = 0;
  double cpu_begun_ = 0, cpu_ended_ = 0;
  bool interrupted_ = false;
};

Result<void> Demo::prepare() {
  TRY_ASSIGN(places_, make_places(options_));
  TRY(write_text(places_.folder + "/policy.yaml", policy_template()));
  TRY_ASSIGN(const store::SigningKey key, store::SigningKey::generate(places_.folder + "/tidewaiter.key"));
  TRY(write_text(places_.public_key, store::encode_vkey(origin, key.public_key()) + "\n"));
  const std::string token = "demo-" + std::to_string(clock_.now_ns());
  TRY(write_text(places_.token_file, token));
  TRY_ASSIGN(broker_, ingest::EmbeddedBroker::start());
  TRY(broker_->create_topic(topic, partitions));
  HecReceiverOptions receiver;
  receiver.indexer.token = token;
  receiver.indexer.ack = true;
  TRY_ASSIGN(receiver_, HecReceiver::start(std::move(receiver)));

  config_ = default_config(places_.store);
  config_.store.signing_key_file = places_.folder + "/tidewaiter.key";
  config_.store.origin = origin;
  config_.kafka.enabled = true;
  config_.kafka.properties = {{"bootstrap.servers", broker_->bootstrap()}, {"group.id", "tidewaiter-demo"}};
  config_.kafka.topics = {topic};
  config_.policy_file = places_.folder + "/policy.yaml";
  ConnectorEntry siem;
  siem.name = "siem";
  siem.type = "splunk_hec";
  siem.select_events = "risk_tier >= high and action == send";
  siem.settings = {{"url", receiver_->url()}, {"token_file", places_.token_file}, {"ack", "true"}, {"ack_poll_ms", "100"}};
  config_.connectors = {siem};
  config_.http.api_address = options_.api_address;
  config_.http.metrics_address = options_.metrics_address;
  return {};
}

Result<void> Demo::start() {
  TRY_ASSIGN(const LoadedPolicy policy, load_policy(config_.policy_file));
  PipelineConfig parts = pipeline_config(config_, policy);
  parts.make_sources = kafka_sources(config_);
  parts.writer.ticker.idle_after_ms = 60'000;  // the end of the input is known here
  pipeline_ = std::make_unique<Pipeline>(std::move(parts), clock_, metrics_);
  TRY(pipeline_->start());
  TRY_ASSIGN(server_, serve::Server::start(serve_config(config_), pipeline_->backend()));
  GeneratorConfig generator;
  generator.events = options_.events;
  generator.seed = options_.seed;
  ingest::KafkaProducerOptions producer_options;
  producer_options.properties = {{"bootstrap.servers", broker_->bootstrap()}};
  producer_options.topic = topic;
  TRY_ASSIGN(auto producer, ingest::KafkaProducer::open(std::move(producer_options)));
  company_ = std::make_unique<Company>(generator, std::move(producer));
  cpu_begun_ = cpu_seconds(RUSAGE_SELF);
  begun_ns_ = clock_.now_ns();
  company_->start([this](std::uint32_t partition) { return stored_offset(partition); });
  return {};
}

std::uint64_t Demo::stored_offset(std::uint32_t partition) const {
  for (const store::Position& p : pipeline_->positions())
    if (p.partition == partition) return p.next_offset;
  return 0;
}

void Demo::show_status(bool last) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const std::int64_t now = clock_.now_ns();
  if (!last && now - shown_ns_ < (terminal ? 200'000'000 : 2'000'000'000)) return;
  shown_ns_ = now;
  const PipelineStatus s = pipeline_->status();
  const double seconds = static_cast<double>(now - begun_ns_) / 1e9;
  const std::uint64_t produced = company_->produced();
  fmt::print(stderr, "{}{:>9} events  {:>7.0f}/s  lag {:>6}  alerts {:>4}  checkpoint {:.1f} s ago{}",
             terminal ? "\r" : "", s.counters.read, static_cast<double>(s.counters.read) / std::max(seconds, 0.001),
             produced - std::min(produced, s.counters.read), s.detect.alerts,
             static_cast<double>(now - s.last_checkpoint_ns) / 1e9, terminal && !last ? "" : "\n");
}

/// Until everything produced is stored. False when interrupted.
Result<bool> Demo::work() {
  std::uint64_t last_read = 0;
  std::int64_t moved_ns = clock_.now_ns();
  while (!interrupted()) {
    show_status(false);
    const PipelineStatus s = pipeline_->status();
    if (company_->done() && s.counters.read >= company_->produced()) return true;
    if (s.counters.read != last_read) {
      last_read = s.counters.read;
      moved_ns = clock_.now_ns();
    }
    if (clock_.now_ns() - moved_ns > 60'000'000'000)
      return fail(Code::unavailable, fmt::format("nothing was stored for a minute: {} produced, {} stored; {}",
                                                 company_->produced(), s.counters.read, s.reason));
    std::this_thread::sleep_for(milliseconds(20));
  }
  return false;
}

Result<void> Demo::settle() {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 6'000 && !pipeline_->settled() && !interrupted(); ++i) std::this_thread::sleep_for(milliseconds(10));
    if (!pipeline_->settled()) return fail(Code::unavailable, "the SIEM receiver did not acknowledge everything in a minute");
    if (round == 0) {
      pipeline_->end_of_input();
      std::this_thread::sleep_for(milliseconds(200));
    }
  }
  // One more checkpoint, so that the last records are under a signed head.
  std::this_thread::sleep_for(milliseconds(config_.store.checkpoint_interval_ms + 200));
  ended_ns_ = clock_.now_ns();
  cpu_ended_ = cpu_seconds(RUSAGE_SELF);
  show_status(true);
  return {};
}

Result<DemoFacts> Demo::gather() {
  DemoFacts facts;
  facts.produced = company_->produced();
  facts.produced_bytes = company_->bytes();
  facts.seconds = static_cast<double>(ended_ns_ - begun_ns_) / 1e9;
  facts.cpu_seconds = cpu_ended_ - cpu_begun_;
  facts.generator_cpu_seconds = company_->cpu_seconds();
  facts.event_time_span_ns = company_->last_ns() - company_->first_ns();
  facts.status = pipeline_->status();
  facts.receiver = receiver_->indexer().totals();
  facts.receiver_alerts = receiver_->indexer().counts("tidewaiter:alert").size();
  facts.store = places_.store;
  facts.public_key = places_.public_key;
  TRY_ASSIGN(auto reader, store::Reader::open(places_.store));
  std::vector<AlertFacts> alerts;
  for (const store::LogInfo& log : reader->logs()) {
    if (log.name != "alerts") continue;
    Result<void> bad;
    TRY(reader->scan(log.id, 0, reader->size(log.id), true, nullptr, [&](const store::StoredRecord& record) {
      auto alert = read_alert(record.record.value);
      if (!alert) bad = alert.error();
      else if (*alert) alerts.push_back(std::move(**alert));
      return bad.has_value();
    }));
    TRY(bad);
    facts.stored_alerts = reader->size(log.id);
  }
  facts.score = score(company_->generator().truth(), alerts, detect_grace_ns);
  store::VerifyRequest verify;
  verify.directory = places_.store;
  TRY_ASSIGN(verify.public_key, store::load_trusted_key(places_.public_key));
  TRY_ASSIGN(facts.verify, store::verify_store(verify));
  return facts;
}

Result<int> Demo::run() {
  set_log_level(Level::warn);
  TRY(prepare());
  fmt::print(stderr, "a company at work for four weeks, seed {}; store in {}\n", options_.seed, places_.store);
  TRY(start());
  TRY_ASSIGN(const bool finished, work());
  int code = exit_ok;
  if (finished) {
    TRY(settle());
    TRY_ASSIGN(const DemoFacts facts, gather());
    const auto broken = report_demo(facts);
    for (const std::string& sentence : broken) fmt::print("FAILED: {}\n", sentence);
    if (broken.empty()) fmt::print("\nEverything held.\n");
    code = broken.empty() ? exit_ok : exit_finding;
    if (!options_.exit && !interrupted()) {
      fmt::print("\nStill up: http://127.0.0.1:{}/v1/alerts and http://127.0.0.1:{}/metrics; Ctrl-C ends it.\n",
                 server_->api_port(), server_->operations_port());
      std::fflush(stdout);
      while (!signals_.wait(milliseconds(1'000))) {
      }
    }
  }
  company_->stop();
  server_->stop();
  pipeline_->stop();
  receiver_->stop();
  return finished ? code : exit_finding;
}

}  // namespace

int command_demo(const DemoOptions& options) {
  Demo demo(options);
  const auto result = demo.run();
  return result ? *result : report_error(result.error(), false);
}

}  // namespace tidewaiter::app
