// Cases of several sources put into rows by their names, cards with their programs into columns.
#include "analysis/cards.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Records with their summaries, which point into them.
class Cards : public ::testing::Test {
 protected:
  RunRecord& add(const std::string& name, const std::string& device, EngineKind kind = EngineKind::kNative) {
    RunRecord record = synthetic_run({2, 2, 2});
    record.run_case.name = name;
    record.system.gpus[0].name = device;
    record.engine.kind = kind;
    record.engine.name = kind == EngineKind::kImported ? "original" : "wanbench";
    records_.push_back(record);
    return records_.back();
  }
  CardTable table() {
    std::vector<const CaseSummary*> pointers;
    for (const RunRecord& record : records_) summaries_.push_back(summarise(group_runs({&record})[0]));
    for (const CaseSummary& summary : summaries_) pointers.push_back(&summary);
    return card_table(pointers);
  }
  std::deque<RunRecord> records_;
  std::deque<CaseSummary> summaries_;
};

TEST_F(Cards, AreColumnsByDeviceAndProgramImportedFirst) {
  add("01", "H100");
  add("01", "H100", EngineKind::kImported);
  add("01", "L40S", EngineKind::kImported);
  const CardTable cards = table();
  ASSERT_EQ(cards.machines.size(), 3u);
  EXPECT_EQ(cards.machines[0].engine, "original");
  EXPECT_EQ(cards.machines[1].device, "L40S");
  EXPECT_EQ(cards.machines[2].engine, "wanbench");
  ASSERT_EQ(cards.rows.size(), 1u);
  EXPECT_THAT(cards.rows[0].cells, ElementsAre(ElementsAre(1), ElementsAre(2), ElementsAre(0)));
}

TEST_F(Cards, CasesAreOneRowByAnyOfTheirNames) {
  add("01_480p", "L40S", EngineKind::kImported);
  add("01_704p", "L40S", EngineKind::kImported);
  add("02", "L40S", EngineKind::kImported);
  add("01", "H100").run_case.aliases = {"01_480p", "01_704p"};  // joins two rows that were apart
  const CardTable cards = table();
  ASSERT_EQ(cards.rows.size(), 2u);
  EXPECT_EQ(cards.rows[0].name, "01") << "our own suite's name";
  EXPECT_THAT(cards.rows[0].cells, ElementsAre(ElementsAre(0, 1), ElementsAre(3)));
  EXPECT_EQ(cards.rows[1].name, "02");
  EXPECT_THAT(cards.rows[1].cells, ElementsAre(ElementsAre(2), IsEmpty()));
}

TEST_F(Cards, ARowKeepsTheNamesOfAllItsCases) {
  add("01", "H100").run_case.aliases = {"01_old"};
  add("01_new", "L40S").run_case.aliases = {"01_old"};
  add("01", "H200");  // a name of the first only
  EXPECT_EQ(table().rows.size(), 1u);
}

TEST_F(Cards, WarmRunsEmptyPageCachesAndArmsHaveRowsOfTheirOwn) {
  add("01", "H100");
  add("01", "H100").workload.scope = RunScope::kUnknown;  // as cold as the one before
  add("01", "H100").workload.scope = RunScope::kWarm;
  add("01", "H100").workload.page_cache = PageCache::kEvicted;
  add("01", "H100").run_case.arm = "fast";
  const CardTable cards = table();
  std::vector<std::string> names;
  for (const CardRow& row : cards.rows) names.push_back(row.name);
  EXPECT_THAT(names, ElementsAre("01", "01 (empty page cache)", "01 (warm)", "01 [fast]"));
}

TEST_F(Cards, DifferentWorkInARowIsNamed) {
  add("01", "L40S");
  add("01", "H100").workload.steps = 9;
  const CardTable cards = table();
  ASSERT_EQ(cards.rows.size(), 1u);
  EXPECT_THAT(cards.rows[0].differences, ElementsAre("01 on H100: steps is 9, on L40S it is 3"));
}

TEST_F(Cards, QuantitiesSumTheLeavesOfARole) {
  RunRecord& run = add("01", "H100");
  stage_of(run, "Step_1_Loading").wall_ns = 500'000'000;
  stage_of(run, "Step_2_Loading").wall_ns = 250'000'000;
  table();
  const auto value = [&](const std::string& name) {
    for (const CardQuantity& quantity : card_quantities())
      if (quantity.name == name) return quantity.of(summaries_[0]);
    return Quantity{};
  };
  EXPECT_NEAR(value("Waiting for weights between steps").median(), 0.75, 1e-9);
  EXPECT_NEAR(value("VAE decoding").median(), 4, 1e-9);
  EXPECT_NEAR(value("Steady step").median(), 2, 1e-9);
  EXPECT_FALSE(value("Energy").has());
}

}  // namespace
}  // namespace wan
