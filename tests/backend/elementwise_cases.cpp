// Copies and elementwise arithmetic on every backend.
#include <cmath>

#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

using Values = std::vector<double>;

struct FlatCase {
  const char* name;
  int64_t count;
  Spread spread{};
};
void PrintTo(const FlatCase& c, std::ostream* out) { *out << c.name; }

constexpr FlatCase kFlat[] = {{"one", 1},
                              {"odd", 37},
                              {"several_chunks", 10007, {0, 3}},
                              {"large", 1000, {10, 1e4}},
                              {"tiny", 1000, {0, 1e-7}},
                              {"aligned", 4096}};

using Flat = OnBackendWith<FlatCase>;

TEST_P(Flat, Add) {
  for (const DType other : {DType::kF32, DType::kBF16}) {
    Bench bench(backend(), param().name);
    const Operand x = bench.normal(other, {param().count}, param().spread);
    const Operand y = bench.normal(dtype(), {param().count}, param().spread);
    Values sum = x.values;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += y.values[i];
    Expected want = reference::exact(sum);
    for (size_t i = 0; i < sum.size(); ++i) want.slack[i] = kFloatRoundoff * std::abs(sum[i]);
    backend().add(x, y);
    EXPECT_TRUE(bench.matches(y, want));
  }
}

TEST_P(Flat, Activate) {
  for (const Activation kind :
       {Activation::kNone, Activation::kSilu, Activation::kGeluTanh, Activation::kGelu, Activation::kLeakyRelu}) {
    Bench bench(backend(), param().name);
    const Operand x = bench.normal(dtype(), {param().count}, param().spread);
    const Operand y = bench.blank(dtype(), {param().count});
    const Expected want = reference::activate(reference::exact(x.values), kind);
    backend().activate(x, kind, y);
    EXPECT_TRUE(bench.matches(y, want));
    backend().activate(x, kind, x);
    EXPECT_TRUE(bench.matches(x, want)) << "in place";
  }
}

TEST_P(Flat, Combine) {
  Bench bench(backend(), param().name);
  const Operand a = bench.normal(DType::kF32, {param().count}, param().spread);
  const Operand b = bench.normal(DType::kF32, {param().count}, param().spread);
  const Operand c = bench.normal(DType::kF32, {param().count}, param().spread);
  const Term terms[] = {{1.25f, a}, {-7.5f, b}, {0.1f, c}, {1.0f, a}};
  Expected want(param().count);
  for (size_t i = 0; i < want.value.size(); ++i) {
    const double parts[] = {1.25 * a.values[i], -7.5 * b.values[i], double{0.1f} * c.values[i], a.values[i]};
    for (const double part : parts) {
      want.value[i] += part;
      want.slack[i] += 4 * kFloatRoundoff * std::abs(part);
    }
  }
  const Operand out = bench.blank(DType::kF32, {param().count});
  backend().combine(terms, out);
  EXPECT_TRUE(bench.matches(out, want));
  backend().combine(terms, a);
  EXPECT_TRUE(bench.matches(a, want)) << "out aliases two terms";
}

TEST_P(Flat, CopyConverts) {
  for (const DType from : {DType::kF32, DType::kBF16}) {
    Bench bench(backend(), param().name);
    const Operand x = bench.normal(from, {param().count}, param().spread);
    const Operand y = bench.blank(dtype(), {param().count});
    backend().copy(x, y);
    Values want = x.values;
    for (double& value : want) value = rounded(value, dtype());
    EXPECT_EQ(bench.get(y), want);
  }
}

TEST_P(Flat, FillZero) {
  Bench bench(backend(), param().name);
  const Operand y = bench.normal(dtype(), {param().count});
  backend().fill_zero(y);
  EXPECT_EQ(bench.get(y), Values(static_cast<size_t>(param().count)));
}

INSTANTIATE_TEST_SUITE_P(Ops, Flat, both_precisions(kFlat), CaseName());

struct GateCase {
  const char* name;
  int64_t rows, width;
  int64_t pad = 0;
  double size = 1;
};
void PrintTo(const GateCase& c, std::ostream* out) { *out << c.name; }

