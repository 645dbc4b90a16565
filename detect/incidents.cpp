#include "detect/incidents.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t minute_ns = 60ll * 1'000'000'000;
constexpr std::int64_t join_ns = 60 * minute_ns, span_ns = 360 * minute_ns;
constexpr std::size_t open_max = 4096, followed_max = 4096;
constexpr double told_again = 100;  // times rarer
constexpr double another_fact = 1e4, of_another_kind = 10;  // times rarer than what is known of the same, or of the principal
constexpr std::int64_t told_again_ns = 15 * minute_ns;  // what just began grows
constexpr std::int64_t known_for_ns = 24 * 60 * minute_ns;
constexpr std::size_t lately_max = 2 * open_max;
constexpr double rate_min = 1e-12;

template <class Spell>
bool over(const Spell& spell, std::int64_t time_ns) {
  return time_ns - spell.last_ns > join_ns || time_ns - spell.first_ns > span_ns;
}

template <class Spell>
std::int64_t over_from_ns(const Spell& spell) {
  return std::min(spell.last_ns + join_ns, spell.first_ns + span_ns) + 1;
}

Key key_of(Key who) { return combine(who, 0x616e79); }
Key key_of(Key who, const Alert& alert) { return combine(who, hash_name(alert.rule)); }

template <class Map>
void forget_quietest(Map& map) {
  map.erase(std::ranges::min_element(map, {}, [](const auto& entry) { return entry.second.last_ns; }));
}

}  // namespace

double Incidents::together(const Incident& incident, double Part::*rate) const {
  double sum = 0, most = 0;
  for (const Part& part : incident.parts)
    if (part.*rate > 0) {
      sum += 1 / (part.*rate);
      most = std::max(most, 1 / (part.*rate));
    }
  return 1 / (combined_ ? sum : most);
}

Incidents::Incident& Incidents::incident_of(Key who, std::int64_t time_ns) {
  const auto found = open_.find(who);
  if (found != open_.end() && over(found->second, time_ns)) open_.erase(found);
  if (open_.size() == open_max && !open_.contains(who)) {
    ++closed_early_;
    forget_quietest(open_);
  }
  const auto [at, opened] = open_.try_emplace(who);
  Incident& incident = at->second;
  if (opened) incident.first_ns = incident.last_ns = time_ns;
  incident.last_ns = std::max(incident.last_ns, time_ns);
  ++incident.findings;
  want_close(over_from_ns(incident));
  return incident;
}

// At first all detectors together, afterwards each for itself.
bool Incidents::worth_it(const Incident& incident, const Alert& finding, double per_day, Key who, Key where) const {
  const Lately* before = lately(finding, who, where);
  if (finding.lasting && before != nullptr) return false;
  if (!incident.told) {
    const double all = together(incident, &Part::per_day);
    return all < false_per_day_ && (before == nullptr || all * told_again < before->told_per_day);
  }
  if (per_day >= false_per_day_) return false;
  const Part& part = incident.parts[static_cast<std::size_t>(finding.detector)];
  return part.told_per_day == 0 || (per_day * told_again < part.told_per_day && finding.time_ns - part.told_ns >= told_again_ns);
}

const Incidents::Lately* Incidents::lately(const Alert& finding, Key who, Key where) const {
  const Lately* told = known(key_of(who, finding), finding.time_ns);
  return told != nullptr && (where == 0 || told->where == 0 || where == told->where) ? told : nullptr;
}

const Incidents::Lately* Incidents::known(Key key, std::int64_t time_ns) const {
  const auto found = lately_.find(key);
  return found == lately_.end() || time_ns > found->second.until_ns ? nullptr : &found->second;
}

bool Incidents::more_of_it(const Incident& incident, const Alert& alert, double per_day, Key who, Key where) const {
  const auto hardly_rarer = [&](double told_per_day, double times) { return per_day * times > told_per_day; };
  for (const Part& part : incident.parts)
    if (part.told_per_day > 0 && hardly_rarer(part.told_per_day, another_fact)) return true;
  if (const Lately* told = lately(alert, who, where); told != nullptr && hardly_rarer(told->told_per_day, another_fact)) return true;
  const Lately* told = known(key_of(who), alert.time_ns);
  return told != nullptr && hardly_rarer(told->told_per_day, of_another_kind);
}

