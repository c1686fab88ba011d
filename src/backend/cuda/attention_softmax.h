// The softmax between the two products of ProductAttention.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "backend/cuda/attention_products.h"
#include "tensor/dtype.h"

namespace wan::cuda {

/// A block of scores: heads [first_head, first_head + heads) and queries [first_row, first_row + rows) of a call.
struct ScoreBlock {
  int64_t first_head = 0, heads = 0;
  int64_t first_row = 0, rows = 0;
  int64_t columns = 0;     // keys
  int64_t row_stride = 0;  // elements, of scores and of probabilities
  int64_t all_rows = 0, all_heads = 0;
};

/// probabilities[h, i, :] = softmax(scale * scores[h, i, :] + bias), F32 arithmetic; the columns from `columns` up to
/// `row_stride` are not touched. scores F32; probabilities F32 (may alias scores) or BF16.
void score_softmax(const Context& context, const ScoreBlock& block, const float* scores, float scale,
                   const RelativeBias& bias, DType dtype, void* probabilities);

}  // namespace wan::cuda
