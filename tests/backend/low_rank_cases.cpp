// Merging a LoRA into a weight, on every backend.
#include <array>

#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

struct LowRankCase {
  const char* name;
  int64_t rows, columns, rank;
  float factor = 1;
  double size = 1;  // standard deviation of the factors
};
void PrintTo(const LowRankCase& c, std::ostream* out) { *out << c.name; }

constexpr LowRankCase kLowRank[] = {
    {"one_by_one", 1, 1, 1},
    {"one_row", 1, 300, 4, 0.5f},
    {"one_column", 300, 1, 5, -2},
    {"odd", 37, 29, 3, 0.7f},
    {"less_than_a_tile", 100, 120, 8},
    {"one_tile", 128, 128, 16},
    {"more_than_a_tile", 129, 136, 32, 0.125f},
    {"columns_in_fours", 130, 132, 24},
    {"columns_in_twos", 131, 262, 10},
    {"rank_not_of_a_slice", 256, 256, 40, -0.3f},
    {"rank_of_odd_length", 140, 144, 67},
    {"rank_above_the_matrix", 48, 64, 130},
    {"large_values", 65, 72, 20, 3, 1e3},
    {"tiny_values", 65, 72, 20, 3, 1e-6},
    {"nothing_added", 33, 40, 4, 0},
    {"lightning_like", 384, 512, 64, 0.125f, 0.02},
};

using LowRank = OnBackendWith<LowRankCase>;

void run(Bench bench, const LowRankCase& c, DType base_type, DType factors, DType y_type) {
  const Operand base = bench.normal(base_type, {c.rows, c.columns}, {0, 0.05});
  const Operand up = bench.normal(factors, {c.rows, c.rank}, {0.01, c.size});
  const Operand down = bench.normal(factors, {c.rank, c.columns}, {-0.02, c.size});
  const Expected want =
      reference::add_low_rank(base.values, up.values, down.values, c.factor, c.rows, c.columns, c.rank);
  const Operand y = bench.blank(y_type, {c.rows, c.columns});
  bench.backend().add_low_rank(base, up, down, c.factor, y, Queue::kCompute);
  EXPECT_TRUE(bench.matches(y, want));
  EXPECT_EQ(bench.get(base), base.values);
  if (base_type != y_type) return;
  bench.backend().add_low_rank(base, up, down, c.factor, base, Queue::kCompute);
  EXPECT_EQ(bench.get(base), bench.get(y)) << "in place";
}

TEST_P(LowRank, MatchesReference) {
  for (const DType factors : {DType::kF32, DType::kBF16})
    run(Bench(backend(), param().name), param(), dtype(), factors, dtype());
}
TEST_P(LowRank, WritesTheOtherPrecision) {
  const DType other = dtype() == DType::kF32 ? DType::kBF16 : DType::kF32;
  for (const DType factors : {DType::kF32, DType::kBF16})
    run(Bench(backend(), param().name), param(), dtype(), factors, other);
}
INSTANTIATE_TEST_SUITE_P(Ops, LowRank, both_precisions(kLowRank), CaseName());

using LowRankForms = OnBackend;

/// 0, 1, -1, 2, -2 in binary16.
constexpr std::array<uint16_t, 5> kHalves{0x0000, 0x3c00, 0xbc00, 0x4000, 0xc000};
constexpr std::array<double, 5> kValues{0, 1, -1, 2, -2};

struct SmallFactor {
  std::vector<double> values;
  Tensor half;
};

SmallFactor small_factor(Backend& backend, const Shape& shape, int64_t seed) {
  SmallFactor factor;
  const Tensor host = host_tensor(DType::kF16, shape);
  for (int64_t i = 0; i < shape.count(); ++i) {
    const auto pick = static_cast<size_t>((i * 7 + i / 5 + seed) % 5);
    factor.values.push_back(kValues[pick]);
    static_cast<uint16_t*>(host->data)[i] = kHalves[pick];
  }
  factor.half = backend.allocate(DType::kF16, shape, "test operand");
  backend.copy_bytes(host, factor.half, Queue::kCompute);
  backend.synchronize();
  return factor;
}

