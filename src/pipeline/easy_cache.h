// Decides step by step, from what changes, whether the next forwards may be reused: EasyCache. Host arithmetic alone.
// Source: H-EmbodVis/EasyCache EasyCache4Wan2.1/easycache_generate.py, easycache_forward; per expert here.
#pragma once

#include <optional>
#include <vector>

#include "tensor/tensor.h"

namespace wan {

class EasyCacheDecider {
 public:
  explicit EasyCacheDecider(double threshold) : threshold_(threshold) {}

  /// Forgets everything: another expert begins.
  void forget();
  /// Of every step, in order, before its forwards: the latent `x` (host, F32, contiguous). `is_open`: whether it may be
  /// reused at all. Returns whether it is: the estimated changes of the velocity since it was computed last, each over
  /// that velocity's mean size, add up to less than the threshold.
  bool decide(TensorView x, bool is_open);
  /// Of a step that was computed: the positive prompt's velocity, of the latent that `decide` saw.
  void computed(TensorView velocity);

 private:
  double threshold_;
  double error_ = 0;
  std::optional<double> change_;   // of the velocity over that of the latent, between the last two computed steps
  std::vector<float> x_;           // of the step before, then of this one
  std::vector<float> computed_x_;  // of the step that was computed last
  std::vector<float> velocity_;    // of that step
};

/// Mean over elements of |a - b|, in doubles and in order; both of one size.
double mean_change(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace wan
