// Attention in 8 bits: plain loops, which define the quantised operands to the bit, and what attention makes of them
// within the rounding of its probabilities.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "backend/attention8_contract.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/int8.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "backend/int8_contract.h"
#include "tensor/encode.h"

namespace wan::cpu {
namespace {

constexpr int kDim = static_cast<int>(kAttention8Dim);
constexpr int64_t kQueries = 16;  // of a task of attention8: each value is read once for all of them

// ---- quantising ----------------------------------------------------------------------------------------------------

/// What a pass over the rows of a run of keys leaves of each channel.
struct RunStatistics {
  float *sum, *least, *largest;  // the latter two may be null
};

void gather(const TensorView& x, int64_t first, int64_t last, const RunStatistics& run) {
  const int64_t width = x.shape[1];
  std::vector<float> line(static_cast<size_t>(width));
  for (int64_t row = first; row < last; ++row) {
    const float* values = floats_at(x, row * x.stride(0), width, line.data());
    const bool begins = row == first;
    for (int64_t i = 0; i < width; ++i) run.sum[i] = begins ? values[i] : run.sum[i] + values[i];
    if (run.least == nullptr) continue;
    for (int64_t i = 0; i < width; ++i) {
      run.least[i] = begins ? values[i] : std::fmin(run.least[i], values[i]);
      run.largest[i] = begins ? values[i] : std::fmax(run.largest[i], values[i]);
    }
  }
}

float mean_of(const float* sums, int64_t runs, int64_t width, int64_t keys) {
  float total = sums[0];
  for (int64_t run = 1; run < runs; ++run) total += sums[run * width];
  return total / static_cast<float>(keys);
}

uint32_t magnitude_bits(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffffu; }

/// Scale and factor of a channel of values whose largest magnitude, in bits, is given.
struct E4m3Scaling {
  float scale = 0, inverse = 0;  // an inverse of 0: the values become zeros
};
E4m3Scaling e4m3_scaling(uint32_t bits) {
  const float largest = std::bit_cast<float>(bits);
  if (bits >= std::bit_cast<uint32_t>(std::numeric_limits<float>::infinity()))
    return {std::numeric_limits<float>::quiet_NaN(), 0};
  if (largest < kInt8Tiny) return {};
  return {largest / kE4m3Top, kE4m3Top / largest};
}

void quantize_queries(int threads, const TensorView& q, const Attention8& a) {
  const int64_t heads = a.heads(), queries = q.shape[0];
  const float factor = int8_scale_factor(kDim);
  parallel_for(threads, queries * heads, kDim, [&](int64_t task, int) {
    const int64_t row = task / heads, head = task % heads;
    float values[kDim];
    load(q, row * q.stride(0) + head * kDim, kDim, values);
    transform(values, kDim, kDim);
    a.q_scale.as<float>()[head * queries + row] = quantize(values, kDim, factor, a.q.as<int8_t>() + task * kDim);
  });
}

void quantize_keys(int threads, const TensorView& k, const Attention8& a) {
  const int64_t heads = a.heads(), keys = k.shape[0], width = k.shape[1], runs = attention8_runs(keys);
  float *const mean = a.scratch.as<float>(), *const sums = mean + width;
  parallel_for(threads, runs, kAttention8Run * width, [&](int64_t run, int) {
    const int64_t first = run * kAttention8Run;
    gather(k, first, std::min(first + kAttention8Run, keys), {sums + run * width, nullptr, nullptr});
  });
  parallel_for(threads, width, runs, [&](int64_t i, int) { mean[i] = mean_of(sums + i, runs, width, keys); });
  const int64_t scales = attention8_scales(keys), row = a.k_scale.shape[1];
  std::fill_n(a.k_scale.as<float>(), a.k_scale.count(), 0.0f);
  parallel_for(threads, heads * scales, kAttention8ScaleKeys * kDim, [&](int64_t task, int) {
    const int64_t head = task / scales, first = task % scales * kAttention8ScaleKeys;
    const int64_t count = std::min(kAttention8ScaleKeys, keys - first);
    float values[kAttention8ScaleKeys * kDim];
    int8_t bytes[kAttention8ScaleKeys * kDim];
    for (int64_t i = 0; i < count; ++i) {
      float* line = values + i * kDim;
      load(k, (first + i) * k.stride(0) + head * kDim, kDim, line);
      for (int d = 0; d < kDim; ++d) line[d] -= mean[head * kDim + d];
      transform(line, kDim, kDim);
    }
    a.k_scale.as<float>()[head * row + task % scales] = quantize(values, count * kDim, int8_scale_factor(kDim), bytes);
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(bytes + i * kDim, kDim, a.k.as<int8_t>() + (first + i) * width + head * kDim);
  });
}

void quantize_values(int threads, const TensorView& v, const Attention8& a) {
  const int64_t keys = v.shape[0], width = v.shape[1], runs = attention8_runs(keys), padded = a.v.shape[1];
  float *const inverse = a.scratch.as<float>(), *const sums = inverse + width, *const least = sums + runs * width,
               *const largest = least + runs * width;
  parallel_for(threads, runs, kAttention8Run * width, [&](int64_t run, int) {
    const int64_t first = run * kAttention8Run, at = run * width;
    gather(v, first, std::min(first + kAttention8Run, keys), {sums + at, least + at, largest + at});
  });
  float* const mean = a.v_mean.as<float>();
  parallel_for(threads, width, runs, [&](int64_t i, int) {
    mean[i] = mean_of(sums + i, runs, width, keys);
    float low = least[i], high = largest[i];
    for (int64_t run = 1; run < runs; ++run) {
      low = std::fmin(low, least[run * width + i]);
      high = std::fmax(high, largest[run * width + i]);
    }
    // No value is farther from the mean than one of these.
    const E4m3Scaling scaling = e4m3_scaling(std::max(magnitude_bits(low - mean[i]), magnitude_bits(high - mean[i])));
    a.v_scale.as<float>()[i] = scaling.scale;
    inverse[i] = scaling.inverse;
  });
  auto* const bytes = static_cast<uint8_t*>(a.v.data);
  parallel_for(threads, width, keys, [&](int64_t i, int) {
    uint8_t* row = bytes + i * padded;
    std::fill_n(row, padded, uint8_t{0});
    if (inverse[i] == 0) return;
    for (int64_t key = 0; key < keys; ++key)
      row[attention8_value_place(key)] = to_e4m3((load_one(v, key * v.stride(0) + i) - mean[i]) * inverse[i]);
  });
}

// ---- attention -----------------------------------------------------------------------------------------------------

int32_t dot(const int8_t* a, const int8_t* b) {
  int32_t sum = 0;
  for (int i = 0; i < kDim; ++i) sum += int32_t{a[i]} * int32_t{b[i]};
  return sum;
}

/// The rows that probabilities meet: v as given, or E4M3 values before their scale and mean.
void load_values(int threads, const Attention8& a, float* out) {
  const int64_t keys = a.k.shape[0], width = a.k.shape[1];
  if (a.form == AttentionForm::k8And16) {
    parallel_for(threads, keys, width,
                 [&](int64_t key, int) { load(a.v, key * a.v.stride(0), width, out + key * width); });
    return;
  }
  const auto& meaning = values_of_bytes(DType::kF8E4M3);
  const auto* bytes = static_cast<const uint8_t*>(a.v.data);
  parallel_for(threads, keys, width, [&](int64_t key, int) {
    const uint8_t* column = bytes + attention8_value_place(key);
    for (int64_t i = 0; i < width; ++i) out[key * width + i] = meaning[column[i * a.v.shape[1]]];
  });
}

/// Scores of one query, in powers of two, become probabilities, not divided by their sum, which is returned.
float probabilities(float* scores, int64_t keys, AttentionForm form) {
  constexpr float kLargestE4m3 = 3;  // its logarithm to base 2
  const auto& meaning = values_of_bytes(DType::kF8E4M3);
  float top = scores[0];
  for (int64_t j = 1; j < keys; ++j) top = std::max(top, scores[j]);
  const bool is_e4m3 = form == AttentionForm::k8And8;
  const float reference = std::ceil(top) - (is_e4m3 ? kLargestE4m3 : 0);
  for (int64_t j = 0; j < keys; ++j) scores[j] = std::exp2(scores[j] - reference);
  const auto total = static_cast<float>(sum(scores, keys));
  for (int64_t j = 0; j < keys; ++j) scores[j] = is_e4m3 ? meaning[to_e4m3(scores[j])] : to_float(to_bf16(scores[j]));
  return total;
}

}  // namespace

void CpuBackend::quantize_attention(TensorView q, TensorView k, TensorView v, Attention8& a) {
  require_quantizable_attention(q, k, v, a, Memory::kHost);
  quantize_queries(threads_, q, a);
  quantize_keys(threads_, k, a);
  if (a.form == AttentionForm::k8And8)
    quantize_values(threads_, v, a);
  else
    a.v = v;
}

void CpuBackend::attention8(const Attention8& a, float scale, TensorView y) {
  require_attention8(a, scale, y, Memory::kHost);
  const int64_t queries = a.q.shape[0], keys = a.k.shape[0], width = a.q.shape[1];
  float* const values = scratch(Slot::kOperand, keys * width);
  load_values(threads_, a, values);
  const float scale_log2 = scale * std::numbers::log2e_v<float>;
  const int64_t blocks = (queries + kQueries - 1) / kQueries, own = kQueries * (keys + kDim);
  float* const buffers = scratch(Slot::kRows, threads_ * own);
  parallel_for(threads_, a.heads() * blocks, kQueries * keys * kDim, [&](int64_t task, int thread) {
    const int64_t head = task / blocks, first = task % blocks * kQueries, count = std::min(kQueries, queries - first);
    float *const scores = buffers + thread * own, *const mixed = scores + kQueries * keys;
    float totals[kQueries];
    const float *q_scale = a.q_scale.as<float>() + head * queries + first,
                *k_scale = a.k_scale.as<float>() + head * a.k_scale.shape[1];
    for (int64_t i = 0; i < count; ++i) {
      const int8_t* query = a.q.as<int8_t>() + (first + i) * width + head * kDim;
      float* line = scores + i * keys;
      for (int64_t j = 0; j < keys; ++j)
        line[j] = static_cast<float>(dot(query, a.k.as<int8_t>() + j * width + head * kDim)) *
                  (q_scale[i] * scale_log2 * k_scale[j / kAttention8ScaleKeys]);
      totals[i] = probabilities(line, keys, a.form);
    }
    std::fill_n(mixed, count * kDim, 0.0f);
    for (int64_t j = 0; j < keys; ++j) {
      const float* value = values + j * width + head * kDim;
      for (int64_t i = 0; i < count; ++i)
        for (int d = 0; d < kDim; ++d) mixed[i * kDim + d] += scores[i * keys + j] * value[d];
    }
    for (int64_t i = 0; i < count; ++i) {
      float* line = mixed + i * kDim;
      for (int d = 0; d < kDim; ++d) line[d] /= totals[i];
      if (a.form == AttentionForm::k8And8)
        for (int d = 0; d < kDim; ++d)
          line[d] = line[d] * a.v_scale.as<float>()[head * kDim + d] + a.v_mean.as<float>()[head * kDim + d];
      store(line, kDim, y, (first + i) * y.stride(0) + head * kDim);
    }
  });
}

}  // namespace wan::cpu
