// Comparisons of whole cases, workload equality and the tables.
#include "analysis/compare.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/gate.h"
#include "analysis/tables.h"
#include "base/error.h"
#include "base/file.h"
#include "runs.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

/// Five runs whose steps take `step` seconds, +- 0.2 %, at `clock` MHz (0: no clocks).
std::vector<RunRecord> arm(double step, double clock = 0, int runs = 5) {
  std::vector<RunRecord> out;
  for (int i = 0; i < runs; ++i) {
    const double s = step * (1 + 0.001 * (i - 2));
    out.push_back(synthetic_run({s, s, s}, 0.1, i));
    if (clock == 0) continue;
    for (StageRecord& stage : out.back().stages) {
      if (computes_on_gpu(out.back(), stage)) stage.sm_clock_mhz = measured(Spread{clock, clock, clock}, "nvml");
    }
  }
  return out;
}

CaseSummary summary_of(const std::vector<RunRecord>& runs) { return summarise(group_runs(pointers_to(runs))[0]); }

const ComparedRow& row(const Comparison& c, const std::string& name) {
  for (const ComparedRow& r : c.scopes) {
    if (r.name == name) return r;
  }
  for (const ComparedRow& r : c.stages) {
    if (r.name == name) return r;
  }
  throw std::runtime_error("no row " + name);
}

TEST(Compare, FindsTheStageThatChanged) {
  const auto a = arm(10), b = arm(8);
  const CaseSummary sa = summary_of(a), sb = summary_of(b);
  const Comparison c = compare_cases(sa, sb);
  ASSERT_TRUE(c.comparable());
  EXPECT_EQ(c.scopes.front().name, "Total");
  EXPECT_EQ(row(c, "Total").time.verdict, Verdict::kFaster);
  EXPECT_EQ(row(c, "Step inference").time.verdict, Verdict::kFaster);
  EXPECT_NEAR(row(c, "Step inference").time.ratio, 0.8, 1e-9);
  EXPECT_EQ(row(c, "VAE decoding").time.verdict, Verdict::kSame);
  EXPECT_EQ(row(c, "Initialization").time.verdict, Verdict::kSame);
  EXPECT_NEAR(c.split->saved_s, 6, 1e-6);
  EXPECT_NEAR(c.split->saved_host_s, 0, 1e-6);
  EXPECT_EQ(compare_cases(sb, sa).scopes.front().time.verdict, Verdict::kSlower);
  EXPECT_EQ(compare_cases(sa, sa).scopes.front().time.verdict, Verdict::kSame);
}

TEST(Compare, SaysWhereTheSecondsWent) {
  const auto write = [](double value) { return fmt::format("{:.1f}", value); };
  SpeedupSplit split;
  split.saved_s = 6, split.saved_gpu_s = 5, split.saved_host_s = 1;
  EXPECT_EQ(savings_text(split, write), "of 6.0 s saved, 5.0 s are the GPU part's and 1.0 s the host part's");
  split.saved_gpu_s = -1, split.saved_host_s = 7.5;
  EXPECT_EQ(
      savings_text(split, write),
      "6.0 s less in all, 1.0 s more in the GPU part, 7.5 s less in the host part (medians, which need not add up)");
  split.saved_s = -3, split.saved_gpu_s = -2, split.saved_host_s = -1;
  EXPECT_EQ(savings_text(split, write), "3.0 s more in all, 2.0 s more in the GPU part, 1.0 s more in the host part");
}

TEST(Compare, LabelsAGapThatIsOnlyTheClock) {
  const auto a = arm(10, 1600), b = arm(8, 2000);
  // T5 and VAE take the same time at another clock, so only the steps' cycles agree.
  const CaseSummary sa = summary_of(a), sb = summary_of(b);
  const Comparison c = compare_cases(sa, sb);
  const ComparedRow& steps = row(c, "Step inference");
  EXPECT_EQ(steps.time.verdict, Verdict::kFaster);
  ASSERT_TRUE(steps.cycles);
  EXPECT_NEAR(steps.cycles->ratio, 1, 1e-9);
  EXPECT_TRUE(steps.clock_explains);
  EXPECT_FALSE(row(c, "GPU part").clock_explains);
  const auto plain_a = arm(10), plain_b = arm(8);
  EXPECT_FALSE(row(compare_cases(summary_of(plain_a), summary_of(plain_b)), "Step inference").cycles);
}

