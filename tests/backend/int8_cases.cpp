// Rows in 8 bits and their products on every backend. Sums and quantised rows are compared bit by bit.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backend/int8_contract.h"
#include "bench.h"
#include "bits.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

/// Rows in 8 bits that own their memory.
struct Quantized {
  Tensor values, scale;
  Quantized(Backend& backend, int64_t rows, int64_t k)
      : values(put(backend, {rows, k}, std::vector<int8_t>(static_cast<size_t>(rows * k), 77))),
        scale(put(backend, {rows}, std::vector<float>(static_cast<size_t>(rows), -77))) {}
  Quantized(Backend& backend, const Shape& shape, const std::vector<int8_t>& content, const std::vector<float>& scales)
      : values(put(backend, shape, content)), scale(put(backend, {shape[0]}, scales)) {}
  operator Int8Rows() const { return {values, scale}; }  // NOLINT: passed where rows are expected
};

std::vector<int8_t> random_int8(Sequence& sequence, int64_t count, int64_t low, int64_t high) {
  std::vector<int8_t> values(static_cast<size_t>(count));
  for (int8_t& value : values) value = static_cast<int8_t>(sequence.next(low, high));
  return values;
}

// ---- quantising ----------------------------------------------------------------------------------------------------

struct QuantizeCase {
  const char* name;
  int64_t rows, k;
  int64_t x_pad = 0;
};
void PrintTo(const QuantizeCase& c, std::ostream* out) { *out << c.name; }

constexpr QuantizeCase kQuantize[] = {
    {"one_by_one", 1, 1},
    {"one_column", 9, 1},
    {"two_columns", 5, 2},
    {"odd", 7, 51},
    {"blocks_of_two", 6, 90},
    {"blocks_of_four", 6, 100},
    {"blocks_of_eight", 5, 1096},
    {"blocks_of_sixteen", 4, 1168},
    {"blocks_of_sixty_four", 3, 192},
    {"one_block", 33, 128},
    {"rows_of_a_wider_matrix", 9, 384, 128},
    {"rows_at_odd_strides", 9, 384, 3},
    {"dit_5b", 21, 3072},
    {"dit_5b_hidden", 19, 14336},
    {"dit_a14b", 20, 5120},
    {"dit_a14b_hidden", 18, 13824},
    {"longer_than_a_block_of_threads", 3, 20480},
    {"longest", 2, 131071},
};

/// Small whole numbers, a few of them large: their transform is exact in F32.
std::vector<double> whole_numbers(Sequence& sequence, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values)
    value = static_cast<double>(sequence.next(0, 63) == 0 ? sequence.next(-128, 127) : sequence.next(-8, 8));
  return values;
}

using QuantizeRows = OnBackendWith<QuantizeCase>;

