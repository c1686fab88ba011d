// Attention as two matrix products and a softmax: any head dimension, F32 or BF16, optional relative bias.
#pragma once

#include <memory>

#include "backend/cuda/attention_shape.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

/// Added to the score of query i and key j of head h: table[bucket[(j - i) + q_rows - 1] * heads + h]; none when
/// `table` is null.
struct RelativeBias {
  const float* table = nullptr;
  const int32_t* bucket = nullptr;
};

/// For the calls no fused kernel takes. Scores pass through scratch memory in blocks of bounded size. Products
/// accumulate in F32 (true F32, no TF32, for F32 inputs); probabilities are rounded to the inputs' dtype before the
/// second product.
class ProductAttention {
 public:
  explicit ProductAttention(Context& context);
  ~ProductAttention();
  void forward(const AttentionCall& call, const RelativeBias& bias);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