constexpr GateCase kGates[] = {
    {"small", 3, 8},           {"odd", 5, 27},          {"halves_of_one_matrix", 9, 320, 320},
    {"odd_strides", 4, 31, 3}, {"wide", 2, 5000, 0, 4}, {"large", 3, 64, 0, 40}};

using GatedGelu = OnBackendWith<GateCase>;

TEST_P(GatedGelu, MatchesReference) {
  const GateCase& c = param();
  Bench bench(backend(), c.name);
  const Shape shape{c.rows, c.width};
  const Operand gate = bench.normal(dtype(), shape, {0, c.size}, c.pad);
  const Operand up = bench.normal(dtype(), shape, {0, c.size}, c.pad);
  const Operand y = bench.blank(dtype(), shape, c.pad);
  Expected want = reference::activate(reference::exact(gate.values), Activation::kGeluTanh);
  for (size_t i = 0; i < want.value.size(); ++i) {
    want.value[i] *= up.values[i];
    want.slack[i] = want.slack[i] * std::abs(up.values[i]) + kFloatRoundoff * std::abs(want.value[i]);
  }
  backend().gated_gelu(gate, up, y);
  EXPECT_TRUE(bench.matches(y, want));
  backend().gated_gelu(gate, up, gate);
  EXPECT_TRUE(bench.matches(gate, want)) << "onto the gate";
}
INSTANTIATE_TEST_SUITE_P(Ops, GatedGelu, both_precisions(kGates), CaseName());

class Copies : public OnBackend {
 protected:
  /// Copies an F32 view to a blank of the same shape and returns the elements, row-major.
  Values copied(Bench& bench, const TensorView& x, DType dtype) {
    const Operand y = bench.blank(dtype, x.shape);
    backend().copy(x, y);
    return bench.get(y);
  }
};

TEST_F(Copies, PermutedAxes) {
  Bench bench(backend(), "permuted");
  const Operand x = bench.normal(DType::kF32, {3, 4, 5, 7});
  Values want;
  for (int64_t c = 0; c < 5; ++c)
    for (int64_t a = 0; a < 3; ++a)
      for (int64_t d = 0; d < 7; ++d)
        for (int64_t b = 0; b < 4; ++b) want.push_back(x.at(((a * 4 + b) * 5 + c) * 7 + d));
  EXPECT_EQ(copied(bench, x.view.permute({2, 0, 3, 1}), DType::kF32), want);
  for (double& value : want) value = rounded(value, DType::kBF16);
  EXPECT_EQ(copied(bench, x.view.permute({2, 0, 3, 1}), DType::kBF16), want);
}

TEST_F(Copies, SlicesOfSixAxes) {
  Bench bench(backend(), "six axes");
  const Operand x = bench.normal(DType::kBF16, {2, 3, 2, 4, 3, 5});
  const TensorView part = x.view.slice(1, 1, 3).slice(3, 1, 2).slice(5, 2, 5);
  Values want;
  for (int64_t a = 0; a < 2; ++a)
    for (int64_t b = 1; b < 3; ++b)
      for (int64_t c = 0; c < 2; ++c)
        for (int64_t e = 0; e < 3; ++e)
          for (int64_t f = 2; f < 5; ++f) want.push_back(x.at(((((a * 3 + b) * 2 + c) * 4 + 1) * 3 + e) * 5 + f));
  EXPECT_EQ(copied(bench, part, DType::kF32), want);
}

TEST_F(Copies, IntoAStridedTarget) {
  Bench bench(backend(), "strided target");
  const Operand x = bench.normal(DType::kF32, {6, 10}), y = bench.blank(DType::kBF16, {6, 10}, 5);
  backend().copy(x, y);
  EXPECT_TRUE(bench.matches(y, reference::exact(x.values)));
}

