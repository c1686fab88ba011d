// What only the CPU backend promises: the same bytes for any number of threads where sums do not cross them, facts of
// the machine, and elementary functions near rounding.
#include <gtest/gtest.h>

#include <cmath>

#include "backend/cpu/math.h"
#include "backend/factories.h"
#include "base/machine.h"
#include "bench.h"

namespace wan {
namespace {

TEST(CpuMath, ExponentialIsWithinTwoUnits) {
  for (double x = -87; x < 88; x += 0.00917) {
    const float at = static_cast<float>(x);
    const double want = std::exp(double{at});
    // Half a unit of the result at each end of the range reduction, and the argument's rounding.
    ASSERT_NEAR(cpu::exp_float(at), want, 4 * kFloatRoundoff * want) << x;
  }
  EXPECT_EQ(cpu::exp_float(0), 1);
  EXPECT_LT(cpu::exp_float(-1000), 2e-38f);
  EXPECT_TRUE(std::isnan(cpu::exp_float(NAN)));
  EXPECT_TRUE(std::isnan(cpu::silu(NAN)));
  EXPECT_TRUE(std::isnan(cpu::gelu_tanh(NAN)));
}

TEST(CpuMachine, FactsAreSane) {
  EXPECT_GE(allowed_cores(), 1);
  EXPECT_GT(available_host_bytes(), uint64_t{1} << 20);
  EXPECT_GE(total_host_bytes(), available_host_bytes());
  EXPECT_FALSE(processor_name().empty());
}

/// One pass through the row, attention and convolution code.
std::vector<double> pass(int threads) {
  const auto backend = make_cpu_backend(threads);
  Bench bench(*backend, "threads");
  const Operand q = bench.normal(DType::kF32, {600, 64}), k = bench.normal(DType::kF32, {90, 64});
  const Operand v = bench.normal(DType::kF32, {90, 64}), out = bench.blank(DType::kF32, {600, 64});
  const Operand weight = bench.normal(DType::kF32, {64});
  backend->attention(q, k, v, 4, 0.25f, out);
  backend->rms_norm(out, weight, 1e-6f, out);
  backend->layer_norm(out, {}, {}, 1e-6f, out);
  return bench.get(out);
}

TEST(CpuThreads, DoNotChangeAttentionOrNorms) {
  const auto one = pass(1);
  for (const int threads : {2, 3, 7}) EXPECT_EQ(pass(threads), one) << threads;
}

/// y [m, n] of x [m, k].
struct Sizes {
  int64_t m, n, k;
};

/// A product, its rows in `parts` that begin at whole sixteens.
std::vector<double> product_in_parts(int threads, const Sizes& shape, int64_t parts) {
  const auto backend = make_cpu_backend(threads);
  Bench bench(*backend, "parts");
  const Operand x = bench.normal(DType::kF32, {shape.m, shape.k}),
                weight = bench.normal(DType::kF32, {shape.n, shape.k});
  const Operand bias = bench.normal(DType::kF32, {shape.n}), y = bench.blank(DType::kF32, {shape.m, shape.n});
  const int64_t rows = ((shape.m + parts - 1) / parts + 15) / 16 * 16;
  for (int64_t begin = 0; begin < shape.m; begin += rows) {
    const int64_t end = std::min(begin + rows, shape.m);
    backend->linear(x.view.slice(0, begin, end), weight, bias, Activation::kGeluTanh, y.view.slice(0, begin, end));
  }
  return bench.get(y);
}

/// What lets ranks share the rows of a product. Odd numbers of rows, and sums long enough for oneDNN to cut them.
TEST(CpuThreads, AndRowsBesideItDoNotChangeARowOfAProduct) {
  for (const Sizes& shape : {Sizes{33, 96, 64},
                             {100, 36, 96},
                             {315, 600, 128},
                             {180, 240, 1000},
                             {50, 1024, 4096},
                             {700, 130, 512},
                             {1, 96, 256}}) {
    const auto whole = product_in_parts(1, shape, 1);
    for (const int threads : {1, 2, 3})
      for (const int64_t parts : {1, 2, 3, 4, 6})
        EXPECT_EQ(product_in_parts(threads, shape, parts), whole)
            << shape.m << " x " << shape.n << " x " << shape.k << ", " << threads << " threads, " << parts << " parts";
  }
}

/// Attention of some heads and of some queries, whose bits are those of all together.
TEST(CpuThreads, AndOtherHeadsAndQueriesDoNotChangeAttention) {
  constexpr int64_t kHeads = 12, kDim = 16;
  for (const int64_t rows : {33, 100, 315}) {
    const auto backend = make_cpu_backend(2);
    Bench bench(*backend, "shards");
    const Operand qkv = bench.normal(DType::kF32, {rows, 3 * kHeads * kDim});
    const auto part = [&](int64_t which) {
      return qkv.view.slice(1, which * kHeads * kDim, (which + 1) * kHeads * kDim);
    };
    const Operand whole = bench.blank(DType::kF32, {rows, kHeads * kDim});
    backend->attention(part(0), part(1), part(2), kHeads, 0.25f, whole);
    for (const int64_t ranks : {2, 3, 4, 6}) {
      const Operand by_heads = bench.blank(DType::kF32, {rows, kHeads * kDim});
      const int64_t width = kHeads / ranks * kDim;
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const Operand own = bench.blank(DType::kF32, {rows, 3 * width}), out = bench.blank(DType::kF32, {rows, width});
        const auto columns = [&](const TensorView& x) { return x.slice(1, rank * width, (rank + 1) * width); };
        for (int64_t which = 0; which < 3; ++which)
          backend->copy(columns(part(which)), own.view.slice(1, which * width, (which + 1) * width));
        backend->attention(own.view.slice(1, 0, width), own.view.slice(1, width, 2 * width),
                           own.view.slice(1, 2 * width, 3 * width), kHeads / ranks, 0.25f, out);
        backend->copy(out.view, columns(by_heads.view));
      }
      EXPECT_EQ(bench.get(by_heads), bench.get(whole)) << rows << " rows, heads of " << ranks << " ranks";
      const Operand by_rows = bench.blank(DType::kF32, {rows, kHeads * kDim});
      const int64_t share = ((rows + ranks - 1) / ranks + 15) / 16 * 16;
      for (int64_t begin = 0; begin < rows; begin += share) {
        const int64_t end = std::min(begin + share, rows);
        backend->attention(part(0).slice(0, begin, end), part(1), part(2), kHeads, 0.25f,
                           by_rows.view.slice(0, begin, end));
      }
      EXPECT_EQ(bench.get(by_rows), bench.get(whole)) << rows << " rows, queries of " << ranks << " ranks";
    }
  }
}

/// One frame of a convolution.
struct Picture {
  int64_t in, out, kernel_t, kernel, height, width;
};

/// A convolution that keeps the size, its columns in `parts` that read the column beside them.
std::vector<double> conv_in_columns(int threads, const Picture& p, int64_t parts) {
  const auto backend = make_cpu_backend(threads);
  Bench bench(*backend, "columns");
  const Operand x = bench.normal(DType::kF32, {p.kernel_t, p.height, p.width, p.in});
  const Operand weight = bench.normal(DType::kF32, {p.out, p.in, p.kernel_t, p.kernel, p.kernel});
  const Operand bias = bench.normal(DType::kF32, {p.out}), y = bench.blank(DType::kF32, {1, p.height, p.width, p.out});
  const auto weights = backend->prepare_conv(weight, bias, ConvKind::kPlain, DType::kF32);
  const int64_t reach = p.kernel / 2;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = p.width * part / parts, end = p.width * (part + 1) / parts;
    const int64_t before = part > 0 ? reach : 0, behind = part + 1 < parts ? reach : 0;
    const TensorView wide = x.view.slice(2, begin - before, end + behind);
    const Operand own = bench.blank(DType::kF32, wide.shape),
                  result = bench.blank(DType::kF32, {1, p.height, end - begin, p.out});
    backend->copy(wide, own);
    backend->conv(*weights, own, {1, 1, 1, reach, reach, reach - before, reach - behind}, {}, result);
    backend->copy(result.view, y.view.slice(2, begin, end));
  }
  return bench.get(y);
}

