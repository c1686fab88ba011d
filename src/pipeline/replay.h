// Feeds the latents of a reference run to a setting under test, step by step, and says how far its velocity is off: one
// number a step, without what a whole run makes of the first one. Where none is asked for, every call does nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "io/tensor_file.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

class Replay {
 public:
  /// Of the dump that `request` names, if any. Throws Error(kInput) where that is not of this plan's steps: their
  /// number, their timesteps, the latent's shape.
  Replay(Backend& backend, const Request& request, const Plan& plan);

  bool is_on() const { return file_.has_value(); }
  /// Puts what the reference had before the step into the latent `x`, F32 [z, T, H, W] on the device.
  void feed(int step, TensorView x) const;
  /// Sets the step's guided velocity, of the same kind, against the reference's.
  void judge(int step, TensorView velocity);
  /// Of the steps that were judged, in order.
  const std::vector<ReplayedStep>& steps() const { return steps_; }

 private:
  TensorView stored(int step, const char* what) const;
  Backend& backend_;
  std::optional<TensorFile> file_;
  Shape latent_;
  std::vector<ReplayedStep> steps_;
};

/// Relative L2 of `value` against `reference`, and the cosine between them, in doubles. Host, F32, contiguous. Throws
/// Error(kRuntime) where one of them has no direction.
ReplayedStep compare_velocities(int step, TensorView value, TensorView reference);

}  // namespace wan
