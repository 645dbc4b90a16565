// CPU of the store's writer per event, by stage: synthetic CloudEvents of about 680 bytes with the columns that a
// parser would set, committed in batches of about 2 MiB. Usage: store_bench [EVENTS] [DIRECTORY]

#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "core/body.hpp"
#include "core/metrics.hpp"
#include "core/text.hpp"
#include "store/block.hpp"
#include "store/column_digest.hpp"
#include "store/leaf.hpp"
#include "store/log.hpp"
#include "store/merkle.hpp"
#include "store/reader.hpp"
#include "store/sha256_lanes.hpp"

namespace tidewaiter::bench {
namespace {

std::int64_t cpu_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}
std::int64_t thread_ns() { return cpu_ns(CLOCK_THREAD_CPUTIME_ID); }

class Company {
 public:
  /// About `bytes` of messages with their events, in partitions of runs of 40.
  std::unique_ptr<Batch> next_batch(std::size_t bytes) {
    auto batch = std::make_unique<Batch>(bytes + 8192);
    while (batch->arena.used_bytes() < bytes) add(*batch);
    return batch;
  }

 private:
  std::size_t zipf(std::size_t n) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random_);
    return static_cast<std::size_t>(static_cast<double>(n) * u * u * u);
  }
  std::string hex(int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += "0123456789abcdef"[random_() % 16];
    return out;
  }

  void add(Batch& batch) {
    const auto partition = static_cast<std::uint32_t>(count_ / 40 % 6);
    time_ += static_cast<std::int64_t>(random_() % 20) * 1'000'000;
    const std::string app = "citizen-app-" + std::to_string(zipf(400));
    const std::string principal = "svc-" + app + "@corp.example";
    const std::string agent = "agent-" + std::to_string(zipf(900));
    const std::string host = "api-" + std::to_string(zipf(3000)) + ".example.net";
    const std::string operation = "tool." + std::string(random_() % 3 ? "call" : "result");
    const std::string id = hex(32), trace = hex(32), args = hex(64);
    const std::uint64_t out_bytes = random_() % 100'000, port = random_() % 4 ? 443 : 8443;
    const std::string time_text = format_rfc3339(time_);
    const std::string value =
        "{\"specversion\":\"1.0\",\"id\":\"" + id + "\",\"source\":\"/agents/" + agent +
        "\",\"type\":\"dev.tidewaiter.agent.tool.call.v1\",\"time\":\"" + time_text + "\",\"data\":{\"principal\":\"" +
        principal + "\",\"principal_type\":\"agent\",\"agent\":{\"uid\":\"" + agent +
        "\",\"model\":\"model-large-2\"},\"action\":\"send\",\"app\":\"" + app + "\",\"operation\":\"" + operation +
        "\",\"tool\":{\"name\":\"http_post\",\"args_hash\":\"" + args + "\"},\"dst_host\":\"" + host +
        "\",\"dst_port\":" + std::to_string(port) + ",\"bytes_out\":" + std::to_string(out_bytes) +
        ",\"data_classes\":[\"pii\"],\"risk_tier\":\"high\",\"trace_id\":\"" + trace + "\"}}";
    BodyParts parts;
    parts.key = app;
    parts.kafka_time_ms = time_ / 1'000'000;
    parts.receive_time_ns = time_ + 50'000'000;
    parts.value = value;
    static const Origin* origin = intern_origin("bench", TopicId{1}, "audit");
    if (!append_message(batch, origin, partition, offsets_[partition]++, 1, parts)) std::abort();
    Record& record = batch.records.back();
    record.first_event = static_cast<std::uint32_t>(batch.events.size());
    record.event_count = 1;
    const std::string_view v = record.value;
    const auto slice = [&](const std::string& text) { return v.substr(v.find(text), text.size()); };
    Event e;
    e.record = static_cast<std::uint32_t>(batch.records.size() - 1);
    e.sub = 0;
    e.set(Str::source_id, slice(id));
    e.set(Str::principal, slice(principal));
    e.set(Str::agent_uid, slice(agent));
    e.set(Str::agent_model, slice("model-large-2"));
    e.set(Str::app, slice(app));
    e.set(Str::operation, slice(operation));
    e.set(Str::tool_name, slice("http_post"));
    e.set(Str::tool_args_hash, slice(args));
    e.set(Str::dst_host, slice(host));
    e.set(Str::trace_id, slice(trace));
    e.set(Num::time, static_cast<std::uint64_t>(time_));
    e.set(Num::family, 1);
    e.set(Num::principal_type, 3);
    e.set(Num::action, 8);
    e.set(Num::risk_tier, 3);
    e.set(Num::data_classes, 1 << 5);
    e.set(Num::bytes_out, out_bytes);
    e.set(Num::dst_port, port);
    e.set(Num::time_quality, 1);
    batch.events.push_back(e);
    ++count_;
  }

  std::mt19937_64 random_{42};
  std::uint64_t count_ = 0, offsets_[6] = {};
  std::int64_t time_ = 1'750'000'000'000'000'000;
};

struct Stage {
  const char* name;
  std::int64_t ns = 0;
};

void print(const char* name, std::int64_t ns, std::uint64_t events) {
  std::printf("  %-34s %7.0f ns/event\n", name, static_cast<double>(ns) / static_cast<double>(events));
}

