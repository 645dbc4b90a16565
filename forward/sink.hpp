// Sink: one kind of receiver. It knows the wire format, the credentials and what answers mean; it keeps no queue, and
// decides nothing about time or retries (that is the courier's). Called per batch, by the one thread of its connector.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "forward/answer.hpp"
#include "forward/format.hpp"
#include "forward/item.hpp"
#include "forward/settings.hpp"

namespace tidewaiter::forward {

/// How a sink confirms, for the courier.
struct SinkTraits {
  std::int64_t confirm_interval_ns = 1'000'000'000;
  std::int64_t confirm_timeout_ns = 300'000'000'000;
};

class Sink {
 public:
  virtual ~Sink() = default;

  /// The bytes of each item on the wire: pure, so an item sent again in another process is the same.
  virtual void encode(std::span<const Envelope> items, std::vector<std::string>& out) const = 0;
  /// One network call. `pending` in the answer means that confirm() will be asked about its ticket.
  virtual Answer send(std::span<const Item* const> batch) = 0;
  /// At most one network call about (some of) the tickets.
  virtual Confirmation confirm(std::span<const std::uint64_t> tickets) = 0;
  /// Reaches the receiver with the credentials and says in one sentence what it saw.
  virtual Result<std::string> test() = 0;
  virtual SinkTraits traits() const = 0;
  /// Thread-safe: ends a running call and fails every later one.
  virtual void cancel() = 0;
};

/// Reads what it needs from `settings`; errors stay in there, and settings.finish() tells. `seed` makes identifiers.
using SinkMaker = std::unique_ptr<Sink> (*)(Settings& settings, const Clock& clock, std::uint64_t seed);
std::unique_ptr<Sink> make_splunk_hec(Settings& settings, const Clock& clock, std::uint64_t seed);
std::unique_ptr<Sink> make_syslog(Settings& settings, const Clock& clock, std::uint64_t seed);

/// The maker of a type, or nullptr. `sink_types` lists the names.
SinkMaker find_sink_maker(std::string_view type);
std::span<const std::string_view> sink_types();

}  // namespace tidewaiter::forward