TEST_P(QuantizeRows, GivesTheDefinedBits) {
  const int64_t rows = param().rows, k = param().k;
  const int block = hadamard_block(k);
  Sequence sequence(static_cast<uint64_t>(k));
  Bench bench(backend(), param().name);
  const Operand x = bench.put(dtype(), {rows, k}, whole_numbers(sequence, rows * k), param().x_pad);
  const Quantized q(backend(), rows, k);
  backend().quantize_rows(x, q);
  const auto values = get<int8_t>(backend(), q.values);
  const auto scale = get<float>(backend(), q.scale);
  int64_t wrong = 0;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<float> t(static_cast<size_t>(k));
    float largest = 0;
    for (int64_t i = 0; i < k; ++i) {
      const double exact = turned(x.values.data() + row * k + i / block * block, block, static_cast<int>(i % block));
      t[static_cast<size_t>(i)] = static_cast<float>(exact);
      largest = std::max(largest, std::abs(t[static_cast<size_t>(i)]));
    }
    EXPECT_EQ(scale[static_cast<size_t>(row)], largest * int8_scale_factor(block)) << "row " << row;
    const float inverse = largest == 0 ? 0 : 127 / largest;
    for (int64_t i = 0; i < k; ++i) {
      const float nearest = std::nearbyint(t[static_cast<size_t>(i)] * inverse);
      wrong += values[static_cast<size_t>(row * k + i)] != static_cast<int>(nearest);
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << rows * k << " values";
}
INSTANTIATE_TEST_SUITE_P(Ops, QuantizeRows, both_precisions(kQuantize), CaseName());

using QuantizeContract = OnBackend;

/// Values of many sizes, whose transform rounds at every step: an order of sums of one's own would show.
TEST_F(QuantizeContract, TheSameBitsOnEveryBackend) {
  constexpr int64_t kRows = 40, kLength = 3072;
  Sequence sequence(5);
  std::vector<float> values(kRows * kLength);
  for (float& value : values) {
    const auto significand = static_cast<float>(sequence.next(-0x800000, 0x800000));
    value = std::ldexp(significand, static_cast<int>(sequence.next(-36, -20)));
  }
  const Tensor x = put(backend(), {kRows, kLength}, values);
  const Quantized q(backend(), kRows, kLength);
  backend().quantize_rows(x, q);
  const auto got = get<int8_t>(backend(), q.values);
  const auto scale = get<float>(backend(), q.scale);
  EXPECT_EQ(digest(got.data(), got.size()), 0x6b3338b5a981a134u);
  EXPECT_EQ(digest(scale.data(), scale.size() * sizeof(float)), 0x3b13e70101b1680fu);
}

TEST_F(QuantizeContract, SpecialRows) {
  constexpr int64_t kRows = 9;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const int64_t k : {int64_t{48}, int64_t{256}, int64_t{3072}}) {
    std::vector<float> x(static_cast<size_t>(kRows * k));
    const auto row = [&](int64_t i) { return x.begin() + i * k; };
    std::fill_n(row(1), k, 1.0f);          // ordinary
    row(2)[7] = NAN;                       // beside zeros
    row(3)[k - 1] = -kInfinity;            // likewise
    std::fill_n(row(4), k, 3e38f);         // overflows in the transform
    row(5)[0] = std::bit_cast<float>(1u);  // the smallest subnormal
    std::fill_n(row(6), k, 0x1p-121f);     // its transform is not tiny
    row(7)[k / 2] = 0x1p-121f;             // below the smallest largest
    row(8)[k / 2] = -0x1p-120f;            // the smallest largest
    const Quantized q(backend(), kRows, k);
    backend().quantize_rows(put(backend(), {kRows, k}, x), q);
    const auto values = get<int8_t>(backend(), q.values);
    const auto scale = get<float>(backend(), q.scale);
    for (const size_t i : {0, 5, 7}) EXPECT_EQ(scale[i], 0) << i;
    for (const size_t i : {2, 3, 4})
      EXPECT_EQ(std::bit_cast<uint32_t>(scale[i]), 0x7fc00000u) << i << " is " << scale[i] << ", expected NaN";
    const auto block = static_cast<float>(hadamard_block(k));
    const float factor = int8_scale_factor(hadamard_block(k));
    EXPECT_EQ(scale[1], block * factor);
    EXPECT_EQ(scale[6], block * 0x1p-121f * factor);
    EXPECT_EQ(scale[8], 0x1p-120f * factor);
    for (int64_t i = 0; i < kRows * k; ++i) {
      const int64_t r = i / k, column = i % k, in_block = column % hadamard_block(k);
      const int got = values[static_cast<size_t>(i)];
      if (r == 1 || r == 6) {
        ASSERT_EQ(got, in_block == 0 ? 127 : 0) << "row " << r << ", element " << column;
      } else if (r == 8) {  // alone in its block
        const bool is_inside = column / hadamard_block(k) == k / 2 / hadamard_block(k);
        ASSERT_EQ(std::abs(got), is_inside ? 127 : 0) << column;
      } else {
        ASSERT_EQ(got, 0) << "row " << r << ", element " << column;
      }
    }
  }
}

TEST_F(QuantizeContract, RefusesWhatDoesNotFit) {
  Bench bench(backend(), "refusals");
  const Operand x = bench.normal(DType::kBF16, {4, 8});
  const Quantized q(backend(), 4, 8), narrow(backend(), 4, 7), low(backend(), 3, 8);
  const Tensor bytes = put(backend(), {4, 8}, std::vector<uint8_t>(32)),
               whole = put(backend(), {4}, std::vector<int32_t>(4));
  EXPECT_ANY_THROW(backend().quantize_rows(x, narrow));
  EXPECT_ANY_THROW(backend().quantize_rows(x, low));
  EXPECT_ANY_THROW(backend().quantize_rows(x, {bytes, q.scale}));
  EXPECT_ANY_THROW(backend().quantize_rows(x, {q.values, whole}));
  EXPECT_ANY_THROW(backend().quantize_rows(x, {q.values, low.scale}));
  EXPECT_ANY_THROW(backend().quantize_rows(q.values, q));
  EXPECT_ANY_THROW(backend().quantize_rows(x.view.permute({1, 0}), Quantized(backend(), 8, 4)));
  EXPECT_ANY_THROW(backend().quantize_rows(x.view.slice(1, 0, 0), Quantized(backend(), 4, 0)));
  const Operand long_row = bench.normal(DType::kF32, {1, kInt8MaxLength + 1});
  EXPECT_ANY_THROW(backend().quantize_rows(long_row, Quantized(backend(), 1, kInt8MaxLength + 1)));
  EXPECT_NO_THROW(backend().quantize_rows(x, q));
}

