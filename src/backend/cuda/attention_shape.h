// One call of attention with its shapes taken apart and checked: what the kernels behind Attention are given.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace wan::cuda {

/// out [Lq, H*Dh] = softmax(scale * q k^T) v for each head. Row strides in elements; columns are contiguous.
struct AttentionCall {
  DType dtype = DType::kBF16;  // of q, k, v and out
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* out = nullptr;
  int64_t q_rows = 0, k_rows = 0, heads = 0, head_dim = 0;
  int64_t q_stride = 0, k_stride = 0, v_stride = 0, out_stride = 0;
  float scale = 1.0f;
};

/// Throws Error unless the views satisfy the contract of Backend::attention.
AttentionCall attention_call(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out);

/// Largest power of two, at most 16, that divides the address and the byte length of a row: what a vector access may
/// assume.
int64_t common_alignment(const void* address, int64_t row_stride, DType dtype);

}  // namespace wan::cuda
