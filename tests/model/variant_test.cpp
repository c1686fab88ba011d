// The table of the family against the published configurations, and what is asked of its rows.
#include "model/variant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "model/official_layout.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Variant, NamesAndTasksLeadBackToTheirRow) {
  std::set<std::string_view> tasks;
  for (const Variant& variant : variants()) {
    EXPECT_EQ(&variant_named(variant.name), &variant);
    EXPECT_EQ(find_task(variant.task), &variant);
    EXPECT_TRUE(tasks.insert(variant.task).second) << variant.task << " twice";
    EXPECT_EQ(model_name(variant, variant.dit), variant.name);
  }
  EXPECT_THAT(model_names(), ElementsAre("ti2v-5B", "t2v-A14B", "i2v-A14B", "s2v-14B", "animate-14B"));
  EXPECT_EQ(find_task("a song"), nullptr);
  try {
    variant_named("t2v-14B");
    ADD_FAILURE() << "accepted";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    EXPECT_THAT(problem.what(),
                HasSubstr("'t2v-14B' is unknown: use ti2v-5B, t2v-A14B, i2v-A14B, s2v-14B or animate-14B"));
  }
}

TEST(Variant, AModelOfOtherSizesIsNamedByThem) {
  for (const Variant& variant : variants()) {
    DitConfig shallow = variant.dit, narrow = variant.dit;
    shallow.num_layers = 4;
    narrow.dim = 256;
    EXPECT_EQ(model_name(variant, shallow), std::string(variant.task) + "-" + std::to_string(variant.dit.dim) + "x4");
    EXPECT_EQ(model_name(variant, narrow),
              std::string(variant.task) + "-256x" + std::to_string(variant.dit.num_layers));
  }
}

// wan/configs/wan_ti2v_5B.py, wan_t2v_A14B.py, wan_i2v_A14B.py, wan_s2v_14B.py, wan_animate_14B.py, shared_config.py.
TEST(Variant, DefaultsAreThePublishedOnes) {
  struct Published {
    const char* name;
    int64_t width, height, frames;
    double fps;
    int steps;
    double shift, high_guidance, low_guidance, boundary;
  };
  const Published published[] = {{"ti2v-5B", 1280, 704, 121, 24, 50, 5.0, 5.0, 5.0, 0},
                                 {"t2v-A14B", 1280, 720, 81, 16, 40, 12.0, 4.0, 3.0, 0.875},
                                 {"i2v-A14B", 1280, 720, 81, 16, 40, 5.0, 3.5, 3.5, 0.9},
                                 {"s2v-14B", 1024, 704, 77, 16, 40, 3.0, 4.5, 4.5, 0},
                                 {"animate-14B", 1280, 720, 77, 30, 20, 5.0, 1.0, 1.0, 0}};
  EXPECT_EQ(std::size(published), variants().size());
  for (const Published& p : published) {
    const Variant& variant = variant_named(p.name);
    const ModelDefaults& d = variant.defaults;
    EXPECT_EQ(d.size.width, p.width) << p.name;
    EXPECT_EQ(d.size.height, p.height) << p.name;
    EXPECT_EQ(d.size.num_frames, p.frames) << p.name;
    EXPECT_EQ(d.fps, p.fps) << p.name;
    EXPECT_EQ(d.steps, p.steps) << p.name;
    EXPECT_EQ(d.shift, p.shift) << p.name;
    EXPECT_EQ(d.boundary, p.boundary) << p.name;
    EXPECT_EQ(variant.experts.front().guidance, p.high_guidance) << p.name;
    EXPECT_EQ(variant.experts.back().guidance, p.low_guidance) << p.name;
    EXPECT_EQ(sha256_hex(d.negative_prompt), variant.takes_audio()
                                                 ? "98afffdba82fbb1f87767b2e0d022cb2e4960f400d98c617f9b82bc707d09218"
                                                 : "ce96e0324e4b54ce4b6e867f669ca520952e1a34cc116543516b1897f0d3c47e");
  }
}

TEST(Variant, EveryDefaultAndUsualSizeIsOneTheModelCanMake) {
  for (const Variant& variant : variants()) {
    std::vector<VideoSize> sizes(variant.usual_sizes.begin(), variant.usual_sizes.end());
    sizes.push_back(variant.defaults.size);
    for (const VideoSize& size : sizes) {
      EXPECT_EQ(size.width % variant.side_step(), 0) << variant.name;
      EXPECT_EQ(size.height % variant.side_step(), 0) << variant.name;
      EXPECT_TRUE(variant.vae_traits().can_code(size.num_frames)) << variant.name;
    }
  }
}

TEST(Variant, TokensAreThoseThePublishedCountsAreQuotedWith) {
  const auto tokens = [](const char* name, VideoSize size) { return variant_named(name).grid(size).tokens(); };
  EXPECT_EQ(tokens("ti2v-5B", {1280, 704, 121}), 27280);
  EXPECT_EQ(tokens("ti2v-5B", {1280, 704, 161}), 36080);
  EXPECT_EQ(tokens("t2v-A14B", {832, 480, 81}), 32760);
  EXPECT_EQ(tokens("i2v-A14B", {1280, 720, 81}), 75600);
}

// The ranges of a row's experts leave no timestep without one and none with two.
TEST(Variant, ExpertsShareTheTimestepsAmongThem) {
  for (const Variant& variant : variants()) {
    std::vector<NoiseRange> ranges;
    for (const ExpertSpec& expert : variant.experts) ranges.push_back(expert.range);
    if (ranges.size() == 1)
      EXPECT_THAT(ranges, ElementsAre(NoiseRange::kAll)) << variant.name;
    else
      EXPECT_THAT(ranges, ElementsAre(NoiseRange::kHigh, NoiseRange::kLow)) << variant.name;
    EXPECT_EQ(variant.defaults.boundary > 0, ranges.size() > 1) << variant.name;
  }
}

// A mask channel for each frame of a latent frame's stride and the encoded image stand behind the noise.
TEST(Variant, InputChannelsAreWhatTheConditioningSays) {
  for (const Variant& variant : variants()) {
    const VaeTraits& vae = variant.vae_traits();
    const int64_t condition = vae.stride_temporal + vae.latent_channels;
    EXPECT_EQ(variant.dit.out_dim, vae.latent_channels) << variant.name;
    const bool appends = variant.appends_condition_channels() || variant.takes_driving_video();
    EXPECT_EQ(variant.dit.in_dim, vae.latent_channels + (appends ? condition : 0)) << variant.name;
    EXPECT_FALSE(variant.appends_condition_channels() && variant.first_frame_is_latent()) << variant.name;
    EXPECT_EQ(variant.takes_last_image(), appends && !variant.takes_driving_video()) << variant.name;
  }
}

TEST(VaeTraits, CodesAFirstFrameAndThenWholeStrides) {
  const VaeTraits& vae = traits_of(VaeVersion::k21);
  for (const int64_t frames : {1, 5, 81, 121}) {
    EXPECT_TRUE(vae.can_code(frames)) << frames;
    EXPECT_EQ(vae.video_frames(vae.latent_frames(frames)), frames);
  }
  for (const int64_t frames : {-3, 0, 2, 4, 80}) EXPECT_FALSE(vae.can_code(frames)) << frames;
  EXPECT_EQ(vae.latent_frames(81), 21);
}

}  // namespace
}  // namespace wan
