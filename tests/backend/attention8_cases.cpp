// Attention in 8 bits on every backend, compared with double arithmetic on the quantised operands.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "attention8_operands.h"
#include "bench.h"
#include "reference.h"

namespace wan {
namespace {

constexpr int64_t kDim = kAttention8Dim;

/// softmax(scale * q k^T) v of quantised operands, in double, and what a backend may make of it.
struct Reference {
  // How far the whole numbers of scores may be moved together, in steps, and the least step for which that is so: one
  // score in F32 with 1.5 * 2^23 added carries half a unit of that sum into its exponent, and a constant of a block of
  // keys as much again. Coarser steps are computed without.
  static constexpr double kMovedSteps = 1.5, kCoarseStep = 0x1p-8;
  // The matrix units align what they add to the largest and cut what is below its 14 bits.
  static constexpr double kE4m3Sum = 0x1p-13;
  static constexpr double kE4m3Roundoff = 0x1p-4, kE4m3Smallest = 0x1p-9;

  const Attention8& a;
  double scale;
  Attention8Parts parts;
  std::vector<double> v;  // of k8And16

  /// The value that probabilities meet, before scale and mean.
  double value(int64_t key, int64_t column) const {
    const int64_t width = a.k.shape[1];
    if (a.form == AttentionForm::k8And16) return v[static_cast<size_t>(key * width + column)];
    const int64_t place = column * a.v.shape[1] + attention8_value_place(key);
    return values_of_bytes(DType::kF8E4M3)[parts.v[static_cast<size_t>(place)]];
  }

  Expected operator()() const {
    const int64_t queries = a.q.shape[0], width = a.q.shape[1];
    Expected out(queries * width);
    for (int64_t head = 0; head < a.heads(); ++head)
      for (int64_t query = 0; query < queries; ++query) one(head, query, out);
    return out;
  }

