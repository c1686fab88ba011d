// One seed gives the same bytes whatever files one model comes in.
#include <gtest/gtest.h>

#include <filesystem>

#include "layouts.h"
#include "pipeline/engine.h"
#include "pipeline/request.h"
#include "temporary_folder.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

std::string video_of(const fs::path& checkpoint, Offload offload = Offload::kNone) {
  Request request;
  request.offload = offload;
  request.checkpoint = checkpoint;
  request.prompt = "a red circle moves left, slowly";
  request.negative_prompt = "色调艳丽，过曝，静态";
  request.device = "cpu";
  request.width = 64;
  request.height = 64;
  request.num_frames = 5;
  request.steps = 4;
  request.shift = 12;
  request.guidance_scale = 3;
  return generate(request).video_sha256;
}

class OneModel : public testing::TestWithParam<std::string> {};

TEST_P(OneModel, MakesTheSameVideoFromEveryLayout) {
  const test::TemporaryFolder folder;
  const std::string official = video_of(fs::path(WAN_FIXTURES) / GetParam());
  EXPECT_EQ(official.size(), 64u);
  test::write_diffusers(GetParam(), folder / "diffusers");
  EXPECT_EQ(video_of(folder / "diffusers"), official);
  EXPECT_EQ(video_of(folder / "diffusers", Offload::kStream), official);
  test::write_comfy(GetParam(), folder / "comfy");
  EXPECT_EQ(video_of(folder / "comfy"), official);
  EXPECT_EQ(video_of(folder / "comfy", Offload::kStream), official);
  test::write_comfy(GetParam(), folder / "gguf", true);
  EXPECT_EQ(video_of(folder / "gguf"), official);
  EXPECT_EQ(video_of(folder / "gguf", Offload::kStream), official);
}

INSTANTIATE_TEST_SUITE_P(Layouts, OneModel, testing::Values(test::kSingle, test::kPair),
                         [](const auto& each) { return std::string(each.param == test::kPair ? "pair" : "single"); });

}  // namespace
}  // namespace wan
