#include <algorithm>

#include "bench/measure.hpp"
#include "bench/meter.hpp"
#include "bench/primitives/primitives.hpp"
#include "core/clock.hpp"
#include "detect/keys.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::bench {
namespace {

constexpr std::size_t slice_bytes = 48 << 20;
constexpr std::size_t commit_bytes = 2 << 20;
constexpr std::size_t block_bytes = 512 << 10;

/// A part of the corpus laid out for the primitives: bodies side by side, and where the values lie in them.
struct Slice {
  const char* bytes = nullptr;
  std::size_t size = 0;
  std::vector<std::uint64_t> body_begin, value_begin;
  std::vector<std::uint32_t> body_size, value_size;
  std::vector<std::uint64_t> keys;
};

/// The keys whose state detection touches for this event: edge and context of each question that flow asks, the open
/// windows of volume, the source whose silence counts, the counts of burst, run and longest contexts of sequence, the
/// hours and gaps of rhythm.
void add_keys(const Event& event, std::vector<std::uint64_t>& keys) {
  const detect::EventKeys k = detect::keys_of(event);
  const auto add = [&](std::uint64_t a, std::uint64_t b) { keys.push_back(detect::combine(a, b) | 1); };
  if (k.principal != 0 && k.destination != 0) {
    add(k.principal, 1);
    add(k.principal, k.destination);
    const std::uint64_t classes = event.get(Num::data_classes);
    if (classes != 0) {
      add(k.principal, 2);
      add(k.principal, classes + 3);
      add(k.principal ^ classes, 4);
      add(k.principal ^ classes, k.destination);
    }
  }
  if (event.get(Num::bytes_out) != 0 && event.get(Num::direction) == static_cast<std::uint64_t>(Direction::egress)) {
    add(k.principal ^ k.destination, 5);
    add(k.principal, 5);
    add(k.app, 5);
  }
  add(k.app ^ k.observer, 6);
  if (k.principal == 0) return;
  const std::uint64_t action = event.get(Num::action) + 1;
  for (const std::uint64_t counted : {std::uint64_t{0}, action, k.app}) add(k.principal ^ counted, 7);
  add(k.role, 7);
  for (const detect::Key of : {k.principal, k.role}) {
    add(of, 8);
    add(of, 9);
  }
  add(k.role, action);
  add(k.role ^ action, 10);
  if (k.resource != 0) {
    add(k.role ^ action, 11);
    add(k.role ^ action, k.resource);
  }
  if (k.destination != 0) add(k.principal ^ k.destination, 12);
}

Slice slice_of(Batch& batch) {
  Slice slice;
  slice.bytes = batch.records.front().body.data();
  for (const Record& record : batch.records) {
    const std::size_t begin = static_cast<std::size_t>(record.body.data() - slice.bytes);
    slice.body_begin.push_back(begin);
    slice.body_size.push_back(static_cast<std::uint32_t>(record.body.size()));
    slice.value_begin.push_back(static_cast<std::size_t>(record.value.data() - slice.bytes));
    slice.value_size.push_back(static_cast<std::uint32_t>(record.value.size()));
    slice.size = std::max(slice.size, begin + record.body.size());
  }
  for (const Event& event : batch.events) add_keys(event, slice.keys);
  return slice;
}

}  // namespace

Result<PrimitiveFigures> measure_primitives(const Corpus& corpus, const Options& options) {
  PrimitiveFigures total;
  TRY_ASSIGN(auto parser, ingest::Parser::create());
  primitives::Slots slots(256 << 20);
  Corpus::Reader reader(corpus);
  std::uint64_t fields = 0, keys = 0, body_bytes = 0, packed_bytes = 0, check = 1;
  bool warm = false;
  while (auto batch = Corpus::next_batch(reader, slice_bytes, SystemClock().now_ns())) {
    parser->parse(*batch);
    const Slice s = slice_of(*batch);
    const std::size_t n = s.body_begin.size();
    std::uint64_t fields_here = 0;
    std::string packed;
    packed.reserve(s.size / 2);
    if (!warm) slots.update(s.keys.data(), s.keys.size());  // the table's pages
    warm = true;
    const auto timed = [&](double& figure, auto&& run) {
      const std::int64_t before = thread_cpu_ns();
      const std::uint64_t result = run();
      figure += static_cast<double>(thread_cpu_ns() - before);
      check = result == 0 ? 0 : check;
    };
    timed(total.copy, [&] { return primitives::copy(s.bytes, s.body_begin.data(), s.body_size.data(), n); });
    timed(total.extract, [&] {
      return primitives::extract(s.bytes, s.value_begin.data(), s.value_size.data(), n, fields_here);
    });
    timed(total.hash, [&] { return primitives::hash(s.bytes, s.body_begin.data(), s.body_size.data(), n); });
    timed(total.compress, [&] { return primitives::compress(s.bytes, s.size, block_bytes, 1, packed); });
    timed(total.write, [&] {
      return primitives::write_and_sync((options.directory + "/tidewaiter-bench-write").c_str(), packed.data(),
                                        packed.size(), s.size / commit_bytes + 1);
    });
    timed(total.slots, [&] { return slots.update(s.keys.data(), s.keys.size()); });
    if (check == 0) return fail(Code::internal, "a primitive failed on this corpus");
    fields += fields_here;
    keys += s.keys.size();
    body_bytes += s.size;
    packed_bytes += packed.size();
  }
  const auto n = static_cast<double>(corpus.events());
  for (double* figure : {&total.copy, &total.extract, &total.hash, &total.compress, &total.write, &total.slots})
    *figure /= n;
  total.fields = static_cast<double>(fields) / n;
  total.keys = static_cast<double>(keys) / n;
  total.body_bytes = static_cast<double>(body_bytes) / n;
  total.ratio = static_cast<double>(body_bytes) / static_cast<double>(packed_bytes);
  return total;
}

Result<double> measure_consume(const Options& options) {
  std::uint64_t bytes = 0;
  std::string error;
  const std::int64_t before = process_cpu_ns();
  const std::uint64_t count =
      primitives::consume(options.brokers.c_str(), options.topic.c_str(), options.events, bytes, error);
  const std::int64_t cpu = process_cpu_ns() - before;
  if (count < options.events)
    return fail(Code::unavailable, "topic " + options.topic + ": " + std::to_string(count) + " of " +
                                       std::to_string(options.events) + " messages came" +
                                       (error.empty() ? "" : ": " + error));
  return static_cast<double>(cpu) / static_cast<double>(count);
}

}  // namespace tidewaiter::bench
