// The report of a bench run: medians over the rounds as a text table for people and as JSON for machines.
#pragma once

#include <string>
#include <vector>

#include "bench/measure.hpp"

namespace tidewaiter::bench {

struct Rounds {
  std::vector<PrimitiveFigures> primitives;
  std::vector<double> consume;  // empty without a broker
  std::vector<StageFigures> stages;
  std::vector<ServiceFigures> services;
};

std::string text_report(const Options& options, const Corpus& corpus, const Rounds& rounds);
/// {"machine":..,"options":{..},"primitives_ns":{..},"stages_ns":{..},"service":{..},"ratio":..,"targets":[{..}]}
std::string json_report(const Options& options, const Corpus& corpus, const Rounds& rounds);

}  // namespace tidewaiter::bench
