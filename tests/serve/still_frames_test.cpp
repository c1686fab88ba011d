#include "serve/still_frames.h"

#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "io/image.h"
#include "temporary_folder.h"

namespace wan::serve {
namespace {

constexpr int kWidth = 4, kHeight = 2, kFrames = 5;

class Stills : public ::testing::Test {
 protected:
  /// Frame i is of the value i.
  void give_frames(StillFrames& stills, int count) {
    VideoInfo video;
    video.width = kWidth;
    video.height = kHeight;
    video.num_frames = kFrames;
    stills.begin(video);
    for (int i = 0; i < count; ++i) {
      const std::vector<uint8_t> frame(kWidth * kHeight * 3, static_cast<uint8_t>(i));
      stills.frame(frame);
    }
  }

  test::TemporaryFolder folder_;
  std::filesystem::path poster_ = folder_ / "poster.png", last_ = folder_ / "last.png";
};

TEST_F(Stills, AreTheMiddleFrameAndTheLast) {
  StillFrames stills(poster_, last_);
  give_frames(stills, kFrames);
  stills.describe({});
  EXPECT_EQ(read_image(poster_).rgb, std::vector<uint8_t>(kWidth * kHeight * 3, 2));
  EXPECT_EQ(read_image(last_).rgb, std::vector<uint8_t>(kWidth * kHeight * 3, 4));
}

TEST_F(Stills, OfAVideoThatIsNotCompletedAreNone) {
  StillFrames stills(poster_, last_);
  give_frames(stills, kFrames - 1);
  stills.abandon();
  EXPECT_FALSE(std::filesystem::exists(poster_));
  EXPECT_FALSE(std::filesystem::exists(last_));
}

TEST_F(Stills, ThatCannotBeWrittenEndTheVideo) {
  StillFrames stills(folder_ / "missing" / "poster.png", last_);
  give_frames(stills, kFrames);
  EXPECT_THROW(stills.describe({}), Error);
}

}  // namespace
}  // namespace wan::serve
