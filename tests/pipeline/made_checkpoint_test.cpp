// Checkpoints of random weights make videos in whatever form they are written, without a flag that says which.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "model/checkpoint_writer.h"
#include "pipeline/engine.h"
#include "pipeline/request.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

std::string video_of(const fs::path& checkpoint) {
  Request request;
  request.checkpoint = checkpoint;
  request.prompt = "a red circle moves left, slowly";
  request.device = "cpu";
  request.width = request.height = 64;
  request.num_frames = 5;
  request.steps = 2;
  return generate(request).video_sha256;
}

TEST(MadeCheckpoint, MakesAVideoInEveryFormat) {
  const test::TemporaryFolder folder;
  const fs::path miniature = fs::path(WAN_FIXTURES) / "mini-t2v-moe";
  const Checkpoint like = open_checkpoint(miniature);
  const CheckpointSizes sizes{like.variant, like.dit, like.text, vae_parts(like.vae.version, &like.vae_file)};
  const auto video = [&](CheckpointFormat format) {
    const fs::path made = folder / enum_name(format);
    make_checkpoint(sizes, 3, {format, DType::kBF16}, miniature / "google/umt5-xxl", made, {});
    return video_of(made);
  };
  const std::string official = video(CheckpointFormat::kOfficial);
  EXPECT_EQ(official.size(), 64u);
  EXPECT_EQ(video(CheckpointFormat::kDiffusers), official) << "the same values by other names";
  for (const CheckpointFormat format : {CheckpointFormat::kComfy, CheckpointFormat::kComfyFp8,
                                        CheckpointFormat::kGgufQ4KM, CheckpointFormat::kGgufQ8_0})
    EXPECT_NE(video(format), official) << enum_name(format) << " rounds the VAE, and some more";
}

}  // namespace
}  // namespace wan