TEST_F(Copies, FromHalfPrecision) {
  Bench bench(backend(), "half");
  // 1, -2, the smallest subnormal, the largest finite, a third, minus zero.
  const uint16_t bits[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x8000};
  const Tensor host = host_tensor(DType::kF16, {6}), device = backend().allocate(DType::kF16, {6}, "half");
  std::copy(std::begin(bits), std::end(bits), static_cast<uint16_t*>(host->data));
  backend().copy_bytes(host, device, Queue::kCompute);
  EXPECT_EQ(copied(bench, device, DType::kF32), (Values{1, -2, 0x1p-24, 65504, 0.333251953125, -0.0}));
}

TEST_F(Copies, RoundsTiesToEvenAndKeepsNan) {
  Bench bench(backend(), "ties");
  const Operand x = bench.put(DType::kF32, {5}, {1 + 0x1p-8, 1 + 3 * 0x1p-8, -1 - 0x1p-8 - 0x1p-20, INFINITY, NAN});
  const Values got = copied(bench, x, DType::kBF16);
  EXPECT_EQ(got[0], 1);
  EXPECT_EQ(got[1], 1 + 0x1p-6);
  EXPECT_EQ(got[2], -1 - 0x1p-7);
  EXPECT_EQ(got[3], INFINITY);
  EXPECT_TRUE(std::isnan(got[4]));
}

using FillNormal = OnBackend;

TEST_F(FillNormal, IsAFixedFunctionOfSeedAndIndex) {
  Bench bench(backend(), "normal");
  const Operand all = bench.blank(DType::kF32, {5003}), again = bench.blank(DType::kF32, {5003});
  const Operand head = bench.blank(DType::kF32, {801}), other = bench.blank(DType::kF32, {5003});
  backend().fill_normal(all, 42, 0, 1);
  backend().fill_normal(again, 42, 0, 1);
  backend().fill_normal(head, 42, 0, 1);
  backend().fill_normal(other, 43, 0, 1);
  const Values values = bench.get(all), first = bench.get(head);
  EXPECT_EQ(values, bench.get(again));
  EXPECT_EQ(first, Values(values.begin(), values.begin() + 801));
  EXPECT_NE(values, bench.get(other));
}

/// Bit for bit, and written out here a second time: the 64 bits of SplitMix64 for (key, index), cut into four uniforms.
TEST_F(FillNormal, IsTheSameBitForBitOnEveryBackend) {
  constexpr uint64_t kKey = 0x0123456789abcdef;
  constexpr float kMean = 0.25f, kDeviation = 0.3f;
  Bench bench(backend(), "known");
  const Operand y = bench.blank(DType::kF32, {1000});
  backend().fill_normal(y, kKey, kMean, kDeviation);
  Values want;
  for (uint64_t i = 0; i < 1000; ++i) {
    uint64_t z = kKey + i * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    int64_t sum = 0;
    for (int part = 0; part < 4; ++part) sum += static_cast<int64_t>(z >> (16 * part) & 0xffff);
    const volatile float unit = static_cast<float>(sum - 131070) * (1.7320508f / 65536.0f);
    const volatile float scaled = kDeviation * unit;
    want.push_back(kMean + scaled);
  }
  EXPECT_EQ(bench.get(y), want);
}

TEST_F(FillNormal, HasTheMomentsAskedFor) {
  constexpr int64_t kCount = 100000;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    Bench bench(backend(), "moments");
    const Operand y = bench.blank(dtype, {kCount});
    backend().fill_normal(y, 7, 3, 2);
    double mean = 0, variance = 0;
    for (const double value : bench.get(y)) {
      mean += (value - 3) / 2 / kCount;
      variance += (value - 3) * (value - 3) / 4 / kCount;
    }
    EXPECT_NEAR(mean, 0, 5 / std::sqrt(kCount));  // five standard errors
    EXPECT_NEAR(variance, 1, 5 * std::sqrt(2.0 / kCount) + (dtype == DType::kBF16 ? 1e-3 : 0));
  }
}

TEST_F(FillNormal, WithoutDeviationIsTheMean) {
  Bench bench(backend(), "constant");
  const Operand y = bench.blank(DType::kF32, {77});
  backend().fill_normal(y, 1, 1.5f, 0);
  EXPECT_EQ(bench.get(y), Values(77, 1.5));
}

}  // namespace
}  // namespace wan