  void one(int64_t head, int64_t query, Expected& out) const {
    const int64_t queries = a.q.shape[0], keys = a.k.shape[0], width = a.q.shape[1];
    std::vector<double> weight(static_cast<size_t>(keys)), step(weight), score(weight), known(weight), rounding(weight);
    double top = -INFINITY, total = 0, total_slack = 0;
    for (int64_t j = 0; j < keys; ++j) {
      const auto at = static_cast<size_t>(j);
      const int8_t *x = parts.q.data() + query * width + head * kDim, *y = parts.k.data() + j * width + head * kDim;
      int64_t sum = 0;
      for (int64_t i = 0; i < kDim; ++i) sum += int64_t{x[i]} * y[i];
      step[at] = static_cast<double>(parts.q_scale[static_cast<size_t>(head * queries + query)]) * scale *
                 std::numbers::log2e * parts.k_scale[static_cast<size_t>(head * a.k_scale.shape[1] + j / 64)];
      score[at] = step[at] * static_cast<double>(sum);
      top = std::max(top, score[at]);
    }
    const bool is_e4m3 = a.form == AttentionForm::k8And8;
    const double reference = std::ceil(top) - (is_e4m3 ? 3 : 0);
    for (size_t j = 0; j < weight.size(); ++j) {
      weight[j] = std::exp2(score[j] - reference);
      const double exponent =
          4 * kFloatRoundoff * (std::abs(score[j]) + std::abs(top) + 4) + kMovedSteps * std::min(step[j], kCoarseStep);
      known[j] = weight[j] * (std::numbers::ln2 * exponent + 8 * kFloatRoundoff);
      // The reference may be lower, and what is small then better known, or one higher, where the largest is a power
      // of 2.
      rounding[j] = is_e4m3 ? std::max(weight[j] * kE4m3Roundoff, kE4m3Smallest) : weight[j] * kBf16Roundoff;
      total += weight[j];
      total_slack += known[j];
    }
    const double total_error = total_slack / total + sum_factor(keys) * kFloatRoundoff;
    for (int64_t i = 0; i < kDim; ++i) {
      double mixed = 0, size = 0, worst = 0, squares = 0, systematic = 0, terms = 0;
      for (int64_t j = 0; j < keys; ++j) {
        const auto at = static_cast<size_t>(j);
        const double x = value(j, head * kDim + i);
        mixed += weight[at] * x;
        size += std::abs(weight[at] * x);
        terms += weight[at] * x * weight[at] * x;
        systematic += known[at] * std::abs(x);
        worst += rounding[at] * std::abs(x);
        squares += rounding[at] * x * rounding[at] * x;
      }
      // Roundings are independent of each other: by more than this they sum up with probability 2 exp(-24) (Hoeffding).
      const double rounded_off = std::min(worst, 7 * std::sqrt(squares));
      // The size of the sum on its way, likewise.
      const double passing = std::min(size, std::abs(mixed) + 7 * std::sqrt(terms));
      const double added = sum_factor(keys) * kFloatRoundoff * size +
                           (is_e4m3 ? kE4m3Sum * static_cast<double>((keys + 31) / 32 + 1) * passing : 0);
      double want = mixed / total, slack = (systematic + rounded_off + added) / total + total_error * std::abs(want);
      if (is_e4m3) {
        const auto column = static_cast<size_t>(head * kDim + i);
        want *= parts.v_scale[column];
        slack = slack * parts.v_scale[column] + 4 * kFloatRoundoff * (std::abs(want) + std::abs(parts.v_mean[column]));
        want += parts.v_mean[column];
      }
      const auto to = static_cast<size_t>(query * width + head * kDim + i);
      out.value[to] = want;
      out.slack[to] = slack + 4 * kFloatRoundoff * std::abs(want);
    }
  }
};

enum class Content {
  kNormal,
  kRising,     // keys grow towards the first: scores pass what the last ones let expect
  kLoudFirst,  // the first 64 keys are 8 times as large: their scores overflow what is measured from the last ones
  kZeros,      // queries are
};

struct AttentionCase {
  const char* name;
  int64_t queries, keys, heads;
  double size = 1;  // standard deviation of q and k
  Content content = Content::kNormal;
  int64_t pad = 0;
};
void PrintTo(const AttentionCase& c, std::ostream* out) { *out << c.name; }

constexpr AttentionCase kAttention[] = {
    {"one_by_one", 1, 1, 1},
    {"one_key", 70, 1, 2},
    {"less_than_a_block", 129, 97, 2},
    {"one_block", 64, 192, 1},
    {"a_block_and_one", 257, 193, 2},
    {"tails", 300, 1357, 3},
    {"more_keys", 33, 1500, 1},
    {"more_queries", 700, 150, 1},
    {"rows_of_a_wider_matrix", 130, 300, 2, 1, Content::kNormal, 256},
    {"wide_scores", 200, 1100, 2, 2.5},
    {"steep_scores", 200, 1100, 1, 12},
    {"coarse_scores", 100, 900, 1, 60},
    {"rising", 200, 1100, 2, 1, Content::kRising},
    {"rising_steeply", 200, 1100, 1, 4, Content::kRising},
    {"overflow", 200, 1357, 2, 2.3, Content::kLoudFirst},
    {"zeros", 100, 700, 1, 1, Content::kZeros},
};

/// q, k and v of a case. k and v have means.
struct Operands {
  Bench bench;
  Operand q, k, v;
  Operands(Backend& backend, const AttentionCase& c, DType dtype) : bench(backend, c.name) {
    const int64_t width = c.heads * kDim;
    auto query = bench.normal_values(c.queries * width, {0, c.content == Content::kZeros ? 0 : c.size});
    auto key = bench.normal_values(c.keys * width, {0, c.size});
    for (int64_t j = 0; j < c.keys; ++j) {
      const double rise = 1 + 4 * static_cast<double>(c.keys - j) / static_cast<double>(c.keys);
      const double factor = c.content == Content::kRising ? rise : c.content == Content::kLoudFirst && j < 64 ? 8 : 1;
      for (int64_t i = 0; i < width; ++i) {
        double& x = key[static_cast<size_t>(j * width + i)];
        x = x * factor + std::sin(static_cast<double>(i));  // a mean of its own for each channel
      }
    }
    q = bench.put(dtype, {c.queries, width}, query, c.pad);
    k = bench.put(dtype, {c.keys, width}, key, c.pad);
    v = bench.normal(dtype, {c.keys, width}, {0.5, 1}, c.pad);
  }
};

using Attention8Of = OnAttention8With<AttentionCase>;

TEST_P(Attention8Of, MatchesDoubleArithmetic) {
  const AttentionCase& c = param();
  Operands o(backend(), c, dtype());
  const float scale = 1 / std::sqrt(static_cast<float>(kDim));
  for (const AttentionForm form : {AttentionForm::k8And16, AttentionForm::k8And8}) {
    Attention8Operands operands(backend(), c.queries, c.keys, c.heads, form);
    Attention8& a = operands.a;
    backend().quantize_attention(o.q, o.k, o.v, a);
    const Operand y = o.bench.blank(dtype(), {c.queries, c.heads * kDim}, c.pad);
    backend().attention8(a, scale, y);
    const Reference reference{a, scale, Attention8Parts(backend(), a), o.v.values};
    EXPECT_TRUE(o.bench.matches(y, reference())) << (form == AttentionForm::k8And16 ? "8 and 16" : "8 and 8");
  }
}
INSTANTIATE_TEST_SUITE_P(Ops, Attention8Of, both_precisions(kAttention), CaseName());

using Attention8Contract = OnAttention8;

double distance(const std::vector<double>& got, const std::vector<double>& want) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return std::sqrt(difference / norm);
}

/// What the formats cost. With scores of deviation 1: a normal row's largest of 128 is about 2.8 deviations, and that
/// of 64 rows 4, so that steps of 1/127 of them err by 0.64 % and 0.91 % of a deviation (step / sqrt(12)), and scores
/// by 1.1 % of theirs, which the softmax passes on; E4M3 errs by 2.6 % (3 bits behind the first, on average over their
/// range) in probabilities and in values. Together 1.2 % and 3.9 %; a third more is allowed. A channel of keys that is
/// 20 times the others must not change that: the transform spreads it.
TEST_F(Attention8Contract, ErrsAsItsFormatsDo) {
  constexpr int64_t kQueries = 200, kKeys = 1200, kHeads = 2, kWidth = kHeads * kDim;
  for (const double outlier : {1.0, 20.0}) {
    Bench bench(backend(), "formats");
    auto key = bench.normal_values(kKeys * kWidth);
    for (int64_t j = 0; j < kKeys; ++j)
      for (int64_t i = 17; i < kWidth; i += kDim) {  // one channel of a head
        double& x = key[static_cast<size_t>(j * kWidth + i)];
        x = x * outlier + 3 * outlier;
      }
    const Operand q = bench.normal(DType::kBF16, {kQueries, kWidth}), k = bench.put(DType::kBF16, {kKeys, kWidth}, key),
                  v = bench.normal(DType::kBF16, {kKeys, kWidth}), y = bench.blank(DType::kBF16, {kQueries, kWidth});
    const auto scale = static_cast<float>(1 / std::sqrt(kDim - 1 + outlier * outlier));  // to deviation 1
    const Expected want =
        reference::attention(q.values, k.values, v.values, {kQueries, kKeys, kHeads, kDim, scale}, {}, {}, 0);
    for (const AttentionForm form : {AttentionForm::k8And16, AttentionForm::k8And8}) {
      Attention8Operands operands(backend(), kQueries, kKeys, kHeads, form);
      backend().quantize_attention(q, k, v, operands.a);
      backend().attention8(operands.a, scale, y);
      const double error = distance(bench.get(y), want.value);
      const bool is_e4m3 = form == AttentionForm::k8And8;
      RecordProperty((is_e4m3 ? "8_and_8_outlier_" : "8_and_16_outlier_") + std::to_string(static_cast<int>(outlier)),
                     std::to_string(error));
      EXPECT_LT(error, is_e4m3 ? 0.052 : 0.016) << "outlier " << outlier;
      EXPECT_GT(error, is_e4m3 ? 0.02 : 0.005) << "too good for its formats; outlier " << outlier;
    }
  }
}

/// With steps this large the largest sum wins alone, though it be one above the next: the result is its key's value.
/// Keys come in pairs whose first elements are one apart, and every query's first element is 1 or -1.
TEST_F(Attention8Contract, ScoresAreExact) {
  constexpr int64_t kQueries = 300, kKeys = 1000;
  constexpr float kStep = 200;  // in the natural logarithm
  Sequence sequence(7);
  Bench bench(backend(), "exact scores");
  const Operand q = bench.normal(DType::kBF16, {kQueries, kDim}), k = bench.normal(DType::kBF16, {kKeys, kDim}),
                v = bench.normal(DType::kBF16, {kKeys, kDim}), y = bench.blank(DType::kBF16, {kQueries, kDim});
  Attention8Operands operands(backend(), kQueries, kKeys, 1, AttentionForm::k8And16);
  Attention8& a = operands.a;
  backend().quantize_attention(q, k, v, a);
  const auto bytes = [&](int64_t count) {
    std::vector<int8_t> values(static_cast<size_t>(count));
    for (int8_t& value : values) value = static_cast<int8_t>(sequence.next(-127, 127));
    return values;
  };
  std::vector<int8_t> queries = bytes(kQueries * kDim), keys = bytes(kKeys * kDim);
  std::fill_n(queries.begin(), kDim, int8_t{127});  // the largest sums there are
  std::fill_n(keys.begin() + 600 * kDim, kDim, int8_t{127});
  for (int64_t query = 0; query < kQueries; ++query)
    queries[static_cast<size_t>(query * kDim)] = query % 2 == 0 ? 1 : -1;
  for (int64_t j = 0; j < kKeys; j += 2) {
    const auto pair = keys.begin() + j * kDim;
    if (pair[0] == 127) pair[0] = 126;
    std::copy_n(pair, kDim, pair + kDim);
    ++pair[kDim];
  }
  const auto set = [&](const auto& values, const TensorView& to) {
    const Tensor from = put(backend(), to.shape, values);
    backend().copy_bytes(from, to, Queue::kCompute);
    backend().synchronize();
  };
  set(queries, a.q);
  set(keys, a.k);
  set(std::vector<float>(kQueries, kStep), a.q_scale);
  set(std::vector<float>(static_cast<size_t>(a.k_scale.count()), 1), a.k_scale);
  backend().attention8(a, 1, y);
  const auto got = bench.get(y);
  int64_t compared = 0;
  for (int64_t query = 0; query < kQueries; ++query) {
    int64_t best = INT64_MIN, where = 0, ties = 0;
    for (int64_t j = 0; j < kKeys; ++j) {
      int64_t sum = 0;
      for (int64_t i = 0; i < kDim; ++i)
        sum += int64_t{queries[static_cast<size_t>(query * kDim + i)]} * keys[static_cast<size_t>(j * kDim + i)];
      ties = sum == best ? ties + 1 : sum > best ? 0 : ties;
      if (sum > best) best = sum, where = j;
    }
    if (ties > 0) continue;
    ++compared;
    for (int64_t i = 0; i < kDim; ++i)
      ASSERT_EQ(got[static_cast<size_t>(query * kDim + i)], v.at(where * kDim + i)) << query << ", key " << where;
  }
  EXPECT_GT(compared, kQueries - 10);
}

/// A key without a number spoils its head, a query its row, a value its channel, and nothing else.
TEST_F(Attention8Contract, SpecialRowsStayAlone) {
  constexpr int64_t kQueries = 300, kKeys = 500, kHeads = 3, kWidth = kHeads * kDim;
  Bench bench(backend(), "alone");
  auto query = bench.normal_values(kQueries * kWidth), key = bench.normal_values(kKeys * kWidth),
       value = bench.normal_values(kKeys * kWidth);
  query[20 * kWidth] = NAN;
  key[450 * kWidth + kDim] = INFINITY;
  value[7 * kWidth + 2 * kDim + 5] = NAN;
  const Operand q = bench.put(DType::kBF16, {kQueries, kWidth}, query),
                k = bench.put(DType::kBF16, {kKeys, kWidth}, key), v = bench.put(DType::kBF16, {kKeys, kWidth}, value),
                y = bench.blank(DType::kBF16, {kQueries, kWidth});
  for (const AttentionForm form : {AttentionForm::k8And16, AttentionForm::k8And8}) {
    Attention8Operands operands(backend(), kQueries, kKeys, kHeads, form);
    backend().quantize_attention(q, k, v, operands.a);
    backend().attention8(operands.a, 0.1f, y);
    const auto got = bench.get(y);
    for (int64_t i = 0; i < kQueries * kWidth; ++i) {
      const int64_t row = i / kWidth, column = i % kWidth, head = column / kDim;
      const bool is_nan = head == 1 || (row == 20 && head == 0) || column == 2 * kDim + 5;
      ASSERT_EQ(std::isnan(got[static_cast<size_t>(i)]), is_nan) << "row " << row << ", column " << column;
    }
  }
}

TEST_F(Attention8Contract, SameBytesAgain) {
  Bench bench(backend(), "again");
  const Operand rows = bench.normal(DType::kBF16, {500, 256});
  for (const AttentionForm form : {AttentionForm::k8And16, AttentionForm::k8And8}) {
    Attention8Operands operands(backend(), 500, 500, 2, form);
    backend().quantize_attention(rows, rows, rows, operands.a);
    const Operand first = bench.blank(DType::kBF16, {500, 256}), second = bench.blank(DType::kBF16, {500, 256});
    backend().attention8(operands.a, 0.1f, first);
    backend().attention8(operands.a, 0.1f, second);
    EXPECT_EQ(bench.get(first), bench.get(second));
  }
}

}  // namespace
}  // namespace wan
