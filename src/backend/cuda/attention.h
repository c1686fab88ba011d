// Scaled dot-product attention without a mask, head dimensions 64 and 128 in bf16 through the fastest kernel for the
// card, everything else (fp32, wide heads of the VAE, relative bias of the text encoder) through products and a
// softmax.
#pragma once

#include <memory>

#include "backend/cuda/context.h"
#include "tensor/tensor.h"

namespace wan::cuda {

/// Holds library handles, plans and descriptors between calls.
class Attention {
 public:
  explicit Attention(Context& context);
  ~Attention();
  /// Contract of Backend::attention: q, out rows [Lq, H*Dh]; k, v rows [Lk, H*Dh]; any row stride, unit inner stride;
  /// F32 or BF16.
  void forward(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out);
  /// Contract of Backend::attention_in_groups, by one kernel where there is one for the shape; false, and nothing done,
  /// where there is none.
  bool try_groups(TensorView q, TensorView k, TensorView v, int64_t groups, int64_t heads, float scale, TensorView out);
  /// Contract of Backend::attention_relative_bias.
  void forward_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView table,
                             TensorView bucket, TensorView out);
  size_t device_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
