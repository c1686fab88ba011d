// Stills of videos that we wrote: the right frame, small, a JPEG that our own decoder reads.
#include "io/video_poster.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

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

/// Of the box at `at`.
uint32_t size_at(const std::string& mp4, size_t at) {
  uint32_t size = 0;
  for (size_t i = at; i < at + 4; ++i) size = size << 8 | static_cast<unsigned char>(mp4[i]);
  return size;
}

/// The same video, said to have its frames in the file `name` beside it. Source: "QuickTime File Format", Data
/// Reference Atoms; the alias record is Mac OS's.
std::string with_frames_in(std::string mp4, const std::string& name) {
  using test::big;
  const auto length = [](const std::string& text) { return static_cast<uint32_t>(text.size()); };
  std::string path = "/" + name;
  if (path.size() % 2 != 0) path += '\0';
  const std::string alias = std::string(130, '\0') + big(0x00010001) + std::string(16, '\0') +
                            big(0x00020000 + length(path)) + path + big(0xFFFF0000);
  const std::string entry = big(length(alias) + 12) + "alis" + big(0) + alias;
  const std::string dref = big(length(entry) + 16) + "dref" + big(0) + big(1) + entry;
  std::vector<size_t> around;
  size_t at = 0;
  for (const char* box : {"moov", "trak", "mdia", "minf", "dinf", "dref"}) {
    while (at + 8 <= mp4.size() && mp4.compare(at + 4, 4, box) != 0) at += std::max(size_at(mp4, at), 8u);
    around.push_back(at);
    at += 8;
  }
  if (at > mp4.size()) return "";
  const uint32_t old_size = size_at(mp4, around.back());
  mp4.replace(around.back(), old_size, dref);
  around.pop_back();
  for (const size_t box : around) mp4.replace(box, 4, big(size_at(mp4, box) + length(dref) - old_size));
  return mp4;
}

TEST_F(VideoPoster, FramesInAnotherFileAreNone) {
  const std::filesystem::path other = video(64, 64, 3, [](int) { return uint8_t{200}; });
  const std::string referring = with_frames_in(test::read_file(other), "a.mp4");
  ASSERT_FALSE(referring.empty());
  test::write_file(folder_ / "b.mp4", referring);
  EXPECT_THROW(video_poster(folder_ / "b.mp4"), Error);
}

}  // namespace
}  // namespace wan
