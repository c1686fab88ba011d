// Scaled dot-product attention through cuDNN's fused kernel: bf16, head dimension a multiple of 8 up to 256.
#pragma once

#include <memory>

#include "backend/cuda/attention_shape.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

/// Plans are built on first use of a shape and kept; a second call with the same shape only launches.
class CudnnAttention {
 public:
  explicit CudnnAttention(Context& context);
  ~CudnnAttention();
  /// Whether the fused kernel accepts this call. Building the plan may still fail on an old card: then `forward` throws
  /// Error.
  bool accepts(const AttentionCall& call) const;
  void forward(const AttentionCall& call);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
