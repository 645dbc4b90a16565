#include "forward/courier.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"

namespace tidewaiter::forward {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::pending: return "pending";
    case Verdict::retry: return "retry";
    case Verdict::refused: return "refused";
    case Verdict::too_large: return "too_large";
    case Verdict::accused: return "accused";
    case Verdict::mixed: return "mixed";
    case Verdict::park: return "park";
  }
  return "unknown";
}

Courier::Courier(CourierOptions options, std::uint64_t seed)
    : options_(options),
      backoff_(options.backoff, seed),
      confirm_backoff_(options.backoff, seed ^ 0x9e3779b97f4a7c15u),
      bytes_limit_(options.batch_bytes_max) {}

void Courier::add(Item item) {
  CHECK(entries_.empty() || entries_.back().item.place < item.place);
  pending_bytes_ += item.bytes.size();
  entries_.emplace_back().item = std::move(item);
}

// --- what to do next ---

// Deadlines are in wall-clock time: when the clock was set back, a deadline from before counts as reached.
bool Courier::waited(std::int64_t now_ns) const { return now_ns >= wait_until_ns_ || now_ns < wait_set_ns_; }

// After a failure one batch goes first, and no other until it is confirmed.
bool Courier::may_send(std::int64_t now_ns) const {
  return waited(now_ns) && !probe_ticket_ && tickets_.size() < options_.tickets_max;
}

bool Courier::must_confirm(std::int64_t now_ns) const {
  return !tickets_.empty() && (now_ns >= next_confirm_ns_ || now_ns < confirm_set_ns_);
}

void Courier::wait(std::int64_t now_ns, std::int64_t delay_ns) {
  wait_set_ns_ = now_ns;
  wait_until_ns_ = now_ns + delay_ns;
}

void Courier::ask_again_in(std::int64_t now_ns, std::int64_t delay_ns) {
  confirm_set_ns_ = now_ns;
  next_confirm_ns_ = now_ns + delay_ns;
}

Action Courier::next(std::int64_t now_ns) {
  expire_tickets(now_ns);
  Action action;
  if (must_confirm(now_ns)) {
    action.kind = Action::Kind::confirm;
    for (const Ticket& ticket : tickets_) action.tickets.push_back(ticket.id);
    return action;
  }
  if (may_send(now_ns) && plan_batch()) {
    action.kind = Action::Kind::send;
    for (std::uint64_t i = batch_first_; i < batch_end_; ++i) action.batch.push_back(&at(i).item);
    return action;
  }
  const bool has_waiting = first_waiting_ < end_number();
  const bool backing_off = has_waiting && !waited(now_ns);
  if (!backing_off && tickets_.empty()) return action;
  action.kind = Action::Kind::wait;
  if (!backing_off) {
    action.at_ns = next_confirm_ns_;
  } else {
    action.at_ns = tickets_.empty() ? wait_until_ns_ : std::min(wait_until_ns_, next_confirm_ns_);
  }
  return action;
}

bool Courier::plan_batch() {
  first_waiting_ = std::max(first_waiting_, first_number_);
  while (first_waiting_ < end_number() && at(first_waiting_).stage != Stage::waiting) ++first_waiting_;
  batch_first_ = batch_end_ = first_waiting_;
  const auto cut = cuts_.upper_bound(batch_first_);
  const std::uint64_t limit = std::min(cut == cuts_.end() ? end_number() : *cut, batch_first_ + options_.batch_items_max);
  std::size_t bytes = 0;
  while (batch_end_ < limit && at(batch_end_).stage == Stage::waiting) {
    bytes += at(batch_end_).item.bytes.size();
    if (bytes > bytes_limit_ && batch_end_ > batch_first_) break;
    ++batch_end_;
  }
  return batch_end_ > batch_first_;
}

void Courier::expire_tickets(std::int64_t now_ns) {
  while (!tickets_.empty() && now_ns - tickets_.front().sent_ns >= options_.confirm_timeout_ns) {
    Answer late = tickets_.front().answer;
    late.reason = "taken but not confirmed in time, sent again";
    back_to_waiting(tickets_.front());
    tickets_.pop_front();
    fail(late);
    ++retries_;
    wait(now_ns, backoff_.next_delay_ns(0));
  }
}

// --- what was answered ---

