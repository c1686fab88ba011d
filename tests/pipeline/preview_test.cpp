// The rough look at each step: the map is right where there is one to find, and what it shows is the video.
#include "pipeline/preview.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "pipeline/engine.h"
#include "pipeline/latent_colours.h"

namespace wan {
namespace {

class Pictures final : public PreviewConsumer {
 public:
  void preview(const Preview& preview) override { all.push_back(preview); }
  std::vector<Preview> all;
};

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) mean_a += a[i] / n, mean_b += b[i] / n;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

/// Means of squares of `side` pixels.
std::vector<double> scaled_down(std::span<const uint8_t> rgb, int64_t width, int64_t height, int64_t side) {
  std::vector<double> out;
  for (int64_t y = 0; y < height; y += side)
    for (int64_t x = 0; x < width; x += side)
      for (int64_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (int64_t v = y; v < y + side; ++v)
          for (int64_t u = x; u < x + side; ++u) sum += rgb[static_cast<size_t>((v * width + u) * 3 + c)];
        out.push_back(sum / static_cast<double>(side * side));
      }
  return out;
}

TEST(LatentColours, ALinearMapIsFound) {
  constexpr int64_t kChannels = 5, kSamples = 400;
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> map(3 * (kChannels + 1)), latents, colours;
  for (float& weight : map) weight = normal(random);
  for (int64_t s = 0; s < kSamples; ++s) {
    std::vector<float> row(kChannels);
    for (float& value : row) value = normal(random);
    for (size_t c = 0; c < 3; ++c) {
      float colour = map[c * (kChannels + 1) + kChannels];
      for (size_t i = 0; i < kChannels; ++i) colour += map[c * (kChannels + 1) + i] * row[i];
      colours.push_back(colour);
    }
    latents.insert(latents.end(), row.begin(), row.end());
  }
  const LatentColours found = fit_colours(latents, colours, kChannels);
  // The weight on small coefficients, a thousandth of the samples', draws each by about as much: the samples' own
  // squares are within 1 +- 5 sqrt(2 / 400) of one, so at least 0.64 of their number, and no coefficient here is
  // beyond 3.
  for (size_t i = 0; i < map.size(); ++i) EXPECT_NEAR(found.weights[i], map[i], 3 * 1e-3 / 0.64) << i;
}

TEST(LatentColours, FewAndEqualSamplesGiveAMapToo) {
  const std::vector<float> latents(2 * 48, 1.0f), colours{0.5f, 0, -0.5f, 0.5f, 0, -0.5f};
  for (const float weight : fit_colours(latents, colours, 48).weights) EXPECT_TRUE(std::isfinite(weight));
}

TEST(LatentColours, AWideLatentIsThinnedOut) {
  const LatentColours map{1, {1, 0, 1, 0, 0, -1}};
  std::vector<float> latent(3 * 600, 0.0f);
  latent[3] = 1.0f;  // of every third column the second that is shown
  const Preview picture = map.picture(latent, 3, 600);
  EXPECT_EQ(picture.width, 200);
  EXPECT_EQ(picture.height, 1);
  EXPECT_EQ(picture.rgb.size(), 600u);
  EXPECT_EQ(picture.rgb[0], 128);  // 0 of -1 to 1
  EXPECT_EQ(picture.rgb[2], 0);
  EXPECT_EQ(picture.rgb[3], 255);
}

TEST(Previews, AreOnePictureAStepAndTheLastIsLikeTheVideo) {
  Request request;
  request.checkpoint = WAN_BINARY_DIR "/share/wanbench/checkpoint";
  request.prompt = "a video of a large green ring that moves down on a grey background";
  request.width = 128;
  request.height = 96;
  request.num_frames = 5;
  request.steps = 6;
  request.seed = 7;
  request.device = "cpu";
  Engine engine;
  FrameMemory frames;
  Pictures pictures;
  const Outcome watched = engine.generate(request, {.consumers = {&frames}, .preview = &pictures});
  ASSERT_EQ(std::ssize(pictures.all), request.steps);
  for (int step = 0; step < request.steps; ++step) EXPECT_EQ(pictures.all[static_cast<size_t>(step)].step, step);
  const Preview& last = pictures.all.back();
  const int64_t side = request.width / last.width;
  ASSERT_EQ(last.width * side, request.width);
  ASSERT_EQ(last.height * side, request.height);
  // Of two latent frames the middle one is the second, which is the last four frames.
  const size_t frame_bytes = frames.rgb().size() / static_cast<size_t>(request.num_frames);
  const std::span<const uint8_t> shown = std::span(frames.rgb()).last(frame_bytes);
  const double found =
      correlation(scaled_down(shown, request.width, request.height, side), {last.rgb.begin(), last.rgb.end()});
  // A picture that knows nothing of the video has a correlation of 0 with a deviation of 1 / sqrt(values): five of
  // them.
  EXPECT_GT(found, 5 / std::sqrt(static_cast<double>(last.rgb.size())));
  std::vector<double> turned(last.rgb.begin(), last.rgb.end());
  for (size_t pixel = 0; pixel < turned.size() / 3 / 2; ++pixel)
    std::swap_ranges(turned.begin() + static_cast<std::ptrdiff_t>(pixel * 3),
                     turned.begin() + static_cast<std::ptrdiff_t>(pixel * 3 + 3),
                     turned.end() - static_cast<std::ptrdiff_t>(pixel * 3 + 3));
  EXPECT_GT(found, correlation(scaled_down(shown, request.width, request.height, side), turned))
      << "the same, upside down";
  RecordProperty("correlation", std::to_string(found));
  EXPECT_EQ(engine.generate(request).video_sha256, watched.video_sha256) << "a look changes nothing";
}

}  // namespace
}  // namespace wan
