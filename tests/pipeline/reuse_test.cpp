// Which forwards a request's plan reuses, of the published models, and what is refused with which words.
#include "pipeline/reuse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/cache_curve.h"
#include "pipeline/decisions.h"
#include "pipeline/memory_estimate.h"
#include "pipeline/video_metadata.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const char* const kImage = WAN_FIXTURES "/mini-ti2v-i2v/input.png";

Request request_for(const std::string& model, bool from_image = false) {
  Request request;
  request.random_weights = true;
  request.model = model;
  request.device = "cpu";
  if (from_image) request.image = kImage;
  request.step_cache = StepCache::kMagCache;
  return request;
}

Plan plan_of(const Request& request) { return make_plan(request, open_models(request)); }

std::string refusal(const Request& request, ErrorKind kind = ErrorKind::kUsage) {
  try {
    plan_of(request);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), kind) << problem.what();
    return problem.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

int computed(const Plan& plan) { return count_of(plan.forwards, Forward::kComputed); }
int reused(const Plan& plan) { return count_of(plan.forwards, Forward::kReused); }

/// The published rule, forward by forward: two a step, and a first step whose ratio is 1.
std::string published_rule(const CacheCurve& curve, int split = 0, bool low_alone = false) {
  const ReuseSettings& s = curve.settings;
  const auto steps = static_cast<int>(curve.ratios.steps());
  double ratio[2] = {1, 1}, error[2] = {0, 0};
  int skips[2] = {0, 0};
  std::string letters;
  for (int n = 0; n < 2 * steps; ++n) {
    const int high = 2 * split, low = 2 * steps - high, branch = n % 2;
    bool is_kept = n < static_cast<int>(2 * steps * s.retention);
    if (split > 0 && low_alone) is_kept = n < static_cast<int>(high + low * s.retention);
    if (split > 0 && !low_alone)
      is_kept = n < static_cast<int>(high * s.retention) || (n >= high && n <= low * s.retention + high);
    bool is_reused = false;
    if (!is_kept) {
      const auto& values = branch == 0 ? curve.ratios.cond : curve.ratios.uncond;
      ratio[branch] *= values[static_cast<size_t>(n / 2)].value_or(1);
      error[branch] += std::abs(1 - ratio[branch]);
      is_reused = error[branch] < s.threshold && ++skips[branch] <= s.max_skips;
      if (!is_reused) ratio[branch] = 1, error[branch] = 0, skips[branch] = 0;
    }
    letters += is_reused ? 'r' : 'C';
  }
  return letters;
}

std::string branch_of(const std::string& letters, size_t branch) {
  std::string out;
  for (size_t i = branch; i < letters.size(); i += 2) out += letters[i];
  return out;
}

size_t computed_in(const std::string& letters) {
  return static_cast<size_t>(std::count(letters.begin(), letters.end(), 'C'));
}

TEST(MagCache, OneModelComputesWhatIsPublishedAndTheLastStep) {
  const Plan plan = plan_of(request_for("ti2v-5B"));
  const std::string published = published_rule(*builtin_curve("ti2v-5B", false));
  EXPECT_EQ(computed_in(published), 50u);
  std::string expected = branch_of(published, 0);
  EXPECT_EQ(branch_of(published, 1), expected);
  EXPECT_EQ(expected.back(), 'r');
  expected.back() = 'C';
  EXPECT_EQ(letters_of_cond(plan.forwards), expected);
  EXPECT_EQ(letters_of_uncond(plan.forwards), expected);
  EXPECT_EQ(computed(plan), 52);
  EXPECT_EQ(reused(plan), 48);
  EXPECT_EQ(plan.passes(), 52);
  EXPECT_TRUE(plan.is_altered());
}

TEST(MagCache, AVideoThatBeginsWithAnImageHasACurveOfItsOwn) {
  const Plan plan = plan_of(request_for("ti2v-5B", true));
  EXPECT_EQ(computed_in(published_rule(*builtin_curve("ti2v-5B", true))), 52u);
  EXPECT_EQ(computed(plan), 54) << letters_of_cond(plan.forwards);
  EXPECT_NE(plan.step_cache.curve_sha256, plan_of(request_for("ti2v-5B")).step_cache.curve_sha256);
}

