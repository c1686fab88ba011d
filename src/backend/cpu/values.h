// Elements of any float dtype as floats: operations read a run of elements, compute in float, and round once on the way
// out.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace wan::cpu {

/// `count` neighbouring elements from element `offset` of the view's memory, as floats. F32, BF16 or F16.
void load(const TensorView& from, int64_t offset, int64_t count, float* out);

/// As `load`, but without a copy when the memory already holds floats; `scratch` has room for `count`.
const float* floats_at(const TensorView& from, int64_t offset, int64_t count, float* scratch);

/// Writes `count` floats from element `offset` on, rounding to nearest even. F32 or BF16.
void store(const float* from, int64_t count, const TensorView& to, int64_t offset);

/// One element.
inline float load_one(const TensorView& from, int64_t offset) {
  if (from.dtype == DType::kF32) return static_cast<const float*>(from.data)[offset];
  float value;
  load(from, offset, 1, &value);
  return value;
}
inline void store_one(float value, const TensorView& to, int64_t offset) {
  if (to.dtype == DType::kF32)
    static_cast<float*>(to.data)[offset] = value;
  else
    store(&value, 1, to, offset);
}

/// Sum of the elements, of their squares, of their squared distances from `center`. Short runs are summed in float, the
/// runs' sums in double: the error does not grow with the length, and the order does not depend on threads.
double sum(const float* x, int64_t count);
double sum_of_squares(const float* x, int64_t count, float center);

}  // namespace wan::cpu
