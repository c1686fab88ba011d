// Seconds of stages from measured videos: fits whose answer is known.
#include <gtest/gtest.h>

#include "pipeline/stage_seconds.h"

namespace wan {
namespace {

/// A video with so much work of a step, that took `seconds`.
MeasuredVideo with_step(double products, double attention, std::optional<double> seconds) {
  MeasuredVideo video;
  video.work.step = {products, attention};
  video.step_s = seconds;
  return video;
}

TEST(StageSeconds, FitFindsTheCostsThatMadeTheSeconds) {
  constexpr double kProducts = 1.5e-15, kAttention = 1.25e-15;
  std::vector<MeasuredVideo> videos;
  for (const auto& [products, attention] : {std::pair(1e15, 2e14), {3e15, 4e15}, {5e14, 6e15}})
    videos.push_back(with_step(products, attention, products * kProducts + attention * kAttention));
  const StageFit fit = fit_stages(videos).step;
  ASSERT_EQ(fit.costs.size(), 2u);
  EXPECT_NEAR(fit.costs[0] / kProducts, 1, 1e-9);
  EXPECT_NEAR(fit.costs[1] / kAttention, 1, 1e-9);
  for (const auto* errors : {&fit.errors, &fit.left_out})
    for (const std::optional<double>& error : *errors) EXPECT_NEAR(error.value(), 0, 1e-9);
}

TEST(StageSeconds, ErrorsAreSharesAndTheLeftOutVideoDoesNotHelpItself) {
  // One cost: 1, 1 and 1.2 seconds for the same work. Least squares of relative errors: c with minimal
  // 2 (c - 1)^2 + (c / 1.2 - 1)^2, so c = (2 + 1 / 1.2) / (2 + 1 / 1.44).
  std::vector<MeasuredVideo> videos(3);
  for (size_t i = 0; i < videos.size(); ++i) {
    videos[i].work.text = {1};
    videos[i].text_s = i == 2 ? 1.2 : 1.0;
  }
  const StageFit fit = fit_stages(videos).text;
  const double expected = (2 + 1 / 1.2) / (2 + 1 / 1.44);
  EXPECT_NEAR(fit.costs.at(0), expected, 1e-12);
  EXPECT_NEAR(fit.errors[2].value(), expected / 1.2 - 1, 1e-12);
  EXPECT_NEAR(fit.left_out[2].value(), 1 / 1.2 - 1, 1e-12);
}

TEST(StageSeconds, TooFewVideosOrAllOfOneKindSayNothing) {
  EXPECT_FALSE(fit_stages({}).step.is_known());
  EXPECT_FALSE(fit_stages(std::vector{with_step(1e15, 1e15, 2)}).step.is_known());
  // Twice the work in twice the time: which of the two kinds costs what cannot be told.
  EXPECT_FALSE(fit_stages(std::vector{with_step(1e15, 1e15, 2), with_step(2e15, 2e15, 4)}).step.is_known());
  const StageFit fit =
      fit_stages(std::vector{with_step(1e15, 0, 2), with_step(1e15, 1e15, 3), with_step(5, 5, std::nullopt)}).step;
  ASSERT_TRUE(fit.is_known());
  EXPECT_FALSE(fit.errors[2]) << "not measured";
  EXPECT_FALSE(fit.left_out[0]) << "one video is left for two costs";
}

Request small_request() {
  Request request;
  request.random_weights = true;
  request.model = "t2v-A14B";
  request.width = 832;
  request.height = 480;
  request.device = "cuda:0";
  return request;
}

StageFits invented_fits() {
  StageFits fits;
  fits.text.costs = {1e-12};
  fits.step.costs = {1e-15, 1e-15};
  fits.copy.costs = {1e-9};  // 1 GB/s
  fits.decode.costs = {1e-15, 1e-12};
  return fits;
}

const ExpectedStage& stage(const std::vector<ExpectedStage>& stages, StageRole role) {
  for (const ExpectedStage& one : stages)
    if (one.role == role) return one;
  throw std::out_of_range("no such stage");
}

TEST(StageSeconds, StreamedWeightsTakeTheirCopiesWhereThoseAreLonger) {
  const Request request = small_request();
  const ModelSet models = open_models(request);
  const Plan plan = make_plan(request, models);
  const StageFits fits = invented_fits();
  const StageWork work = stage_work(models, plan);
  MemoryPlan memory;
  const auto step = [&] { return stage(expected_stages(models, plan, memory, fits), StageRole::kStepInference); };
  EXPECT_DOUBLE_EQ(step().seconds.value(), fits.step.seconds(work.step));
  memory.dit_residency = Residency::kStream;
  // Two branches of 40 blocks: 57 GB at 1 GB/s.
  EXPECT_GT(work.copy[0], 5e10);
  EXPECT_DOUBLE_EQ(step().seconds.value(), fits.copy.seconds(work.copy));
  memory.dit_residency = Residency::kMapped;
  EXPECT_FALSE(step().seconds);
  EXPECT_NE(step().reason, "");
}

TEST(StageSeconds, WhatNoRecordTellsHasAReason) {
  Request request = small_request();
  const ModelSet models = open_models(request);
  const StageFits fits = invented_fits();
  const auto stages_of = [&](const Request& asked) {
    return expected_stages(models, make_plan(asked, models), {}, fits);
  };
  EXPECT_TRUE(stage(stages_of(request), StageRole::kTextEncoding).seconds);
  EXPECT_FALSE(stage(stages_of(request), StageRole::kInitialization).seconds) << "a disk's speed";
  request.text_encoder_device = "cpu";
  EXPECT_FALSE(stage(stages_of(request), StageRole::kTextEncoding).seconds);
  request.precision = Precision::kF32;
  for (const ExpectedStage& one : stages_of(request)) {
    EXPECT_FALSE(one.seconds);
    EXPECT_NE(one.reason, "");
  }
}

TEST(StageSeconds, OneBranchIsHalfTheWorkOfTwo) {
  Request request = small_request();
  const ModelSet models = open_models(request);
  const StageWork two = stage_work(models, make_plan(request, models));
  request.guidance_scale = request.guidance_scale_2 = 1.0;
  const StageWork one = stage_work(models, make_plan(request, models));
  EXPECT_DOUBLE_EQ(two.step[0], 2 * one.step[0]);
  EXPECT_DOUBLE_EQ(two.copy[0], 2 * one.copy[0]);
  EXPECT_EQ(two.decode, one.decode);
}

}  // namespace
}  // namespace wan
