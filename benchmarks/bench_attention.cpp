// Attention on one card. `bench_attention check` compares every kernel with a double reference at odd lengths, with
// steep scores and at full length; `bench_attention time [seconds]` times the models' shapes, our kernel beside cuDNN,
// then runs both in turns for that many seconds each, at the clocks such a load leaves.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "backend/cuda/attention_cudnn.h"
#include "backend/cuda/attention_products.h"
#include "backend/cuda/attention_sm90.h"
#include "backend/cuda/random.h"
#include "base/error.h"
#include "device_buffer.h"

namespace {

using namespace wan;
using benchmarks::DeviceBuffer;
using cuda::AttentionCall;
using cuda::check;

struct Kernels {
  cuda::Context& context;
  cuda::CudnnAttention cudnn{context};
  cuda::ProductAttention products{context};
};

struct Case {
  int64_t queries, keys, heads, dim;
  DType dtype = DType::kBF16;
  float size = 1.0f;  // standard deviation of q and k
};

/// Operands as the model lays them out: one [L, 3d] matrix for self-attention, q and [Lk, 2d] for cross-attention.
class Operands {
 public:
  Operands(cuda::Context& context, const Case& c)
      : case_(c),
        width_(c.heads * c.dim),
        self_(c.queries == c.keys),
        queries_(bytes(c.queries * width_ * (self_ ? 3 : 1))),
        keys_(bytes(self_ ? 1 : c.keys * width_ * 2)),
        out_(bytes(c.queries * width_)) {
    fill(context, queries_, 0, self_ ? 3 : 1, c.queries, {c.size, c.size, 1.0f});
    if (!self_) fill(context, keys_, 7, 2, c.keys, {c.size, 1.0f, 1.0f});
    check(cudaStreamSynchronize(context.compute));
  }

  AttentionCall call() const {
    AttentionCall a;
    a.dtype = case_.dtype;
    a.q = queries_.data();
    a.k = self_ ? at(queries_, width_) : keys_.data();
    a.v = self_ ? at(queries_, 2 * width_) : at(keys_, width_);
    a.out = out_.data();
    a.q_rows = case_.queries, a.k_rows = case_.keys, a.heads = case_.heads, a.head_dim = case_.dim;
    a.q_stride = width_ * (self_ ? 3 : 1);
    a.k_stride = a.v_stride = width_ * (self_ ? 3 : 2);
    a.out_stride = width_;
    a.scale = 1.0f / std::sqrt(static_cast<float>(case_.dim));
    return a;
  }

  void poison() const { check(cudaMemset(out_.data(), 0xff, out_.bytes())); }

  /// One head's columns of a matrix of rows, as doubles.
  std::vector<double> head(const void* data, int64_t rows, int64_t stride, int64_t head) const {
    const size_t element = size_of(case_.dtype), row = static_cast<size_t>(case_.dim) * element;
    std::vector<std::byte> raw(static_cast<size_t>(rows) * row);
    const auto* from = static_cast<const std::byte*>(data) + static_cast<size_t>(head) * row;
    check(cudaMemcpy2D(raw.data(), row, from, static_cast<size_t>(stride) * element, row, static_cast<size_t>(rows),
                       cudaMemcpyDeviceToHost));
    std::vector<double> values(static_cast<size_t>(rows * case_.dim));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = case_.dtype == DType::kF32 ? reinterpret_cast<const float*>(raw.data())[i]
                                             : to_float(reinterpret_cast<const BF16*>(raw.data())[i]);
    }
    return values;
  }

 private:
  size_t bytes(int64_t elements) const { return static_cast<size_t>(elements) * size_of(case_.dtype); }
  void* at(const DeviceBuffer& buffer, int64_t element) const {
    return static_cast<std::byte*>(buffer.data()) + bytes(element);
  }
  /// Fills `parts` matrices side by side, each with its own deviation.
  void fill(cuda::Context& context, const DeviceBuffer& buffer, uint64_t seed, int64_t parts, int64_t rows,
            std::array<float, 3> deviations) const {
    const DeviceBuffer part(bytes(rows * width_));
    for (int64_t p = 0; p < parts; ++p) {
      const TensorView view(part.data(), case_.dtype, {rows, width_}, Memory::kDevice);
      cuda::fill_normal(context.compute, context.multiprocessors, view, seed + static_cast<uint64_t>(p), 0, 0.0f,
                        deviations[static_cast<size_t>(p)]);
      check(cudaMemcpy2DAsync(at(buffer, p * width_), bytes(parts * width_), part.data(), bytes(width_), bytes(width_),
                              static_cast<size_t>(rows), cudaMemcpyDeviceToDevice, context.compute));
    }
    check(cudaStreamSynchronize(context.compute));
  }

  Case case_;
  int64_t width_;
  bool self_;
  DeviceBuffer queries_, keys_, out_;
};

// ---- check --------------------------------------------------------------------------------------------------------

