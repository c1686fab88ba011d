// Between precision classes and recipes no verdict on times stands without what is known of the picture.
#include "analysis/compare_fidelity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/compare.h"
#include "judged.h"
#include "runs.h"

namespace wan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Side = ComparedFidelity::Side;

std::vector<RunRecord> arm(PrecisionClass precision, double step_s, const std::string& frames) {
  std::vector<RunRecord> out;
  for (int64_t i = 0; i < 5; ++i) {
    RunRecord run = synthetic_run({step_s, step_s * (1 + 0.001 * static_cast<double>(i))}, 0, i);
    run.workload.precision_class = precision;
    run.output.sha256 = frames;
    run.id.clear();
    seal(run);
    out.push_back(run);
  }
  return out;
}

CaseSummary summary_of(const std::vector<RunRecord>& runs) { return summarise(group_runs(pointers_to(runs)).at(0)); }

class CompareFidelity : public ::testing::Test {
 protected:
  Comparison compared() {
    a_ = summary_of(plain_);
    b_ = summary_of(fast_);
    return compare_cases(a_, b_, options_);
  }

  std::vector<RunRecord> plain_ = arm(PrecisionClass::kRounding, 10, "plain"),
                         fast_ = arm(PrecisionClass::kDrift, 8, "fast");
  CompareOptions options_{.allowed_fields = {}, .across_precision = true};
  CaseSummary a_, b_;
};

TEST_F(CompareFidelity, AcrossClassesThereIsNoVerdictWithoutIt) {
  const Comparison c = compared();
  EXPECT_THAT(c.refusals, ElementsAre(HasSubstr("fidelity: not measured")));
  EXPECT_TRUE(c.fidelity.is_missing());
  EXPECT_THAT(c.scopes, IsEmpty());
}

TEST_F(CompareFidelity, IsThatOfOneSideAgainstTheFramesOfTheOther) {
  fast_.push_back(judged(
      fast_[0], {.reference = "anything", .reference_class = PrecisionClass::kExact, .reference_sha256 = "plain"}));
  Comparison c = compared();
  EXPECT_THAT(c.refusals, IsEmpty());
  EXPECT_EQ(c.scopes.front().time.verdict, Verdict::kFaster);
  ASSERT_EQ(c.fidelity.measured.size(), 1u);
  EXPECT_EQ(c.fidelity.measured[0].of, Side::kB);
  EXPECT_EQ(
      compared_text(c.fidelity.measured[0], "A", "B"),
      "B against A (anything): 31.5 dB, velocity 3 % off; noise floor: bf16 against fp32 45.1 dB, velocity 0.53 % "
      "off");
  fast_.back().fidelity->comparison.reference_sha256 = "others";
  EXPECT_FALSE(compared().comparable()) << "neither its frames nor its setting";
}

TEST_F(CompareFidelity, IsThatAgainstTheSettingOfTheOtherWhereFramesCannotTell) {
  fast_.push_back(judged(fast_[0], {.reference_sha256 = ""}));
  EXPECT_TRUE(compared().comparable()) << "bf16 of its own request, which the other side is";
  fast_.back().fidelity->comparison.reference = "case";
  EXPECT_TRUE(compared().comparable()) << "the case of that name and class";
  fast_.back().fidelity->comparison.reference = "another";
  EXPECT_FALSE(compared().comparable());
  fast_.back().fidelity->comparison.reference = "case";
  fast_.back().fidelity->comparison.reference_recipe = "lightning-4";
  EXPECT_FALSE(compared().comparable());
}

TEST_F(CompareFidelity, OfAnotherRecipeItsOwnRequestInBf16IsNotTheOtherSide) {
  options_ = {.allowed_fields = {"recipe"}};
  for (RunRecord& run : fast_) {
    run.workload.precision_class = PrecisionClass::kRounding;
    run.workload.recipe = "lightning-4";
  }
  for (RunRecord& run : plain_) run.workload.recipe = "official";
  fast_.push_back(judged(fast_[0], {.reference_sha256 = ""}));
  fast_.back().fidelity->comparison.reference_recipe = "lightning-4";
  EXPECT_THAT(compared().refusals, ElementsAre(HasSubstr("fidelity: not measured")));
}

TEST_F(CompareFidelity, OfBothAgainstOneReferenceWillDo) {
  fast_.push_back(judged(fast_[0], {.reference = "fp32", .reference_class = PrecisionClass::kExact}));
  EXPECT_FALSE(compared().comparable()) << "of one side alone";
  plain_.push_back(judged(plain_[0], {.reference = "fp32", .psnr = 44, .reference_class = PrecisionClass::kExact}));
  const Comparison c = compared();
  EXPECT_THAT(c.refusals, IsEmpty());
  ASSERT_EQ(c.fidelity.measured.size(), 2u);
  EXPECT_THAT(compared_text(c.fidelity.measured[0], "A", "B"), HasSubstr("A against fp32: 44.0 dB"));
  EXPECT_THAT(compared_text(c.fidelity.measured[1], "A", "B"), HasSubstr("B against fp32: 31.5 dB"));
  plain_.back().fidelity->comparison.reference_sha256 = "another picture";
  EXPECT_FALSE(compared().comparable()) << "two references of one name";
}

TEST_F(CompareFidelity, IsNotAskedForWithinOneClassAndRecipe) {
  fast_ = arm(PrecisionClass::kRounding, 8, "plain");
  const Comparison c = compared();
  EXPECT_FALSE(c.fidelity.is_asked);
  EXPECT_TRUE(c.comparable());
}

TEST_F(CompareFidelity, ARefutedClassIsAnother) {
  plain_ = arm(PrecisionClass::kDrift, 10, "plain");
  fast_.push_back(judged(fast_[0], {.velocity = 0.08, .reference_sha256 = "plain"}));
  EXPECT_THAT(compared().caveats, Contains(Field(&Caveat::text, HasSubstr("class drift is refuted"))));
  EXPECT_EQ(compared().fidelity.measured.size(), 1u);
  options_.across_precision = false;
  EXPECT_THAT(compared().refusals, ElementsAre(HasSubstr("B: class drift is refuted")));
}

}  // namespace
}  // namespace wan
