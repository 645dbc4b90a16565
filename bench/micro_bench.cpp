// Single operations under Google Benchmark: what one of them costs when nothing else happens.
#include <benchmark/benchmark.h>

#include "app/generator.hpp"
#include "core/body.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "detect/keys.hpp"
#include "filter/filter.hpp"
#include "ingest/parser.hpp"

namespace {

using namespace tidewaiter;

app::GeneratorConfig company(std::uint64_t events) {
  app::GeneratorConfig config;
  config.events = events;
  return config;
}

/// A parsed batch of the generator's messages.
const Batch& sample_batch() {
  static const std::unique_ptr<Batch> batch = [] {
    auto made = std::make_unique<Batch>(std::size_t{4} << 20);
    app::Generator generator(company(4'000));
    app::Message message;
    const Origin* origin = intern_origin("bench", TopicId{}, "events");
    std::uint64_t offset = 0;
    while (generator.next(message)) {
      BodyParts parts;
      parts.key = message.key;
      parts.value = message.value;
      append_message(*made, origin, 0, offset++, -1, parts);
    }
    auto parser = ingest::Parser::create();
    if (parser) (*parser)->parse(*made);
    return made;
  }();
  return *batch;
}

void generate(benchmark::State& state) {
  app::Message message;
  std::uint64_t bytes = 0;
  auto generator = std::make_unique<app::Generator>(company(1'000'000));
  for (auto _ : state) {
    if (!generator->next(message)) {
      state.PauseTiming();
      generator = std::make_unique<app::Generator>(company(1'000'000));
      generator->next(message);
      state.ResumeTiming();
    }
    bytes += message.value->size();
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(generate);

void parse_batch(benchmark::State& state) {
  const Batch& sample = sample_batch();
  auto parser = ingest::Parser::create();
  Batch batch(std::size_t{4} << 20);
  for (auto _ : state) {
    state.PauseTiming();
    batch.records.clear();
    batch.events.clear();
    batch.strings.clear();
    batch.arena.clear();
    for (const Record& record : sample.records) {
      BodyParts parts;
      parts.key = record.key;
      parts.value = record.value;
      append_message(batch, record.origin, 0, record.offset, -1, parts);
    }
    state.ResumeTiming();
    (*parser)->parse(batch);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(sample.records.size()));
}
BENCHMARK(parse_batch)->Unit(benchmark::kMicrosecond);

void hash_leaf(benchmark::State& state) {
  Sha256 sha;
  std::string body(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(sha.digest(body));
}
BENCHMARK(hash_leaf)->Arg(65)->Arg(92)->Arg(760);

void match_filter(benchmark::State& state) {
  const Batch& sample = sample_batch();
  auto filter = filter::Filter::compile(
      "risk_tier >= high and dst_host like \"*.saas.example\" and bytes_out > 1MB and not principal_type == ci_job", 0);
  std::uint64_t hits = 0;
  for (auto _ : state)
    for (const Event& event : sample.events) hits += filter->matches(event);
  benchmark::DoNotOptimize(hits);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(sample.events.size()));
}
BENCHMARK(match_filter)->Unit(benchmark::kMicrosecond);

void keys_of_event(benchmark::State& state) {
  const Batch& sample = sample_batch();
  std::uint64_t sum = 0;
  for (auto _ : state)
    for (const Event& event : sample.events) sum += detect::keys_of(event).principal;
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(sample.events.size()));
}
BENCHMARK(keys_of_event)->Unit(benchmark::kMicrosecond);

void event_to_json(benchmark::State& state) {
  const Batch& sample = sample_batch();
  std::string out;
  for (auto _ : state)
    for (const Event& event : sample.events) {
      out.clear();
      append_event_json(out, event);
      benchmark::DoNotOptimize(out.data());
    }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(sample.events.size()));
}
BENCHMARK(event_to_json)->Unit(benchmark::kMicrosecond);

}  // namespace