TEST_F(QuantizeContract, AcceptsNoRows) {
  Bench bench(backend(), "empty");
  const Operand x = bench.normal(DType::kBF16, {2, 8});
  const Quantized q(backend(), 2, 8);
  backend().quantize_rows(x.view.slice(0, 0, 0), {q.values->slice(0, 0, 0), q.scale->slice(0, 0, 0)});
  EXPECT_EQ(get<int8_t>(backend(), q.values), std::vector<int8_t>(16, 77));
}

// ---- products ------------------------------------------------------------------------------------------------------

enum class Content { kRandom, kLargest, kSmallest };  // the latter: all 127 or -127, all -128

struct ProductCase {
  const char* name;
  int64_t m, n, k;
  Content content = Content::kRandom;
  int64_t y_pad = 0;
};
void PrintTo(const ProductCase& c, std::ostream* out) { *out << c.name; }

constexpr ProductCase kProducts[] = {
    {"one_by_one", 1, 1, 1},
    {"one_row", 1, 96, 256},
    {"odd", 37, 29, 51},
    {"length_of_four", 70, 66, 20},
    {"length_of_sixteen", 40, 32, 16},
    {"less_than_a_tile", 37, 32, 640},
    {"columns_not_of_a_group", 130, 104, 128},
    {"length_not_of_a_step", 130, 96, 1168},
    {"one_tile", 128, 256, 128},
    {"tails_everywhere", 300, 544, 272},
    {"second_half_of_a_cluster_alone", 129, 256, 384},
    {"more_than_the_card_at_once", 2100, 2592, 144},
    {"rows_of_a_wider_matrix", 140, 288, 256, Content::kRandom, 64},
    {"rows_at_odd_strides", 140, 288, 256, Content::kRandom, 3},
    {"largest_values", 70, 96, 14336, Content::kLargest},
    {"smallest_values", 3, 64, 131056, Content::kSmallest},
    {"longest", 2, 5, 131071, Content::kSmallest},
};

std::vector<int8_t> content(Sequence& sequence, Content kind, int64_t count) {
  if (kind == Content::kSmallest) return std::vector<int8_t>(static_cast<size_t>(count), -128);
  auto values = random_int8(sequence, count, -127, 127);
  if (kind == Content::kLargest)
    for (int8_t& value : values) value = value > 100 ? -127 : 127;
  return values;
}

struct Factors {
  std::vector<int8_t> x, weight;
  std::vector<int64_t> sums;  // of their product, row by row
};

Factors factors(const ProductCase& c) {
  constexpr int64_t kPart = 1024;  // products summed in I32
  Sequence sequence(static_cast<uint64_t>(c.m * 31 + c.n * 7 + c.k));
  Factors f{content(sequence, c.content, c.m * c.k), content(sequence, c.content, c.n * c.k), {}};
  for (int64_t i = 0; i < c.m; ++i)
    for (int64_t j = 0; j < c.n; ++j) {
      int64_t sum = 0;
      for (int64_t begin = 0; begin < c.k; begin += kPart) {
        const int64_t count = std::min(kPart, c.k - begin);
        const int8_t *a = f.x.data() + i * c.k + begin, *b = f.weight.data() + j * c.k + begin;
        int32_t part = 0;
        for (int64_t k = 0; k < count; ++k) part += int32_t{a[k]} * b[k];
        sum += part;
      }
      f.sums.push_back(sum);
    }
  return f;
}

using LinearInt8 = OnBackendWith<ProductCase>;

/// With scales of 1 the result is the sum, rounded: all its bits below 2^24, and the upper 24 above.
TEST_P(LinearInt8, SumsAreExact) {
  const ProductCase& c = param();
  const Factors f = factors(c);
  const Quantized x(backend(), {c.m, c.k}, f.x, std::vector<float>(static_cast<size_t>(c.m), 1));
  const Quantized weight(backend(), {c.n, c.k}, f.weight, std::vector<float>(static_cast<size_t>(c.n), 1));
  Bench bench(backend(), c.name);
  const Operand y = bench.blank(dtype(), {c.m, c.n}, c.y_pad);
  backend().linear_int8(x, weight, {}, Activation::kNone, y);
  const auto got = bench.get(y);
  int64_t wrong = 0, first = -1;
  for (int64_t i = 0; i < c.m * c.n; ++i) {
    const auto nearest = static_cast<float>(f.sums[static_cast<size_t>(i)]);
    const float want = dtype() == DType::kBF16 ? round_to_bf16(nearest) : nearest;
    if (got[static_cast<size_t>(i)] == want) continue;
    if (wrong++ == 0) first = i;
  }
  EXPECT_EQ(wrong, 0) << "the first at row " << first / c.n << ", column " << first % c.n << ": "
                      << got[static_cast<size_t>(std::max<int64_t>(first, 0))];
}

