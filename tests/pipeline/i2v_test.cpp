// Image-to-video with two experts, whole, on the CPU. No official miniature of this model exists: the expected tensors
// come from a numpy version of ours, written apart from this program and run once, and NOT from the official code. What
// official outputs do prove of it, and how these were made: docs/numerics/i2v.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "base/file.h"
#include "io/resize.h"
#include "io/tensor_diff.h"
#include "model/vae.h"
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
const fs::path kFirstAndLast = fs::path(WAN_FIXTURES) / "mini-i2v-last";

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

/// Every tensor of `expected`, `count` of them, is in the dump.
void expect_match(const TensorFile& ours, const TensorFile& expected, size_t count) {
  const DiffResult result = diff_tensors(ours, expected, {"", "fp32."});
  EXPECT_EQ(result.common.size(), count);
  EXPECT_TRUE(result.only_b.empty()) << "the dump lacks " << result.only_b.front();
  for (const TensorDifference& d : result.common) {
    EXPECT_FALSE(d.shape_differs) << d.name << ": " << d.shapes;
    EXPECT_FALSE(d.not_finite) << d.name;
    EXPECT_LE(d.relative, d.name == "vae.decode.video" ? kVideoLimit : kTensorLimit) << d.name;
  }
}

TEST_F(ImageToVideoExperts, MatchOurNumpyVersionEndToEnd) {
  const Request asked = request();
  const Outcome outcome = generate(asked);
  EXPECT_EQ(outcome.task, "i2v");
  EXPECT_EQ(outcome.width, 64);
  EXPECT_EQ(outcome.height, 32);

  const TensorFile ours = TensorFile::open(asked.dump);
  const TensorFile expected = TensorFile::open(kImageToVideo / "golden.safetensors");
  EXPECT_EQ(expected.at("fp32.dit.call0.x").shape, (Shape{36, 4, 4, 8}));
  expect_match(ours, expected, 42);
  const DiffResult noise = diff_tensors(ours, expected, {"noise", "noise.cuda_seed42"});
  ASSERT_EQ(noise.common.size(), 1u);
  EXPECT_LE(noise.common[0].relative, kTensorLimit);
}