TEST(Compare, RefusesOtherWorkAndNamesTheField) {
  auto a = arm(10), b = arm(10);
  for (RunRecord& run : b) {
    run.workload.shift = 3.0;
    run.workload.precision_class = PrecisionClass::kDrift;
  }
  const CaseSummary sa = summary_of(a), sb = summary_of(b);
  Comparison c = compare_cases(sa, sb);
  EXPECT_THAT(c.refusals, Contains("shift differs: - against 3"));
  EXPECT_THAT(c.refusals, Contains("precision_class differs: rounding against drift"));
  EXPECT_TRUE(c.scopes.empty());
  CompareOptions options;
  options.allowed_fields = {"*"};
  EXPECT_FALSE(compare_cases(sa, sb, options).comparable()) << "'*' does not cover precision classes";
  options.across_precision = true;
  c = compare_cases(sa, sb, options);
  EXPECT_THAT(c.refusals, ElementsAre(HasSubstr("fidelity: not measured"))) << "the class itself may differ";
  EXPECT_THAT(c.caveats, Contains(Field(&Caveat::text, HasSubstr("precision_class differs"))));
}

TEST(Compare, OtherRecipesAreComparedOnlyWhereTheyMayDiffer) {
  auto a = arm(10), b = arm(10);
  for (RunRecord& run : a) run.workload.recipe = "official";
  for (RunRecord& run : b) {
    run.workload.recipe = "lightning-4";
    run.workload.steps = 4;
    run.workload.shift = 5.0;
    run.workload.guidance_low = 1.0;
    run.workload.solver = "euler";
  }
  const CaseSummary sa = summary_of(a), sb = summary_of(b);
  EXPECT_THAT(compare_cases(sa, sb).refusals, Contains("recipe differs: official against lightning-4"));
  CompareOptions options;
  options.allowed_fields = {"steps", "shift", "guidance_low", "solver"};
  EXPECT_THAT(compare_cases(sa, sb, options).refusals, ElementsAre("recipe differs: official against lightning-4"));
  options.allowed_fields = {"recipe"};
  const Comparison c = compare_cases(sa, sb, options);
  EXPECT_THAT(c.refusals, ElementsAre(HasSubstr("fidelity: not measured"))) << "what a recipe decides differs with it";
  EXPECT_THAT(c.caveats, Contains(Field(&Caveat::text, HasSubstr("recipe differs"))));
  EXPECT_THAT(c.caveats, Contains(Field(&Caveat::text, HasSubstr("steps differs"))));
  for (RunRecord& run : b) run.workload.width = 64;
  EXPECT_THAT(compare_cases(sa, summary_of(b), options).refusals, ElementsAre(HasSubstr("width differs")));
  for (RunRecord& run : b) run.workload = a[0].workload, run.workload.steps = 4;
  EXPECT_THAT(compare_cases(sa, summary_of(b), options).refusals, ElementsAre(HasSubstr("steps differs")))
      << "of one recipe";
}

TEST(Compare, LorasMayDifferWhereRecipesMay) {
  auto a = arm(10), b = arm(10);
  for (RunRecord& run : b)
    run.workload.weights.push_back({"lora.high_noise", "fast.safetensors", 1, "bb", "size+head+tail", 0.5});
  const CaseSummary sa = summary_of(a), sb = summary_of(b);
  EXPECT_THAT(compare_cases(sa, sb).refusals, ElementsAre("weights.lora.high_noise differs: - against bb x 0.5"));
  CompareOptions options;
  options.allowed_fields = {"recipe"};
  const Comparison c = compare_cases(sa, sb, options);
  EXPECT_THAT(c.refusals, ElementsAre(HasSubstr("fidelity: not measured")));
  EXPECT_THAT(c.caveats, Contains(Field(&Caveat::text, HasSubstr("weights.lora.high_noise differs"))));
  for (RunRecord& run : b) run.workload.weights.back().component = "dit";
  EXPECT_THAT(compare_cases(sa, summary_of(b), options).refusals, ElementsAre(HasSubstr("weights.dit differs")));
}

