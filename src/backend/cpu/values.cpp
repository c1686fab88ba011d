#include "backend/cpu/values.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace wan::cpu {
namespace {

constexpr int64_t kRun = 256;

template <typename Term>
double sum_in_runs(int64_t count, Term term) {
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kRun) {
    const int64_t end = std::min(begin + kRun, count);
    float run = 0;
#pragma omp simd reduction(+ : run)
    for (int64_t i = begin; i < end; ++i) run += term(i);
    total += run;
  }
  return total;
}

[[noreturn]] void refuse(DType dtype) {
  throw Error(std::string("the CPU backend cannot read or write elements of ") + std::string(name_of(dtype)) +
              " as floats");
}

}  // namespace

void load(const TensorView& from, int64_t offset, int64_t count, float* out) {
  if (from.dtype == DType::kF32) {
    std::memcpy(out, static_cast<const float*>(from.data) + offset, static_cast<size_t>(count) * sizeof(float));
  } else if (from.dtype == DType::kBF16) {
    const BF16* source = static_cast<const BF16*>(from.data) + offset;
    for (int64_t i = 0; i < count; ++i) out[i] = to_float(source[i]);
  } else if (from.dtype == DType::kF16) {
    const uint16_t* source = static_cast<const uint16_t*>(from.data) + offset;
    for (int64_t i = 0; i < count; ++i) out[i] = half_to_float(source[i]);
  } else {
    refuse(from.dtype);
  }
}

const float* floats_at(const TensorView& from, int64_t offset, int64_t count, float* scratch) {
  if (from.dtype == DType::kF32) return static_cast<const float*>(from.data) + offset;
  load(from, offset, count, scratch);
  return scratch;
}

void store(const float* from, int64_t count, const TensorView& to, int64_t offset) {
  if (to.dtype == DType::kF32) {
    std::memmove(static_cast<float*>(to.data) + offset, from, static_cast<size_t>(count) * sizeof(float));
  } else if (to.dtype == DType::kBF16) {
    BF16* target = static_cast<BF16*>(to.data) + offset;
    for (int64_t i = 0; i < count; ++i) target[i] = to_bf16(from[i]);
  } else {
    refuse(to.dtype);
  }
}

double sum(const float* x, int64_t count) {
  return sum_in_runs(count, [x](int64_t i) { return x[i]; });
}

double sum_of_squares(const float* x, int64_t count, float center) {
  return sum_in_runs(count, [x, center](int64_t i) { return (x[i] - center) * (x[i] - center); });
}

}  // namespace wan::cpu
