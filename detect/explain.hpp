// Explain: from a detector's finding to an alert that a person understands: one plain sentence, then the numbers with
// which the judgement can be redone by hand.
#pragma once

#include "detect/alert.hpp"
#include "detect/chain.hpp"
#include "detect/flow.hpp"
#include "detect/health.hpp"
#include "detect/names.hpp"
#include "detect/rhythm.hpp"
#include "detect/silence.hpp"
#include "detect/surge.hpp"
#include "detect/volume.hpp"

namespace tidewaiter::detect {

Alert flow_alert(const Flow::Verdict& verdict, const Seen& seen);
Alert volume_alert(const Volume::Finding& finding, const Names& names);
Alert silence_alert(const Silence::Finding& finding);
/// `seen`: the event at which it became a finding.
Alert odd_hours_alert(const OddHours::Finding& finding, const Seen& seen);
Alert beacon_alert(const Beacon::Finding& finding, const Seen& seen);
/// `seen`: the event with which the surge became one.
Alert burst_alert(const Surge::Finding& finding, const Seen& seen);
Alert sequence_alert(const Chain::Finding& finding, const Seen& seen);
/// `seen`: the operation with which it became one.
Alert health_alert(const Health::Finding& finding, const Seen& seen);

/// Whom the alert of a volume finding is about: the principal, or the app.
Key volume_entity(const Volume::Finding& finding);
std::string_view volume_rule(const Volume::Finding& finding);

/// "agent invoice-bot", or the app of an event without a principal.
std::string who_did(const Event& event);
/// "12", "0.34": a rate or an expectation as people write it, two digits.
std::string format_rate(double value);
/// High for high and critical risk tiers, else medium.
Severity severity_of(std::uint64_t risk_tier);
/// What every statistical detector says of its score, into the alert and its explanation.
void add_statistics(Alert& alert, double p_value, double rate_per_day, double score, const CalibrationState& calibration);
/// How long the baseline is known, at `now_ns`.
void add_baseline_age(Alert& alert, std::int64_t since_ns, std::int64_t now_ns);

}  // namespace tidewaiter::detect
