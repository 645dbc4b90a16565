// The courier, sentence by sentence: what is done after each kind of answer.
#include "forward/courier.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::forward {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t start = 1'700'000'000 * second;

Item make_item(std::uint64_t number, std::size_t bytes = 10) {
  Item item;
  item.place = {number + 1, 0, 0};
  item.uid = "uid" + std::to_string(number);
  item.bytes.assign(bytes, 'x');
  return item;
}

Courier courier_with(std::size_t items, CourierOptions options = {}) {
  Courier courier(options, 7);
  for (std::size_t i = 0; i < items; ++i) courier.add(make_item(i));
  return courier;
}

Answer answer_of(Verdict verdict, const char* reason = "because") {
  Answer answer;
  answer.verdict = verdict;
  answer.reason = reason;
  return answer;
}

Answer pending_answer(std::uint64_t ticket) {
  Answer answer = answer_of(Verdict::pending, "");
  answer.ticket = ticket;
  return answer;
}

std::vector<std::string> uids(const Action& action) {
  std::vector<std::string> out;
  for (const Item* item : action.batch) out.push_back(item->uid);
  return out;
}

TEST(Courier, nothing_is_to_be_done_without_items) {
  Courier courier({}, 1);
  EXPECT_EQ(courier.next(start).kind, Action::Kind::nothing);
}

TEST(Courier, a_batch_stops_at_the_limit_of_items) {
  CourierOptions options;
  options.batch_items_max = 3;
  Courier courier = courier_with(5, options);
  EXPECT_EQ(courier.next(start).batch.size(), 3u);
}

TEST(Courier, a_batch_stops_at_the_limit_of_bytes_but_always_has_one_item) {
  CourierOptions options;
  options.batch_bytes_max = 25;
  Courier courier = courier_with(5, options);
  EXPECT_EQ(courier.next(start).batch.size(), 2u);
  Courier huge(options, 1);
  huge.add(make_item(0, 1000));
  huge.add(make_item(1));
  EXPECT_EQ(huge.next(start).batch.size(), 1u);
}

TEST(Courier, asking_twice_changes_nothing) {
  Courier courier = courier_with(5);
  EXPECT_EQ(uids(courier.next(start)), uids(courier.next(start + second)));
}

TEST(Courier, an_ok_settles_the_batch_in_order) {
  Courier courier = courier_with(3);
  courier.next(start);
  courier.answered(answer_of(Verdict::ok), start);
  const auto settled = courier.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].items.size(), 3u);
  EXPECT_EQ(settled[0].items.back().uid, "uid2");
  EXPECT_EQ(courier.pending(), 0u);
  EXPECT_EQ(courier.pending_bytes(), 0u);
}

TEST(Courier, a_retry_sends_the_same_items_again_even_if_more_have_come) {
  Courier courier = courier_with(3);
  const auto first = uids(courier.next(start));
  courier.answered(answer_of(Verdict::retry), start);
  courier.add(make_item(3));
  EXPECT_TRUE(courier.retrying());
  EXPECT_EQ(courier.reason(), "because");
  EXPECT_EQ(uids(courier.next(start + 600 * second)), first);
}

TEST(Courier, a_retry_waits_for_the_back_off) {
  Courier courier = courier_with(1);
  courier.next(start);
  courier.answered(answer_of(Verdict::retry), start);
  const Action action = courier.next(start);
  ASSERT_EQ(action.kind, Action::Kind::wait);
  EXPECT_EQ(courier.next(action.at_ns - 1).kind, Action::Kind::wait);
  EXPECT_EQ(courier.next(action.at_ns).kind, Action::Kind::send);
}

TEST(Courier, a_clock_set_back_does_not_stop_delivery) {
  Courier courier = courier_with(1);
  courier.next(start);
  courier.answered(answer_of(Verdict::retry), start);
  EXPECT_EQ(courier.next(start - 3600 * second).kind, Action::Kind::send);
}