/// Scales, bias and activation: F32 roundings of the sum, of its product with x's scale, and of what the bias is added
/// to; then those of the activation and one to y's type.
TEST_P(LinearInt8, ScalesAddsAndActivates) {
  const ProductCase& c = param();
  const Factors f = factors(c);
  Bench bench(backend(), c.name);
  Sequence sequence(11);
  const double size = std::sqrt(127.0 * 127 / 3 * static_cast<double>(c.k));
  const auto scales = [&](int64_t count, double mean) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = static_cast<float>(mean * static_cast<double>(sequence.next(500, 1500)) / 1000);
    return values;
  };
  const auto x_scale = scales(c.m, 2 / size), weight_scale = scales(c.n, 1);
  const Quantized x(backend(), {c.m, c.k}, f.x, x_scale), weight(backend(), {c.n, c.k}, f.weight, weight_scale);
  const Operand biases[] = {bench.normal(DType::kBF16, {c.n}), bench.normal(DType::kF32, {c.n})};
  for (const Operand* bias : {static_cast<const Operand*>(nullptr), &biases[0], &biases[1]})
    for (const Activation activation : {Activation::kNone, Activation::kGeluTanh}) {
      Expected want(c.m * c.n);
      for (int64_t i = 0; i < c.m * c.n; ++i) {
        const auto at = static_cast<size_t>(i), row = static_cast<size_t>(i / c.n),
                   column = static_cast<size_t>(i % c.n);
        const double product = static_cast<double>(f.sums[at]) * x_scale[row] * weight_scale[column];
        want.value[at] = product + (bias != nullptr ? bias->at(i % c.n) : 0);
        want.slack[at] = kFloatRoundoff * (3 * std::abs(product) + std::abs(want.value[at]));
      }
      const Operand y = bench.blank(dtype(), {c.m, c.n}, c.y_pad);
      backend().linear_int8(x, weight, bias != nullptr ? bias->view : TensorView(), activation, y);
      EXPECT_TRUE(bench.matches(y, reference::activate(want, activation)))
          << "bias " << (bias == nullptr ? "none" : name_of(bias->view.dtype));
    }
}
INSTANTIATE_TEST_SUITE_P(Ops, LinearInt8, both_precisions(kProducts), CaseName());

using LinearInt8Contract = OnBackend;

/// In the turned basis, where a row keeps its norm, a value errs by at most half a scale, up or down. A product then
/// errs by more than 4 (x's scale |weight's row| + weight's scale |x's row|) with a probability below 4 exp(-32)
/// (Hoeffding 1963), and by at most K / 4 of both scales where two errors meet.
TEST_F(LinearInt8Contract, ProductsOfQuantizedRowsAreThoseOfTheRows) {
  constexpr int64_t kM = 40, kN = 64;
  for (const int64_t k : {int64_t{1168}, int64_t{3072}}) {
    Bench bench(backend(), "whole");
    auto values = bench.normal_values(kM * k);
    for (size_t i = 0; i < values.size(); i += 101) values[i] *= 20;  // outliers
    const Operand x = bench.put(DType::kBF16, {kM, k}, values);
    const Operand weight = bench.normal(DType::kBF16, {kN, k}, {0, 0.02}), y = bench.blank(DType::kF32, {kM, kN});
    const Quantized xq(backend(), kM, k), wq(backend(), kN, k);
    backend().quantize_rows(x, xq);
    backend().quantize_rows(weight, wq);
    backend().linear_int8(xq, wq, {}, Activation::kNone, y);
    const auto got = bench.get(y);
    const auto x_scale = get<float>(backend(), xq.scale), weight_scale = get<float>(backend(), wq.scale);
    const auto norm = [k](const Operand& rows, int64_t row) {
      double sum = 0;
      for (int64_t i = row * k; i < (row + 1) * k; ++i) sum += rows.at(i) * rows.at(i);
      return std::sqrt(sum);
    };
    for (int64_t i = 0; i < kM * kN; ++i) {
      const int64_t row = i / kN, column = i % kN;
      double want = 0;
      for (int64_t j = 0; j < k; ++j) want += x.at(row * k + j) * weight.at(column * k + j);
      const double sx = x_scale[static_cast<size_t>(row)], sw = weight_scale[static_cast<size_t>(column)];
      const double bound = 4 * (sx * norm(weight, column) + sw * norm(x, row)) + sx * sw * static_cast<double>(k) / 4;
      ASSERT_LE(std::abs(got[static_cast<size_t>(i)] - want), bound) << "row " << row << ", column " << column;
    }
  }
}

