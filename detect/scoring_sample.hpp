// ScoringSample: which principals the statistics go by, as the policy's sampling says, and what one of them stands for.
// Hard rules, byte sums and silence never ask: they see every event (semantics 19).
//
// A principal that comes into the sample because a rate rose, or the seed changed, is learnt for as long as a new one
// before it is judged: what it did while it was left out would look new.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>

#include "core/sampling.hpp"
#include "detect/codec.hpp"
#include "detect/flow.hpp"

namespace tidewaiter::detect {

class ScoringSample {
 public:
  struct Part {
    double rate = 1;  // 0 = left out
    Flow::Share share;
  };

  /// In force from now on, at this watermark.
  void set(const Sampling& next, std::int64_t watermark_ns) {
    if (next == now_) return;
    if (before_.size() == before_max) before_.pop_front();
    before_.push_back({now_, watermark_ns + learnt_ns});
    now_ = next;
  }
  Part part_of(const Event& event) const {
    Part part;
    part.rate = now_.scoring_rate(event.get(Num::risk_tier));
    if (part.rate < 1 && !now_.scores(event)) {
      part.rate = 0;
      return part;
    }
    part.share.weight = static_cast<float>(1 / part.rate);
    for (const Before& before : before_)
      part.share.judged = part.share.judged && (event.time_ns() >= before.until_ns || before.sampling.scores(event));
    return part;
  }
  void leave_out(const Event& event) { ++left_out_[std::min<std::uint64_t>(event.get(Num::risk_tier), risk_tiers - 1)]; }
  void forget(std::int64_t watermark_ns) {
    while (!before_.empty() && watermark_ns >= before_.front().until_ns) before_.pop_front();
  }

  const Sampling& now() const { return now_; }
  /// Events that were not scored, by tier, since the first commit.
  const std::array<std::uint64_t, risk_tiers>& left_out() const { return left_out_; }

  void save(SnapshotWriter& out) const {
    out.put_text(now_.text());
    out.put<std::uint64_t>(before_.size());
    for (const Before& before : before_) {
      out.put_text(before.sampling.text());
      out.put(before.until_ns);
    }
    out.put(left_out_);
  }
  bool load(SnapshotReader& in) {
    if (!read(in, now_)) return false;
    for (std::uint64_t n = in.get_count(16); n > 0 && in.ok(); --n) {
      Before& before = before_.emplace_back();
      if (!read(in, before.sampling)) return false;
      before.until_ns = in.get<std::int64_t>();
    }
    left_out_ = in.get<decltype(left_out_)>();
    return in.ok();
  }

 private:
  static constexpr std::int64_t learnt_ns = 3ll * 86'400 * 1'000'000'000;
  static constexpr std::size_t before_max = 8;
  struct Before {
    Sampling sampling;
    std::int64_t until_ns = 0;  // event time
  };
  static bool read(SnapshotReader& in, Sampling& out) {
    auto parsed = Sampling::parse(in.get_text());
    if (parsed) out = std::move(*parsed);
    return parsed.has_value();
  }

  Sampling now_;
  std::deque<Before> before_;
  std::array<std::uint64_t, risk_tiers> left_out_{};
};

}  // namespace tidewaiter::detect
