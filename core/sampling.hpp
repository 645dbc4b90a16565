// Sampling: which share of the keys of a risk tier is scored by statistics and forwarded to SIEMs, as the section
// `sampling` of a policy says. A key is in the sample when its hash lies below the rate, so it is in with all of its
// events, the sample of a lower rate is part of that of a higher one, and services, replays and readers of the
// documentation all find the same sample.
// A plain value. Detection and connectors each follow the policy's control records, so a rate changes for both at the
// same commit (semantics 15).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/enums.hpp"
#include "core/record.hpp"
#include "core/result.hpp"

namespace tidewaiter {

/// Where a store keeps text() of the policy in force, for commands beside the service; followers go by control records.
inline constexpr std::string_view sampling_cursor = "sampling";

inline constexpr std::size_t risk_tiers = std::size(enums::risk_tier_words);

class Sampling {
 public:
  static constexpr double rate_min = 0.001;

  /// Nothing is sampled: every rate is 1.
  Sampling();
  /// The section as JSON; empty = nothing is sampled. Error: invalid_argument, "tiers.low.scoring_rate: ...".
  static Result<Sampling> parse(std::string_view json);
  /// Of a control record that puts a policy in force; nothing of any other.
  static std::optional<Sampling> of_record(std::string_view value);

  /// Compact JSON without spaces that parse() reads back; empty = nothing is sampled.
  const std::string& text() const { return text_; }

  /// In (0, 1].
  double scoring_rate(std::uint64_t tier) const { return tier < risk_tiers ? rates_[tier].scoring : 1; }
  double forward_rate(std::uint64_t tier) const { return tier < risk_tiers ? rates_[tier].forward : 1; }

  /// Statistics go by the principal. Some tens of ns, and next to nothing when the tier is scored in full.
  bool scores(const Event& event) const {
    const double rate = scoring_rate(event.get(Num::risk_tier));
    return rate >= 1 || in_sample(principal_hash(event), rate);
  }
  bool forwards(const Record& record, const Event& event) const {
    const double rate = forward_rate(event.get(Num::risk_tier));
    return rate >= 1 || in_sample(forward_hash(record, event), rate);
  }

  static bool in_sample(std::uint64_t hash, double rate);
  /// Of seed, tenant and principal.
  std::uint64_t principal_hash(const Event& event) const;

  bool operator==(const Sampling& other) const { return text_ == other.text_; }

 private:
  enum class Key : std::uint8_t { principal, principal_destination, event };
  struct Rates {
    double scoring = 1, forward = 1;
  };
  std::uint64_t forward_hash(const Record& record, const Event& event) const;

  std::array<Rates, risk_tiers> rates_;
  Key forward_key_ = Key::principal;
  std::uint64_t seeded_;  // state of the hash after the seed
  std::string text_;
};

}  // namespace tidewaiter
