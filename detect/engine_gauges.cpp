#include "detect/engine_gauges.hpp"

#include <string>

namespace tidewaiter::detect {

EngineGauges::EngineGauges(Metrics& metrics)
    : memory_bytes(metrics.gauge("tidewaiter_detect_memory_bytes", "Memory reserved for detection")),
      suppressions_(metrics.gauge("tidewaiter_detect_suppressions", "Suppressions in force")),
      by_people_(metrics.gauge("tidewaiter_detect_suppressed_by_people", "Findings that suppressions kept silent; each is counted in a record")),
      verdicts_(metrics.gauge("tidewaiter_detect_verdicts", "Verdicts that detection goes by")),
      by_verdicts_(metrics.gauge("tidewaiter_detect_held_by_verdicts", "Findings held back because others like them were called false; counted in digests")),
      suppressed_(metrics.gauge("tidewaiter_detect_suppressed_alerts", "Alerts held back and counted in digests")),
      watermark_(metrics.gauge("tidewaiter_detect_watermark_seconds", "Event time that has surely been reached")),
      slots_(metrics.gauge("tidewaiter_detect_slots_used", "Slots in use over all tables")),
      evictions_(metrics.gauge("tidewaiter_detect_evictions", "Slots lost to the memory bound")),
      windows_(metrics.gauge("tidewaiter_detect_open_windows", "Windows waiting for the watermark")),
      joins_(metrics.gauge("tidewaiter_detect_attestation_joins", "Deploys and running artifacts joined with what attests them")),
      joins_waiting_(metrics.gauge("tidewaiter_detect_attestations_awaited", "Uses of artifacts that wait for an attestation")),
      joins_early_(metrics.gauge("tidewaiter_detect_attestations_judged_early", "Uses of artifacts judged before their grace was over, because too many waited")),
      joins_evictions_(metrics.gauge("tidewaiter_detect_attestation_evictions", "Artifacts forgotten for lack of memory")) {
  for (std::size_t i = 0; i < detector_count; ++i)
    alerts_[i] = &metrics.gauge("tidewaiter_detect_alerts", "Alerts of each detector since the first commit",
                                {{"detector", std::string(detector_name(static_cast<Detector>(i)))}});
  for (std::size_t tier = 0; tier < risk_tiers; ++tier) {
    const Labels labels = {{"risk_tier", std::string(enums::risk_tier.word(tier))}};
    unscored_[tier] = &metrics.gauge("tidewaiter_detect_unscored_events", "Events since the first commit that sampling left to rules, byte sums and silence", labels);
    rates_[tier] = &metrics.gauge("tidewaiter_detect_scoring_rate", "Share of the principals that statistics go by", labels);
  }
}

void EngineGauges::set(const Parts& parts) {
  suppressions_.set(static_cast<double>(parts.feedback.suppressions().size()));
  by_people_.set(static_cast<double>(parts.feedback.suppressed()));
  verdicts_.set(static_cast<double>(parts.feedback.verdicts()));
  by_verdicts_.set(static_cast<double>(parts.incidents.held_by_verdicts()));
  suppressed_.set(static_cast<double>(parts.alerting.suppressed()));
  if (parts.watermark.now() != Watermark::none) watermark_.set(static_cast<double>(parts.watermark.now()) / 1e9);
  slots_.set(static_cast<double>(parts.slots_used));
  evictions_.set(static_cast<double>(parts.evictions));
  windows_.set(static_cast<double>(parts.open_windows));
  joins_.set(static_cast<double>(parts.rules.joins().told()));
  joins_waiting_.set(static_cast<double>(parts.rules.joins().pending()));
  joins_early_.set(static_cast<double>(parts.rules.joins().judged_early()));
  joins_evictions_.set(static_cast<double>(parts.rules.joins().evictions()));
  for (std::size_t tier = 0; tier < risk_tiers; ++tier) {
    unscored_[tier]->set(static_cast<double>(parts.sample.left_out()[tier]));
    rates_[tier]->set(parts.sample.now().scoring_rate(tier));
  }
  for (std::size_t i = 0; i < detector_count; ++i)
    alerts_[i]->set(static_cast<double>(parts.alerting.emitted(static_cast<Detector>(i))));
}

}  // namespace tidewaiter::detect
