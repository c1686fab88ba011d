// A run whose numbers broke on the way says so instead of writing a video.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "base/error.h"
#include "io/tensor_file.h"
#include "pipeline/engine.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"
#include "temporary_folder.h"

namespace wan {
namespace {

TEST(DamagedRun, ALatentThatIsNotFiniteIsAnErrorAndNoFile) {
  const test::TemporaryFolder folder;
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
  request.prompt = "x";
  request.width = request.height = 64;
  request.num_frames = 5;
  request.steps = 1;
  request.device = "cpu";
  const Shape shape = make_plan(request, open_models(request)).latent;
  std::vector<float> noise(static_cast<size_t>(shape.count()), 0.5f);
  noise[3] = std::numeric_limits<float>::quiet_NaN();
  request.initial_latent = folder / "noise.safetensors";
  SafetensorsWriter writer(request.initial_latent, {{"noise", DType::kF32, shape}});
  writer.write(std::as_bytes(std::span(noise)));
  writer.finish(Sync::kCached);
  request.frames = folder / "frames";

  try {
    generate(request);
    ADD_FAILURE() << "a value that is not a number spreads to all";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("not finite"));
    EXPECT_THAT(error.what(), testing::HasSubstr("--precision fp32"));
  }
  EXPECT_TRUE(!std::filesystem::exists(request.frames) || std::filesystem::is_empty(request.frames));
}

}  // namespace
}  // namespace wan