/// softmax(scale q K^T) V of one query, in double.
void reference_row(const AttentionCall& a, const double* q, const std::vector<double>& k, const std::vector<double>& v,
                   double* out) {
  const auto dim = static_cast<size_t>(a.head_dim), keys = static_cast<size_t>(a.k_rows);
  std::vector<double> score(keys, 0.0);
  double top = -std::numeric_limits<double>::infinity(), sum = 0.0;
  for (size_t j = 0; j < keys; ++j) {
    for (size_t e = 0; e < dim; ++e) score[j] += q[e] * k[j * dim + e];
    score[j] *= static_cast<double>(a.scale);
    top = std::max(top, score[j]);
  }
  std::fill(out, out + dim, 0.0);
  for (size_t j = 0; j < keys; ++j) {
    const double p = std::exp(score[j] - top);
    sum += p;
    for (size_t e = 0; e < dim; ++e) out[e] += p * v[j * dim + e];
  }
  for (size_t e = 0; e < dim; ++e) out[e] /= sum;
}

/// The reference's answer at some rows of the first and the last head: every row of a short case, else the last ones
/// and a spread.
struct Reference {
  Reference(const Operands& operands, const AttentionCall& a) {
    const int64_t step = std::max<int64_t>(1, a.q_rows / 40);
    for (int64_t row = a.q_rows <= 1600 ? 0 : a.q_rows % step; row < a.q_rows; row += a.q_rows <= 1600 ? 1 : step) {
      rows.push_back(row);
    }
    if (rows.back() != a.q_rows - 1) rows.push_back(a.q_rows - 1);
    for (const int64_t head : {int64_t{0}, a.heads - 1}) {
      const std::vector<double> q = operands.head(a.q, a.q_rows, a.q_stride, head);
      const std::vector<double> k = operands.head(a.k, a.k_rows, a.k_stride, head);
      const std::vector<double> v = operands.head(a.v, a.k_rows, a.v_stride, head);
      std::vector<double> answer(rows.size() * static_cast<size_t>(a.head_dim));
      std::vector<std::thread> threads;
      const size_t count = std::max(1u, std::thread::hardware_concurrency());
      for (size_t t = 0; t < count; ++t) {
        threads.emplace_back([&, t] {
          for (size_t n = t; n < rows.size(); n += count) {
            reference_row(a, &q[static_cast<size_t>(rows[n] * a.head_dim)], k, v,
                          &answer[n * static_cast<size_t>(a.head_dim)]);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      answers.push_back(std::move(answer));
    }
  }
  std::vector<int64_t> rows;
  std::vector<std::vector<double>> answers;  // of the first head, of the last
};

/// ||out - reference|| / ||reference||; NaN when any element of these heads is not finite.
double error_of(const Operands& operands, const AttentionCall& a, const Reference& reference) {
  check(cudaDeviceSynchronize());
  double difference = 0.0, norm = 0.0;
  for (size_t h = 0; h < 2; ++h) {
    const std::vector<double> out = operands.head(a.out, a.q_rows, a.out_stride, h == 0 ? 0 : a.heads - 1);
    for (const double x : out) {
      if (!std::isfinite(x)) return std::numeric_limits<double>::quiet_NaN();
    }
    for (size_t n = 0; n < reference.rows.size(); ++n) {
      for (int64_t e = 0; e < a.head_dim; ++e) {
        const double want = reference.answers[h][n * static_cast<size_t>(a.head_dim) + static_cast<size_t>(e)];
        const double got = out[static_cast<size_t>(reference.rows[n] * a.head_dim + e)];
        difference += (got - want) * (got - want);
        norm += want * want;
      }
    }
  }
  return std::sqrt(difference / norm);
}

void check_case(Kernels& kernels, const Case& c) {
  const Operands operands(kernels.context, c);
  const AttentionCall a = operands.call();
  const Reference reference(operands, a);
  fmt::print("{:6} x {:6} {:3} heads of {:4} {:4} size {:3}:", c.queries, c.keys, c.heads, c.dim, name_of(c.dtype),
             c.size);
  const auto one = [&](const char* name, bool accepts, const std::function<void()>& run) {
    if (!accepts) return;
    operands.poison();
    run();
    const double error = error_of(operands, a, reference);
    const double limit = c.dtype == DType::kF32 ? 1e-5 : 5e-3;  // bf16: one rounding of p and one of out, 2^-9 each
    fmt::print("  {} {:.2e}{}", name, error, error < limit ? "" : " WRONG");
  };
  one("hopper", cuda::sm90_attention_accepts(kernels.context, a), [&] { cuda::sm90_attention(kernels.context, a); });
  one("cudnn", kernels.cudnn.accepts(a), [&] { kernels.cudnn.forward(a); });
  if (c.queries <= 5000) one("products", true, [&] { kernels.products.forward(a, {}); });
  fmt::print("\n");
}

void check_all(Kernels& kernels) {
  constexpr DType f32 = DType::kF32, bf16 = DType::kBF16;
  const Case cases[] = {
      {1, 1, 3, 128},
      {63, 63, 3, 128},
      {129, 129, 3, 128},
      {192, 192, 2, 128},
      {193, 193, 2, 128},
      {1000, 1000, 3, 128},
      {257, 177, 2, 128},
      {300, 1, 2, 128},
      {1500, 512, 3, 128},
      {1025, 4001, 2, 128},
      {129, 129, 2, 64},
      {501, 501, 1, 384},
      {352, 352, 1, 1024},
      {77, 91, 3, 33},
      {77, 91, 3, 33, f32},
      {1000, 1000, 3, 128, f32},
      {1000, 1000, 3, 128, bf16, 3},
      {1000, 1000, 3, 128, bf16, 6},
      {1000, 1000, 3, 128, bf16, 12},
      {1025, 4001, 3, 128, bf16, 4},
      {1025, 4001, 3, 128, bf16, 8},
      {1025, 4001, 3, 128, bf16, 16},
      {36080, 36080, 24, 128},
      {36080, 36080, 24, 128, bf16, 9},
      {36080, 512, 24, 128},
  };
  for (const Case& c : cases) check_case(kernels, c);
}

// ---- time ---------------------------------------------------------------------------------------------------------

double operations(const Case& c) {
  return 4.0 * static_cast<double>(c.queries) * static_cast<double>(c.keys) * static_cast<double>(c.heads * c.dim);
}

/// Prints the median of nine single runs, the spread, and operations a second.
void time_one(cuda::Context& context, const char* name, const Case& c, const std::function<void()>& run) {
  constexpr int kRuns = 9;
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  std::vector<float> times;
  for (int i = -2; i < kRuns; ++i) {
    check(cudaEventRecord(begin, context.compute));
    run();
    check(cudaEventRecord(end, context.compute));
    check(cudaEventSynchronize(end));
    float ms = 0.0f;
    check(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 0) times.push_back(ms);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  const double median = times[kRuns / 2];
  fmt::print("  {:9} {:8.3f} ms  [{:.3f} .. {:.3f}]  {:6.1f} TFLOP/s\n", name, median, times.front(), times.back(),
             operations(c) / median * 1e-9);
}

/// Runs both in turns, three times `seconds` each: what the power limit leaves.
void sustain(Kernels& kernels, const Case& c, double seconds) {
  const Operands operands(kernels.context, c);
  const AttentionCall a = operands.call();
  const std::function<void()> runs[] = {[&] { cuda::sm90_attention(kernels.context, a); },
                                        [&] { kernels.cudnn.forward(a); }};
  for (int turn = 0; turn < 6; ++turn) {
    const auto begin = std::chrono::steady_clock::now();
    double elapsed = 0.0;
    int count = 0;
    while (elapsed < seconds) {
      for (int i = 0; i < 10; ++i) runs[turn % 2]();
      count += 10;
      check(cudaStreamSynchronize(kernels.context.compute));
      elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    fmt::print("  sustained {:7} {:5.1f} s  {:6.1f} TFLOP/s\n", turn % 2 == 0 ? "hopper" : "cudnn", elapsed,
               operations(c) * count / elapsed * 1e-12);
  }
}

void time_all(Kernels& kernels, double seconds) {
  const Case cases[] = {{36080, 36080, 24, 128}, {27280, 27280, 24, 128}, {32760, 32760, 40, 128},
                        {75600, 75600, 40, 128}, {7920, 7920, 24, 128},   {36080, 512, 24, 128}};
  for (const Case& c : cases) {
    const Operands operands(kernels.context, c);
    const AttentionCall a = operands.call();
    fmt::print("{} x {}, {} heads of {}\n", c.queries, c.keys, c.heads, c.dim);
    time_one(kernels.context, "hopper", c, [&] { cuda::sm90_attention(kernels.context, a); });
    time_one(kernels.context, "cudnn", c, [&] { kernels.cudnn.forward(a); });
  }
  for (const Case& c : {Case{3520, 3520, 1, 1024}, Case{3520, 3520, 1, 1024, DType::kF32}}) {
    const Operands operands(kernels.context, c);
    const AttentionCall a = operands.call();
    fmt::print("{} x {}, {} head of {} {}\n", c.queries, c.keys, c.heads, c.dim, name_of(c.dtype));
    time_one(kernels.context, "products", c, [&] { kernels.products.forward(a, {}); });
  }
  sustain(kernels, cases[0], seconds);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    cuda::Context context;
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0));
    context.capability = 10 * properties.major + properties.minor;
    context.multiprocessors = properties.multiProcessorCount;
    check(cudaStreamCreateWithFlags(&context.compute, cudaStreamNonBlocking));
    fmt::print("{} ({} multiprocessors)\n", properties.name, context.multiprocessors);
    Kernels kernels{context};
    const std::string mode = argc > 1 ? argv[1] : "";
    require(mode == "check" || mode == "time", "usage: bench_attention check | time [seconds]", ErrorKind::kUsage);
    if (mode == "check") check_all(kernels);
    if (mode == "time") time_all(kernels, argc > 2 ? std::stod(argv[2]) : 3.0);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_attention: {}\n", error.what());
    return 1;
  }
}