void Courier::answered(Answer answer, std::int64_t now_ns) {
  CHECK(batch_end_ > batch_first_);
  for (std::uint64_t i = batch_first_; i < batch_end_; ++i) {
    Entry& entry = at(i);
    if (entry.attempts++ == 0) entry.first_try_ns = now_ns;
    entry.last_try_ns = now_ns;
  }
  switch (answer.verdict) {
    case Verdict::ok: on_ok(std::move(answer)); break;
    case Verdict::pending: on_pending(std::move(answer), now_ns); break;
    case Verdict::retry: on_retry(answer, now_ns); break;
    case Verdict::refused:
    case Verdict::too_large: on_refused(answer, now_ns); break;
    case Verdict::accused: on_accused(answer, now_ns); break;
    case Verdict::mixed: on_mixed(answer, now_ns); break;
    case Verdict::park: park(answer, now_ns); break;
  }
  batch_first_ = batch_end_ = 0;
}

void Courier::confirmed(const Confirmation& confirmation, std::int64_t now_ns) {
  bool recovered = false;
  std::erase_if(tickets_, [&](Ticket& ticket) {
    const auto in = [&](const std::vector<std::uint64_t>& ids) {
      return std::find(ids.begin(), ids.end(), ticket.id) != ids.end();
    };
    if (in(confirmation.confirmed)) {
      settle(ticket.first, ticket.end, Stage::delivered, std::make_shared<const Answer>(std::move(ticket.answer)));
      recovered = true;
      return true;
    }
    if (!in(confirmation.lost)) return false;
    back_to_waiting(ticket);
    ++retries_;
    return true;
  });
  if (recovered) recover();
  const Answer& answer = confirmation.answer;
  if (answer.verdict == Verdict::ok) {
    confirm_backoff_.reset();
    ask_again_in(now_ns, options_.confirm_interval_ns);
    return;
  }
  if (answer.verdict == Verdict::park) {
    park(answer, now_ns);
  } else {
    fail(answer);
  }
  ask_again_in(now_ns, options_.confirm_interval_ns + confirm_backoff_.next_delay_ns(answer.retry_after_ns));
  // Tickets that came back because a connection broke must not be sent again in a hot loop.
  if (!confirmation.lost.empty() && waited(now_ns)) wait(now_ns, backoff_.next_delay_ns(answer.retry_after_ns));
}

void Courier::on_ok(Answer answer) {
  settle(batch_first_, batch_end_, Stage::delivered, std::make_shared<const Answer>(std::move(answer)));
  drop_cuts(batch_first_, batch_end_);
  recover();
}

void Courier::on_pending(Answer answer, std::int64_t now_ns) {
  for (std::uint64_t i = batch_first_; i < batch_end_; ++i) {
    at(i).stage = Stage::unconfirmed;
    at(i).ticket = answer.ticket;
  }
  if (tickets_.empty()) ask_again_in(now_ns, options_.confirm_interval_ns);
  const std::uint64_t id = answer.ticket;
  tickets_.push_back({id, batch_first_, batch_end_, now_ns, std::move(answer)});
  drop_cuts(batch_first_, batch_end_);
  refused_run_ = 0;
  if (failing_) probe_ticket_ = id;
}

void Courier::on_retry(const Answer& answer, std::int64_t now_ns) {
  cuts_.insert(batch_end_);  // the same items again, whatever has come meanwhile
  fail(answer);
  ++retries_;
  wait(now_ns, backoff_.next_delay_ns(answer.retry_after_ns));
}

void Courier::on_refused(const Answer& answer, std::int64_t now_ns) {
  const std::uint64_t count = batch_end_ - batch_first_;
  if (count == 1) {
    quarantine(batch_first_, answer, now_ns);
    return;
  }
  cuts_.insert(batch_end_);
  cuts_.insert(batch_first_ + count / 2);
  if (answer.verdict != Verdict::too_large) return;
  std::size_t bytes = 0;
  for (std::uint64_t i = batch_first_; i < batch_end_; ++i) bytes += at(i).item.bytes.size();
  bytes_limit_ = std::max<std::size_t>(1, std::min(bytes_limit_, bytes) / 2);
}

void Courier::on_accused(const Answer& answer, std::int64_t now_ns) {
  const std::uint64_t count = batch_end_ - batch_first_;
  if (count == 1 || answer.accused >= count) {
    on_refused(answer, now_ns);
    return;
  }
  cuts_.insert(batch_end_);
  cuts_.insert(batch_first_ + answer.accused);
  cuts_.insert(batch_first_ + answer.accused + 1);
}

