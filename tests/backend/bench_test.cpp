// The comparison the operation cases rest on must notice wrong answers.
#include "bench.h"

#include <gtest/gtest-spi.h>

#include <cmath>

#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

Expected row(std::vector<double> values, double slack) {
  Expected out = reference::exact(std::move(values));
  for (double& s : out.slack) s = slack;
  return out;
}

TEST(Compare, AcceptsWhatLiesWithinSlackAndRounding) {
  EXPECT_TRUE(compare({1 + 0x1p-24, -2}, row({1, -2}, 0), DType::kF32));
  EXPECT_TRUE(compare({1 + 0x1p-8}, row({1}, 0), DType::kBF16));
  EXPECT_TRUE(compare({1.01}, row({1}, 0.011), DType::kF32));
  EXPECT_TRUE(compare({NAN}, row({NAN}, 0), DType::kF32));
}

TEST(Compare, RefusesWrongAnswers) {
  EXPECT_FALSE(compare({1 + 0x1p-22}, row({1}, 0), DType::kF32));
  EXPECT_FALSE(compare({1 + 0x1p-6}, row({1}, 0), DType::kBF16));
  EXPECT_FALSE(compare({1, 2}, row({1}, 0), DType::kF32));
  EXPECT_FALSE(compare({1, NAN}, row({1, 2}, 0.5), DType::kF32));
  EXPECT_FALSE(compare({1, 2}, row({1, NAN}, 0.5), DType::kF32));
  EXPECT_FALSE(compare({INFINITY}, row({1}, 0), DType::kF32));
}

TEST(Compare, NoticesOneWrongElementOfABackendsAnswer) {
  Bench bench(*subject().backend, "wrong");
  const Operand x = bench.normal(DType::kF32, {9, 32}), weight = bench.normal(DType::kF32, {5, 32});
  const Operand y = bench.blank(DType::kF32, {9, 5});
  subject().backend->linear(x, weight, {}, Activation::kNone, y);
  Expected want = reference::linear(x.values, weight.values, {}, 9, 5, 32, Activation::kNone);
  EXPECT_TRUE(bench.matches(y, want));
  want.value[17] *= 1 + 1e-4;
  EXPECT_FALSE(bench.matches(y, want));
}

/// Each reference must tell neighbours of the right operation apart: a swapped axis, a missing term, a wrong constant.
TEST(Compare, TellsNeighbouringOperationsApart) {
  Backend& backend = *subject().backend;
  Bench bench(backend, "neighbours");
  const Operand x = bench.normal(DType::kF32, {6, 48}), y = bench.blank(DType::kF32, {6, 48});
  const Operand weight = bench.normal(DType::kF32, {48}, {1, 0.2});
  backend.rms_norm(x, weight, 1e-6f, y);
  EXPECT_FALSE(bench.matches(
      y, reference::affine(reference::layer_norm(reference::exact(x.values), 48, 1e-6), weight.values, {})));
  EXPECT_FALSE(bench.matches(y, reference::rms_norm(reference::exact(x.values), weight.values, 48, 1e-3)));

  const Operand q = bench.normal(DType::kF32, {10, 32}), k = bench.normal(DType::kF32, {12, 32});
  const Operand v = bench.normal(DType::kF32, {12, 32}), out = bench.blank(DType::kF32, {10, 32});
  backend.attention(q, k, v, 2, 0.25f, out);
  EXPECT_TRUE(bench.matches(out, reference::attention(q.values, k.values, v.values, {10, 12, 2, 16, 0.25}, {}, {}, 0)));
  EXPECT_FALSE(bench.matches(out, reference::attention(q.values, k.values, v.values, {10, 12, 4, 8, 0.25}, {}, {}, 0)));
  EXPECT_FALSE(
      bench.matches(out, reference::attention(q.values, k.values, v.values, {10, 12, 2, 16, 0.2501}, {}, {}, 0)));
}

TEST(Bench, NoticesWritesBetweenRows) {
  Bench bench(*subject().backend, "between");
  Operand x = bench.normal(DType::kF32, {3, 4}, {}, 2);
  subject().backend->fill_zero(x.storage);
  EXPECT_NONFATAL_FAILURE(bench.get(x), "elements between the rows were written");
}

}  // namespace
}  // namespace wan
