#include "bench/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/meter.hpp"

namespace tidewaiter::bench {
namespace {

template <class Figures, class Get>
double middle(const std::vector<Figures>& rounds, Get get) {
  std::vector<double> values;
  for (const Figures& round : rounds) values.push_back(get(round));
  return median(std::move(values));
}

template <class Figures>
double middle(const std::vector<Figures>& rounds, double Figures::*member) {
  return middle(rounds, [&](const Figures& f) { return f.*member; });
}

StageFigure middle_stage(const std::vector<StageFigures>& rounds, const std::string& name) {
  const auto of = [&](const StageFigures& f) {
    const auto at = f.find(name);
    return at == f.end() ? StageFigure{} : at->second;
  };
  return {middle(rounds, [&](const StageFigures& f) { return of(f).cpu_ns; }),
          middle(rounds, [&](const StageFigures& f) { return of(f).allocations; })};
}

struct PrimitiveRow {
  const char* name;
  const char* what;
  double PrimitiveFigures::*member;
};
constexpr PrimitiveRow primitive_rows[] = {
    {"memcpy", "the message into an arena", &PrimitiveFigures::copy},
    {"On-Demand", "the same fields", &PrimitiveFigures::extract},
    {"SHA-256", "salted body, leaf, node", &PrimitiveFigures::hash},
    {"zstd 1", "512 KiB blocks of the bodies", &PrimitiveFigures::compress},
    {"write", "write and fdatasync per 2 MiB of bodies", &PrimitiveFigures::write},
    {"slots", "64-byte slots, 256 MiB table", &PrimitiveFigures::slots},
};

struct Target {
  std::string name;
  double measured, goal;
  bool at_most;
  bool met() const { return at_most ? measured <= goal : measured >= goal; }
};

double primitive_sum(const Rounds& rounds) {
  double sum = rounds.consume.empty() ? 0 : median(rounds.consume);
  for (const PrimitiveRow& row : primitive_rows) sum += middle(rounds.primitives, row.member);
  return sum;
}

std::vector<Target> targets_of(const Options& options, const Rounds& rounds) {
  const double cpu = middle(rounds.services, &ServiceFigures::cpu_ns);
  std::vector<Target> targets = {
      {"CPU of the service / sum of the primitives", cpu / primitive_sum(rounds), 1.5, true},
      {"memory of the process, MB", middle(rounds.services, &ServiceFigures::anonymous_mb), 600, true},
      {"stored bytes per raw byte", middle(rounds.services, &ServiceFigures::stored_ratio), 0.25, true}};
  if (options.brokers.empty())
    targets.push_back({"events/s, wall", middle(rounds.services, &ServiceFigures::events_per_s), 350'000, false});
  return targets;
}

}  // namespace

std::string text_report(const Options& options, const Corpus& corpus, const Rounds& rounds) {
  std::string out;
  const auto line = [&]<class... T>(fmt::format_string<T...> format, T&&... values) {
    out += fmt::format(format, std::forward<T>(values)...) + "\n";
  };
  const auto n = static_cast<double>(corpus.events());
  line("{}", machine());
  line("{} events of {:.0f} bytes over {} days (company of seed {}), {} rounds, medians; CPU ns per event", corpus.events(),
       static_cast<double>(corpus.value_bytes()) / n, options.days, options.seed, rounds.services.size());
  if (!rounds.primitives.empty()) {
    line("\nBare primitives (none of our headers)");
    if (!rounds.consume.empty()) line("  {:<10} {:>7.0f}  {}", "librdkafka", median(rounds.consume), "consume callback");
    for (const PrimitiveRow& row : primitive_rows)
      line("  {:<10} {:>7.0f}  {}", row.name, middle(rounds.primitives, row.member), row.what);
    line("  {:<10} {:>7.0f}  {:.1f} fields, {:.1f} keys, {:.0f} bytes of body per event", "sum", primitive_sum(rounds),
         middle(rounds.primitives, &PrimitiveFigures::fields), middle(rounds.primitives, &PrimitiveFigures::keys),
         middle(rounds.primitives, &PrimitiveFigures::body_bytes));
  }
  if (!rounds.stages.empty()) {
    double sum = 0;
    line("\nStages, one after the other on one thread          allocations per event");
    for (const char* name : stage_names) {
      const StageFigure figure = middle_stage(rounds.stages, name);
      sum += figure.cpu_ns;
      line("  {:<10} {:>7.0f} {:>40.4f}", name, figure.cpu_ns, figure.allocations);
    }
    line("  {:<10} {:>7.0f}", "sum", sum);
  }
  line("\nThe whole service, {}", options.brokers.empty() ? "from memory" : "from the broker " + options.brokers);
  const auto service = [&](double ServiceFigures::*member) { return middle(rounds.services, member); };
  line("  {:<28} {:>10.0f}  (in none of the figures below)", "CPU ms of the start", service(&ServiceFigures::start_cpu_ms));
  line("  {:<28} {:>10.0f}", "CPU ns per event", service(&ServiceFigures::cpu_ns));
  line("  {:<28} {:>10.0f}", "events/s, wall", service(&ServiceFigures::events_per_s));
  line("  {:<28} {:>10.4f}", "allocations per event", service(&ServiceFigures::allocations));
  line("  {:<28} {:>10.4f}  (Source, Parse, Clock)", "virtual calls per event", service(&ServiceFigures::virtual_calls));
  line("  {:<28} {:>10.0f}  ({:.0f} with the mapped corpus)", "memory, MB", service(&ServiceFigures::anonymous_mb),
       service(&ServiceFigures::resident_mb));
  line("  {:<28} {:>10.3f}  (zstd 1 alone: {:.3f})", "stored bytes per raw byte", service(&ServiceFigures::stored_ratio),
       rounds.primitives.empty() ? 0.0 : 1 / middle(rounds.primitives, &PrimitiveFigures::ratio));
  line("  {:<28} {:>10}", "alerts", rounds.services.front().alerts);
  line("  {:<28} {:>10}", "commits", rounds.services.front().commits);
  if (!rounds.primitives.empty()) {
    line("\nTargets");
    for (const Target& target : targets_of(options, rounds))
      line("  {:<44} {:>10.2f}  {} {:<8.2f} {}", target.name, target.measured, target.at_most ? "<=" : ">=", target.goal,
           target.met() ? "met" : "MISSED");
  }
  return out;
}

std::string json_report(const Options& options, const Corpus& corpus, const Rounds& rounds) {
  using Json = nlohmann::ordered_json;
  Json report;
  report["machine"] = machine();
  report["options"] = {{"events", corpus.events()}, {"seed", options.seed}, {"days", options.days}, {"rounds", rounds.services.size()},
                       {"broker", !options.brokers.empty()},
                       {"value_bytes_mean", static_cast<double>(corpus.value_bytes()) / static_cast<double>(corpus.events())}};
  if (!rounds.primitives.empty()) {
    Json& primitives = report["primitives_ns"];
    if (!rounds.consume.empty()) primitives["librdkafka"] = median(rounds.consume);
    for (const PrimitiveRow& row : primitive_rows) primitives[row.name] = middle(rounds.primitives, row.member);
    primitives["sum"] = primitive_sum(rounds);
    report["corpus"] = {{"fields", middle(rounds.primitives, &PrimitiveFigures::fields)},
                        {"keys", middle(rounds.primitives, &PrimitiveFigures::keys)},
                        {"body_bytes", middle(rounds.primitives, &PrimitiveFigures::body_bytes)},
                        {"zstd_ratio", middle(rounds.primitives, &PrimitiveFigures::ratio)}};
  }
  if (!rounds.stages.empty())
    for (const char* name : stage_names) {
      const StageFigure figure = middle_stage(rounds.stages, name);
      report["stages"][name] = {{"cpu_ns", figure.cpu_ns}, {"allocations", figure.allocations}};
    }
  const auto service = [&](double ServiceFigures::*member) { return middle(rounds.services, member); };
  report["service"] = {{"start_cpu_ms", service(&ServiceFigures::start_cpu_ms)},
                       {"cpu_ns", service(&ServiceFigures::cpu_ns)},
                       {"events_per_s", service(&ServiceFigures::events_per_s)},
                       {"allocations", service(&ServiceFigures::allocations)},
                       {"virtual_calls", service(&ServiceFigures::virtual_calls)},
                       {"anonymous_mb", service(&ServiceFigures::anonymous_mb)},
                       {"resident_mb", service(&ServiceFigures::resident_mb)},
                       {"stored_ratio", service(&ServiceFigures::stored_ratio)},
                       {"alerts", rounds.services.front().alerts},
                       {"commits", rounds.services.front().commits}};
  if (!rounds.primitives.empty())
    for (const Target& target : targets_of(options, rounds))
      report["targets"].push_back(
          {{"name", target.name}, {"measured", target.measured}, {"goal", target.goal}, {"met", target.met()}});
  return report.dump(2) + "\n";
}

}  // namespace tidewaiter::bench
