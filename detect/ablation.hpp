// Ablation: parts of the detectors that an evaluation leaves out to see what they are worth. Plain data of EngineConfig;
// the service's configuration has no such settings, and all of it is there by default.
#pragma once

#include <string_view>

namespace tidewaiter::detect {

struct Ablation {
  bool winsorising = true;  // off: what is hot is learnt as it comes, by levels and by tails
  bool hierarchy = true;    // off: how often a principal does something new is told by itself alone
  bool affinity = true;     // off: a destination is as popular for a principal as it is for everybody, whatever its peers do
  bool scales = true;       // off: one time scale: volume an hour, burst its middle one
  bool calibration = true;  // off: scores at their word, p = exp(-nats)
  bool correction = true;   // off: p-values as the tail has them (correction.hpp)
  bool combination = true;  // off: an incident is as rare as its rarest finding
};

struct AblationSwitch {
  std::string_view name;
  bool Ablation::*on;
  bool of_edges;  // EdgeScorer has it
};
inline constexpr AblationSwitch ablation_switches[] = {
    {"winsorising", &Ablation::winsorising, true}, {"hierarchy", &Ablation::hierarchy, false},
    {"affinity", &Ablation::affinity, true},       {"scales", &Ablation::scales, true},
    {"calibration", &Ablation::calibration, true}, {"correction", &Ablation::correction, false},
    {"combination", &Ablation::combination, false},
};

}  // namespace tidewaiter::detect
