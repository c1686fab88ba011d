// Runs that were executed differently share no estimate. The cases are made from the list of fields, so that a new
// field is covered by itself.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/compare.h"
#include "analysis/execution_text.h"
#include "analysis/fidelity_text.h"
#include "analysis/reuse_text.h"
#include "analysis/summary.h"
#include "results/fields.h"
#include "runs.h"

namespace wan {
namespace {

/// Visits the fields and changes the one of that number.
class ChangeOne {
 public:
  explicit ChangeOne(int wanted) : wanted_(wanted) {}
  template <class T>
  void operator()(const char* key, T& member) {
    if (number_++ != wanted_) return;
    key_ = key;
    change(member);
  }
  template <class T>
  void added(const char* key, T& member) {
    (*this)(key, member);
  }
  const std::string& key() const { return key_; }  // empty: there is no field of that number

 private:
  static void change(std::string& member) { member += "x"; }
  static void change(int64_t& member) { ++member; }
  template <class T>
  static void change(std::optional<T>& member) {
    member = member.value_or(0) + 1;
  }
  static void change(std::optional<StepCacheUse>& member) { member = StepCacheUse{"magcache", 0.06, 2, 0.2, "ab", 50}; }
  static void change(std::optional<QuantizedUse>& member) { member = QuantizedUse{"ffn", 1, 0}; }
  static void change(std::vector<double>& member) { member.push_back(0.5); }
  static void change(std::map<std::string, std::string>& member) { member["changed"] = "x"; }
  int wanted_, number_ = 0;
  std::string key_;
};

RunRecord executed(const Execution& execution, int64_t repeat) {
  RunRecord record = synthetic_run({10, 5, 5}, 0, repeat);
  record.execution = measured(execution, "engine");
  seal(record);
  return record;
}

std::vector<RunRecord> four_runs(const Execution& execution) {
  std::vector<RunRecord> runs;
  for (int64_t i = 0; i < 4; ++i) runs.push_back(executed(execution, i));
  return runs;
}

TEST(Execution, RunsThatDifferInAnyFieldAreTwoGroupsAndTheDifferenceIsNamed) {
  std::set<std::string> seen;
  for (int field = 0;; ++field) {
    Execution other;
    ChangeOne change(field);
    fields(change, other);
    if (change.key().empty()) break;
    seen.insert(change.key());
    std::vector<RunRecord> runs = four_runs(Execution{});
    for (RunRecord& run : four_runs(other)) runs.push_back(std::move(run));
    const auto groups = group_runs(pointers_to(runs));
    ASSERT_EQ(groups.size(), 2u) << change.key();
    EXPECT_EQ(groups[0].runs.size(), 4u) << change.key();
    const CaseSummary first = summarise(groups[0]), second = summarise(groups[1]);
    EXPECT_EQ(circumstances(first), "");
    EXPECT_THAT(circumstances(second), ::testing::HasSubstr(change.key()));
    const Comparison comparison = compare_cases(first, second);
    EXPECT_TRUE(comparison.comparable()) << change.key() << ": the same work, done another way";
    std::string told;
    for (const Caveat& caveat : comparison.caveats) told += caveat.text + "\n";
    const bool in_the_arms_names = change.key() == "device";
    EXPECT_TRUE(in_the_arms_names || told.find(change.key()) != std::string::npos) << change.key() << ": " << told;
  }
  EXPECT_GE(seen.size(), 15u);
}

TEST(Execution, TheSameGoesIntoOneGroupWhateverTheRequestsWord) {
  std::vector<RunRecord> runs = four_runs(Execution{});
  runs[1].workload.offload = "stream";
  seal(runs[1]);
  EXPECT_EQ(group_runs(pointers_to(runs)).size(), 1u);
}

TEST(Execution, ARunThatFailedBeforeItWasDecidedStaysWithItsCase) {
  std::vector<RunRecord> runs = four_runs(Execution{});
  for (const size_t failed : {size_t{0}, size_t{2}}) {
    runs[failed].status = RunStatus::kOutOfMemory;
    runs[failed].execution = absent<Execution>("the run ended before it was decided");
    runs[failed].workload.offload = "auto";
    seal(runs[failed]);
  }
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(summarise(groups[0]).selection.excluded.size(), 2u);
}

TEST(Execution, RecordsThatDoNotSayStayTogetherButNotWithThoseThatDo) {
  std::vector<RunRecord> runs = four_runs(Execution{});
  for (const size_t silent : {size_t{2}, size_t{3}}) {
    runs[silent].execution = absent<Execution>("not_recorded");
    seal(runs[silent]);
  }
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].runs.size(), 2u);
  EXPECT_EQ(groups[1].runs.size(), 2u);
}

TEST(Execution, APoolOfTwoBuildsOrOfUnlikeMemoryIsSaid) {
  std::vector<RunRecord> runs;
  for (int64_t i = 0; i < 4; ++i) runs.push_back(synthetic_run({10, 5, 5}, 0, i));
  EXPECT_THAT(pooling_doubts(group_runs(pointers_to(runs))[0]), ::testing::IsEmpty());
  runs[1].tool.git_commit = "abc";
  seal(runs[1]);
  EXPECT_THAT(pooling_doubts(group_runs(pointers_to(runs))[0]),
              ::testing::ElementsAre(::testing::HasSubstr("2 builds share this estimate")));
  runs[1].status = RunStatus::kCrash;
  EXPECT_THAT(pooling_doubts(group_runs(pointers_to(runs))[0]),
              ::testing::ElementsAre(::testing::HasSubstr("those that count are of")));
  runs[1].status = RunStatus::kOk;
  for (RunRecord& run : runs) run.tool.git_commit.clear();
  runs[0].stages[0].device_memory.pool_peak_bytes = measured<uint64_t>(15ull << 30, "engine");
  runs[1].stages[0].device_memory.pool_peak_bytes = measured<uint64_t>(6ull << 30, "engine");
  for (RunRecord& run : runs) seal(run);
  EXPECT_THAT(pooling_doubts(group_runs(pointers_to(runs))[0]),
              ::testing::ElementsAre(::testing::HasSubstr("6.00 to 15.00 GiB")));
}

