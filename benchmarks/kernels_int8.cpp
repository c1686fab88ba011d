#include "kernels_int8.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace wan::bench {
namespace {

struct Product {
  const char* name;
  int64_t n, k;
  Activation activation;
};

/// Rows in 8 bits that own their memory.
struct Quantized {
  Tensor values, scale;
  Quantized(cuda::CudaBackend& backend, int64_t rows, int64_t k)
      : values(backend.allocate(DType::kI8, {rows, k}, "int8 rows")),
        scale(backend.allocate(DType::kF32, {rows}, "scales")) {}
  operator Int8Rows() const { return {values, scale}; }  // NOLINT: passed where rows are expected
};

template <typename T>
std::vector<T> host_copy(cuda::CudaBackend& backend, const TensorView& from) {
  const Tensor host = host_tensor(from.dtype, from.shape);
  backend.copy_bytes(from, host, Queue::kCompute);
  backend.synchronize();
  return {host->as<T>(), host->as<T>() + from.count()};
}

/// Throws Error unless sampled rows of y are the product and the bias to the bit.
void check_rows(cuda::CudaBackend& backend, const Quantized& x, const Quantized& weight, const Tensor& bias,
                const Tensor& y) {
  constexpr int64_t kSamples = 16;
  const int64_t m = y->shape[0], n = y->shape[1], k = x.values->shape[1];
  const auto w = host_copy<int8_t>(backend, weight.values);
  const auto weight_scale = host_copy<float>(backend, weight.scale), x_scale = host_copy<float>(backend, x.scale);
  const auto added = host_copy<BF16>(backend, bias->slice(0, 0, n));
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    const int64_t row = sample * (m - 1) / (kSamples - 1);
    const auto line = host_copy<int8_t>(backend, x.values->slice(0, row, row + 1));
    const auto got = host_copy<BF16>(backend, y->slice(0, row, row + 1));
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      int32_t sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += int32_t{line[static_cast<size_t>(j)]} * w[static_cast<size_t>(i * k + j)];
      const float value =
          std::fma(static_cast<float>(sum) * x_scale[static_cast<size_t>(row)], weight_scale[at], to_float(added[at]));
      require(got[at].bits == to_bf16(value).bits,
              fmt::format("int8 product {}x{}x{}: row {}, column {} is {}, expected {}", m, n, k, row, i,
                          to_float(got[at]), to_float(to_bf16(value))),
              ErrorKind::kRuntime);
    }
  }
}

void run_product(cuda::CudaBackend& backend, const DitShape& shape, const Product& product, double seconds,
                 const Ceilings& ceilings) {
  const int64_t m = shape.tokens, n = product.n, k = product.k;
  const Tensor x = random_tensor(backend, DType::kBF16, {m, k}), bias = random_tensor(backend, DType::kBF16, {n});
  const Tensor y = backend.allocate(DType::kBF16, {m, n}, "product");
  Tensor weight = backend.allocate(DType::kBF16, {n, k}, "weight");
  backend.fill_normal(weight, static_cast<uint64_t>(n), 0, 1 / std::sqrt(static_cast<float>(k)));
  if (k > n) backend.activate(x, Activation::kGeluTanh, x);  // as what ffn down gets
  const Quantized xq(backend, m, k), wq(backend, n, k);
  backend.quantize_rows(x, xq);
  backend.quantize_rows(weight, wq);
  backend.linear_int8(xq, wq, bias, Activation::kNone, y);
  check_rows(backend, xq, wq, bias, y);

  const Cost work{.operations = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k)};
  const Cost moved{.bytes = static_cast<double>(x->bytes() + xq.values->bytes())};
  double bf16_us = 0, int8_us = 0, both_us = 0;
  for (int round = 0; round < 2; ++round) {
    const auto row = [&](const char* what, const Cost& cost, const std::function<void()>& call) {
      const Times times = time_calls(backend, seconds, call);
      print_row(fmt::format("{} {} {}x{}x{} {}", shape.name, product.name, m, n, k, what), times, cost, ceilings);
      return times.median_us;
    };
    bf16_us += row("bf16", work, [&] { backend.linear(x, weight, bias, product.activation, y); });
    int8_us += row("int8", work, [&] { backend.linear_int8(xq, wq, bias, product.activation, y); });
    both_us += row("int8, quantising", work, [&] {
      backend.quantize_rows(x, xq);
      backend.linear_int8(xq, wq, bias, product.activation, y);
    });
    row("quantising", moved, [&] { backend.quantize_rows(x, xq); });
  }
  fmt::print("{} {}: int8 {:.2f}x of bf16, {:.2f}x with quantising\n", shape.name, product.name, bf16_us / int8_us,
             bf16_us / both_us);
}

}  // namespace

void run_int8(cuda::CudaBackend& backend, const DitShape& shape, double seconds, const Ceilings& ceilings) {
  const int64_t d = shape.width, f = shape.hidden;
  print_header();
  for (const Product& product : {Product{"qkv", 3 * d, d, Activation::kNone},
                                 {"o", d, d, Activation::kNone},
                                 {"ffn up gelu", f, d, Activation::kGeluTanh},
                                 {"ffn down", d, f, Activation::kNone}})
    run_product(backend, shape, product, seconds, ceilings);
}

}  // namespace wan::bench
