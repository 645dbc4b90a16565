// Courier: decides what a connector does next. A pure state machine: no I/O, no clock, no thread; items, answers and
// the time are passed in, actions come out. One caller thread.
//
// An item is waiting, unconfirmed (sent, a ticket is pending) or settled (delivered or quarantined). Items leave only
// as a settled prefix in the order in which they came, so a cursor behind what take_settled() gave never passes an
// unconfirmed item, and receipts and counters that are written with that cursor never count an item twice.
// Whatever fails is tried for ever, with back-off; a whole-batch refusal is halved down to its culprit; a run of
// nothing but refusals parks the sink, for then the receiver is at fault and not the items.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "forward/answer.hpp"
#include "forward/backoff.hpp"
#include "forward/item.hpp"

namespace tidewaiter::forward {

struct CourierOptions {
  std::size_t batch_items_max = 1000;
  std::size_t batch_bytes_max = 1'000'000;
  std::size_t tickets_max = 32;                        // batches sent and not confirmed
  std::int64_t confirm_interval_ns = 1'000'000'000;    // between two questions about tickets
  std::int64_t confirm_timeout_ns = 300'000'000'000;   // unconfirmed for so long: sent again
  std::int64_t probe_interval_ns = 30'000'000'000;     // while parked
  std::uint32_t refused_run_max = 100;                 // quarantined in a row, none delivered: park; 0 = no limit
  BackoffOptions backoff;
};

/// Neighbouring items that left together: one receipt.
struct Settled {
  enum class How { delivered, quarantined };
  How how = How::delivered;
  std::vector<Item> items;  // bytes are kept for a quarantined item only
  Answer answer;            // of the batch that settled them
  std::uint32_t attempts = 0;
  std::int64_t first_try_ns = 0, last_try_ns = 0;
};

struct Action {
  enum class Kind { nothing, send, confirm, wait };
  Kind kind = Kind::nothing;
  std::int64_t at_ns = 0;                // wait: until then
  std::vector<const Item*> batch;        // send: valid until answered()
  std::vector<std::uint64_t> tickets;    // confirm
};

class Courier {
 public:
  Courier(CourierOptions options, std::uint64_t seed);

  /// Places must come in rising order.
  void add(Item item);

  /// What to do now; asking twice changes nothing. A send must be followed by answered(), a confirm by confirmed().
  Action next(std::int64_t now_ns);
  void answered(Answer answer, std::int64_t now_ns);
  void confirmed(const Confirmation& confirmation, std::int64_t now_ns);

  /// The settled prefix since the last call.
  std::vector<Settled> take_settled();

  /// Items not taken yet as settled, and the bytes they hold.
  std::size_t pending() const { return entries_.size(); }
  std::size_t pending_bytes() const { return pending_bytes_; }
  /// First item that is still here, or nullptr.
  const Item* oldest() const { return entries_.empty() ? nullptr : &entries_.front().item; }

  bool parked() const { return parked_; }
  bool retrying() const { return failing_ && !parked_; }
  /// Why it is parked or retrying; empty when neither.
  const std::string& reason() const { return reason_; }
  std::int64_t next_try_ns() const { return wait_until_ns_; }
  std::uint64_t retries() const { return retries_; }

 private:
  enum class Stage : std::uint8_t { waiting, unconfirmed, delivered, quarantined };
  struct Entry {
    Item item;
    Stage stage = Stage::waiting;
    std::uint32_t attempts = 0;
    std::uint64_t ticket = 0;       // unconfirmed
    std::shared_ptr<const Answer> settled_by;
    std::int64_t first_try_ns = 0, last_try_ns = 0;
  };
  struct Ticket {
    std::uint64_t id = 0;
    std::uint64_t first = 0, end = 0;  // absolute numbers of its items
    std::int64_t sent_ns = 0;
    Answer answer;
  };

  Entry& at(std::uint64_t number) { return entries_[static_cast<std::size_t>(number - first_number_)]; }
  std::uint64_t end_number() const { return first_number_ + entries_.size(); }
  bool plan_batch();
  void expire_tickets(std::int64_t now_ns);
  bool must_confirm(std::int64_t now_ns) const;
  bool waited(std::int64_t now_ns) const;
  bool may_send(std::int64_t now_ns) const;
  void ask_again_in(std::int64_t now_ns, std::int64_t delay_ns);
  void wait(std::int64_t now_ns, std::int64_t delay_ns);
  void settle(std::uint64_t first, std::uint64_t end, Stage stage, std::shared_ptr<const Answer> answer);
  void fail(const Answer& answer);
  void back_to_waiting(const Ticket& ticket);
  void recover();
  void on_ok(Answer answer);
  void on_pending(Answer answer, std::int64_t now_ns);
  void on_retry(const Answer& answer, std::int64_t now_ns);
  void on_refused(const Answer& answer, std::int64_t now_ns);
  void on_accused(const Answer& answer, std::int64_t now_ns);
  void on_mixed(const Answer& answer, std::int64_t now_ns);
  bool quarantine(std::uint64_t number, const Answer& answer, std::int64_t now_ns);
  void park(const Answer& answer, std::int64_t now_ns);
  void drop_cuts(std::uint64_t first, std::uint64_t end);

  CourierOptions options_;
  Backoff backoff_, confirm_backoff_;
  std::deque<Entry> entries_;
  std::uint64_t first_number_ = 0;      // absolute number of entries_[0]
  std::uint64_t first_waiting_ = 0;     // no waiting entry before it
  std::size_t pending_bytes_ = 0;
  std::size_t bytes_limit_;             // learned from too_large
  std::set<std::uint64_t> cuts_;        // a batch never crosses one: halves of a refused batch, accused items
  std::uint64_t batch_first_ = 0, batch_end_ = 0;  // planned; empty when equal
  std::deque<Ticket> tickets_;
  std::int64_t next_confirm_ns_ = 0, confirm_set_ns_ = 0;
  std::int64_t wait_until_ns_ = 0, wait_set_ns_ = 0;
  bool parked_ = false, failing_ = false;
  std::string reason_;
  std::optional<std::uint64_t> probe_ticket_;  // sent after a failure, not confirmed yet
  std::uint32_t refused_run_ = 0;
  std::uint64_t retries_ = 0;
};

}  // namespace tidewaiter::forward
