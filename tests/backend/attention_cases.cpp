// Attention on every backend.
#include <cmath>

#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

struct AttentionCase {
  const char* name;
  int64_t queries, keys, heads, dim;
  int64_t pad = 0;        // elements between rows
  double size = 1;        // standard deviation of q and k
  double scale = 0;       // 0: 1 / sqrt(dim)
  int64_t same_keys = 0;  // this many last keys and values are equal, as an empty prompt's padding is
};
void PrintTo(const AttentionCase& c, std::ostream* out) { *out << c.name; }

constexpr AttentionCase kAttention[] = {
    {"one_query_one_key", 1, 1, 1, 8},
    {"one_head_of_40", 45, 45, 1, 40},
    {"self", 100, 100, 3, 32},
    {"self_128", 200, 200, 2, 128},
    {"cross", 77, 33, 4, 16},
    {"cross_512", 70, 512, 2, 128, 0, 1, 0, 480},
    {"more_keys", 3, 300, 2, 64},
    {"qkv_in_one_matrix", 65, 65, 2, 24, 96},
    {"odd_strides", 21, 34, 1, 17, 3},
    {"sharp", 64, 130, 2, 32, 0, 4},
    {"no_scale", 40, 40, 4, 64, 0, 0.5, 1},
    {"vae_middle", 60, 60, 1, 384, 768},
    {"wide_head", 12, 30, 1, 1024},
};

std::vector<double> repeat_last(std::vector<double> rows, int64_t width, int64_t same) {
  const int64_t count = static_cast<int64_t>(rows.size()) / width;
  for (int64_t row = count - same + 1; same > 0 && row < count; ++row)
    for (int64_t i = 0; i < width; ++i)
      rows[static_cast<size_t>(row * width + i)] = rows[static_cast<size_t>((count - same) * width + i)];
  return rows;
}

struct Operands {
  Operands(Backend& backend, const AttentionCase& c, DType dtype)
      : bench(backend, c.name),
        shape{c.queries, c.keys, c.heads, c.dim, c.scale > 0 ? c.scale : 1 / std::sqrt(static_cast<double>(c.dim))},
        q(bench.normal(dtype, {c.queries, c.heads * c.dim}, {0, c.size}, c.pad)),
        k(bench.put(
            dtype, {c.keys, c.heads * c.dim},
            repeat_last(bench.normal_values(c.keys * c.heads * c.dim, {0.1, c.size}), c.heads * c.dim, c.same_keys),
            c.pad)),
        v(bench.put(dtype, {c.keys, c.heads * c.dim},
                    repeat_last(bench.normal_values(c.keys * c.heads * c.dim, {0.2, 1}), c.heads * c.dim, c.same_keys),
                    c.pad)),
        out(bench.blank(dtype, {c.queries, c.heads * c.dim}, c.pad)),
        // A BF16 kernel may round the softmax weights to feed the matrix units, before or after the division.
        probability_roundoff(dtype == DType::kBF16 ? 2 * kBf16Roundoff : 0) {
    shape.scale = static_cast<double>(static_cast<float>(shape.scale));
  }

  Bench bench;
  reference::AttentionShape shape;
  Operand q, k, v, out;
  double probability_roundoff;
};

using Attention = OnBackendWith<AttentionCase>;

TEST_P(Attention, MatchesReference) {
  Operands o(backend(), param(), dtype());
  backend().attention(o.q, o.k, o.v, param().heads, static_cast<float>(o.shape.scale), o.out);
  EXPECT_TRUE(o.bench.matches(
      o.out, reference::attention(o.q.values, o.k.values, o.v.values, o.shape, {}, {}, o.probability_roundoff)));
}

TEST_P(Attention, RelativeBiasMatchesReference) {
  constexpr int32_t kBuckets = 32;
  Operands o(backend(), param(), dtype());
  const Operand table = o.bench.normal(DType::kF32, {kBuckets, param().heads}, {0, 2});
  const Operand bucket = o.bench.put_indices(o.bench.indices(param().queries + param().keys - 1, kBuckets));
  backend().attention_relative_bias(o.q, o.k, o.v, param().heads, static_cast<float>(o.shape.scale), table, bucket,
                                    o.out);
  EXPECT_TRUE(o.bench.matches(o.out, reference::attention(o.q.values, o.k.values, o.v.values, o.shape, table.values,
                                                          bucket.values, o.probability_roundoff)));
}

INSTANTIATE_TEST_SUITE_P(Ops, Attention, both_precisions(kAttention), CaseName());

struct GroupCase {
  const char* name;
  int64_t groups, queries, keys, heads, dim;
  int64_t pad = 0;
};
void PrintTo(const GroupCase& c, std::ostream* out) { *out << c.name; }

