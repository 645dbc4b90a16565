// Generator: plays a company of citizen-built apps, agents and CI over several weeks and injects a published
// list of incidents. A library for the demo, the tests and `tidewaiter generate`.
//
// Output is CloudEvents 1.0 JSON whose `data` is the canonical event (schemas/event.schema.json), in order of
// delivery: event time plus a lag of seconds, for about one event in a thousand of minutes to hours.
// Everything is integer arithmetic on a generator of our own, so the same configuration gives the same bytes on
// every machine. Costs about a microsecond per event; memory grows with the company, not with the events.
// Owned by one thread; throws nothing but std::bad_alloc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidewaiter::app {

/// demo: some 125 agents, for a look. full: 2,000 agents in 60 roles, 150 apps, 5,000 destinations. other: another size,
/// week and spread, to see what was fitted to the first two.
enum class Company : std::uint8_t { demo, full, other };
inline constexpr std::string_view company_names[] = {"demo", "full", "other"};

struct GeneratorConfig {
  std::uint64_t events = 300'000;  // messages in all, malformed ones among them
  std::uint64_t seed = 1;          // another seed is another company
  std::uint32_t days = 28;
  std::int64_t start_ns = 1'756'684'800'000'000'000;  // Monday 2025-09-01 00:00 UTC
  std::uint32_t late_per_million = 1000;
  std::uint32_t malformed_per_million = 0;  // broken messages, tombstones and unknown shapes
  bool incidents = true;  // needs >= 14 days and >= 20,000 events, else the list is empty; full and other: 42 days
  Company company = Company::demo;

  /// Events and days at which a company is as it is meant to be.
  static GeneratorConfig of(Company company);
};

/// What a message is, as ingest must see it.
enum class MessageKind : std::uint8_t {
  event, tombstone, unmapped, not_json, not_utf8, truncated, too_deep, trailing_bytes
};
std::string_view message_kind_name(MessageKind kind);

/// One Kafka message. The views hold until the next call of next().
struct Message {
  std::string_view key;
  std::span<const std::pair<std::string_view, std::string_view>> headers;
  std::optional<std::string_view> value;  // nothing = tombstone
  std::int64_t time_ns = 0;               // event time
  std::int64_t delivery_ns = 0;           // when it would reach the broker: never runs back
  std::uint32_t partition_hash = 0;       // partition = partition_hash % partitions; one per key
  std::uint16_t incident = 0;             // 1 + index into truth(), 0 = none
  MessageKind kind = MessageKind::event;
  bool late = false;
};

/// An injected incident, or a benign look-alike that must not alert.
struct Incident {
  std::string id;        // "bulk_new_destination-1"
  std::string kind;
  std::string expect;    // detector that should find it: policy, flow, volume, silence; empty = none
  std::int64_t start_ns = 0, end_ns = 0;  // event time of its first and last event
  std::int64_t counts_from_ns = 0;        // when harm begins, if that is later than the first event
  std::string tenant, app;
  std::vector<std::string> principals, destinations, sources;  // sources: observers, of the silence
  std::string sentence;  // for people
  std::uint64_t events = 0;
};

struct GeneratorCounts {
  std::uint64_t messages = 0, bytes = 0, late = 0;
  std::map<std::string, std::uint64_t> by_kind;  // names of MessageKind
  std::uint64_t tenants = 0, apps = 0, agents = 0, destinations = 0;
};

class Generator {
 public:
  explicit Generator(const GeneratorConfig& config);
  ~Generator();
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;

  /// False after the last message.
  bool next(Message& out);

  const std::vector<Incident>& truth() const;
  const std::vector<Incident>& look_alikes() const;
  /// End of the period in which nothing is injected.
  std::int64_t learning_end_ns() const;
  const GeneratorConfig& config() const;
  GeneratorCounts counts() const;
  /// The truth file: configuration, counts so far, incidents and look-alikes (docs/benchmarks.md).
  std::string truth_json() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// True when something seen at `entity` (a principal, app, destination, observer or tenant) in
/// [start_ns, end_ns] belongs to `incident`: names one of its entities and overlaps it, `grace_ns` after its end
/// included. A tenant alone is not enough.
bool concerns(const Incident& incident, std::string_view entity, std::int64_t start_ns,
              std::int64_t end_ns, std::int64_t grace_ns);

}  // namespace tidewaiter::app
