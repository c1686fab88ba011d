// Kernels given to stages: every nanosecond of a stage is charged once.
#include "measure/kernel_table.h"

#include <gtest/gtest.h>

namespace wan::measure {
namespace {

const std::vector<KernelName> kNames{{"gemm", KernelKind::kGemm},
                                     {"norm", KernelKind::kElementwise},
                                     {"copy, pinned host to device", KernelKind::kCopy}};
constexpr uint32_t kGemm = 0, kNorm = 1, kCopy = 2;

const KernelKindSum& kind_of(const KernelTable& table, KernelKind kind) {
  for (const KernelKindSum& sum : table.kinds)
    if (sum.kind == kind) return sum;
  static const KernelKindSum none;
  return none;
}

/// What must hold for every table.
void expect_tiled(const KernelTable& table) {
  int64_t exposed = 0, by_kind = 0, by_name = table.unlisted_ns;
  for (const KernelKindSum& sum : table.kinds) {
    exposed += sum.exposed_ns;
    by_kind += sum.total_ns;
    EXPECT_LE(sum.exposed_ns, sum.total_ns);
  }
  for (const KernelSum& sum : table.kernels) by_name += sum.total_ns;
  EXPECT_EQ(exposed + table.gap_ns, table.wall_ns) << table.stages;
  EXPECT_EQ(by_kind, by_name) << table.stages;
}

TEST(KernelTable, SumsByKindAndNameWithGaps) {
  const auto tables =
      tabulate_kernels({{{10, 40}, kGemm}, {{50, 60}, kNorm}, {{60, 80}, kGemm}}, kNames, {{"Step_*", {0, 100}}});
  ASSERT_EQ(tables.size(), 1u);
  expect_tiled(tables[0]);
  EXPECT_EQ(tables[0].stage_count, 1);
  EXPECT_EQ(tables[0].wall_ns, 100);
  EXPECT_EQ(tables[0].gap_ns, 40);
  EXPECT_EQ(kind_of(tables[0], KernelKind::kGemm), (KernelKindSum{KernelKind::kGemm, 2, 50, 50}));
  EXPECT_EQ(kind_of(tables[0], KernelKind::kElementwise), (KernelKindSum{KernelKind::kElementwise, 1, 10, 10}));
  ASSERT_EQ(tables[0].kernels.size(), 2u);
  EXPECT_EQ(tables[0].kernels[0], (KernelSum{"gemm", KernelKind::kGemm, 2, 50}));
}

TEST(KernelTable, ACopyIsExposedOnlyWhereNoKernelRan) {
  const auto tables =
      tabulate_kernels({{{0, 30}, kCopy}, {{20, 50}, kGemm}, {{25, 70}, kCopy}, {{60, 65}, kNorm}, {{90, 95}, kCopy}},
                       kNames, {{"Step_*", {0, 100}}});
  ASSERT_EQ(tables.size(), 1u);
  expect_tiled(tables[0]);
  // 0-20 before the product, 50-60 and 65-70 around the norm, 90-95.
  EXPECT_EQ(kind_of(tables[0], KernelKind::kCopy), (KernelKindSum{KernelKind::kCopy, 3, 80, 40}));
  EXPECT_EQ(kind_of(tables[0], KernelKind::kGemm).exposed_ns, 30);
  EXPECT_EQ(tables[0].gap_ns, 25);
}

TEST(KernelTable, OfTwoKernelsTheFirstIsCharged) {
  const auto tables =
      tabulate_kernels({{{30, 60}, kNorm}, {{10, 50}, kGemm}, {{15, 20}, kNorm}}, kNames, {{"VAE_Decoding", {0, 60}}});
  ASSERT_EQ(tables.size(), 1u);
  expect_tiled(tables[0]);
  EXPECT_EQ(kind_of(tables[0], KernelKind::kGemm).exposed_ns, 40);
  EXPECT_EQ(kind_of(tables[0], KernelKind::kElementwise), (KernelKindSum{KernelKind::kElementwise, 2, 35, 10}));
}

TEST(KernelTable, TimeGoesToTheStageItLiesInAndStagesOfANameArePooled) {
  const auto tables = tabulate_kernels({{{90, 130}, kGemm}, {{-20, 10}, kNorm}, {{300, 310}, kNorm}}, kNames,
                                       {{"Step_*", {0, 100}}, {"Step_*", {100, 200}}, {"VAE_Decoding", {200, 250}}});
  ASSERT_EQ(tables.size(), 2u);
  expect_tiled(tables[0]);
  expect_tiled(tables[1]);
  EXPECT_EQ(tables[0].stage_count, 2);
  EXPECT_EQ(tables[0].wall_ns, 200);
  EXPECT_EQ(kind_of(tables[0], KernelKind::kGemm), (KernelKindSum{KernelKind::kGemm, 1, 40, 40}));
  EXPECT_EQ(kind_of(tables[0], KernelKind::kElementwise), (KernelKindSum{KernelKind::kElementwise, 0, 10, 10}))
      << "it began before the stages";
  EXPECT_EQ(tables[1].gap_ns, 50);
  EXPECT_TRUE(tables[1].kinds.empty());
}

TEST(KernelTable, ListsTheLongestAndSumsTheRest) {
  std::vector<KernelName> names;
  std::vector<KernelRun> runs;
  int64_t at = 0;
  for (uint32_t i = 0; i < kListedKernels + 5; ++i) {
    names.push_back({std::to_string(i), KernelKind::kOther});
    runs.push_back({{at, at + 1 + i}, i});
    at += 1 + i;
  }
  const auto tables = tabulate_kernels(runs, names, {{"Step_*", {0, at}}});
  ASSERT_EQ(tables.size(), 1u);
  expect_tiled(tables[0]);
  ASSERT_EQ(tables[0].kernels.size(), kListedKernels);
  EXPECT_EQ(tables[0].kernels[0].name, std::to_string(kListedKernels + 4));
  EXPECT_EQ(tables[0].unlisted_count, 5);
  EXPECT_EQ(tables[0].unlisted_ns, 1 + 2 + 3 + 4 + 5);
}

TEST(KernelTable, ManyOverlappingRunsStillTile) {
  // A multiplicative generator, seeded: begins in 0..999, lengths 0..49.
  uint32_t state = 7;
  const auto next = [&](uint32_t limit) { return int64_t{(state = state * 1664525u + 1013904223u) >> 8} % limit; };
  std::vector<KernelRun> runs;
  for (int i = 0; i < 400; ++i) {
    const int64_t begin = next(1000);
    runs.push_back({{begin, begin + next(50)}, static_cast<uint32_t>(next(3))});
  }
  for (const KernelTable& table :
       tabulate_kernels(runs, kNames, {{"a", {0, 137}}, {"b", {137, 138}}, {"a", {200, 600}}, {"c", {600, 1100}}}))
    expect_tiled(table);
}

TEST(KernelTable, KernelsThatBeginOutsideEveryStageAreCounted) {
  const std::vector<KernelRun> runs = {{{5, 15}, 0}, {{12, 14}, 0}, {{25, 29}, 0}, {{38, 45}, 0}};
  const auto tables = tabulate_kernels(runs, kNames, {{"a", {10, 20}}, {"b", {30, 40}}});
  EXPECT_EQ(begun_outside(runs.size(), tables), 2) << "one before the first, though it reaches in, one between";
}

TEST(MissingKernels, SayWhyInOneLine) {
  EXPECT_EQ(describe({}), "");
  EXPECT_EQ(describe({1, 2, 3, 4, 5}),
            "1 without a time, 2 whose end is before their begin, 3 beyond those that are kept, 4 dropped by CUPTI for "
            "want of a buffer (calls of the host may be among them), 5 begun outside every stage");
  EXPECT_EQ((MissingKernels{1, 2, 3, 4, 5}.lost()), 10) << "the last have a time";
  const MissingKernels calls{0, 0, 0, 0, 0, 6};
  EXPECT_EQ(describe(calls), "6 calls of the host beyond those that are kept");
  EXPECT_EQ(calls.lost(), 0) << "they are no kernels";
}

}  // namespace
}  // namespace wan::measure