void Incidents::remember_told(const Alert& alert, double per_day, Key who, Key where) {
  const auto rarest = [&](const Lately* before) { return before == nullptr ? per_day : std::min(per_day, before->told_per_day); };
  remember(key_of(who, alert), {alert.time_ns, alert.time_ns + alert.known_for_ns, rarest(lately(alert, who, where)), where});
  remember(key_of(who), {alert.time_ns, alert.time_ns + known_for_ns, rarest(known(key_of(who), alert.time_ns)), where});
}

void Incidents::remember(Key key, const Lately& told) {
  if (lately_.size() == lately_max && !lately_.contains(key))
    lately_.erase(std::ranges::min_element(lately_, {}, [](const auto& entry) { return entry.second.told_ns; }));
  lately_[key] = told;
  want_close(told.until_ns + 1);
}

void Incidents::add(Alert finding, Key who, Key where) {
  const std::int64_t time_ns = finding.time_ns;
  const double per_day = std::max(finding.rate_per_day * false_per_day_ / finding.bar_per_day, rate_min);
  Incident& incident = incident_of(who, time_ns);
  Part& part = incident.parts[static_cast<std::size_t>(finding.detector)];
  if (part.per_day == 0 || per_day < part.per_day) {
    part.per_day = per_day;
    part.plain_per_day = per_day / finding.verdict_factor;
    part.title = finding.title;
  }
  const bool worth = worth_it(incident, finding, per_day, who, where);
  if (incident.told) {
    if (!worth || !tell(incident, finding, per_day, who, where)) alerting_.follow_up(finding);
    return;
  }
  if (!worth && finding.verdict_factor > 1 && together(incident, &Part::plain_per_day) < false_per_day_) {
    ++held_by_verdicts_;
    alerting_.held_by_verdicts(finding);
  }
  if (!worth && together(incident, &Part::per_day) < false_per_day_) alerting_.follow_up(finding);
  if (incident.rarest_per_day == 0 || per_day <= incident.rarest_per_day) {
    incident.rarest = std::move(finding);
    incident.rarest_per_day = per_day;
    incident.rarest_where = where;
  }
  if (!worth) return;
  Alert first = incident.rarest;
  first.time_ns = time_ns;
  if (tell(incident, std::move(first), incident.rarest_per_day, who, incident.rarest_where)) {
    incident.rarest = {};
  } else if (std::exchange(incident.held, true)) {
    alerting_.follow_up(incident.rarest);
  } else {
    ++over_budget_;
    alerting_.over_budget(incident.rarest);
  }
}

bool Incidents::follows(Detector detector, Key where, double per_day, std::int64_t time_ns) {
  const auto found = where == 0 ? followed_.end() : followed_.find(combine(where, static_cast<std::uint64_t>(detector)));
  if (found == followed_.end() || over(found->second, time_ns) || per_day * told_again < found->second.told_per_day) return false;
  found->second.last_ns = std::max(found->second.last_ns, time_ns);
  return true;
}

void Incidents::follow(Detector detector, Key where, double per_day, std::int64_t time_ns) {
  if (where == 0) return;
  const Key key = combine(where, static_cast<std::uint64_t>(detector));
  if (followed_.size() == followed_max && !followed_.contains(key)) forget_quietest(followed_);
  const Followed followed{time_ns, time_ns, per_day};
  followed_[key] = followed;
  want_close(over_from_ns(followed));
}

bool Incidents::tell(Incident& incident, Alert alert, double per_day, Key who, Key where) {
  const Detector detector = alert.detector;
  const bool follower = follows(detector, where, per_day, alert.time_ns);
  const double all = together(incident, &Part::per_day);
  const double urgency = more_of_it(incident, alert, all, who, where) ? Budget::news : false_per_day_ / all;
  if (!follower && !budget_.take(alert.time_ns, hash_name(alert.tenant), alert.severity, urgency)) return false;
  incident.told = true;
  Part& part = incident.parts[static_cast<std::size_t>(detector)];
  part.told_per_day = per_day;
  part.told_ns = alert.time_ns;
  if (follower) {
    alerting_.follow_up(alert);
    return true;
  }
  remember_told(alert, all, who, where);
  follow(detector, where, per_day, alert.time_ns);
  explain(incident, alert);
  alerting_.emit(alert, detector_name(detector), who);
  return true;
}

// Sources fall silent together: they leave the last part of the budget to what is rarer.
void Incidents::tell_alone(const Alert& alert, Key who) {
  want_close(alert.time_ns);
  if (budget_.take(alert.time_ns, hash_name(alert.tenant), alert.severity, 1))
    return alerting_.emit(alert, detector_name(alert.detector), who);
  ++over_budget_;
  alerting_.over_budget(alert);
}