/// 52 by the published rule, whose share of the first expert's 26 steps is rounded down.
TEST(MagCache, TwoExpertsOfTextComputeAFullShareOfEach) {
  const Plan plan = plan_of(request_for("t2v-A14B"));
  EXPECT_EQ(plan.low_noise_from_step(), 26);
  EXPECT_EQ(computed_in(published_rule(*builtin_curve("t2v-A14B", false), 26)), 52u);
  EXPECT_EQ(computed(plan), 54) << letters_of_cond(plan.forwards);
  const std::string letters = letters_of_cond(plan.forwards);
  EXPECT_EQ(letters.find('r'), 11u);           // 0.4 of 26 are 10.4
  EXPECT_EQ(letters.find('r', 26), 26u + 6u);  // 0.4 of 14 are 5.6
  EXPECT_EQ(letters.substr(26, 6), "CCCCCC");
}

/// 59 by the published rule: it ends the second expert's share between the two forwards of a step.
TEST(MagCache, TwoExpertsOfAnImageReuseInTheLowNoiseAlone) {
  const Plan plan = plan_of(request_for("i2v-A14B", true));
  EXPECT_EQ(plan.low_noise_from_step(), 15);
  const std::string published = published_rule(*builtin_curve("i2v-A14B", true), 15, true);
  EXPECT_EQ(computed_in(published), 59u);
  EXPECT_EQ(letters_of_cond(plan.forwards), branch_of(published, 0));
  EXPECT_EQ(letters_of_uncond(plan.forwards), branch_of(published, 0));
  EXPECT_EQ(computed(plan), 60);
  EXPECT_EQ(letters_of_cond(plan.forwards).find('r'), 18u);
}

TEST(MagCache, SettingsOfTheRequestGoBeforeTheCurves) {
  Request request = request_for("ti2v-5B");
  const Plan usual = plan_of(request);
  EXPECT_EQ(usual.step_cache.settings, (ReuseSettings{0.06, 2, 0.2}));
  request.cache_threshold = 0.12;
  request.cache_max_skips = 4;
  request.cache_retention = 0.1;
  const Plan more = plan_of(request);
  EXPECT_EQ(more.step_cache.settings, (ReuseSettings{0.12, 4, 0.1}));
  EXPECT_LT(computed(more), computed(usual));
  request.cache_threshold = 0;
  const Plan none = plan_of(request);
  EXPECT_EQ(computed(none), 100);
  EXPECT_FALSE(none.is_altered());
  EXPECT_FALSE(none.keeps_residuals());
}

TEST(MagCache, AnotherNumberOfStepsStretchesTheCurve) {
  Request request = request_for("ti2v-5B");
  request.steps = 20;
  const Plan plan = plan_of(request);
  EXPECT_EQ(plan.step_cache.curve_steps, 50u);
  EXPECT_EQ(computed(plan) + reused(plan), 40);
  EXPECT_GT(reused(plan), 0);
  EXPECT_EQ(letters_of_cond(plan.forwards).back(), 'C');
}

TEST(MagCache, WithoutGuidanceThePositivePromptsBranchIsReusedAlone) {
  Request request = request_for("ti2v-5B");
  request.guidance_scale = 1.0;
  const Plan plan = plan_of(request);
  EXPECT_EQ(computed(plan), 26);
  EXPECT_EQ(letters_of_uncond(plan.forwards), std::string(50, '-'));
  EXPECT_FALSE(plan.uses_negative_prompt());
}

TEST(StepCache, NothingIsReusedUnasked) {
  for (const auto method : {std::optional<StepCache>(), std::optional(StepCache::kOff)}) {
    Request request = request_for("ti2v-5B");
    request.step_cache = method;
    const Plan plan = plan_of(request);
    EXPECT_EQ(computed(plan), 100);
    EXPECT_FALSE(plan.is_altered());
    EXPECT_TRUE(decisions_of(plan).approximations.empty());
  }
}