// A kernel for few keys takes heads of a power of two; the others go group by group.
constexpr GroupCase kGroups[] = {
    {"one_group", 1, 70, 5, 2, 32},
    {"one_key", 4, 3, 1, 2, 16},
    {"five_keys", 7, 33, 5, 3, 128},
    {"eight_keys_of_256", 3, 12, 8, 2, 256},
    {"small_heads", 5, 9, 4, 5, 8},
    {"in_one_matrix", 6, 21, 5, 2, 64, 128},
    {"nine_keys", 3, 20, 9, 2, 32},
    {"odd_heads", 4, 10, 5, 2, 24},
    {"more_columns_than_a_block", 2, 40, 3, 5, 128},
};

using AttentionInGroups = OnBackendWith<GroupCase>;

TEST_P(AttentionInGroups, IsAttentionOfEachGroup) {
  const GroupCase& c = param();
  Bench bench(backend(), c.name);
  const int64_t width = c.heads * c.dim;
  const Operand q = bench.normal(dtype(), {c.groups * c.queries, width}, {0, 1}, c.pad);
  const Operand k = bench.normal(dtype(), {c.groups * c.keys, width}, {0.1, 1}, c.pad);
  const Operand v = bench.normal(dtype(), {c.groups * c.keys, width}, {0.2, 1}, c.pad);
  const Operand out = bench.blank(dtype(), {c.groups * c.queries, width}, c.pad);
  const reference::AttentionShape shape{
      c.queries, c.keys, c.heads, c.dim,
      static_cast<double>(static_cast<float>(1 / std::sqrt(static_cast<double>(c.dim))))};
  Expected expected;
  const auto part = [&](const std::vector<double>& values, int64_t rows, int64_t group) {
    const auto begin = values.begin() + group * rows * width;
    return std::vector<double>(begin, begin + rows * width);
  };
  for (int64_t group = 0; group < c.groups; ++group) {
    const Expected one = reference::attention(part(q.values, c.queries, group), part(k.values, c.keys, group),
                                              part(v.values, c.keys, group), shape, {}, {},
                                              dtype() == DType::kBF16 ? 2 * kBf16Roundoff : 0);
    expected.value.insert(expected.value.end(), one.value.begin(), one.value.end());
    expected.slack.insert(expected.slack.end(), one.slack.begin(), one.slack.end());
  }
  backend().attention_in_groups(q, k, v, c.groups, c.heads, static_cast<float>(shape.scale), out);
  EXPECT_TRUE(bench.matches(out, expected));
}

INSTANTIATE_TEST_SUITE_P(Ops, AttentionInGroups, both_precisions(kGroups), CaseName());

using AttentionContract = OnBackend;

TEST_F(AttentionContract, KeepsWeightsFiniteForHugeScores) {
  // Scores of +-2e5: without subtracting the largest one, exp overflows.
  Bench bench(backend(), "huge scores");
  const Operand q = bench.put(DType::kF32, {1, 2}, {400, 400}), v = bench.put(DType::kF32, {2, 2}, {1, 2, 3, 4});
  const Operand k = bench.put(DType::kF32, {2, 2}, {250, 250, -250, -250}), out = bench.blank(DType::kF32, {1, 2});
  backend().attention(q, k, v, 1, 1.0f, out);
  EXPECT_TRUE(bench.matches(out, reference::exact({1, 2})));
}

TEST_F(AttentionContract, RefusesShapesThatDoNotFit) {
  Bench bench(backend(), "attention refusals");
  const Operand q = bench.normal(DType::kF32, {4, 8}), k = bench.normal(DType::kF32, {5, 8});
  const Operand v = bench.normal(DType::kF32, {6, 8}), out = bench.blank(DType::kF32, {4, 8});
  EXPECT_ANY_THROW(backend().attention(q, k, v, 2, 1.0f, out));
  EXPECT_ANY_THROW(backend().attention(q, k, k, 3, 1.0f, out));
  EXPECT_ANY_THROW(backend().attention(q, k, k, 2, 1.0f, v));
  EXPECT_NO_THROW(backend().attention(q, k, k, 2, 1.0f, out));
  EXPECT_ANY_THROW(backend().attention_in_groups(q, v, v, 4, 2, 1.0f, out));
  EXPECT_ANY_THROW(backend().attention_in_groups(q, v, v, 0, 2, 1.0f, out));
  EXPECT_NO_THROW(backend().attention_in_groups(q, v, v, 2, 2, 1.0f, out));
}

}  // namespace
}  // namespace wan
