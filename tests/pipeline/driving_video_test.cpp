// How a driving video's frames are lengthened and cut into clips, against the official code's own results.
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/image.h"
#include "pipeline/driving_video.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using Json = nlohmann::json;

Json units() {
  std::ifstream file(WAN_FIXTURES "/units/s2v_animate_units.json");
  return Json::parse(file);
}

TEST(DrivingVideo, LengthsAreTheOfficialOnes) {
  const Json all = units();
  ASSERT_GE(all.at("animate_valid_len").size(), 8u);
  for (const Json& unit : all.at("animate_valid_len"))
    EXPECT_EQ(driven_length(unit["real"], unit["clip"], unit["overlap"]), unit["target"].get<int64_t>()) << unit;
  EXPECT_EQ(driven_clips(2, 77, 5), 1);  // fewer than a clip's context
}

TEST(DrivingVideo, RunsToAndFroAsTheOfficialOne) {
  const Json all = units();
  ASSERT_GE(all.at("animate_padding").size(), 4u);
  for (const Json& unit : all.at("animate_padding"))
    for (size_t i = 0; i < unit["index"].size(); ++i)
      EXPECT_EQ(to_and_fro(static_cast<int64_t>(i), unit["n"]), unit["index"][i].get<int64_t>()) << unit << ' ' << i;
}

TEST(DrivingVideo, MasksAreTheOfficialOnes) {
  const Json all = units();
  ASSERT_FALSE(all.at("animate_mask").empty());
  for (const Json& unit : all.at("animate_mask")) {
    const auto latents = unit["lat_t"].get<int64_t>();
    std::vector<float> frames(static_cast<size_t>(4 * (latents - 1) + 1));
    std::fill_n(frames.begin(), unit["mask_len"].get<int64_t>(), 1.0f);
    const Tensor mask = mask_channels(frames, 4, 1, 1);
    for (int64_t channel = 0; channel < 4; ++channel)
      for (int64_t t = 0; t < latents; ++t)
        EXPECT_EQ(mask->as<float>()[channel * latents + t],
                  unit["mask"][static_cast<size_t>(channel)][static_cast<size_t>(t)].get<float>())
            << unit;
  }
}

// A video of 12 frames, each of its own shade, in clips of 9 that share 1; then 30 frames far from where it was.
TEST(DrivingVideo, GivesEveryClipItsFrames) {
  const test::TemporaryFolder folder;
  const int64_t count = 12;
  for (int64_t i = 0; i < count; ++i)
    write_png(folder.path() / fmt::format("frame_{:05}.png", i),
              Image{1, 1, std::vector<uint8_t>(3, static_cast<uint8_t>(i))});
  DrivenFrames frames(folder.path(), count);
  for (const auto& [first, length] : {std::pair<int64_t, int64_t>{0, 9}, {8, 9}, {16, 9}, {0, 30}, {40, 3}}) {
    std::vector<int64_t> seen(static_cast<size_t>(length), -1);
    frames.read(first, length, [&](int64_t i, const Image& frame) { seen[static_cast<size_t>(i)] = frame.rgb[0]; });
    for (int64_t i = 0; i < length; ++i)
      EXPECT_EQ(seen[static_cast<size_t>(i)], to_and_fro(first + i, count)) << first << " + " << i;
  }
}

}  // namespace
}  // namespace wan