TEST(EasyCache, LeavesOpenWhatIsDecidedMeanwhile) {
  Request request = request_for("t2v-A14B");
  request.step_cache = StepCache::kEasyCache;
  const Plan plan = plan_of(request);
  EXPECT_EQ(letters_of_cond(plan.forwards),
            std::string(6, 'C') + std::string(20, '?') + std::string(3, 'C') + std::string(10, '?') + "C");
  EXPECT_EQ(plan.passes(), 80) << "at most";
  const Decisions decisions = decisions_of(plan);
  EXPECT_FALSE(decisions.forwards_planned.has_value());
  EXPECT_EQ(decisions.forwards_in_all, 80);
  EXPECT_THAT(decisions.approximations, ElementsAre("easycache: threshold 0.05, retention 0.2"));
  request.cache_threshold = 0;
  EXPECT_FALSE(plan_of(request).is_altered());
}

TEST(GuidanceGate, LeavesOutTheNegativePromptsForwardsFromItsStepOn) {
  Request request = request_for("t2v-A14B");
  request.step_cache.reset();
  request.cfg_gate = 0.5;
  const Plan plan = plan_of(request);
  EXPECT_EQ(plan.cfg_gate_step, 20);
  EXPECT_EQ(letters_of_uncond(plan.forwards), std::string(20, 'C') + std::string(6, 'g') + "C" + std::string(13, 'g'));
  EXPECT_EQ(plan.passes(), 61);
  EXPECT_TRUE(plan.uses_negative_prompt());
  const Decisions decisions = decisions_of(plan);
  EXPECT_EQ(decisions.forwards_planned, 61);
  EXPECT_EQ(decisions.forwards_in_all, 80);
  EXPECT_THAT(decisions.approximations, ElementsAre("guidance gate from step 21 of 40"));
  request.cfg_gate = 1;
  EXPECT_FALSE(plan_of(request).is_altered());
}

TEST(StepCache, DecisionsSayWhatWasChosen) {
  const Decisions decisions = decisions_of(plan_of(request_for("ti2v-5B")));
  ASSERT_TRUE(decisions.step_cache.has_value());
  EXPECT_EQ(decisions.step_cache->method, "magcache");
  EXPECT_EQ(decisions.step_cache->curve_sha256.size(), 64u);
  EXPECT_EQ(decisions.step_cache->curve_steps, 50);
  EXPECT_EQ(decisions.forwards_planned, 52);
  EXPECT_EQ(decisions.forwards_in_all, 100);
  EXPECT_THAT(decisions.approximations,
              ElementsAre("magcache: threshold 0.06, at most 2 in a row, retention 0.2, curve " +
                          decisions.step_cache->curve_sha256.substr(0, 12)));
}

TEST(StepCache, AVideoSaysHowItsStepsWereReused) {
  Request request = request_for("ti2v-5B");
  request.cfg_gate = 0.8;
  const Plan plan = plan_of(request);
  const std::string digest(64, 'a');
  const VideoMetadata said = video_metadata(request, plan, {}, {}, {}, digest);
  ASSERT_TRUE(said.cache_curve.has_value());
  EXPECT_EQ(said.cache_curve->name, "") << "the program's own";
  EXPECT_EQ(said.cache_curve->sha256, plan.step_cache.curve_sha256);
  EXPECT_EQ(said.request.cache_threshold, 0.06);
  const VideoMetadata read = video_metadata_from_json(to_json(said), "v.mp4");
  EXPECT_EQ(read, said);
  Request again = read.request;
  again.device = "cpu";
  EXPECT_EQ(plan_of(again).forwards, plan.forwards);
  request = request_for("ti2v-5B");
  request.step_cache.reset();
  EXPECT_FALSE(video_metadata(request, plan_of(request), {}, {}, {}, digest).cache_curve.has_value());
}

TEST(StepCache, WhatMeansNothingIsRefusedWithWhatWouldDo) {
  Request request = request_for("ti2v-5B");
  request.steps = 9;
  EXPECT_THAT(refusal(request), AllOf(HasSubstr("--step-cache magcache: 9 steps"), HasSubstr("10 steps or more")));
  request = request_for("t2v-A14B");
  request.recipe = "lightning-4";
  EXPECT_THAT(refusal(request), HasSubstr("--step-cache magcache: 4 steps"));
  request.step_cache.reset();
  request.cfg_gate = 0.5;
  EXPECT_THAT(refusal(request), HasSubstr("--cfg-gate: no step of this video is guided"));
  request.guidance_scale = 3.0;
  EXPECT_THAT(refusal(request), HasSubstr("--cfg-gate: 4 steps are too far apart"));
}