TEST_F(LinearInt8Contract, SpecialRowsStayAlone) {
  constexpr int64_t kM = 200, kN = 96, kLength = 256;
  Bench bench(backend(), "special");
  auto values = bench.normal_values(kM * kLength);
  std::fill_n(values.begin() + 3 * kLength, kLength, 0.0);
  values[150 * kLength + 7] = NAN;
  const Operand x = bench.put(DType::kBF16, {kM, kLength}, values), weight = bench.normal(DType::kBF16, {kN, kLength});
  const Operand bias = bench.normal(DType::kBF16, {kN});
  const Quantized xq(backend(), kM, kLength), wq(backend(), kN, kLength);
  backend().quantize_rows(x, xq);
  backend().quantize_rows(weight, wq);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const Operand y = bench.blank(dtype, {kM, kN});
    backend().linear_int8(xq, wq, bias, Activation::kNone, y);
    const auto got = bench.get(y);
    for (int64_t i = 0; i < kM * kN; ++i) {
      const double value = got[static_cast<size_t>(i)];
      if (i / kN == 3) {
        ASSERT_EQ(value, bias.at(i % kN)) << i;
      } else {
        ASSERT_EQ(std::isnan(value), i / kN == 150) << i;
      }
    }
  }
}

TEST_F(LinearInt8Contract, RefusesWhatDoesNotFit) {
  Bench bench(backend(), "refusals");
  const Quantized x(backend(), 4, 16), weight(backend(), 6, 16), narrow(backend(), 6, 8), low(backend(), 5, 16);
  const Operand y = bench.blank(DType::kF32, {4, 6}), wrong_y = bench.blank(DType::kF32, {4, 5});
  const Operand bias = bench.normal(DType::kBF16, {6}), short_bias = bench.normal(DType::kBF16, {5});
  const auto none = Activation::kNone;
  EXPECT_ANY_THROW(backend().linear_int8(x, narrow, bias, none, y));
  EXPECT_ANY_THROW(backend().linear_int8(x, weight, bias, none, wrong_y));
  EXPECT_ANY_THROW(backend().linear_int8(x, weight, short_bias, none, y));
  EXPECT_ANY_THROW(backend().linear_int8(x, weight, weight.scale->slice(0, 0, 5), none, y));
  EXPECT_ANY_THROW(backend().linear_int8(x, {weight.values, low.scale}, bias, none, y));
  EXPECT_ANY_THROW(backend().linear_int8({x.values, low.scale}, weight, bias, none, y));
  EXPECT_ANY_THROW(backend().linear_int8(x, weight, bias, Activation::kSilu, y));
  EXPECT_ANY_THROW(backend().linear_int8(x, weight, bias, none, x.values));
  EXPECT_NO_THROW(backend().linear_int8(x, weight, bias, none, y));
}

TEST_F(LinearInt8Contract, AcceptsNoRows) {
  Bench bench(backend(), "empty");
  const Quantized x(backend(), 2, 16), weight(backend(), 32, 16);
  const Operand y = bench.normal(DType::kF32, {2, 32});
  backend().linear_int8({x.values->slice(0, 0, 0), x.scale->slice(0, 0, 0)}, weight, {}, Activation::kNone,
                        y.view.slice(0, 0, 0));
  EXPECT_EQ(bench.get(y), y.values);
}

TEST_F(LinearInt8Contract, SameBytesAgain) {
  Sequence sequence(3);
  Bench bench(backend(), "again");
  const Quantized x(backend(), {300, 384}, random_int8(sequence, 300 * 384, -127, 127), std::vector<float>(300, 1e-4f));
  const Quantized weight(backend(), {320, 384}, random_int8(sequence, 320 * 384, -127, 127),
                         std::vector<float>(320, 0.5f));
  const Operand first = bench.blank(DType::kBF16, {300, 320}), second = bench.blank(DType::kBF16, {300, 320});
  backend().linear_int8(x, weight, {}, Activation::kGeluTanh, first);
  backend().linear_int8(x, weight, {}, Activation::kGeluTanh, second);
  EXPECT_EQ(bench.get(first), bench.get(second));
}

}  // namespace
}  // namespace wan
