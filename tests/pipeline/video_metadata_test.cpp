// What an mp4 says of how it was made: whole, without folders, and read as a stranger's text.
#include "pipeline/video_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "io/image.h"
#include "option_samples.h"
#include "pipeline/video_info.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kSha = sha256_hex("x");

VideoMetadata example() {
  VideoMetadata metadata;
  metadata.request.prompt = "a \"cat\"\nübers Dach";
  metadata.request.seed = UINT64_MAX;
  metadata.request.steps = 5;
  metadata.request.shift = 0.1;
  metadata.image = InputFile{"x.png", kSha};
  metadata.last_image = InputFile{"y.png", sha256_hex("z")};
  metadata.task = "ti2v";
  metadata.model = "ti2v-5B";
  metadata.weights = {{"dit", "a.safetensors", 42, kSha}, {"vae", "b.pth", 7, sha256_hex("y")}};
  metadata.version = "0.2.0";
  metadata.git_commit = "abc";
  metadata.device = "cpu";
  metadata.device_name = "Example CPU";
  metadata.width = 96;
  metadata.height = 64;
  metadata.num_frames = 5;
  metadata.fps = 24;
  metadata.frames_sha256 = kSha;
  return metadata;
}

std::string refusal(const std::string& text) {
  try {
    video_metadata_from_json(text, "v.mp4");
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    EXPECT_THAT(problem.what(), testing::StartsWith("v.mp4"));
    return problem.what();
  }
  return "accepted";
}

TEST(VideoMetadata, GoesThroughJsonAndBack) {
  EXPECT_EQ(video_metadata_from_json(to_json(example()), "v.mp4"), example());
  size_t seen = 0;
  for (const test::OptionSample& sample : test::option_samples()) {
    if (!sample.in_video) continue;
    VideoMetadata metadata = example();
    metadata.request = sample.request;
    EXPECT_EQ(video_metadata_from_json(to_json(metadata), "v.mp4"), metadata) << sample.key;
    ++seen;
  }
  EXPECT_GT(seen, 30u);
}

TEST(VideoMetadata, OptionsThatDoNotDecideThePixelsAreNotInIt) {
  for (const test::OptionSample& sample : test::option_samples()) {
    if (sample.in_video) continue;
    VideoMetadata metadata = example();
    metadata.request = sample.request;
    EXPECT_FALSE(Json::parse(to_json(metadata))["request"].contains(sample.key)) << sample.key;
  }
}

/// The plan of what is kept is the plan of what was asked: nothing that decides the pixels is left out.
TEST(VideoMetadata, AsksForTheSameWorkAgain) {
  const test::TemporaryFolder folder;
  write_png(folder / "wide.png", 90, 40, std::vector<uint8_t>(size_t{90} * 40 * 3, 128));
  std::vector<Request> requests(7);
  requests[0].model = "ti2v-5B";
  requests[1].model = "ti2v-5B";
  requests[1].image = folder / "wide.png";
  requests[2].model = "t2v-A14B";
  requests[2].guidance_scale = 6;
  requests[2].boundary = 0.5;
  requests[4].model = "t2v-A14B";
  requests[4].recipe = "lightx2v-4";
  requests[4].shift = 6.0;
  requests[5].model = "i2v-A14B";
  requests[5].recipe = "rcm-3";
  requests[5].image = folder / "wide.png";
  requests[5].last_image = folder / "wide.png";
  requests[6].model = "ti2v-5B";
  requests[6].recipe = "fastwan-3";
  requests[3].model = "ti2v-5B";
  requests[3].width = 96;
  requests[3].height = 64;
  requests[3].image = folder / "wide.png";
  for (Request& request : requests) {
    request.random_weights = true;
    request.device = "cpu";
    request.prompt = "a cat";
    const Plan plan = make_plan(request, open_models(request));
    const VideoMetadata said =
        video_metadata(request, plan, input_file(request.image), input_file(request.last_image), std::nullopt, kSha);
    Request again = video_metadata_from_json(to_json(said), "v.mp4").request;
    EXPECT_EQ(again, said.request);
    again.image = request.image;
    again.last_image = request.last_image;
    again.device = "cpu";
    const Plan second = make_plan(again, open_models(again));
    EXPECT_EQ(video_request(again, second), said.request);
    EXPECT_EQ(second.width, plan.width);
    EXPECT_EQ(second.height, plan.height);
    EXPECT_EQ(second.schedule.timesteps, plan.schedule.timesteps);
    EXPECT_EQ(second.schedule.sigmas, plan.schedule.sigmas);
    EXPECT_EQ(second.low_noise_from_step(), plan.low_noise_from_step());
    EXPECT_EQ(second.recipe, plan.recipe);
    EXPECT_EQ(second.solver, plan.solver);
    EXPECT_EQ(second.shift, plan.shift);
    EXPECT_EQ(second.passes(), plan.passes());
  }
}