void Courier::on_mixed(const Answer& answer, std::int64_t now_ns) {
  if (answer.items.size() != batch_end_ - batch_first_) {
    Answer wrong = answer;
    wrong.reason = "the receiver answered for another number of items than it was sent";
    on_retry(wrong, now_ns);
    return;
  }
  const auto shared = std::make_shared<const Answer>(answer);
  bool again = false, any_ok = false;
  for (std::size_t i = 0; i < answer.items.size(); ++i) {
    if (answer.items[i] != ItemVerdict::ok) continue;
    settle(batch_first_ + i, batch_first_ + i + 1, Stage::delivered, shared);
    any_ok = true;
  }
  if (any_ok) recover();
  bool parked_now = false;
  for (std::size_t i = 0; i < answer.items.size() && !parked_now; ++i) {
    if (answer.items[i] == ItemVerdict::retry) again = true;
    if (answer.items[i] == ItemVerdict::quarantine) parked_now = !quarantine(batch_first_ + i, answer, now_ns);
  }
  if (parked_now) return;
  if (!again) return;
  fail(answer);
  ++retries_;
  wait(now_ns, backoff_.next_delay_ns(answer.retry_after_ns));
}

// False when it parked the sink instead: after so many refusals in a row it is no item's fault.
bool Courier::quarantine(std::uint64_t number, const Answer& answer, std::int64_t now_ns) {
  if (options_.refused_run_max != 0 && refused_run_ >= options_.refused_run_max) {
    Answer all = answer;
    all.reason = std::to_string(refused_run_) +
                 " items were refused in a row and none was taken, so the receiver is at fault (refused_run_max); last: " +
                 answer.reason;
    cuts_.insert(number);
    cuts_.insert(number + 1);
    park(all, now_ns);
    return false;
  }
  ++refused_run_;
  settle(number, number + 1, Stage::quarantined, std::make_shared<const Answer>(answer));
  drop_cuts(number, number + 1);
  return true;
}

void Courier::park(const Answer& answer, std::int64_t now_ns) {
  parked_ = true;
  fail(answer);
  ++retries_;
  if (batch_end_ > batch_first_) cuts_.insert(batch_end_);
  const std::int64_t probe = backoff_.uniform(options_.probe_interval_ns / 2, options_.probe_interval_ns);
  wait(now_ns, std::max(probe, std::min(answer.retry_after_ns, options_.backoff.retry_after_max_ns)));
}

void Courier::fail(const Answer& answer) {
  failing_ = true;
  reason_ = answer.reason;
}

void Courier::recover() {
  parked_ = failing_ = false;
  probe_ticket_.reset();
  refused_run_ = 0;
  reason_.clear();
  backoff_.reset();
  wait_until_ns_ = wait_set_ns_ = 0;
  bytes_limit_ = std::min(options_.batch_bytes_max, bytes_limit_ + bytes_limit_ / 64 + 1);
}

// --- stages of items ---

void Courier::settle(std::uint64_t first, std::uint64_t end, Stage stage, std::shared_ptr<const Answer> answer) {
  for (std::uint64_t i = first; i < end; ++i) {
    Entry& entry = at(i);
    entry.stage = stage;
    entry.settled_by = answer;
    if (stage != Stage::delivered) continue;
    pending_bytes_ -= entry.item.bytes.size();
    std::string().swap(entry.item.bytes);
  }
}

void Courier::back_to_waiting(const Ticket& ticket) {
  if (probe_ticket_ == ticket.id) probe_ticket_.reset();
  for (std::uint64_t i = ticket.first; i < ticket.end; ++i) at(i).stage = Stage::waiting;
  first_waiting_ = std::min(first_waiting_, ticket.first);
  cuts_.insert(ticket.end);
}

void Courier::drop_cuts(std::uint64_t first, std::uint64_t end) {
  cuts_.erase(cuts_.upper_bound(first), cuts_.upper_bound(end));
}

std::vector<Settled> Courier::take_settled() {
  std::vector<Settled> groups;
  std::shared_ptr<const Answer> last;
  while (!entries_.empty()) {
    Entry& entry = entries_.front();
    if (entry.stage != Stage::delivered && entry.stage != Stage::quarantined) break;
    const bool quarantined = entry.stage == Stage::quarantined;
    if (quarantined || entry.settled_by != last || groups.back().how == Settled::How::quarantined) {
      Settled& group = groups.emplace_back();
      group.how = quarantined ? Settled::How::quarantined : Settled::How::delivered;
      group.answer = *entry.settled_by;
      group.attempts = entry.attempts;
      group.first_try_ns = entry.first_try_ns;
      group.last_try_ns = entry.last_try_ns;
    }
    last = entry.settled_by;
    pending_bytes_ -= entry.item.bytes.size();
    groups.back().items.push_back(std::move(entry.item));
    entries_.pop_front();
    ++first_number_;
  }
  cuts_.erase(cuts_.begin(), cuts_.upper_bound(first_number_));
  return groups;
}

}  // namespace tidewaiter::forward
