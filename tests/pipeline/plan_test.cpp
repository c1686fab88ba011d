// What a request becomes for each model of the family.
#include "pipeline/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "driving_inputs.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const char* const kImage = WAN_FIXTURES "/mini-ti2v-i2v/input.png";
const char* const kSound = WAN_FIXTURES "/mini-s2v/input.wav";  // shorter than a clip

Request request_for(const Variant& variant) {
  Request request;
  request.random_weights = true;
  request.model = variant.name;
  request.device = "cpu";
  if (variant.image.presence == Presence::kRequired) request.image = kImage;
  if (variant.takes_audio()) request.audio = kSound;
  if (variant.takes_driving_video()) request.animate_inputs = test::driving_inputs(variant);
  return request;
}

Plan plan_of(const Request& request) { return make_plan(request, open_models(request)); }

std::string refusal(const Request& request) {
  try {
    plan_of(request);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage) << problem.what();
    return problem.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(Plan, EveryRowOfTheTableMakesOneWithItsDefaults) {
  for (const Variant& variant : variants()) {
    if (variant.takes_driving_video()) continue;  // which decides size and length: animate_test.cpp
    const Plan plan = plan_of(request_for(variant));
    const ModelDefaults& defaults = variant.defaults;
    EXPECT_EQ(plan.variant, &variant);
    EXPECT_EQ(plan.num_frames, defaults.size.num_frames) << variant.name;
    EXPECT_EQ(plan.area, defaults.size.width * defaults.size.height) << variant.name;
    EXPECT_EQ(plan.steps, defaults.steps) << variant.name;
    EXPECT_EQ(plan.boundary, defaults.boundary) << variant.name;
    EXPECT_EQ(plan.negative_prompt, defaults.negative_prompt) << variant.name;
    EXPECT_EQ(plan.width % variant.side_step(), 0) << variant.name;
    EXPECT_EQ(plan.latent[0], variant.vae_traits().latent_channels) << variant.name;
    EXPECT_EQ(plan.grid().tokens(), variant.grid({plan.width, plan.height, plan.num_frames}).tokens()) << variant.name;
  }
}

TEST(Plan, ALimitOfGpuMemoryNeedsACard) {
  Request request = request_for(variants().front());
  request.gpu_memory_limit = MemorySize{uint64_t{12} << 30};
  EXPECT_THAT(refusal(request),
              testing::AllOf(testing::HasSubstr("--gpu-memory-limit 12GiB"), testing::HasSubstr("on the cpu"),
                             testing::HasSubstr("--host-memory-limit")));
  request.device = "cuda:0";
  EXPECT_EQ(plan_of(request).gpu_memory_limit, request.gpu_memory_limit);
}

TEST(Plan, EveryExpertRunsWithItsOwnGuidanceAndTheFirstOnesFirst) {
  for (const Variant& variant : variants()) {
    const Plan plan = plan_of(request_for(variant));
    std::vector<int> steps(variant.experts.size());
    size_t last = 0;
    for (int step = 0; step < plan.steps; ++step) {
      const size_t expert = plan.expert_of(step);
      ASSERT_LT(expert, steps.size()) << variant.name;
      EXPECT_GE(expert, last) << variant.name << ", step " << step;
      EXPECT_EQ(plan.guidance_of(step), variant.experts[expert].guidance) << variant.name << ", step " << step;
      last = expert;
      ++steps[expert];
    }
    for (const int count : steps) EXPECT_GT(count, 0) << variant.name;
  }
}

TEST(Plan, AnImageIsTakenWhereTheRowSaysSo) {
  for (const Variant& variant : variants()) {
    Request request = request_for(variant);
    request.image = variant.image.presence == Presence::kRequired ? "" : kImage;
    switch (variant.image.presence) {
      case Presence::kNever:
        EXPECT_THAT(refusal(request), HasSubstr(variant.takes_driving_video() ? "--image: this checkpoint takes its"
                                                                              : "--image: this checkpoint is text-to"));
        break;
      case Presence::kOptional: EXPECT_TRUE(plan_of(request).from_image); break;
      case Presence::kRequired: EXPECT_THAT(refusal(request), HasSubstr("name the first frame with --image")); break;
    }
  }
}

TEST(Plan, ALastImageStandsBesideTheFirstWhereTheRowTakesOne) {
  int takers = 0;
  for (const Variant& variant : variants()) {
    Request request = request_for(variant);
    if (variant.image.presence != Presence::kNever) request.image = kImage;
    const bool takes = variant.takes_last_image();
    const Plan alone = plan_of(request);
    EXPECT_FALSE(alone.has_last_image());
    request.last_image = kImage;
    if (!takes) {
      EXPECT_THAT(refusal(request), HasSubstr("--last-image: " + std::string(variant.name) + " takes no last frame"));
      for (const Variant& other : variants()) {
        if (!other.takes_last_image()) continue;
        EXPECT_THAT(refusal(request), HasSubstr("a checkpoint of " + std::string(other.name)));
      }
      continue;
    }
    ++takers;
    const Plan both = plan_of(request);
    EXPECT_TRUE(both.has_last_image());
    EXPECT_EQ(both.latent, alone.latent);
    request.num_frames = 1;
    EXPECT_THAT(refusal(request), AllOf(HasSubstr("--num-frames 1"), HasSubstr("5 frames"), HasSubstr("--last-image")));
    request.num_frames = 5;
    EXPECT_EQ(plan_of(request).num_frames, 5);
    request.image.clear();
    EXPECT_THAT(refusal(request), AllOf(HasSubstr("--last-image"), HasSubstr("--image")));
  }
  EXPECT_EQ(takers, 1);
}

TEST(Plan, ALastImageThatCannotBeReadIsNamed) {
  const test::TemporaryFolder folder;
  write_atomically(folder / "no_picture.png", "text");
  for (const Variant& variant : variants()) {
    if (!variant.takes_last_image()) continue;
    Request request = request_for(variant);
    for (const char* name : {"none.png", "no_picture.png"}) {
      request.last_image = folder / name;
      try {
        plan_of(request);
        ADD_FAILURE() << "accepted " << name;
      } catch (const Error& problem) {
        EXPECT_EQ(problem.kind(), ErrorKind::kInput);
        EXPECT_THAT(problem.what(), HasSubstr(name));
      }
    }
  }
}

TEST(Plan, FramesTheVaeCannotCodeAreRefusedWithTheNearest) {
  Request request = request_for(variants().front());
  request.num_frames = 80;
  EXPECT_THAT(refusal(request), HasSubstr("--num-frames 80: must be 4n+1; the nearest are 77 and 81"));
  request.num_frames = 2;
  EXPECT_THAT(refusal(request), HasSubstr("the nearest are 1 and 5"));
}

TEST(Plan, ABoundaryNeedsTwoExperts) {
  for (const Variant& variant : variants()) {
    Request request = request_for(variant);
    request.boundary = 0.5;
    if (variant.experts.size() > 1)
      EXPECT_EQ(plan_of(request).boundary, 0.5) << variant.name;
    else
      EXPECT_THAT(refusal(request), HasSubstr("--boundary needs a model with two experts"));
  }
}

}  // namespace
}  // namespace wan
