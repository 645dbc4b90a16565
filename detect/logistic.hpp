// Logistic: online Bayesian logistic regression of a few features. The weights are Gaussian and each observation is one
// step of the extended Kalman filter on the log-odds (Spiegelhalter & Lauritzen 1990; Penny & Roberts, "Dynamic logistic
// regression", 1999): no learning rate to set, O(Features^2) per observation, no allocation.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace tidewaiter::detect {

inline double logistic(double log_odds) { return 1 / (1 + std::exp(-log_odds)); }

template <std::size_t Features>
class Logistic {
 public:
  using Vector = std::array<double, Features>;

  /// Weights ~ N(0, I).
  Logistic() {
    for (std::size_t i = 0; i < Features; ++i) covariance_[i][i] = 1;
  }
  double log_odds(const Vector& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < Features; ++i) sum += weights_[i] * x[i];
    return sum;
  }
  /// `weight` = how many observations this one stands for.
  void learn(const Vector& x, bool outcome, double weight = 1) {
    Vector gain{};
    for (std::size_t j = 0; j < Features; ++j)
      for (std::size_t i = 0; i < Features; ++i) gain[i] += covariance_[j][i] * x[j];
    double variance = 0;
    for (std::size_t i = 0; i < Features; ++i) variance += x[i] * gain[i];
    const double p = logistic(log_odds(x));
    const double information = weight * p * (1 - p);
    const double shrink = 1 / (1 + information * variance);
    const double step = shrink * weight * ((outcome ? 1 : 0) - p);
    for (std::size_t i = 0; i < Features; ++i) weights_[i] += gain[i] * step;
    for (std::size_t j = 0; j < Features; ++j)
      for (std::size_t i = 0; i < Features; ++i) covariance_[j][i] -= information * shrink * gain[i] * gain[j];
  }
  const Vector& weights() const { return weights_; }

 private:
  Vector weights_{};
  std::array<Vector, Features> covariance_{};  // by column: the columns are what is added up
};

}  // namespace tidewaiter::detect