/// Small whole numbers are exact in every type and every order of sums: the results are the same bits.
TEST_F(LowRankForms, FactorsOfAnyTypeGiveTheSame) {
  Bench bench(backend(), "types");
  const Shape shape{150, 176};
  const Operand base = bench.normal(DType::kF32, shape);
  const SmallFactor up = small_factor(backend(), {150, 21}, 1), down = small_factor(backend(), {21, 176}, 2);
  std::vector<double> first;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const Operand y = bench.blank(DType::kF32, shape);
    backend().add_low_rank(base, bench.put(dtype, {150, 21}, up.values), bench.put(dtype, {21, 176}, down.values),
                           0.25f, y, Queue::kCompute);
    if (first.empty()) first = bench.get(y);
    EXPECT_EQ(bench.get(y), first);
  }
  const Operand y = bench.blank(DType::kF32, shape);
  backend().add_low_rank(base, up.half, down.half, 0.25f, y, Queue::kCompute);
  EXPECT_EQ(bench.get(y), first);
}

/// A sum with BF16 in between, or factors cut to TF32's 10 bits, would lose the last bits.
TEST_F(LowRankForms, FactorsKeepAllTheirBits) {
  Bench bench(backend(), "bits");
  const double fine = 1 + 0x1p-20;
  const Operand base = bench.put(DType::kF32, {1, 1}, {-3});
  const Operand up = bench.put(DType::kF32, {1, 3}, {fine, 1, 1}),
                down = bench.put(DType::kF32, {3, 1}, {1, fine, fine});
  const Operand y = bench.blank(DType::kF32, {1, 1});
  backend().add_low_rank(base, up, down, 1, y, Queue::kCompute);
  EXPECT_EQ(bench.get(y), std::vector<double>{3 * 0x1p-20});
}

TEST_F(LowRankForms, RefusesWhatDoesNotFit) {
  Bench bench(backend(), "refusals");
  const Operand base = bench.normal(DType::kF32, {6, 8}), y = bench.blank(DType::kF32, {6, 8});
  const Operand up = bench.normal(DType::kF32, {6, 2}), down = bench.normal(DType::kF32, {2, 8});
  const Operand bf16 = bench.normal(DType::kBF16, {2, 8}), turned = bench.normal(DType::kF32, {8, 2});
  const Operand other = bench.normal(DType::kF32, {3, 8}), padded = bench.normal(DType::kF32, {6, 8}, {}, 2);
  const Operand flat = bench.normal(DType::kF32, {48});
  EXPECT_ANY_THROW(backend().add_low_rank(base, up, bf16, 1, y, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(base, up, turned, 1, y, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(base, up, other, 1, y, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(base, down, down, 1, y, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(padded, up, down, 1, y, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(base, up, down, 1, padded, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(base, up, down, 1, turned, Queue::kCompute));
  EXPECT_ANY_THROW(backend().add_low_rank(flat, up, down, 1, flat, Queue::kCompute));
  EXPECT_NO_THROW(backend().add_low_rank(base, up, down, 1, y, Queue::kCompute));
}

TEST_F(LowRankForms, AcceptsNothing) {
  Bench bench(backend(), "empty");
  const Operand base = bench.normal(DType::kF32, {2, 8}), up = bench.normal(DType::kF32, {2, 3});
  const Operand down = bench.normal(DType::kF32, {3, 8});
  backend().add_low_rank(base.view.slice(0, 0, 0), up.view.slice(0, 0, 0), down, 1, base.view.slice(0, 0, 0),
                         Queue::kCompute);
  EXPECT_EQ(bench.get(base), base.values);
  const TensorView none(up.view.data, DType::kF32, {2, 0}, up.view.memory);
  backend().add_low_rank(base, none, down.view.slice(0, 0, 0), 1, base, Queue::kCompute);
  EXPECT_EQ(bench.get(base), base.values);  // of rank 0
}

}  // namespace
}  // namespace wan