TEST(Compare, ACaveatOfOneSideBeginsWithItsName) {
  EXPECT_EQ(caveat_text({Caveat::Of::kA, " is imported"}, "here", "there"), "here is imported");
  EXPECT_EQ(caveat_text({Caveat::Of::kB, ": 1 of 2 runs excluded"}, "here", "there"), "there: 1 of 2 runs excluded");
  EXPECT_EQ(caveat_text({Caveat::Of::kBoth, "both"}, "here", "there"), "both");
}

TEST(Compare, RefusesAnArmWithoutAValidRun) {
  auto a = arm(10), b = arm(10, 0, 1);
  b[0].status = RunStatus::kOutOfMemory;
  const CaseSummary sa = summary_of(a), sb = summary_of(b);
  EXPECT_THAT(compare_cases(sa, sb).refusals, Contains("B has no valid run of case: status oom"));
  EXPECT_FALSE(geometric_mean_ratio({compare_cases(sa, sa), compare_cases(sa, sb)}));
  EXPECT_DOUBLE_EQ(*geometric_mean_ratio({compare_cases(sa, sa)}), 1);
}

TEST(WorkloadDifference, TakesSilenceOfAnImportAsUnknown) {
  const RunRecord run = synthetic_run({2});
  Workload silent = run.workload;
  silent.offload = "";
  Workload loud = run.workload;
  loud.offload = "stream";
  loud.prompt = "text does not count, its digest does";
  const auto measured_pair = compare_workloads(silent, Provenance::kMeasured, loud, Provenance::kMeasured);
  ASSERT_EQ(measured_pair.different.size(), 1u);
  EXPECT_EQ(measured_pair.different[0].field, "offload");
  const auto imported_pair = compare_workloads(silent, Provenance::kImported, loud, Provenance::kMeasured);
  EXPECT_TRUE(imported_pair.same());
  ASSERT_EQ(imported_pair.unknown.size(), 1u);
  EXPECT_EQ(imported_pair.unknown[0].b, "stream");
  EXPECT_TRUE(compare_workloads(loud, Provenance::kMeasured, silent, Provenance::kImported).same());
}

TEST(WorkloadDifference, AWrittenVideoIsWorkToo) {
  RunRecord with = synthetic_run({2}), without = with, foreign = with;
  with.output.size_bytes = measured<uint64_t>(1000, "file");  // all that a redacted record says
  without.output = foreign.output = {};
  foreign.engine.kind = EngineKind::kExternal;
  const auto pair = compare_workloads(with, without);
  ASSERT_EQ(pair.different.size(), 1u);
  EXPECT_EQ(pair.different[0].field, "output");
  EXPECT_EQ(pair.different[0].a, "video");
  EXPECT_EQ(pair.different[0].b, "none");
  EXPECT_TRUE(compare_workloads(with, with).same());
  EXPECT_TRUE(compare_workloads(with, foreign).same()) << "what another program wrote is not known";
}

TEST(WorkloadDifference, NamesWeightsAndDtypesByComponent) {
  Workload a, b;
  a.weights = {{"dit", "x", 1, "aa", "sha256"}};
  b.weights = {{"dit", "y", 1, "bb", "sha256"}};
  a.dtypes = {{"vae", "fp32"}};
  b.dtypes = {{"vae", "bf16"}};
  const auto d = compare_workloads(a, Provenance::kMeasured, b, Provenance::kMeasured);
  ASSERT_EQ(d.different.size(), 2u);
  EXPECT_EQ(d.different[0].field, "dtypes.vae");
  EXPECT_EQ(d.different[1].field, "weights.dit");
}

