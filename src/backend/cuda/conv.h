// Convolutions of the VAE on channels-last activations: cuDNN graphs and own kernels behind Backend::prepare_conv /
// conv.
#pragma once

#include <memory>
#include <span>

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

class Convolution {
 public:
  explicit Convolution(Context& context);
  ~Convolution();
  /// Contract of Backend::prepare_conv.
  std::unique_ptr<ConvWeights> prepare(TensorView weight, TensorView bias, ConvKind kind, DType compute);
  /// Contract of Backend::conv.
  void forward(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
               TensorView y);
  /// Contract of Backend::conv_after; false when the two must be joined first.
  bool forward_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                     const ConvGeometry& geometry, TensorView residual, TensorView y);
  /// Contract of Backend::conv_dup_up_add; false when it takes two passes.
  bool forward_dup_up(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, const DupUp& shortcut,
                      TensorView y);
  /// Whether forward_after does without joining for weights prepared for `compute`.
  bool takes_history(DType compute) const;
  /// Contract of Backend::f32_conv_error.
  double f32_error() const;
  size_t device_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
