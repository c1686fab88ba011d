// Rows in 8 bits and their products: plain loops, which define what every backend does to the bit.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/int8.h"
#include "backend/cpu/math.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "backend/int8_contract.h"

namespace wan::cpu {
namespace {

constexpr int64_t kBlockElements = int64_t{4} << 20;  // weights widened at once: 8 MiB

/// The products' sum of two rows of widened values; exact.
int32_t dot(const int16_t* a, const int16_t* b, int64_t count) {
  int32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += int32_t{a[i]} * int32_t{b[i]};
  return sum;
}

}  // namespace

void CpuBackend::quantize_rows(TensorView x, const Int8Rows& q) {
  require_quantizable(x, q, Memory::kHost);
  const int64_t rows = x.shape[0], k = x.shape[1];
  const int block = hadamard_block(k);
  const float factor = int8_scale_factor(block);
  float* const lines = scratch(Slot::kRows, threads_ * k);
  parallel_for(threads_, rows, k, [&](int64_t row, int thread) {
    float* line = lines + thread * k;
    load(x, row * x.stride(0), k, line);
    transform(line, k, block);
    q.scale.as<float>()[row] = quantize(line, k, factor, q.values.as<int8_t>() + row * k);
  });
}

void CpuBackend::linear_int8(const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                             TensorView y) {
  require_linear_int8(x, weight, bias, activation, y, Memory::kHost);
  const int64_t m = y.shape[0], n = y.shape[1], k = x.values.shape[1];
  if (m == 0 || n == 0) return;
  const float* added = bias.empty() ? nullptr : floats_at(bias, 0, n, scratch(Slot::kBias, n));
  const float *x_scale = x.scale.as<float>(), *weight_scale = weight.scale.as<float>();
  const int64_t block = std::clamp<int64_t>(kBlockElements / k, 1, n);
  std::vector<int16_t> widened(static_cast<size_t>(block * k)), lines(static_cast<size_t>(threads_ * k));
  float* const results = scratch(Slot::kRows, threads_ * block);
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t columns = std::min(block, n - begin);
    std::copy_n(weight.values.as<int8_t>() + begin * k, columns * k, widened.data());
    parallel_for(threads_, m, columns * k, [&](int64_t row, int thread) {
      int16_t* line = lines.data() + thread * k;
      std::copy_n(x.values.as<int8_t>() + row * k, k, line);
      float* out = results + thread * block;
      for (int64_t i = 0; i < columns; ++i) {
        const auto sum = static_cast<float>(dot(line, widened.data() + i * k, k));
        const float offset = added == nullptr ? 0 : added[begin + i];
        out[i] = std::fma(sum * x_scale[row], weight_scale[begin + i], offset);
      }
      apply(activation, out, columns);
      store(out, columns, y, row * y.stride(0) + begin);
    });
  }
}

}  // namespace wan::cpu