TEST(Courier, retries_never_end) {
  Courier courier = courier_with(1);
  std::int64_t now = start;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(courier.next(now).kind, Action::Kind::send);
    courier.answered(answer_of(Verdict::retry), now);
    now += 301 * second;
  }
  EXPECT_EQ(courier.pending(), 1u);
  EXPECT_EQ(courier.retries(), 10'000u);
}

TEST(Courier, a_wish_to_wait_is_honoured) {
  Courier courier = courier_with(1);
  courier.next(start);
  Answer answer = answer_of(Verdict::retry);
  answer.retry_after_ns = 120 * second;
  courier.answered(answer, start);
  EXPECT_EQ(courier.next(start + 119 * second).kind, Action::Kind::wait);
  EXPECT_EQ(courier.next(start + 121 * second).kind, Action::Kind::send);
}

TEST(Courier, a_refused_batch_is_halved_down_to_the_culprit_and_only_that_is_quarantined) {
  CourierOptions options;
  Courier courier = courier_with(1000, options);
  std::vector<std::string> quarantined;
  std::size_t delivered = 0, sends = 0;
  for (;;) {
    const Action action = courier.next(start);
    if (action.kind != Action::Kind::send) break;
    ++sends;
    const auto names = uids(action);
    const bool has_culprit = std::find(names.begin(), names.end(), "uid617") != names.end();
    courier.answered(answer_of(has_culprit ? Verdict::refused : Verdict::ok), start);
    for (const Settled& settled : courier.take_settled()) {
      if (settled.how == Settled::How::delivered)
        delivered += settled.items.size();
      else
        quarantined.push_back(settled.items[0].uid);
    }
  }
  EXPECT_EQ(quarantined, std::vector<std::string>{"uid617"});
  EXPECT_EQ(delivered, 999u);
  EXPECT_LE(sends, 21u);  // 2 log2(1000) + 1
}

TEST(Courier, an_accused_item_is_sent_alone_before_it_is_quarantined) {
  Courier courier = courier_with(5);
  courier.next(start);
  Answer answer = answer_of(Verdict::accused);
  answer.accused = 2;
  courier.answered(answer, start);
  EXPECT_EQ(uids(courier.next(start)), (std::vector<std::string>{"uid0", "uid1"}));
  courier.answered(answer_of(Verdict::ok), start);
  EXPECT_EQ(uids(courier.next(start)), (std::vector<std::string>{"uid2"}));
  courier.answered(answer_of(Verdict::ok), start);  // it was innocent: the receiver counts from 1
  EXPECT_EQ(uids(courier.next(start)), (std::vector<std::string>{"uid3", "uid4"}));
  courier.answered(answer_of(Verdict::ok), start);
  for (const Settled& settled : courier.take_settled()) EXPECT_EQ(settled.how, Settled::How::delivered);
}

TEST(Courier, an_accusation_of_an_item_that_was_not_sent_halves_the_batch) {
  Courier courier = courier_with(4);
  courier.next(start);
  Answer answer = answer_of(Verdict::accused);
  answer.accused = 99;
  courier.answered(answer, start);
  EXPECT_EQ(courier.next(start).batch.size(), 2u);
}

TEST(Courier, too_large_makes_later_batches_smaller_too) {
  CourierOptions options;
  options.batch_bytes_max = 1000;
  Courier courier = courier_with(200, options);
  EXPECT_EQ(courier.next(start).batch.size(), 100u);
  courier.answered(answer_of(Verdict::too_large), start);
  EXPECT_EQ(courier.next(start).batch.size(), 50u);
  courier.answered(answer_of(Verdict::ok), start);
  EXPECT_EQ(courier.next(start).batch.size(), 50u);
  courier.answered(answer_of(Verdict::ok), start);
  EXPECT_LE(courier.next(start).batch.size(), 52u);
}

TEST(Courier, a_single_item_that_is_too_large_is_quarantined) {
  Courier courier = courier_with(1);
  courier.next(start);
  courier.answered(answer_of(Verdict::too_large), start);
  const auto settled = courier.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].how, Settled::How::quarantined);
  EXPECT_EQ(settled[0].items[0].bytes.size(), 10u);  // kept for the dead letter
}