TEST(Execution, IsOneLineForPeople) {
  Execution execution;
  execution.residency = "stream";
  execution.computed = {{"dit", "bf16"}, {"vae", "fp32"}};
  execution.stored = {{"dit", "BF16+F32"}};
  execution.text_encoder_device = "cpu";
  execution.vae_chunk = 2;
  execution.vae_slice = 1;
  execution.kernel_table = "0123";
  execution.cpu_threads = 1;
  execution.environment = {{"OMP_NUM_THREADS", "1"}};
  execution.gpu_memory_limit_bytes = uint64_t{12} << 30;
  EXPECT_EQ(execution_text(measured(execution, "engine")),
            "weights stream, dit bf16 of BF16+F32, vae fp32, text encoded on cpu, 2 latent frames decoded at a time, "
            "its last level 1 frame, GPU memory limited to 12GiB, kernel table 0123, 1 host thread, OMP_NUM_THREADS=1");
  EXPECT_THAT(execution_text(absent<Execution>("not_recorded")), ::testing::HasSubstr("older"));
  EXPECT_THAT(execution_text(absent<Execution>("imported")), ::testing::HasSubstr("another program"));
}

TEST(Fidelity, IsAgainstWhatWasUsedWhereThatIsNotWhatWasPublished) {
  RunRecord record;
  record.workload.precision_class = PrecisionClass::kRounding;
  record.workload.recipe = "official";
  record.workload.weights = {{"dit", "a.safetensors", 1, "aa", "size+head+tail"}};
  Execution execution;
  execution.stored = {{"dit", "BF16+F32"}, {"text_encoder", "BF16"}, {"vae", "F32"}};
  record.execution = measured(execution, "engine");
  EXPECT_EQ(fidelity_text(record), "");
  const std::string used = "against the weights and the recipe that were used";
  const std::string unmeasured = used + "; against the published weights: not measured";
  RunRecord other = record;
  other.workload.recipe = "lightning-4";
  EXPECT_EQ(fidelity_text(other), unmeasured);
  other.engine.kind = EngineKind::kExternal;
  EXPECT_EQ(fidelity_text(other), "") << "what another program computes is not known";
  for (const char* types : {"Q4_K+Q6_K", "BF16+F8_E4M3", "I8", "Q8_0"}) {
    other = record;
    other.execution.value->stored["text_encoder"] = types;
    EXPECT_EQ(fidelity_text(other), unmeasured) << types;
  }
  other = record;
  other.workload.weights.push_back({"lora.high_noise", "fast.safetensors", 1, "bb", "size+head+tail", 0.5});
  other.workload.weights.push_back({"lora", "style.safetensors", 1, "cc", "size+head+tail", 1});
  EXPECT_EQ(fidelity_text(other), unmeasured);
  EXPECT_EQ(loras_text(other.workload), "fast.safetensors x 0.5 (high_noise), style.safetensors x 1");
  EXPECT_EQ(loras_text(record.workload), "");
  other.output.quality.push_back({});
  EXPECT_EQ(fidelity_text(other), used);
}

TEST(ReuseText, SaysWhatWasComputedOfWhatThereWas) {
  RunRecord run;
  EXPECT_EQ(reuse_text(run), "") << "not recorded";
  ForwardCounts forwards;
  forwards.planned = measured<int64_t>(6, "engine");
  forwards.computed = 6;
  forwards.cond = "CCC";
  forwards.uncond = "CCC";
  forwards.flop_computed = 6e12;
  run.forwards = measured(forwards, "engine");
  EXPECT_EQ(reuse_text(run), "") << "nothing was reused";
  EXPECT_EQ(reuse_letters(run), "");
  forwards.planned = measured<int64_t>(4, "engine");
  forwards.computed = 4;
  forwards.reused = 2;
  forwards.cond = "CCr";
  forwards.uncond = "Cgr";
  forwards.flop_computed = 4e12;
  forwards.flop_skipped = 2e12;
  run.forwards = measured(forwards, "engine");
  EXPECT_EQ(reuse_text(run), "4 of 6 forwards computed, as planned; 33.3 % of the operations left out");
  EXPECT_THAT(reuse_letters(run), ::testing::StartsWith("positive CCr, negative Cgr (a step a letter"));
  forwards.planned = measured<int64_t>(5, "engine");
  run.forwards = measured(forwards, "engine");
  EXPECT_THAT(reuse_text(run), ::testing::HasSubstr("computed, 5 were planned"));
  forwards.planned = absent<int64_t>("decided_while_running");
  run.forwards = measured(forwards, "engine");
  EXPECT_THAT(reuse_text(run), ::testing::HasSubstr("decided while it ran"));
}

}  // namespace
}  // namespace wan
