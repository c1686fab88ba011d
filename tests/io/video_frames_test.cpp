// Frames of videos that we wrote, from mp4 and from PNG files.
#include "io/video_frames.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "builders.h"
#include "io/video_writer.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kWidth = 96, kHeight = 64;

/// A bright square on coloured ground, which moves with the frame.
std::vector<uint8_t> picture(int frame) {
  std::vector<uint8_t> rgb(static_cast<size_t>(kWidth) * kHeight * 3);
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      uint8_t* pixel = rgb.data() + (static_cast<size_t>(y) * kWidth + static_cast<size_t>(x)) * 3;
      const bool is_square = x / 16 == frame % 6 && y / 16 == 1;
      pixel[0] = is_square ? 230 : 40;
      pixel[1] = is_square ? 220 : 90;
      pixel[2] = is_square ? 200 : 150;
    }
  return rgb;
}

class VideoFramesTest : public testing::Test {
 protected:
  std::filesystem::path folder_of(int frames) const {
    FrameWriter writer(folder_ / "frames", kWidth, kHeight);
    for (int i = 0; i < frames; ++i) writer.write(picture(i));
    return folder_ / "frames";
  }
  std::filesystem::path mp4_of(int frames) const {
    VideoSettings settings;
    settings.width = kWidth;
    settings.height = kHeight;
    settings.threads = 1;
    settings.fps_numerator = 16;
    VideoWriter writer(folder_ / "a.mp4", settings);
    for (int i = 0; i < frames; ++i) writer.write(picture(i));
    writer.finish();
    return folder_ / "a.mp4";
  }
  const test::TemporaryFolder folder_;
};

std::string refusal_of(const std::filesystem::path& path) {
  return test::refusal([&] {
    const auto video = open_video_frames(path);
    for (Image frame; video->next(frame);) continue;
  });
}

TEST_F(VideoFramesTest, OfAFolderAreItsBytes) {
  const auto video = open_video_frames(folder_of(3));
  EXPECT_EQ(video->facts().storage, FrameStorage::kPng);
  EXPECT_EQ(video->facts().frames, 3);
  EXPECT_EQ(video->facts().fps, std::nullopt);
  Image frame;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(video->next(frame));
    EXPECT_EQ(frame.rgb, picture(i)) << i;
  }
  EXPECT_FALSE(video->next(frame));
  EXPECT_FALSE(video->next(frame));
}

/// More frames than an encoder delays; each within what the encoder takes of its own picture, far from the next one.
TEST_F(VideoFramesTest, OfAnMp4AreAllOfThemInOrder) {
  if (!can_write_video()) GTEST_SKIP() << "built without FFmpeg";
  constexpr int kFrames = 75;
  const auto video = open_video_frames(mp4_of(kFrames));
  EXPECT_EQ(video->facts().storage, FrameStorage::kMp4);
  EXPECT_EQ(video->facts().width, kWidth);
  EXPECT_EQ(video->facts().height, kHeight);
  EXPECT_DOUBLE_EQ(video->facts().fps.value_or(0), 16);
  Image frame;
  int count = 0;
  for (; video->next(frame); ++count) {
    const std::vector<uint8_t> expected = picture(count);
    double sum = 0;
    for (size_t i = 0; i < expected.size(); ++i) sum += std::abs(int(expected[i]) - int(frame.rgb[i]));
    ASSERT_LT(sum / static_cast<double>(expected.size()), 2.5) << count;  // the next picture is 9 away
  }
  EXPECT_EQ(count, kFrames);
  EXPECT_FALSE(video->next(frame));
}

TEST_F(VideoFramesTest, OfAFolderWithAGapAreRefused) {
  const std::filesystem::path folder = folder_of(4);
  std::filesystem::remove(folder / "frame_00002.png");
  EXPECT_THAT(refusal_of(folder), AllOf(HasSubstr("expected frame_00002.png"), HasSubstr("of its 3 frames")));
  std::filesystem::remove(folder / "frame_00000.png");
  EXPECT_THAT(refusal_of(folder), HasSubstr("found no frame_00000.png"));
}

TEST_F(VideoFramesTest, OfTwoSizesAreRefused) {
  const std::filesystem::path folder = folder_of(2);
  write_png(folder / "frame_00001.png", 8, 4, std::vector<uint8_t>(8 * 4 * 3));
  EXPECT_THAT(refusal_of(folder), AllOf(HasSubstr("frame_00001.png: expected 96x64"), HasSubstr("found 8x4")));
}

TEST_F(VideoFramesTest, OfWhatIsNoVideoAreRefused) {
  EXPECT_THAT(refusal_of(folder_ / "nothing"), AllOf(HasSubstr("nothing"), HasSubstr("found nothing")));
  test::write_file(folder_ / "text.mp4", "not a video");
  EXPECT_THAT(refusal_of(folder_ / "text.mp4"), HasSubstr("text.mp4"));
}

}  // namespace
}  // namespace wan
