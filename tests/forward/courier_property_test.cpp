// The courier against a sink that lies: it loses answers, confirms late or never, accuses the innocent, refuses whole
// batches, and now and then parks. Whatever it does: nothing is skipped, the cursor never passes an item that the
// receiver does not have or that was not refused alone, ids and bytes stay what they were, and counts balance.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "forward/courier.hpp"

namespace tidewaiter::forward {
namespace {

constexpr std::int64_t ms = 1'000'000;

struct LyingSink {
  explicit LyingSink(std::uint64_t seed) : random(seed) {}

  std::mt19937_64 random;
  std::set<std::string> poison;              // refused for ever
  std::map<std::string, std::string> has;    // uid -> bytes: what the receiver holds
  std::map<std::string, int> refused_alone;
  std::map<std::uint64_t, std::vector<std::string>> open;  // tickets with what they stand for
  std::map<std::string, std::string> buffered;             // taken, not yet safe
  std::uint64_t next_ticket = 1;
  bool calm = false;  // at the end it behaves, so that everything can finish

  bool chance(unsigned percent) { return !calm && random() % 100 < percent; }

  Answer say(Verdict verdict) {
    Answer answer;
    answer.verdict = verdict;
    answer.reason = std::string(verdict_name(verdict));
    return answer;
  }

  Answer send(const std::vector<const Item*>& batch) {
    if (chance(10)) return say(Verdict::retry);
    if (chance(3)) return say(Verdict::park);
    if (batch.size() > 1 && chance(3)) return say(Verdict::too_large);
    if (batch.size() > 1 && chance(3)) {
      Answer answer = say(Verdict::accused);
      answer.accused = random() % (batch.size() + 3);  // perhaps nobody, mostly an innocent one
      return answer;
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!poison.contains(batch[i]->uid)) continue;
      if (batch.size() == 1) ++refused_alone[batch[i]->uid];
      Answer answer = say(chance(50) ? Verdict::accused : Verdict::refused);
      answer.accused = i;
      return answer;
    }
    if (chance(5)) return mixed(batch);
    if (chance(40)) {
      const std::uint64_t ticket = next_ticket++;
      for (const Item* item : batch) {
        open[ticket].push_back(item->uid);
        buffered[item->uid] = item->bytes;
      }
      Answer answer = say(Verdict::pending);
      answer.ticket = ticket;
      return answer;
    }
    for (const Item* item : batch) store(item->uid, item->bytes);
    return chance(10) ? say(Verdict::retry) : say(Verdict::ok);  // taken, but the answer was lost
  }

  Answer mixed(const std::vector<const Item*>& batch) {
    Answer answer = say(Verdict::mixed);
    for (const Item* item : batch) {
      const bool again = chance(30);
      answer.items.push_back(again ? ItemVerdict::retry : ItemVerdict::ok);
      if (!again) store(item->uid, item->bytes);
    }
    return answer;
  }

  void store(const std::string& uid, const std::string& bytes) {
    const auto [it, is_new] = has.emplace(uid, bytes);
    if (is_new) return;
    EXPECT_EQ(it->second, bytes) << "an item changed between two deliveries";
  }

  Confirmation confirm(const std::vector<std::uint64_t>& tickets) {
    Confirmation out;
    out.answer = say(Verdict::ok);
    if (chance(15)) {
      out.answer = say(chance(20) ? Verdict::park : Verdict::retry);
      return out;
    }
    for (const std::uint64_t ticket : tickets) {
      if (chance(30)) continue;  // not yet
      if (chance(15)) {          // the receiver lost what it had only buffered
        out.lost.push_back(ticket);
        open.erase(ticket);
        continue;
      }
      for (const std::string& uid : open[ticket]) store(uid, buffered[uid]);
      open.erase(ticket);
      if (chance(10)) continue;  // true is said once, and this answer was lost
      out.confirmed.push_back(ticket);
    }
    return out;
  }
};

struct Run {
  std::uint64_t offered = 0, delivered = 0, dead = 0;
  std::uint64_t next_expected = 0;
};

void check_settled(const std::vector<Settled>& groups, LyingSink& sink, Run& run) {
  for (const Settled& group : groups) {
    for (const Item& item : group.items) {
      ASSERT_EQ(item.uid, "uid" + std::to_string(run.next_expected++)) << "an item was skipped or came twice";
      if (group.how == Settled::How::delivered) {
        ++run.delivered;
        ASSERT_TRUE(sink.has.contains(item.uid)) << "the cursor passed " << item.uid << ", which nobody has";
      } else {
        ++run.dead;
        ASSERT_TRUE(sink.refused_alone.contains(item.uid)) << item.uid << " was condemned without a trial";
      }
    }
  }
}

void run_one(std::uint64_t seed) {
  LyingSink sink(seed);
  CourierOptions options;
  options.batch_items_max = 1 + sink.random() % 40;
  options.batch_bytes_max = 100 + sink.random() % 2000;
  options.tickets_max = 1 + sink.random() % 5;
  options.confirm_timeout_ns = 3000 * ms;
  options.confirm_interval_ns = 50 * ms;
  options.refused_run_max = sink.random() % 2 == 0 ? 0 : 20;
  const std::uint64_t total = 100 + sink.random() % 400;
  for (std::uint64_t i = 0; i < total; ++i)
    if (sink.random() % 50 == 0) sink.poison.insert("uid" + std::to_string(i));
  Courier courier(options, seed);
  Run run;
  std::int64_t now = 1'000'000 * ms;
  for (int steps = 0; run.next_expected < total; ++steps) {
    ASSERT_LT(steps, 100'000) << "it does not end";
    if (steps > 5'000) sink.calm = true;
    while (run.offered < total && courier.pending() < 100 && sink.random() % 3 != 0) {
      Item item;
      item.place = {1 + run.offered / 10, static_cast<std::uint32_t>(run.offered % 10), 0};
      item.uid = "uid" + std::to_string(run.offered);
      item.bytes = item.uid + std::string(sink.random() % 60, '.');
      courier.add(std::move(item));
      ++run.offered;
    }
    const Action action = courier.next(now);
    switch (action.kind) {
      case Action::Kind::send: courier.answered(sink.send(action.batch), now); break;
      case Action::Kind::confirm: courier.confirmed(sink.confirm(action.tickets), now); break;
      case Action::Kind::wait: now = std::max(now, action.at_ns); break;
      case Action::Kind::nothing: break;
    }
    now += static_cast<std::int64_t>(sink.random() % 20) * ms;
    if (sink.chance(1)) now -= 10'000 * ms;  // the clock jumps
    check_settled(courier.take_settled(), sink, run);
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_EQ(run.offered, run.delivered + run.dead + courier.pending());
  }
  EXPECT_EQ(courier.pending_bytes(), 0u);
  EXPECT_EQ(run.dead, sink.poison.size()) << "poison is quarantined, and nothing else";
}

TEST(CourierProperty, whatever_the_sink_does_nothing_is_skipped_and_the_cursor_never_passes_an_unconfirmed_item) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_one(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tidewaiter::forward