TEST(Courier, a_run_of_nothing_but_refusals_parks_the_sink) {
  CourierOptions options;
  options.refused_run_max = 3;
  Courier courier = courier_with(64, options);
  while (!courier.parked()) {
    ASSERT_EQ(courier.next(start).kind, Action::Kind::send);
    courier.answered(answer_of(Verdict::refused, "bad"), start);
  }
  EXPECT_EQ(courier.take_settled().size(), 3u);
  EXPECT_NE(courier.reason().find("refused_run_max"), std::string::npos);
  const Action probe = courier.next(start + 31 * second);
  ASSERT_EQ(probe.kind, Action::Kind::send);
  EXPECT_EQ(probe.batch.size(), 1u);
  courier.answered(answer_of(Verdict::ok), start + 31 * second);
  EXPECT_FALSE(courier.parked());
}

TEST(Courier, a_parked_sink_probes_periodically_and_loses_nothing) {
  Courier courier = courier_with(10);
  std::int64_t now = start;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(courier.next(now).kind, Action::Kind::send);
    courier.answered(answer_of(Verdict::park, "token revoked"), now);
    EXPECT_TRUE(courier.parked());
    EXPECT_EQ(courier.next(now + 14 * second).kind, Action::Kind::wait);
    now += 31 * second;
  }
  EXPECT_EQ(courier.pending(), 10u);
  courier.next(now);
  courier.answered(answer_of(Verdict::ok), now);
  EXPECT_FALSE(courier.parked());
  EXPECT_EQ(courier.take_settled()[0].items.size(), 10u);
}

TEST(Courier, mixed_answers_settle_each_item_by_itself) {
  Courier courier = courier_with(4);
  courier.next(start);
  Answer answer = answer_of(Verdict::mixed);
  answer.items = {ItemVerdict::ok, ItemVerdict::quarantine, ItemVerdict::retry, ItemVerdict::ok};
  courier.answered(answer, start);
  EXPECT_EQ(courier.take_settled().size(), 2u);
  EXPECT_EQ(courier.pending(), 2u);
  EXPECT_EQ(uids(courier.next(start + 600 * second)), std::vector<std::string>{"uid2"});
  courier.answered(answer_of(Verdict::ok), start + 600 * second);
  courier.take_settled();
  EXPECT_EQ(courier.pending(), 0u);
}

TEST(Courier, a_mixed_answer_for_another_number_of_items_settles_nothing) {
  Courier courier = courier_with(4);
  courier.next(start);
  Answer answer = answer_of(Verdict::mixed);
  answer.items = {ItemVerdict::ok};
  courier.answered(answer, start);
  EXPECT_TRUE(courier.take_settled().empty());
  EXPECT_EQ(courier.pending(), 4u);
}

TEST(Courier, an_unconfirmed_batch_is_not_settled_and_later_ones_go_on) {
  CourierOptions options;
  options.batch_items_max = 2;
  Courier courier = courier_with(6, options);
  courier.next(start);
  courier.answered(pending_answer(1), start);
  courier.next(start);
  courier.answered(pending_answer(2), start);
  Confirmation second_first;
  second_first.confirmed = {2};
  second_first.answer.verdict = Verdict::ok;
  courier.confirmed(second_first, start + second);
  EXPECT_TRUE(courier.take_settled().empty()) << "the cursor must not pass the first batch";
  EXPECT_EQ(courier.oldest()->uid, "uid0");
  Confirmation then_first;
  then_first.confirmed = {1};
  then_first.answer.verdict = Verdict::ok;
  courier.confirmed(then_first, start + 2 * second);
  const auto settled = courier.take_settled();
  ASSERT_EQ(settled.size(), 2u);
  EXPECT_EQ(settled[1].items[1].uid, "uid3");
}

