// What is said before the work: its time from counted operations, its memory, and the largest video that fits.
#include "pipeline/expectation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "pipeline/engine.h"
#include "pipeline/expected_time.h"
#include "pipeline/frame_consumer.h"

namespace wan {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

Request mini() {
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
  request.device = "cpu";
  request.prompt = "a cat";
  request.width = 96;
  request.height = 64;
  request.num_frames = 5;
  request.steps = 2;
  return request;
}

TEST(Expectation, TimeFollowsTheOperations) {
  const VideoWork work{.text = 10, .step_products = 100, .step_attention = 50, .vae = 30, .steps = 4};
  const ExpectedTime time = expected_time(work, 10, {.attention = 0.5, .convolution = 0.25});
  EXPECT_DOUBLE_EQ(time.text_s, 1);
  EXPECT_DOUBLE_EQ(time.step_s, 20);
  EXPECT_DOUBLE_EQ(time.denoise_s, 80);
  EXPECT_DOUBLE_EQ(time.vae_s, 12);
  EXPECT_DOUBLE_EQ(time.total_s(), 93);
}

TEST(Expectation, WorkGrowsWithTheVideo) {
  Request request = mini();
  const auto work = [&] {
    const ModelSet models = open_models(request);
    return work_of(models, make_plan(request, models));
  };
  const VideoWork small = work();
  request.width *= 2;
  request.steps = 6;
  const VideoWork large = work();
  EXPECT_DOUBLE_EQ(large.step_products, 2 * small.step_products);
  EXPECT_GT(large.step_attention, 2 * small.step_attention);
  EXPECT_GT(large.vae, 1.9 * small.vae);
  EXPECT_EQ(large.steps, 6);
  EXPECT_GT(small.text, 0);
}

// All frames are encoded whether the last one shows something or not.
TEST(Expectation, ALastImageIsNoMoreWork) {
  Request request;
  request.random_weights = true;
  request.model = "i2v-A14B";
  request.device = "cpu";
  request.image = WAN_FIXTURES "/mini-i2v-moe/input.png";
  const auto work = [&] {
    const ModelSet models = open_models(request);
    return work_of(models, make_plan(request, models));
  };
  const VideoWork first = work();
  request.last_image = WAN_FIXTURES "/mini-i2v-last/last.png";
  const VideoWork both = work();
  EXPECT_EQ(both.vae, first.vae);
  EXPECT_EQ(both.step_products, first.step_products);
  EXPECT_EQ(both.step_attention, first.step_attention);
}

TEST(Expectation, OfAnEngineIsOfTheRequestAndChangesNoVideo) {
  const Request request = mini();
  Engine engine;
  const Expectation expected = engine.expect(request);
  EXPECT_EQ(expected.width, 96);
  EXPECT_EQ(expected.num_frames, 5);
  EXPECT_EQ(expected.steps, 2);
  EXPECT_EQ(expected.device_kind, "cpu");
  EXPECT_GT(expected.time.step_s, 0);
  EXPECT_GT(expected.peak_bytes, 1000000u);
  FrameMemory frames;
  CallOptions call;
  call.consumers = {&frames};
  EXPECT_EQ(engine.generate(request, call).video_sha256, generate(request, call).video_sha256);
}

/// TI2V-5B with random weights for a card.
struct Published {
  Request request;
  ModelSet models;
  Plan plan;
};

Published published(int64_t width, int64_t height, int64_t frames) {
  Published out;
  out.request.random_weights = true;
  out.request.model = "ti2v-5B";
  out.request.width = width;
  out.request.height = height;
  out.request.num_frames = frames;
  out.request.device = "cpu";
  out.models = open_models(out.request);
  out.plan = make_plan(out.request, out.models);
  out.plan.device = out.plan.text_encoder_device = "cuda:0";
  out.plan.compute = out.plan.vae_compute = DType::kBF16;
  return out;
}

MemoryPlan plan_on(const Published& p, uint64_t card_bytes) {
  return plan_memory(p.request, p.models, p.plan, HistoryMemory::kApart,
                     {card_bytes, UINT64_MAX, card_bytes, UINT64_MAX});
}

TEST(Expectation, ARefusedPeakNamesTheLargestVideosThatFit) {
  constexpr uint64_t kCard = 6 * kGiB;
  std::string said;
  try {
    plan_on(published(1280, 704, 361), kCard);
    FAIL() << "361 frames need more than 6 GiB";
  } catch (const OutOfMemory& problem) {
    EXPECT_GT(problem.requested_bytes(), kCard);
    EXPECT_EQ(problem.free_bytes(), kCard);
    said = problem.advice();
  }
  const std::regex video(R"((\d+)x(\d+), (\d+) frames)");
  int named = 0;
  for (auto it = std::sregex_iterator(said.begin(), said.end(), video); it != std::sregex_iterator(); ++it) {
    ++named;
    const int64_t width = std::stoll((*it)[1]), height = std::stoll((*it)[2]), frames = std::stoll((*it)[3]);
    EXPECT_NO_THROW(plan_on(published(width, height, frames), kCard)) << it->str();
    if (frames == 361)
      EXPECT_THROW(plan_on(published(width + 32, height + 32, frames), kCard), OutOfMemory) << it->str();
    else
      EXPECT_THROW(plan_on(published(width, height, frames + 4), kCard), OutOfMemory) << it->str();
  }
  EXPECT_EQ(named, 2) << said;
}

TEST(Expectation, NothingFitsWhereTheWeightsAreTooLarge) {
  try {
    plan_on(published(1280, 704, 121), kGiB / 2);
    FAIL();
  } catch (const OutOfMemory& problem) {
    EXPECT_THAT(problem.advice(), testing::HasSubstr("the weights alone are too large"));
  }
}

TEST(Expectation, WeightsThatMustBeResidentAreRefusedWithWhatWouldFit) {
  Published p = published(832, 480, 33);
  p.request.offload = Offload::kNone;
  try {
    plan_on(p, 8 * kGiB);
    FAIL() << "10 GB of weights";
  } catch (const OutOfMemory& problem) {
    EXPECT_THAT(problem.advice(), testing::HasSubstr("with --offload auto it takes"));
  }
}

}  // namespace
}  // namespace wan