/// What lets ranks share a picture's columns: of the VAE's channels, which oneDNN cuts by the picture's size in some
/// kernels.
TEST(CpuThreads, AndColumnsBesideItDoNotChangeAPositionOfAConvolution) {
  for (const Picture& picture : {Picture{384, 384, 3, 3, 5, 7},
                                 {384, 192, 1, 3, 10, 14},
                                 {96, 96, 3, 3, 8, 21},
                                 {1024, 96, 1, 1, 5, 9},
                                 {384, 1152, 1, 1, 5, 7},
                                 {384, 384, 3, 1, 10, 9},
                                 {16, 384, 3, 3, 5, 7},
                                 {96, 3, 3, 3, 8, 21}}) {
    const auto whole = conv_in_columns(2, picture, 1);
    for (const int threads : {1, 3})
      for (const int64_t parts : {1, 2, 3})
        EXPECT_EQ(conv_in_columns(threads, picture, parts), whole)
            << picture.in << " to " << picture.out << " channels, kernel " << picture.kernel_t << " x "
            << picture.kernel << ", " << threads << " threads, " << parts << " parts";
  }
}

TEST(CpuBackend, ReportsItsScratchMemory) {
  const auto backend = make_cpu_backend(1);
  Bench bench(*backend, "scratch");
  EXPECT_EQ(backend->internal_bytes(), 0u);
  const Operand q = bench.normal(DType::kF32, {10, 64}), out = bench.blank(DType::kF32, {10, 64});
  backend->attention(q, q, q, 2, 1, out);
  EXPECT_GT(backend->internal_bytes(), 0u);
}

}  // namespace
}  // namespace wan