// A last frame as well: 30 x 50 pixels, of which the middle 30 x 20 have the first one's proportions.
TEST_F(ImageToVideoExperts, MatchOurNumpyVersionBetweenTwoImages) {
  Request asked = request();
  asked.last_image = kFirstAndLast / "last.png";
  const Outcome outcome = generate(asked);
  EXPECT_EQ(outcome.width, 64) << "the first image alone decides it";
  EXPECT_EQ(outcome.height, 32);
  const TensorFile ours = TensorFile::open(asked.dump);
  const TensorFile expected = TensorFile::open(kFirstAndLast / "golden.safetensors");
  expect_match(ours, expected, 22);
  // Without the last picture the encoded video differs by 2e-4 only, on these miniature weights.
  const DiffResult latent = diff_tensors(ours, expected, {"vae.encode0.latent", "fp32.vae.encode0.latent"});
  ASSERT_EQ(latent.common.size(), 1u);
  EXPECT_LE(latent.common[0].relative, 1e-5);
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

/// One step and one branch on 9 small frames: of interest is what goes into the DiT.
class FirstAndLastImage : public ImageToVideoExperts {
 protected:
  Request small() const {
    Request small = request();
    small.width = small.height = 32;
    small.num_frames = 9;
    small.steps = 1;
    small.guidance_low.reset();
    small.guidance_high.reset();
    small.guidance_scale = 1;
    return small;
  }

  /// What the DiT is given behind the noise, [20, 3, 2, 4], and the frames that were encoded, [3, 9, 16, 32].
  struct Conditions {
    std::vector<float> channels, latent, video;
  };
  static Conditions of(const Request& asked) {
    generate(asked);
    const TensorFile dump = TensorFile::open(asked.dump);
    const TensorView x = dump.view("dit.call0.x"), latent = dump.view("vae.encode0.latent"),
                     video = dump.view("vae.encode0.video");
    EXPECT_EQ(x.shape, (Shape{36, 3, 2, 4}));
    EXPECT_EQ(latent.shape, (Shape{16, 3, 2, 4}));
    EXPECT_EQ(video.shape, (Shape{3, 9, 16, 32}));
    const float* values = x.as<float>();
    return {{values + 16 * kPlanes, values + 36 * kPlanes},
            {latent.as<float>(), latent.as<float>() + 16 * kPlanes},
            {video.as<float>(), video.as<float>() + 3 * 9 * kPixels}};
  }
  static std::vector<float> frame_of(const Conditions& conditions, int frame) {
    std::vector<float> planes;
    for (int c = 0; c < 3; ++c) {
      const auto first = conditions.video.begin() + (c * 9 + frame) * kPixels;
      planes.insert(planes.end(), first, first + kPixels);
    }
    return planes;
  }
  /// An image stretched to the video's size.
  static std::vector<float> stretched(const Image& image) {
    return resize_bicubic(to_planes(image), 3, {image.width, image.height}, {32, 16});
  }
  static std::vector<float> latent_frames(const Conditions& conditions, int first, int end) {
    std::vector<float> values;
    for (int c = 0; c < 16; ++c) {
      const auto channel = conditions.latent.begin() + c * kPlanes;
      values.insert(values.end(), channel + first * kPositions, channel + end * kPositions);
    }
    return values;
  }
  /// The mask, [4, 3]: each of its planes holds one value.
  static std::vector<float> mask_of(const Conditions& conditions) {
    std::vector<float> mask;
    for (int plane = 0; plane < 4 * 3; ++plane) {
      const auto first = conditions.channels.begin() + plane * kPositions;
      EXPECT_EQ(std::count(first, first + kPositions, *first), kPositions) << plane;
      mask.push_back(*first);
    }
    return mask;
  }

  static constexpr int kPositions = 2 * 4, kPlanes = 3 * kPositions, kPixels = 16 * 32;
};

TEST_F(FirstAndLastImage, AreMarkedAndEncodedAsOneVideo) {
  Request asked = small();
  asked.last_image = kFirstAndLast / "last.png";
  const Conditions conditions = of(asked);
  // A row a channel: of the first latent frame all, of the last one the last.
  EXPECT_EQ(mask_of(conditions), (std::vector<float>{1, 0, 0,  //
                                                     1, 0, 0,  //
                                                     1, 0, 0,  //
                                                     1, 0, 1}));
  EXPECT_TRUE(
      std::equal(conditions.latent.begin(), conditions.latent.end(), conditions.channels.begin() + 4 * kPlanes));

  const Image last = read_image(asked.last_image);
  EXPECT_EQ(frame_of(conditions, 0), stretched(read_image(asked.image)));
  EXPECT_EQ(frame_of(conditions, 8), stretched(crop_to_proportions(last, {56, 38})));
  for (int frame = 1; frame < 8; ++frame)
    EXPECT_EQ(frame_of(conditions, frame), std::vector<float>(3 * kPixels)) << frame;

  // The same frames by the encoder, the later ones in one piece instead of by latent frames.
  const ModelSet models = open_models(asked);
  const auto backend = make_backend({"cpu", 0, {}});
  Vae encoder(*backend, models.vae, WeightSource::from_file(models.checkpoint->vae_file), models.vae_file(),
              DType::kF32, Vae::Parts::kEncoder);
  const Tensor pixels = host_tensor(DType::kF32, {3, 9, 16, 32});
  std::copy(conditions.video.begin(), conditions.video.end(), pixels->as<float>());
  const Tensor latent = host_tensor(DType::kF32, {16, 3, 2, 4});
  const Tensor block = backend->allocate(DType::kU8, {int64_t{64} << 20}, "activations");
  Arena arena(block);
  encoder.encode(pixels, 8, arena, latent);
  double error = 0, size = 0;
  for (size_t i = 0; i < conditions.latent.size(); ++i) {
    const double one = static_cast<double>(latent->as<float>()[i]);
    error += std::pow(static_cast<double>(conditions.latent[i]) - one, 2);
    size += one * one;
  }
  EXPECT_LE(std::sqrt(error / size), 1e-5);
}

TEST_F(FirstAndLastImage, TheLastOneChangesTheLastLatentFrameAlone) {
  Request asked = small();
  const Conditions alone = of(asked);
  EXPECT_EQ(mask_of(alone), (std::vector<float>{1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0}));
  for (int frame = 1; frame < 9; ++frame) EXPECT_EQ(frame_of(alone, frame), std::vector<float>(3 * kPixels)) << frame;
  asked.last_image = kFirstAndLast / "last.png";
  const Conditions both = of(asked);
  EXPECT_EQ(latent_frames(both, 0, 2), latent_frames(alone, 0, 2));
  EXPECT_NE(latent_frames(both, 2, 3), latent_frames(alone, 2, 3));
}

// A video that comes back to where it began, and a last image that only is larger.
TEST_F(FirstAndLastImage, MayBeTheSameAndAreFittedAlike) {
  Request asked = small();
  asked.last_image = asked.image;
  const Conditions same = of(asked);
  EXPECT_EQ(frame_of(same, 8), frame_of(same, 0));
  const Image larger = resize_lanczos(read_image(asked.image), {112, 76});
  asked.last_image = folder_ / "larger.png";
  write_png(asked.last_image, larger);
  EXPECT_EQ(frame_of(of(asked), 8), stretched(larger));
}

}  // namespace
}  // namespace wan
