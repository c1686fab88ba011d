// Matrix products on every backend.
#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

enum class Bias { kNo, kYes };

struct LinearCase {
  const char* name;
  int64_t m, n, k;
  Bias bias = Bias::kYes;
  Activation activation = Activation::kNone;
  int64_t x_pad = 0, y_pad = 0;  // elements between rows
  double size = 1;               // standard deviation of x
};
void PrintTo(const LinearCase& c, std::ostream* out) { *out << c.name; }

constexpr LinearCase kLinear[] = {
    {"one_by_one", 1, 1, 1},
    {"one_row", 1, 96, 256},
    {"two_rows", 2, 48, 31, Bias::kYes, Activation::kSilu},
    {"odd", 37, 29, 51},
    {"odd_without_bias", 37, 29, 51, Bias::kNo},
    {"aligned", 128, 192, 64},
    {"gelu", 65, 130, 96, Bias::kYes, Activation::kGeluTanh},
    {"gelu_without_bias", 65, 136, 96, Bias::kNo, Activation::kGeluTanh},
    {"gelu_large", 9, 40, 64, Bias::kYes, Activation::kGeluTanh, 0, 0, 30},
    {"silu", 33, 72, 80, Bias::kYes, Activation::kSilu},
    {"gelu_by_erf", 33, 72, 80, Bias::kYes, Activation::kGelu},
    {"leaky_relu", 33, 72, 80, Bias::kYes, Activation::kLeakyRelu},
    {"rows_of_a_wider_matrix", 50, 64, 96, Bias::kYes, Activation::kNone, 96, 128},
    {"rows_at_odd_strides", 19, 23, 45, Bias::kYes, Activation::kGeluTanh, 3, 5},
    {"long", 16, 24, 3000},
    {"large_values", 33, 17, 200, Bias::kYes, Activation::kNone, 0, 0, 1e4},
    {"tiny_values", 33, 17, 200, Bias::kYes, Activation::kNone, 0, 0, 1e-6},
    {"dit_like", 130, 384, 128, Bias::kYes, Activation::kNone, 0, 0, 1},
};

using Linear = OnBackendWith<LinearCase>;

void run(Bench bench, const LinearCase& c, DType in, DType out) {
  const Operand x = bench.normal(in, {c.m, c.k}, {0, c.size}, c.x_pad);
  const Operand weight = bench.normal(in, {c.n, c.k}, {0.01, 0.5});
  Operand bias;
  if (c.bias == Bias::kYes) bias = bench.normal(in, {c.n}, {0, c.size});
  const Operand y = bench.blank(out, {c.m, c.n}, c.y_pad);
  bench.backend().linear(x, weight, bias, c.activation, y);
  EXPECT_TRUE(bench.matches(y, reference::linear(x.values, weight.values, bias.values, c.m, c.n, c.k, c.activation)));
}

TEST_P(Linear, MatchesReference) { run(Bench(backend(), param().name), param(), dtype(), dtype()); }
TEST_P(Linear, WritesTheOtherPrecision) {
  run(Bench(backend(), param().name), param(), dtype(), dtype() == DType::kF32 ? DType::kBF16 : DType::kF32);
}
INSTANTIATE_TEST_SUITE_P(Ops, Linear, both_precisions(kLinear), CaseName());

using LinearContract = OnBackend;

TEST_F(LinearContract, RefusesShapesThatDoNotFit) {
  Bench bench(backend(), "refusals");
  const Operand x = bench.normal(DType::kF32, {4, 8}), weight = bench.normal(DType::kF32, {6, 8});
  const Operand narrow = bench.normal(DType::kF32, {6, 7}), bf16 = bench.normal(DType::kBF16, {6, 8});
  const Operand y = bench.blank(DType::kF32, {4, 6}), wrong_y = bench.blank(DType::kF32, {4, 5});
  const Operand bias = bench.normal(DType::kF32, {5});
  EXPECT_ANY_THROW(backend().linear(x, narrow, {}, Activation::kNone, y));
  EXPECT_ANY_THROW(backend().linear(x, bf16, {}, Activation::kNone, y));
  EXPECT_ANY_THROW(backend().linear(x, weight, {}, Activation::kNone, wrong_y));
  EXPECT_ANY_THROW(backend().linear(x, weight, bias, Activation::kNone, y));
  EXPECT_NO_THROW(backend().linear(x, weight, {}, Activation::kNone, y));
}

TEST_F(LinearContract, AcceptsNoRows) {
  Bench bench(backend(), "empty");
  const Operand x = bench.normal(DType::kF32, {2, 8}), weight = bench.normal(DType::kF32, {6, 8});
  const Operand y = bench.normal(DType::kF32, {2, 6});
  backend().linear(x.view.slice(0, 0, 0), weight, {}, Activation::kNone, y.view.slice(0, 0, 0));
  EXPECT_EQ(bench.get(y), y.values);
}

TEST_F(LinearContract, SameBytesAgain) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    Bench bench(backend(), "again");
    const Operand x = bench.normal(dtype, {70, 300}), weight = bench.normal(dtype, {90, 300});
    const Operand first = bench.blank(dtype, {70, 90}), second = bench.blank(dtype, {70, 90});
    backend().linear(x, weight, {}, Activation::kGeluTanh, first);
    backend().linear(x, weight, {}, Activation::kGeluTanh, second);
    EXPECT_EQ(bench.get(first), bench.get(second));
  }
}

}  // namespace
}  // namespace wan