void Incidents::explain(const Incident& incident, Alert& alert) const {
  Explanation& explanation = alert.explanation;
  explanation.number("incident_expected_per_day", together(incident, &Part::per_day));
  explanation.number("told_below_per_day", false_per_day_);
  explanation.time("incident_since", incident.first_ns);
  explanation.count("incident_findings", incident.findings);
  for (std::size_t i = 0; i < detector_count; ++i)
    if (incident.parts[i].per_day > 0 && i != static_cast<std::size_t>(alert.detector))
      explanation.text("also_" + std::string(detector_name(static_cast<Detector>(i))), incident.parts[i].title);
  explanation.count("budget_used", budget_.taken(alert.time_ns));
  explanation.count("budget_per_day", budget_.per_day());
}

void Incidents::close(std::int64_t watermark_ns) {
  if (watermark_ns < next_close_ns_) return;
  next_close_ns_ = budget_.forget(watermark_ns);
  const auto forget = [&](auto& map) {
    std::erase_if(map, [&](const auto& entry) { return over(entry.second, watermark_ns); });
    for (const auto& [key, spell] : map) want_close(over_from_ns(spell));
  };
  forget(open_);
  forget(followed_);
  std::erase_if(lately_, [&](const auto& entry) { return watermark_ns > entry.second.until_ns; });
  for (const auto& [key, lately] : lately_) want_close(lately.until_ns + 1);
}

void Incidents::save(SnapshotWriter& out) const {
  budget_.save(out);
  out.put<std::uint64_t>(open_.size());
  for (const auto& [who, incident] : open_) {
    out.put(who);
    out.put(incident.first_ns);
    out.put(incident.last_ns);
    out.put(incident.findings);
    out.put(incident.told);
    out.put(incident.held);
    for (const Part& part : incident.parts) {
      out.put(part.per_day);
      out.put(part.plain_per_day);
      out.put(part.told_per_day);
      out.put(part.told_ns);
      out.put_text(part.title);
    }
    save_finding(out, incident.rarest);
    out.put(incident.rarest_per_day);
    out.put(incident.rarest_where);
  }
  out.put<std::uint64_t>(followed_.size());
  for (const auto& [key, followed] : followed_) {
    out.put(key);
    out.put(followed.first_ns);
    out.put(followed.last_ns);
    out.put(followed.told_per_day);
  }
  out.put<std::uint64_t>(lately_.size());
  for (const auto& [key, lately] : lately_) {
    out.put(key);
    out.put(lately.told_ns);
    out.put(lately.until_ns);
    out.put(lately.told_per_day);
    out.put(lately.where);
  }
  out.put(over_budget_);
  out.put(held_by_verdicts_);
  out.put(closed_early_);
  out.put(next_close_ns_);
}

void Incidents::load(SnapshotReader& in) {
  budget_.load(in);
  for (std::uint64_t n = in.get_count(32); n > 0 && in.ok(); --n) {
    Incident& incident = open_[in.get<Key>()];
    incident.first_ns = in.get<std::int64_t>();
    incident.last_ns = in.get<std::int64_t>();
    incident.findings = in.get<std::uint32_t>();
    incident.told = in.get<bool>();
    incident.held = in.get<bool>();
    for (Part& part : incident.parts) {
      part.per_day = in.get<double>();
      part.plain_per_day = in.get<double>();
      part.told_per_day = in.get<double>();
      part.told_ns = in.get<std::int64_t>();
      part.title = in.get_text();
    }
    load_finding(in, incident.rarest);
    incident.rarest_per_day = in.get<double>();
    incident.rarest_where = in.get<Key>();
  }
  for (std::uint64_t n = in.get_count(32); n > 0 && in.ok(); --n) {
    Followed& followed = followed_[in.get<Key>()];
    followed.first_ns = in.get<std::int64_t>();
    followed.last_ns = in.get<std::int64_t>();
    followed.told_per_day = in.get<double>();
  }
  for (std::uint64_t n = in.get_count(40); n > 0 && in.ok(); --n) {
    Lately& lately = lately_[in.get<Key>()];
    lately.told_ns = in.get<std::int64_t>();
    lately.until_ns = in.get<std::int64_t>();
    lately.told_per_day = in.get<double>();
    lately.where = in.get<Key>();
  }
  over_budget_ = in.get<std::uint64_t>();
  held_by_verdicts_ = in.get<std::uint64_t>();
  closed_early_ = in.get<std::uint64_t>();
  next_close_ns_ = in.get<std::int64_t>();
}

}  // namespace tidewaiter::detect
