// Takes the previews of a request's steps off the device while it computes on. Private to pipeline/.
#pragma once

#include <optional>

#include "pipeline/preview.h"
#include "pipeline/stage_context.h"

namespace wan {

class StepPreviews {
 public:
  /// Fits the map to the decoder, which must be loaded, unless the models have one. Where the device has no room for
  /// that, there are no previews.
  explicit StepPreviews(const StageContext& context);

  /// Of a step before its solver: x and the velocity that goes into it, F32 [z, T, H, W]. Hands over the step before,
  /// while the device computes this one.
  void take(int step, TensorView x, TensorView velocity);
  /// What was taken last.
  void hand_over();

 private:
  struct Taken {
    int step = 0;
    Event copied;
  };
  void fit();
  StageContext context_;
  Tensor frame_, velocity_, on_host_;  // F32 [z, 1, H, W]
  std::optional<Taken> taken_;
};

}  // namespace wan