TEST(Tables, ShippedFilesAreReadAndMatchByWords) {
  const auto peaks = load_peaks(std::string(WAN_SOURCE_DIR) + "/suites/peaks.json");
  const CardPeak* h100 = find_peak(peaks, "NVIDIA H100 80GB HBM3");
  ASSERT_NE(h100, nullptr);
  EXPECT_EQ(h100->bf16_tflops, 989.4);
  EXPECT_EQ(find_peak(peaks, "NVIDIA RTX PRO 6000 Blackwell Server Edition")->sm_count, 188);
  EXPECT_EQ(find_peak(peaks, "NVIDIA H100 PCIe")->sm_count, 114);
  for (const char* other : {"NVIDIA RTX A1000", "NVIDIA GH200 480GB", "NVIDIA H200 MIG 1g.18gb", "NVIDIA L40S2"})
    EXPECT_EQ(find_peak(peaks, other), nullptr) << other;
  EXPECT_EQ(find_peak(peaks, "NVIDIA T4"), nullptr);
  for (const CardPeak& card : peaks) {
    // A peak is SMs x operations a clock x clock; operations a clock are a power of two.
    const double operations = *card.bf16_tflops * 1e6 / (static_cast<double>(card.sm_count) * card.peak_clock_mhz);
    const double nearest = std::exp2(std::round(std::log2(operations)));
    EXPECT_NEAR(operations / nearest, 1, 0.01) << card.match;
  }
  const auto prices = load_prices(std::string(WAN_SOURCE_DIR) + "/suites/prices.json");
  const CardPrice* price = find_price(prices, "NVIDIA H100 80GB HBM3");
  ASSERT_NE(price, nullptr);
  EXPECT_NEAR(cost_of(3600, 2, *price).money, 2 * *price->per_gpu_hour, 1e-12);
  EXPECT_FALSE(find_price(prices, "RTX PRO 6000 Blackwell")->per_gpu_hour) << "no price is not a price of 0";
}

TEST(Tables, UtilisationUsesTheDtypeAndTheClock) {
  CardPeak card;
  card.peak_clock_mhz = 1830;
  card.bf16_tflops = 989.4;
  Workload workload;
  EXPECT_FALSE(flop_utilisation(400, card, workload, 1500)) << "dtype not recorded";
  workload.dtypes = {{"dit", "bf16"}};
  const auto u = flop_utilisation(494.7, card, workload, 915);
  EXPECT_NEAR(u->at_peak_percent, 50, 1e-9);
  EXPECT_NEAR(*u->at_clock_percent, 100, 1e-9);
  workload.dtypes["dit"] = "fp8_e4m3";
  EXPECT_FALSE(flop_utilisation(400, card, workload, 1500)) << "no fp8 peak known";
}

TEST(Tables, RefuseOtherFilesByName) {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "wrong_table.json";
  write_atomically(file, R"({"schema": {"name": "other", "major": 1}, "cards": []})");
  EXPECT_THROW(load_peaks(file), Error);
  write_atomically(file, R"({"schema": {"name": "wanbench.peaks", "major": 1}, "cards": [{"match": "x"}]})");
  EXPECT_THROW(load_peaks(file), Error);
}

/// Of all that was found the first of 3, 4, 5 and 0 that holds.
TEST(Gate, TheWorstThatWasFoundDecides) {
  struct Found {
    GateCounts counts;
    ExitCode code, strict;
  };
  const auto counts = [](int passed, int slower, int inconclusive, int missing, int incomparable) {
    GateCounts out;
    out.passed = passed;
    out.slower = slower;
    out.inconclusive = inconclusive;
    out.missing = missing;
    out.incomparable = incomparable;
    return out;
  };
  const Found cases[] = {{counts(1, 0, 0, 0, 0), ExitCode::kSuccess, ExitCode::kSuccess},
                         {counts(1, 0, 1, 0, 0), ExitCode::kSuccess, ExitCode::kInconclusive},
                         {counts(1, 0, 0, 1, 0), ExitCode::kNotComparable, ExitCode::kInconclusive},
                         {counts(1, 0, 0, 0, 1), ExitCode::kNotComparable, ExitCode::kNotComparable},
                         {counts(1, 0, 1, 0, 1), ExitCode::kNotComparable, ExitCode::kInconclusive},
                         {counts(0, 0, 0, 0, 0), ExitCode::kNotComparable, ExitCode::kNotComparable},
                         {counts(1, 1, 1, 1, 1), ExitCode::kComparison, ExitCode::kComparison}};
  for (const Found& found : cases) {
    EXPECT_EQ(gate_code(found.counts, false), found.code) << gate_text(found.counts);
    EXPECT_EQ(gate_code(found.counts, true), found.strict) << gate_text(found.counts);
  }
}

}  // namespace
}  // namespace wan
