// Stills of videos that we wrote: the right frame, small, a JPEG that our own decoder reads.
#include "io/video_poster.h"

#include <functional>
#include <random>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "builders.h"
#include "io/image.h"
#include "io/video_writer.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

class VideoPoster : public ::testing::Test {
 protected:
  void SetUp() override {
    if (can_write_video()) return;
    EXPECT_THROW(video_poster(folder_ / "a.mp4"), Error);
    GTEST_SKIP() << "built without FFmpeg; the stand-in refused, as it should";
  }

  /// A video whose frame i is filled by `value(i)`, one byte after the other.
  std::filesystem::path video(int width, int height, int frames, const std::function<uint8_t(int)>& value) {
    VideoSettings settings;
    settings.width = width;
    settings.height = height;
    settings.threads = 1;
    VideoWriter writer(folder_ / "a.mp4", settings);
    std::vector<uint8_t> rgb(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
    for (int i = 0; i < frames; ++i) {
      for (uint8_t& byte : rgb) byte = value(i);
      writer.write(rgb);
    }
    writer.finish();
    return folder_ / "a.mp4";
  }

  test::TemporaryFolder folder_;
};

Image decoded(const std::string& jpeg) { return decode_image(std::as_bytes(std::span(jpeg)), "the still"); }

TEST_F(VideoPoster, IsTheMiddleFrame) {
  const Image still = decoded(video_poster(video(96, 64, 13, [](int i) { return static_cast<uint8_t>(20 * i); })));
  EXPECT_EQ(still.width, 96);
  EXPECT_EQ(still.height, 64);
  for (const uint8_t byte : still.rgb) ASSERT_NEAR(byte, 120, 4);  // frame 6 of 0 to 12; its neighbours are 20 away
}

TEST_F(VideoPoster, OfOneFrameIsThatFrame) {
  const Image still = decoded(video_poster(video(64, 64, 1, [](int) { return uint8_t{200}; })));
  for (const uint8_t byte : still.rgb) ASSERT_NEAR(byte, 200, 4);
}

TEST_F(VideoPoster, KeepsTheProportionWithinItsSide) {
  const Image wide = decoded(video_poster(video(1280, 704, 1, [](int) { return uint8_t{90}; })));
  EXPECT_EQ(wide.width, kPosterSide);
  EXPECT_EQ(wide.height, 176);
  const Image tall = decoded(video_poster(video(704, 1280, 1, [](int) { return uint8_t{90}; })));
  EXPECT_EQ(tall.width, 176);
  EXPECT_EQ(tall.height, kPosterSide);
}

TEST_F(VideoPoster, OfNoiseStaysWithinItsBytes) {
  std::mt19937 random(7);
  const std::string jpeg = video_poster(video(320, 320, 1, [&](int) { return static_cast<uint8_t>(random()); }));
  EXPECT_LE(jpeg.size(), kPosterBytes);
  EXPECT_GT(jpeg.size(), kPosterBytes / 8) << "noise that small is no longer what the video shows";
  EXPECT_EQ(decoded(jpeg).width, 320);
}

TEST_F(VideoPoster, OfWhatIsNoVideoIsRefused) {
  test::write_file(folder_ / "b.mp4", "not a video");
  try {
    video_poster(folder_ / "b.mp4");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_THAT(error.what(), HasSubstr("b.mp4"));
  }
  EXPECT_THROW(video_poster(folder_ / "missing.mp4"), Error);
}

/// Each text names the video to a reader that would open it: only the reader of mp4 is asked.
TEST_F(VideoPoster, AListOfOtherFilesIsNoVideo) {
  const std::string other = video(64, 64, 3, [](int) { return uint8_t{200}; }).string();
  const std::string lists[] = {
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + other + "\n#EXT-X-ENDLIST\n",
      "ffconcat version 1.0\nfile '" + other + "'\n",
      "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period><AdaptationSet>"
      "<Representation><BaseURL>" +
          other + "</BaseURL></Representation></AdaptationSet></Period></MPD>",
      "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"};
  for (const std::string& list : lists) {
    test::write_file(folder_ / "list.mp4", list);
    try {
      video_poster(folder_ / "list.mp4");
      ADD_FAILURE() << list;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("read it as mp4"));
    }
  }
  EXPECT_NO_THROW(video_poster(other));
}

}  // namespace
}  // namespace wan
