// Image-to-video with two experts, whole, on the CPU. No official miniature of this model exists: the expected tensors
// come from a numpy version of ours, written apart from this program and run once, and NOT from the official code. What
// official outputs do prove of it, and how these were made: docs/numerics/i2v.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "io/tensor_diff.h"
#include "pipeline/engine.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

// As for the official fixtures in golden_test.cpp: both sides are fp32 and differ by the order of sums alone.
constexpr double kTensorLimit = 1e-4;
constexpr double kVideoLimit = 1e-3;

const fs::path kTextToVideo = fs::path(WAN_FIXTURES) / "mini-t2v-moe";
const fs::path kImageToVideo = fs::path(WAN_FIXTURES) / "mini-i2v-moe";

void replace(std::string& text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
}

/// The text-to-video expert with the patch embedding of the image-to-video one: 36 input channels for 16.
void write_expert(const std::string& expert, const fs::path& target) {
  fs::create_directories(target);
  std::string config = read_text(kTextToVideo / expert / "config.json");
  replace(config, "\"in_dim\": 16", "\"in_dim\": 36");
  replace(config, "\"t2v\"", "\"i2v\"");
  write_atomically(target / "config.json", config);

  const TensorFile base = TensorFile::open(kTextToVideo / expert / "diffusion_pytorch_model.safetensors");
  const TensorFile widened = TensorFile::open(kImageToVideo / "patch_embedding.safetensors");
  const std::string patch = "patch_embedding.weight";
  const TensorView wide = widened.view(expert + "." + patch);
  std::vector<SafetensorsWriter::Declared> declared;
  for (const StoredTensor& t : base.tensors())
    declared.push_back({t.name, t.dtype, t.name == patch ? wide.shape : t.shape});
  SafetensorsWriter writer(target / "diffusion_pytorch_model.safetensors", std::move(declared));
  for (const StoredTensor& t : base.tensors()) {
    const TensorView view = t.name == patch ? wide : base.view(t);
    writer.write({static_cast<const std::byte*>(view.data), view.bytes()});
  }
  writer.finish(Sync::kCached);
}

/// A checkpoint folder of the text-to-video miniature's text encoder, VAE and tokenizer and the two widened experts.
class ImageToVideoExperts : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "checkpoint");
    for (const char* part : {"google", "Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth"})
      fs::copy(kTextToVideo / part, folder_ / "checkpoint" / part, fs::copy_options::recursive);
    for (const std::string expert : {"high_noise_model", "low_noise_model"})
      write_expert(expert, folder_ / "checkpoint" / expert);
  }

  /// The area of 48 x 64; the 56 x 38 picture makes it 64 x 32: wider than the picture and lower, so the resize is
  /// exercised both ways. Shift and boundary are the model's own; of the timesteps 999, 952, 882, 768, 555 the third
  /// lies between the boundaries of I2V (900) and T2V (875).
  Request request() const {
    Request request;
    request.checkpoint = folder_ / "checkpoint";
    request.prompt = "a red circle moves left across a dark background";
    request.negative_prompt = "色调艳丽，过曝，静态";
    request.image = kImageToVideo / "input.png";
    request.width = 48;
    request.height = 64;
    request.num_frames = 13;
    request.steps = 5;
    request.guidance_low = 3.0;
    request.guidance_high = 4.0;
    request.device = "cpu";
    request.dump = folder_ / "dump.safetensors";
    request.dump_level = DumpLevel::kBlocks;
    return request;
  }

  const test::TemporaryFolder folder_;
};

TEST_F(ImageToVideoExperts, MatchOurNumpyVersionEndToEnd) {
  const Request asked = request();
  const Outcome outcome = generate(asked);
  EXPECT_EQ(outcome.task, "i2v");
  EXPECT_EQ(outcome.width, 64);
  EXPECT_EQ(outcome.height, 32);

  const TensorFile ours = TensorFile::open(asked.dump);
  const TensorFile expected = TensorFile::open(kImageToVideo / "golden.safetensors");
  EXPECT_EQ(expected.at("fp32.dit.call0.x").shape, (Shape{36, 4, 4, 8}));
  const DiffResult result = diff_tensors(ours, expected, {"", "fp32."});
  EXPECT_EQ(result.common.size(), 42u);
  const DiffResult noise = diff_tensors(ours, expected, {"noise", "noise.cuda_seed42"});
  ASSERT_EQ(noise.common.size(), 1u);
  EXPECT_LE(noise.common[0].relative, kTensorLimit);
  EXPECT_TRUE(result.only_b.empty()) << "the dump lacks " << result.only_b.front();
  for (const TensorDifference& d : result.common) {
    EXPECT_FALSE(d.shape_differs) << d.name << ": " << d.shapes;
    EXPECT_FALSE(d.not_finite) << d.name;
    EXPECT_LE(d.relative, d.name == "vae.decode.video" ? kVideoLimit : kTensorLimit) << d.name;
  }
}

// A suite names the model it is about, so that its cases do not quietly run on another.
TEST_F(ImageToVideoExperts, RefuseToPassForAnotherModel) {
  Request asked = request();
  asked.model = "i2v-A14B";
  EXPECT_EQ(open_models(asked).variant->task, "i2v");
  asked.model = "t2v-A14B";
  try {
    open_models(asked);
    ADD_FAILURE() << "accepted";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(problem.what()).find("t2v-A14B"), std::string::npos) << problem.what();
  }
}

}  // namespace
}  // namespace wan