TEST(Courier, an_unconfirmed_batch_is_sent_again_after_the_timeout) {
  Courier courier = courier_with(2);
  courier.next(start);
  courier.answered(pending_answer(1), start);
  EXPECT_EQ(courier.next(start + 1 * second).kind, Action::Kind::confirm);
  const Action action = courier.next(start + 301 * second);
  EXPECT_EQ(action.kind, Action::Kind::wait);
  EXPECT_EQ(uids(courier.next(start + 400 * second)), (std::vector<std::string>{"uid0", "uid1"}));
}

TEST(Courier, a_late_confirmation_of_a_ticket_given_up_changes_nothing) {
  Courier courier = courier_with(1);
  courier.next(start);
  courier.answered(pending_answer(1), start);
  courier.next(start + 301 * second);
  Confirmation late;
  late.confirmed = {1};
  late.answer.verdict = Verdict::ok;
  courier.confirmed(late, start + 301 * second);
  EXPECT_TRUE(courier.take_settled().empty());
}

TEST(Courier, a_lost_ticket_is_sent_again_but_not_in_a_hot_loop) {
  Courier courier = courier_with(1);
  courier.next(start);
  courier.answered(pending_answer(1), start);
  Confirmation lost;
  lost.lost = {1};
  lost.answer = answer_of(Verdict::retry, "end of file");
  courier.confirmed(lost, start + second);
  EXPECT_TRUE(courier.retrying());
  EXPECT_EQ(courier.next(start + second).kind, Action::Kind::wait);
  EXPECT_EQ(courier.next(start + 400 * second).kind, Action::Kind::send);
}

TEST(Courier, after_a_failure_one_batch_goes_first_until_it_is_confirmed) {
  CourierOptions options;
  options.batch_items_max = 1;
  Courier courier = courier_with(3, options);
  courier.next(start);
  courier.answered(answer_of(Verdict::retry), start);
  const std::int64_t now = start + 600 * second;
  courier.next(now);
  courier.answered(pending_answer(1), now);
  EXPECT_TRUE(courier.retrying()) << "taken is not confirmed";
  EXPECT_EQ(courier.next(now).kind, Action::Kind::wait);
  Confirmation yes;
  yes.confirmed = {1};
  yes.answer.verdict = Verdict::ok;
  courier.confirmed(yes, now + second);
  EXPECT_FALSE(courier.retrying());
  EXPECT_EQ(courier.next(now + second).kind, Action::Kind::send);
}

TEST(Courier, no_more_tickets_than_allowed_are_open) {
  CourierOptions options;
  options.batch_items_max = 1;
  options.tickets_max = 2;
  Courier courier = courier_with(5, options);
  for (std::uint64_t ticket = 1; ticket <= 2; ++ticket) {
    ASSERT_EQ(courier.next(start).kind, Action::Kind::send);
    courier.answered(pending_answer(ticket), start);
  }
  EXPECT_EQ(courier.next(start).kind, Action::Kind::wait);
}

TEST(Courier, a_question_about_tickets_that_fails_confirms_nothing) {
  Courier courier = courier_with(1);
  courier.next(start);
  courier.answered(pending_answer(1), start);
  Confirmation failed;
  failed.answer = answer_of(Verdict::retry, "HTTP 404");
  courier.confirmed(failed, start + second);
  EXPECT_TRUE(courier.take_settled().empty());
  EXPECT_EQ(courier.pending(), 1u);
  EXPECT_EQ(courier.next(start + second).kind, Action::Kind::wait);
}

TEST(Courier, bytes_of_settled_items_are_given_back) {
  CourierOptions options;
  options.batch_items_max = 1;
  Courier courier = courier_with(3, options);
  courier.next(start);
  courier.answered(pending_answer(1), start);
  courier.next(start);
  courier.answered(answer_of(Verdict::ok), start);
  EXPECT_EQ(courier.pending(), 3u);
  EXPECT_EQ(courier.pending_bytes(), 20u);
}

}  // namespace
}  // namespace tidewaiter::forward
