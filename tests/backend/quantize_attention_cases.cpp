// Quantising attention's operands on every backend, compared bit by bit.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "attention8_operands.h"
#include "backend/int8_contract.h"
#include "bench.h"
#include "tensor/encode.h"

namespace wan {
namespace {

constexpr int64_t kDim = kAttention8Dim;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

bool is_same(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

struct QuantizeCase {
  const char* name;
  int64_t queries, keys, heads;
  int64_t pad = 0;
};
void PrintTo(const QuantizeCase& c, std::ostream* out) { *out << c.name; }

constexpr QuantizeCase kQuantize[] = {
    {"one_by_one", 1, 1, 1},
    {"tails", 70, 67, 2},
    {"whole_blocks", 64, 384, 1},
    {"several_runs", 33, 777, 3},
    {"qkv_in_one_matrix", 130, 130, 2, 512},
    {"no_queries", 0, 40, 1},
};

/// Rows that are `centre` of their channel plus or minus the same small whole numbers in turn, so that the mean over
/// all is exact; a last row without a partner is the centre itself.
struct Paired {
  std::vector<double> rows, centre;
  Paired(Sequence& sequence, int64_t count, int64_t width) : rows(static_cast<size_t>(count * width)) {
    for (int64_t i = 0; i < width; ++i) centre.push_back(static_cast<double>(sequence.next(-9, 9)));
    for (int64_t row = 0; row + 1 < count; row += 2)
      for (int64_t i = 0; i < width; ++i) {
        const int64_t part = sequence.next(0, 63) == 0 ? sequence.next(-99, 99) : sequence.next(-7, 7);
        rows[static_cast<size_t>(row * width + i)] = centre[static_cast<size_t>(i)] + static_cast<double>(part);
        rows[static_cast<size_t>((row + 1) * width + i)] = centre[static_cast<size_t>(i)] - static_cast<double>(part);
      }
    if (count % 2 == 1)
      for (int64_t i = 0; i < width; ++i)
        rows[static_cast<size_t>((count - 1) * width + i)] = centre[static_cast<size_t>(i)];
  }
};

/// Some rows of one head, less the centre, turned.
std::vector<float> turned_rows(const std::vector<double>& rows, const std::vector<double>& centre, int64_t heads,
                               int64_t head, int64_t first, int64_t last) {
  std::vector<float> out;
  for (int64_t row = first; row < last; ++row) {
    double line[kDim];
    for (int64_t i = 0; i < kDim; ++i) {
      const int64_t column = head * kDim + i;
      line[i] = rows[static_cast<size_t>(row * heads * kDim + column)] -
                (centre.empty() ? 0 : centre[static_cast<size_t>(column)]);
    }
    for (int i = 0; i < kDim; ++i) out.push_back(static_cast<float>(turned(line, kDim, i)));
  }
  return out;
}

struct Defined {
  float scale = 0;
  std::vector<int> values;
};
Defined quantized(const std::vector<float>& turned_values) {
  float largest = 0;
  for (const float value : turned_values) largest = std::max(largest, std::abs(value));
  Defined out{largest * int8_scale_factor(kDim), {}};
  const float inverse = largest == 0 ? 0 : kInt8Top / largest;
  for (const float value : turned_values) out.values.push_back(static_cast<int>(std::nearbyint(value * inverse)));
  return out;
}

using QuantizeAttention = OnAttention8With<QuantizeCase>;

TEST_P(QuantizeAttention, GivesTheDefinedBits) {
  const QuantizeCase& c = param();
  const int64_t width = c.heads * kDim;
  Sequence sequence(static_cast<uint64_t>(c.keys));
  Bench bench(backend(), c.name);
  const Paired query_rows(sequence, c.queries, width), key_rows(sequence, c.keys, width),
      value_rows(sequence, c.keys, width);
  const Operand q = bench.put(dtype(), {c.queries, width}, query_rows.rows, c.pad),
                k = bench.put(dtype(), {c.keys, width}, key_rows.rows, c.pad),
                v = bench.put(dtype(), {c.keys, width}, value_rows.rows, c.pad);
  for (const AttentionForm form : {AttentionForm::k8And16, AttentionForm::k8And8}) {
    Attention8Operands operands(backend(), c.queries, c.keys, c.heads, form);
    Attention8& a = operands.a;
    backend().quantize_attention(q, k, v, a);
    const Attention8Parts parts(backend(), a);
    int64_t wrong = 0;
    for (int64_t head = 0; head < c.heads; ++head) {
      for (int64_t row = 0; row < c.queries; ++row) {
        const Defined want = quantized(turned_rows(query_rows.rows, {}, c.heads, head, row, row + 1));
        EXPECT_EQ(parts.q_scale[static_cast<size_t>(head * c.queries + row)], want.scale) << row;
        for (int64_t i = 0; i < kDim; ++i)
          wrong += parts.q[static_cast<size_t>(row * width + head * kDim + i)] != want.values[static_cast<size_t>(i)];
      }
      const int64_t row_of_scales = a.k_scale.shape[1];
      for (int64_t block = 0; block < row_of_scales; ++block) {
        const int64_t first = std::min(block * 64, c.keys), last = std::min(first + 64, c.keys);
        const Defined want = quantized(turned_rows(key_rows.rows, key_rows.centre, c.heads, head, first, last));
        EXPECT_EQ(parts.k_scale[static_cast<size_t>(head * row_of_scales + block)], want.scale) << block;
        for (int64_t i = 0; i < (last - first) * kDim; ++i)
          wrong += parts.k[static_cast<size_t>((first + i / kDim) * width + head * kDim + i % kDim)] !=
                   want.values[static_cast<size_t>(i)];
      }
    }
    EXPECT_EQ(wrong, 0) << "values of q and k";
    if (form == AttentionForm::k8And16) {
      EXPECT_EQ(a.v.data, v.view.data);
      continue;
    }
    const int64_t row_of_values = a.v.shape[1];
    ASSERT_EQ(row_of_values, (c.keys + 127) / 128 * 128);
    std::vector<uint8_t> want(static_cast<size_t>(width * row_of_values));
    for (int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<size_t>(i);
      const auto value = [&](int64_t key) {
        return static_cast<float>(value_rows.rows[static_cast<size_t>(key * width + i)] - value_rows.centre[at]);
      };
      float largest = 0;
      for (int64_t key = 0; key < c.keys; ++key) largest = std::max(largest, std::abs(value(key)));
      EXPECT_EQ(parts.v_mean[at], value_rows.centre[at]) << i;
      EXPECT_EQ(parts.v_scale[at], largest / 448) << i;
      for (int64_t key = 0; key < c.keys && largest > 0; ++key) {
        const int64_t in_half = key % 16;  // 8 g + 2 t + j, to 4 t + 2 g + j
        const int64_t place = key - in_half + 4 * (in_half / 2 % 4) + 2 * (in_half / 8) + in_half % 2;
        want[static_cast<size_t>(i * row_of_values + place)] = to_e4m3(value(key) * (448 / largest));
      }
    }
    EXPECT_TRUE(parts.v == want);
  }
}
INSTANTIATE_TEST_SUITE_P(Ops, QuantizeAttention, both_precisions(kQuantize), CaseName());

using QuantizeAttentionContract = OnAttention8;
using NoAttention8 = OnBackend;

/// Values of many sizes beside means that are not zero: the order of every sum shows.
TEST_F(QuantizeAttentionContract, TheSameBitsOnEveryBackend) {
  constexpr int64_t kQueries = 50, kKeys = 1100, kHeads = 3, kWidth = kHeads * kDim;
  Sequence sequence(5);
  Bench bench(backend(), "bits");
  const auto rows = [&](int64_t count, double centre) {
    std::vector<double> values(static_cast<size_t>(count * kWidth));
    for (double& value : values)
      value =
          std::ldexp(static_cast<double>(sequence.next(-255, 255)), static_cast<int>(sequence.next(-12, -6))) + centre;
    return values;
  };
  const Operand q = bench.put(DType::kBF16, {kQueries, kWidth}, rows(kQueries, 0)),
                k = bench.put(DType::kBF16, {kKeys, kWidth}, rows(kKeys, 1.7)),
                v = bench.put(DType::kBF16, {kKeys, kWidth}, rows(kKeys, -0.3));
  Attention8Operands operands(backend(), kQueries, kKeys, kHeads, AttentionForm::k8And8);
  backend().quantize_attention(q, k, v, operands.a);
  const Attention8Parts parts(backend(), operands.a);
  const auto of = [](const auto& values) { return digest(values.data(), values.size() * sizeof values[0]); };
  EXPECT_EQ(of(parts.q), 0xe7f73a4006fe3400u);
  EXPECT_EQ(of(parts.q_scale), 0x74057cee2fb8f19cu);
  EXPECT_EQ(of(parts.k), 0x15b0d9faa51cb2c4u);
  EXPECT_EQ(of(parts.k_scale), 0x4b5efd24f58e4722u);
  EXPECT_EQ(of(parts.v), 0x0ba2c3f8a119dd5au);
  EXPECT_EQ(of(parts.v_scale), 0xc77f4ff6daa8592bu);
  EXPECT_EQ(of(parts.v_mean), 0x3b3b5eb081d1e8a9u);
}

TEST_F(QuantizeAttentionContract, SpecialValues) {
  constexpr int64_t kRows = 150, kHeads = 3, kWidth = kHeads * kDim;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Bench bench(backend(), "special");
  auto query = bench.normal_values(kRows * kWidth), key = query, value = query;
  const auto at = [](int64_t row, int64_t column) { return static_cast<size_t>(row * kWidth + column); };
  query[at(3, 7)] = NAN;
  query[at(4, kDim)] = -kInfinity;
  std::fill_n(query.begin() + 5 * kWidth, kWidth, 0.0);
  std::fill_n(query.begin() + 6 * kWidth, kWidth, 3e38);  // the transform overflows
  key[at(149, 2 * kDim + 1)] = NAN;                       // the third head's mean
  for (int64_t row = 0; row < kRows; ++row) {
    key[at(row, kDim)] = 1;
    for (int64_t i = 0; i < kDim; ++i) key[at(row, kDim + i)] = 1;  // the second head's keys are their mean
    value[at(row, 0)] = 0;
    value[at(row, 1)] = row % 2 == 0 ? 3e38 : -3e38;
    value[at(row, 2)] = row == 9 ? kInfinity : 1;
    value[at(row, 3)] = row == 9 ? NAN : 1;
    value[at(row, 4)] = row % 2 == 0 ? 1e-37 : -1e-37;  // below 2^-120
    value[at(row, 5)] = 5;
    value[at(row, 6)] = row == 9 ? 1e30 : 0;
  }
  const Operand q = bench.put(DType::kBF16, {kRows, kWidth}, query), k = bench.put(DType::kBF16, {kRows, kWidth}, key),
                v = bench.put(DType::kBF16, {kRows, kWidth}, value);
  Attention8Operands operands(backend(), kRows, kRows, kHeads, AttentionForm::k8And8);
  Attention8& a = operands.a;
  backend().quantize_attention(q, k, v, a);
  const Attention8Parts parts(backend(), a);
  for (int64_t head = 0; head < kHeads; ++head)
    for (int64_t row = 0; row < kRows; ++row) {
      const float scale = parts.q_scale[static_cast<size_t>(head * kRows + row)];
      const bool is_nan = (row == 3 && head == 0) || (row == 4 && head == 1) || row == 6;
      ASSERT_EQ(std::isnan(scale), is_nan) << row << ", head " << head;
      ASSERT_TRUE(!is_nan || is_same(scale, kNan));
      ASSERT_EQ(scale == 0, row == 5) << row << ", head " << head;
      if (!is_nan && row != 5) continue;
      for (int64_t i = 0; i < kDim; ++i) ASSERT_EQ(parts.q[at(row, head * kDim + i)], 0);
    }
  const int64_t row_of_scales = a.k_scale.shape[1];
  for (int64_t block = 0; block < 3; ++block) {
    EXPECT_GT(parts.k_scale[static_cast<size_t>(block)], 0);
    EXPECT_EQ(parts.k_scale[static_cast<size_t>(row_of_scales + block)], 0);
    // One channel of the third head has no mean; turned, all of a key have none.
    EXPECT_TRUE(is_same(parts.k_scale[static_cast<size_t>(2 * row_of_scales + block)], kNan));
  }
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t i = kDim; i < 3 * kDim; ++i) ASSERT_EQ(parts.k[at(row, i)], 0) << row << ", " << i;
  const int64_t row_of_values = a.v.shape[1];
  const auto bytes_are_zero = [&](int64_t channel) {
    const auto begin = parts.v.begin() + channel * row_of_values;
    return std::all_of(begin, begin + row_of_values, [](uint8_t byte) { return byte == 0; });
  };
  for (const int64_t channel : {0, 4, 5}) {
    EXPECT_EQ(parts.v_scale[static_cast<size_t>(channel)], 0) << channel;
    EXPECT_TRUE(bytes_are_zero(channel)) << channel;
  }
  for (const int64_t channel : {2, 3}) {
    EXPECT_TRUE(is_same(parts.v_scale[static_cast<size_t>(channel)], kNan)) << channel;
    EXPECT_TRUE(bytes_are_zero(channel)) << channel;
  }
  EXPECT_EQ(parts.v_mean[5], 5);
  EXPECT_GT(parts.v_scale[1], 1e35f);
  EXPECT_GT(parts.v_scale[6], 1e27f);
  for (const uint8_t byte : parts.v) ASSERT_NE(byte & 0x7f, 0x7f) << "a byte that is not a number";
}

TEST_F(QuantizeAttentionContract, RefusesWhatDoesNotFit) {
  Bench bench(backend(), "refusals");
  const auto rows = [&](int64_t count, int64_t width, DType dtype = DType::kBF16, int64_t pad = 0) {
    return bench.normal(dtype, {count, width}, {}, pad);
  };
  const Operand q = rows(4, 256), k = rows(5, 256), odd = rows(5, 256, DType::kBF16, 3), narrow = rows(5, 128),
                other = rows(5, 256, DType::kF32), y = rows(4, 256), odd_y = rows(4, 256, DType::kBF16, 1);
  for (const AttentionForm form : {AttentionForm::k8And16, AttentionForm::k8And8}) {
    Attention8Operands fits(backend(), 4, 5, 2, form);
    Attention8& a = fits.a;
    EXPECT_ANY_THROW(backend().quantize_attention(k, k, k, a));
    EXPECT_ANY_THROW(backend().quantize_attention(q, q, k, a));
    EXPECT_ANY_THROW(backend().quantize_attention(q, k, q, a));
    EXPECT_ANY_THROW(backend().quantize_attention(q, narrow, narrow, a));
    EXPECT_ANY_THROW(backend().quantize_attention(q, odd, k, a));
    EXPECT_ANY_THROW(backend().quantize_attention(q, k, odd, a));
    EXPECT_ANY_THROW(backend().quantize_attention(q, other, k, a));
    Attention8 wrong = a;
    wrong.k_scale = a.k_scale.slice(1, 0, 5);
    EXPECT_ANY_THROW(backend().quantize_attention(q, k, k, wrong));
    wrong = a;
    wrong.scratch = a.scratch.slice(0, 0, 9);
    EXPECT_ANY_THROW(backend().quantize_attention(q, k, k, wrong));
    wrong = {};
    EXPECT_ANY_THROW(backend().quantize_attention(q, k, k, wrong));
    EXPECT_NO_THROW(backend().quantize_attention(q, k, k, a));
    EXPECT_ANY_THROW(backend().attention8(a, 1, k));
    EXPECT_ANY_THROW(backend().attention8(a, 1, odd_y));
    EXPECT_ANY_THROW(backend().attention8(a, 0, y));
    wrong = a;
    wrong.v = {};
    EXPECT_ANY_THROW(backend().attention8(wrong, 1, y));
    EXPECT_NO_THROW(backend().attention8(a, 1, y));
  }
  Arena dry = Arena::dry();
  EXPECT_ANY_THROW(allocate_attention8(dry, 4, 0, 2, AttentionForm::k8And8));
  EXPECT_ANY_THROW(allocate_attention8(dry, 4, 5, 0, AttentionForm::k8And8));
}

TEST_F(NoAttention8, IsRefused) {
  if (backend().has_attention8()) GTEST_SKIP() << "there is attention in 8 bits";
  Bench bench(backend(), "none");
  const Operand rows = bench.normal(DType::kBF16, {4, 128});
  Attention8Operands operands(backend(), 4, 4, 1, AttentionForm::k8And16);
  EXPECT_ANY_THROW(backend().quantize_attention(rows, rows, rows, operands.a));
  EXPECT_ANY_THROW(backend().attention8(operands.a, 1, rows));
}

}  // namespace
}  // namespace wan