TEST(VideoMetadata, NamesProgramWeightsAndInputsButNoFolder) {
  const test::TemporaryFolder folder;
  write_png(folder / "first.png", 64, 64, std::vector<uint8_t>(size_t{64} * 64 * 3, 128));
  write_png(folder / "last.png", 64, 64, std::vector<uint8_t>(size_t{64} * 64 * 3, 64));
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
  request.image = folder / "first.png";
  request.output = folder / "secret.mp4";
  request.device = "cpu";
  const Plan plan = make_plan(request, open_models(request));
  const VideoMetadata said =
      video_metadata(request, plan, input_file(request.image), input_file(folder / "last.png"), std::nullopt, kSha);
  EXPECT_EQ(said.last_image->name, "last.png");
  EXPECT_EQ(said.last_image->sha256, sha256_of_file(folder / "last.png"));
  EXPECT_EQ(said.image->name, "first.png");
  EXPECT_EQ(said.image->sha256, sha256_of_file(request.image));
  EXPECT_EQ(said.weights, identify_weights(request.checkpoint));
  EXPECT_FALSE(said.weights.empty());
  EXPECT_EQ(said.version, build_info().version);
  const std::string text = to_json(said);
  EXPECT_THAT(text, HasSubstr("diffusion_pytorch_model"));
  for (const std::string& hidden :
       {folder.path().string(), std::string("secret"), std::string(WAN_FIXTURES), std::string("mini-ti2v")})
    EXPECT_THAT(text, Not(HasSubstr(hidden)));
}

TEST(VideoMetadata, WeightsThatHaveGoneAreNotKnown) {
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
  request.device = "cpu";
  const Plan plan = make_plan(request, open_models(request));
  request.checkpoint = "/nonexistent";
  EXPECT_TRUE(video_metadata(request, plan, {}, {}, {}, kSha).weights.empty());
}

TEST(VideoMetadata, AStrangersTextIsCheckedLikeARequest) {
  const auto changed = [](const std::string& pointer, const Json& value) {
    Json json = Json::parse(to_json(example()));
    json[Json::json_pointer(pointer)] = value;
    return refusal(json.dump());
  };
  EXPECT_THAT(changed("/request/steps", 4294967299), HasSubstr("'steps' must be a whole number from 1 to 1000"));
  EXPECT_THAT(changed("/request/width", -32), HasSubstr("'width' must be"));
  EXPECT_THAT(changed("/request/output", "/etc/passwd"), HasSubstr("unknown field 'output'"));
  EXPECT_THAT(changed("/request/checkpoint", "/tmp/x"), HasSubstr("unknown field 'checkpoint'"));
  EXPECT_THAT(changed("/request/image", "/tmp/x"), HasSubstr("unknown field 'image'"));
  EXPECT_THAT(changed("/request/last_image", "/tmp/x"), HasSubstr("unknown field 'last_image'"));
  EXPECT_THAT(changed("/request/device", "cpu"), HasSubstr("unknown field 'device'"));
  EXPECT_THAT(changed("/request", 3), HasSubstr("must be an object"));
  EXPECT_THAT(changed("/video/frames_sha256", "abc"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(changed("/files/image/sha256", std::string(64, 'G')), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(changed("/files/last_image/sha256", "abc"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(changed("/files/image/name", std::string(5000, 'x')), HasSubstr("longer than 4096"));
  EXPECT_THAT(changed("/model/weights", Json::array_t(1001, Json::object())), HasSubstr("at most 1000 files"));
  EXPECT_THAT(changed("/model/weights/0/size_bytes", -1), HasSubstr("'size_bytes'"));
  EXPECT_THAT(changed("/schema/major", 2), HasSubstr("take a newer wanbench"));
  EXPECT_THAT(changed("/schema/name", "other"), HasSubstr("expected wanbench.video"));
  EXPECT_EQ(changed("/later", "ignored"), "accepted");
  EXPECT_THAT(refusal("a film by somebody"), HasSubstr("v.mp4"));
  EXPECT_THAT(refusal(R"({"seed": "42", "task": "ti2v"})"), HasSubstr("an earlier version or another program"));
  EXPECT_THAT(refusal(std::string(1 << 20, '[') + "x"), HasSubstr("at most are read"));
  Json missing = Json::parse(to_json(example()));
  missing.erase("video");
  EXPECT_THAT(refusal(missing.dump()), HasSubstr("field 'video' is missing"));
}

}  // namespace
}  // namespace wan