/// Each part of the writer alone, over the same batches.
void stages(std::uint64_t events) {
  Company company;
  store::BlockEncoder encoder(1);
  store::ColumnDigest digest;
  store::Frontier tree;
  const store::SaltKey key = store::random_salt_key();
  std::int64_t salt = 0, body = 0, leaf = 0, node = 0, pack = 0, columns = 0;
  std::uint64_t done = 0, raw_bytes = 0, raw_stored = 0, cols_stored = 0, digest_bytes = 0;
  std::string salts, leaf_bytes;
  while (done < events) {
    auto batch = company.next_batch(2 << 20);
    const std::size_t n = batch->records.size();
    std::int64_t start = thread_ns();
    salts.resize(n * 16);
    store::make_salts(key, 5, done, n, salts.data());
    salt += thread_ns() - start;

    start = thread_ns();
    std::vector<Hash> commitments(n), leaves(n);
    std::vector<store::HashJob> jobs;
    for (std::size_t i = 0; i < n; ++i) {
      batch->records[i].log = 5;
      batch->records[i].seq = done + i;
      jobs.push_back({{salts.data() + i * 16, 16}, batch->records[i].body, &commitments[i]});
    }
    store::hash_all(jobs);
    body += thread_ns() - start;

    start = thread_ns();
    jobs.clear();
    leaf_bytes.resize(n * store::leaf_size_max);
    for (std::size_t i = 0; i < n; ++i) {
      char* place = leaf_bytes.data() + i * store::leaf_size_max;
      TopicId topic;
      const std::size_t size =
          store::write_leaf(store::coordinates(batch->records[i], "", topic), commitments[i], place);
      jobs.push_back({{"\0", 1}, {place, size}, &leaves[i]});
    }
    store::hash_all(jobs);
    leaf += thread_ns() - start;

    start = thread_ns();
    tree.append_all(leaves, [](unsigned, std::uint64_t, const Hash&) {});
    node += thread_ns() - start;

    start = thread_ns();
    for (std::size_t i = 0; i < n;) {
      encoder.begin(5, done + i, 0);
      for (; i < n && encoder.body_bytes() < 512 * 1024; ++i)
        encoder.add(batch->records[i], &batch->events[i], 1, static_cast<std::uint32_t>(i));
      const store::EncodedBlock block = encoder.finish();
      raw_bytes += block.header.body_bytes;
      raw_stored += block.raw.size();
      cols_stored += block.cols.size();
    }
    pack += thread_ns() - start;

    start = thread_ns();
    digest.begin();
    for (std::size_t i = 0; i < n; ++i)
      digest.add(batch->records[i], static_cast<std::uint32_t>(i), &batch->events[i]);
    digest_bytes += digest.bytes().size();
    columns += thread_ns() - start;
    done += n;
  }
  std::printf("stages alone, %llu events of %.0f bytes:\n", static_cast<unsigned long long>(done),
              static_cast<double>(raw_bytes) / static_cast<double>(done));
  print("salts", salt, done);
  print("commitments", body, done);
  print("leaf hashes", leaf, done);
  print("tree", node, done);
  print("blocks: columns, zstd", pack, done);
  print("column digest, serialising only", columns, done);
  std::printf("  bytes/event in the column digest: %.0f\n", static_cast<double>(digest_bytes) / static_cast<double>(done));
  std::printf("  stored bytes/event: raw %.1f + cols %.1f\n", static_cast<double>(raw_stored) / static_cast<double>(done),
              static_cast<double>(cols_stored) / static_cast<double>(done));
}

int run(std::uint64_t events, const std::string& directory) {
  stages(std::min<std::uint64_t>(events, 100'000));
  Metrics metrics;
  store::Options options;
  options.directory = directory;
  auto log = store::Log::open(options, metrics);
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    return 1;
  }
  Company company;
  std::uint64_t done = 0;
  std::int64_t writer = 0, wall = 0;
  const std::int64_t process_start = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), thread_start = thread_ns();
  while (done < events) {
    auto batch = company.next_batch(2 << 20);
    done += batch->records.size();
    const std::int64_t start = thread_ns(), wall_start = cpu_ns(CLOCK_MONOTONIC);
    auto commit = (*log)->commit(std::move(batch), {}, {}, {});
    writer += thread_ns() - start;
    wall += cpu_ns(CLOCK_MONOTONIC) - wall_start;
    if (!commit) {
      std::fprintf(stderr, "%s\n", commit.error().message.c_str());
      return 1;
    }
  }
  const std::int64_t others = (cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process_start) - (thread_ns() - thread_start);
  std::printf("Log::commit, %llu events:\n", static_cast<unsigned long long>(done));
  print("CPU of the writer's thread", writer, done);
  print("CPU of helpers and of RocksDB's threads", others, done);
  print("wall, with the sync", wall, done);

  const std::int64_t seal_start = thread_ns();
  std::uint64_t steps = 0;
  for (;; ++steps) {
    auto more = (*log)->seal_one_segment();
    if (!more) return 1;
    if (!*more) break;
  }
  if (steps > 0) {
    print("sealing", thread_ns() - seal_start, done / options.segment_records * options.segment_records);
    std::printf("  %llu steps, %.1f ms each\n", static_cast<unsigned long long>(steps),
                static_cast<double>(thread_ns() - seal_start) / 1e6 / static_cast<double>(steps));
  }

  auto reader = store::Reader::open(**log);
  if (!reader) return 1;
  std::uint64_t read = 0;
  const std::int64_t start = thread_ns();
  for (std::uint64_t n = 1; n <= (*reader)->last_commit() && read < 200'000; ++n) {
    auto commit = (*reader)->commit(n, false);
    if (!commit) return 1;
    read += (*commit)->events.size();
  }
  print("Reader::commit, columns only", thread_ns() - start, read);
  return 0;
}

}  // namespace
}  // namespace tidewaiter::bench

int main(int argc, char** argv) {
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500'000;
  const std::string directory =
      argc > 2 ? argv[2] : (std::filesystem::temp_directory_path() / "tidewaiter-store-bench").string();
  std::filesystem::remove_all(directory);
  const int status = tidewaiter::bench::run(events, directory);
  std::filesystem::remove_all(directory);
  return status;
}
