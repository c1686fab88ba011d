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