TEST(StepCache, OptionsOfAnotherWayAreRefused) {
  const auto refused = [](auto set, std::optional<StepCache> method, const char* words) {
    Request request = request_for("ti2v-5B");
    request.step_cache = method;
    set(request);
    EXPECT_THAT(refusal(request), HasSubstr(words));
  };
  const auto threshold = [](Request& r) { r.cache_threshold = 0.1; };
  const auto skips = [](Request& r) { r.cache_max_skips = 3; };
  const auto retention = [](Request& r) { r.cache_retention = 0.3; };
  const auto curve = [](Request& r) { r.cache_curve = "curve.json"; };
  refused(threshold, {}, "--cache-threshold is of --step-cache magcache or easycache");
  refused(retention, StepCache::kOff, "--cache-retention is of --step-cache magcache or easycache");
  refused(skips, StepCache::kEasyCache, "--cache-max-skips is of --step-cache magcache");
  refused(curve, StepCache::kEasyCache, "--cache-curve is of --step-cache magcache");
  refused([](Request& r) { r.curve = "out.json"; }, StepCache::kMagCache, "a video that reuses nothing");
}

TEST(StepCache, CurvesOfOtherModelsAreRefused) {
  const test::TemporaryFolder folder;
  CacheCurve curve = *builtin_curve("ti2v-5B", false);
  Request request = request_for("ti2v-5B", true);
  request.cache_curve = folder / "curve.json";
  write_atomically(request.cache_curve, to_json(curve));
  EXPECT_THAT(refusal(request, ErrorKind::kInput),
              AllOf(HasSubstr("curve.json: is the curve of ti2v-5B and videos of text alone"),
                    HasSubstr("this is one of ti2v-5B that begin with an image"), HasSubstr("calibrate-cache")));
  curve.model = "ti2v-256x4";
  write_atomically(request.cache_curve, to_json(curve));
  request.image.clear();
  EXPECT_THAT(refusal(request, ErrorKind::kInput), HasSubstr("the curve of ti2v-256x4"));
  Request small;
  small.checkpoint = WAN_FIXTURES "/mini-ti2v-t2v";
  small.device = "cpu";
  small.steps = 20;
  small.width = small.height = 64;
  small.num_frames = 5;
  small.step_cache = StepCache::kMagCache;
  EXPECT_THAT(refusal(small), AllOf(HasSubstr("no curve comes with the program for ti2v-"),
                                    HasSubstr("calibrate-cache"), HasSubstr("--cache-curve")));
}

TEST(StepCache, ThePlanOfMemoryHasWhatIsKept) {
  const auto denoise = [](const Request& request) {
    const ModelSet models = open_models(request);
    Plan plan = make_plan(request, models);
    plan.device = plan.text_encoder_device = "cuda:0";
    plan.compute = plan.vae_compute = DType::kBF16;
    return std::pair(denoise_need(models, plan), plan);
  };
  Request request = request_for("ti2v-5B");
  request.num_frames = 161;
  const auto [with, plan] = denoise(request);
  request.step_cache.reset();
  const auto [without, other] = denoise(request);
  // Of each branch 36,080 rows of 3,072 in BF16, in the driver's pieces of 2 MiB; nothing stays for the decoder.
  constexpr uint64_t kPiece = uint64_t{2} << 20;
  const uint64_t residual = (uint64_t{36080} * 3072 * 2 + kPiece - 1) / kPiece * kPiece;
  EXPECT_EQ(with.tensors - without.tensors, 2 * residual);
  EXPECT_EQ(with.arena, without.arena) << "what the blocks added is worked out in memory that is there";
  EXPECT_EQ(with.kept, without.kept);
  request.cfg_gate = 0.5;
  const uint64_t latent = uint64_t{48} * 41 * 44 * 80 * 4;
  EXPECT_EQ(denoise(request).first.tensors - without.tensors, (latent + kPiece - 1) / kPiece * kPiece);
}

}  // namespace
}  // namespace wan
