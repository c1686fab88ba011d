// mp4 files checked with the ffprobe and ffmpeg programs, which know nothing of our code; PNG frames.
#include "io/video_writer.h"

#include <sys/resource.h>

#include <array>
#include <csignal>
#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "builders.h"
#include "io/image.h"
#include "io/video_name.h"
#include "io/video_tags.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

constexpr int kWidth = 96;
constexpr int kHeight = 64;
constexpr int kFrames = 13;

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out;
  std::array<char, 4096> block{};
  for (size_t got = 0; (got = std::fread(block.data(), 1, block.size(), pipe)) > 0;) out.append(block.data(), got);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return out;
}

/// A smooth gradient that moves with time: what 4:2:0 and a low crf keep well.
std::vector<uint8_t> gradient(int frame) {
  std::vector<uint8_t> rgb;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      for (int value : {x * 2 + frame * 3, y * 3 + 20, 200 - x - y / 2}) rgb.push_back(static_cast<uint8_t>(value));
  return rgb;
}

VideoSettings settings() {
  VideoSettings s;
  s.width = kWidth;
  s.height = kHeight;
  s.threads = 1;
  return s;
}

class VideoWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (can_write_video()) return;
    EXPECT_THROW(VideoWriter(folder_ / "a.mp4", settings()), Error);
    GTEST_SKIP() << "built without FFmpeg; the stand-in refused, as it should";
  }
  void write(const std::filesystem::path& path, const VideoSettings& with) {
    VideoWriter writer(path, with);
    for (int i = 0; i < kFrames; ++i) writer.write(gradient(i));
    EXPECT_FALSE(std::filesystem::exists(path)) << "must not be there before it is finished";
    writer.finish();
  }
  std::string probe(const std::filesystem::path& path, const std::string& entries) {
    return output_of("ffprobe -v error -count_frames -show_entries " + entries + " -of default=noprint_wrappers=1 " +
                     path.string());
  }

  test::TemporaryFolder folder_;
};

TEST_F(VideoWriterTest, HasTheSizeRateCodecAndFrameCountAskedFor) {
  write(folder_ / "a.mp4", settings());
  const std::string facts = probe(folder_ / "a.mp4",
                                  "stream=codec_type,codec_name,width,height,pix_fmt,r_frame_rate,avg_frame_rate,nb_"
                                  "read_frames,duration:format=nb_streams,format_name");
  for (const char* fact : {"codec_name=h264", "width=96", "height=64", "pix_fmt=yuv420p", "r_frame_rate=24/1",
                           "avg_frame_rate=24/1", "nb_read_frames=13", "nb_streams=1", "mp4", "duration=0.541667"})
    EXPECT_THAT(facts, HasSubstr(fact));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(VideoWriterTest, KeepsFractionalRatesExact) {
  VideoSettings with = settings();
  with.fps_numerator = 30000;
  with.fps_denominator = 1001;
  write(folder_ / "a.mp4", with);
  EXPECT_THAT(probe(folder_ / "a.mp4", "stream=r_frame_rate,nb_read_frames"),
              HasSubstr("r_frame_rate=30000/1001\nnb_read_frames=13"));
}

TEST_F(VideoWriterTest, CarriesItsFacts) {
  const std::string comment = R"({"seed":42,"prompt":"ünï \"q\""})";
  VideoWriter writer(folder_ / "a.mp4", settings());
  for (int i = 0; i < kFrames; ++i) writer.write(gradient(i));
  writer.set_tag("description", "a cat; \"quoted\" = yes");
  writer.set_tag("comment", comment);  // after the last frame: what it says of them is known then
  writer.finish();
  const std::string tags = probe(folder_ / "a.mp4", "format_tags");
  EXPECT_THAT(tags, HasSubstr("description=a cat; \"quoted\" = yes"));
  EXPECT_THAT(tags, HasSubstr("comment=" + comment));
  const VideoTags read = read_video_tags(folder_ / "a.mp4");
  EXPECT_EQ(read.description, "a cat; \"quoted\" = yes");
  EXPECT_EQ(read.comment, comment);
  write(folder_ / "bare.mp4", settings());
  EXPECT_EQ(read_video_tags(folder_ / "bare.mp4").comment, "") << "absent";
}

TEST_F(VideoWriterTest, TagsAreReadOfMp4FilesAloneAndBounded) {
  const auto refusal = [&](const std::filesystem::path& file) {
    try {
      read_video_tags(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return std::string(error.what());
    }
    return std::string("read");
  };
  EXPECT_THAT(refusal(folder_ / "none.mp4"), HasSubstr("none.mp4: there is no such file"));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("no regular file"));
  test::write_file(folder_ / "list.mp4", "#EXTM3U\n/etc/passwd\n");
  EXPECT_THAT(refusal(folder_ / "list.mp4"), HasSubstr("cannot read it as mp4"));
  VideoWriter writer(folder_ / "long.mp4", settings());
  writer.write(gradient(0));
  writer.set_tag("comment", std::string(kMostTagBytes + 1, 'x'));
  writer.finish();
  EXPECT_THAT(refusal(folder_ / "long.mp4"), HasSubstr("its comment has 1048577 bytes; 1048576 at most"));
}

TEST(VideoName, OnlyWhatIsWrittenIsTaken) {
  for (const char* name : {"a.mp4", "a.MP4", "a.gif.mp4", "/x/y.z/a b.Mp4"}) EXPECT_NO_THROW(require_video_name(name));
  const auto refusal = [](const std::string& name) {
    try {
      VideoWriter writer(name, settings());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return std::string(error.what());
    }
    return std::string("taken");
  };
  EXPECT_THAT(refusal("x.gif"), AllOf(HasSubstr("x.gif: a video's name must end in .mp4"), HasSubstr("--frames DIR"),
                                      HasSubstr("ffmpeg -i VIDEO.mp4 -vf"), HasSubstr("VIDEO.gif")));
  for (const char* name : {"x.webm", "x", ".mp4", "x.mp4.", "mp4", "x.mp4 "})
    EXPECT_THAT(refusal(name), AllOf(HasSubstr(".mp4"), HasSubstr("--frames DIR"))) << name;
}

TEST_F(VideoWriterTest, DecodesBackToItsFrames) {
  write(folder_ / "a.mp4", settings());
  const std::string raw = output_of("ffmpeg -v error -i " + (folder_ / "a.mp4").string() +
                                    " -f rawvideo -pix_fmt rgb24 -sws_flags bicubic+accurate_rnd+full_chroma_int -");
  constexpr size_t kFrameBytes = size_t{3} * kWidth * kHeight;
  ASSERT_EQ(raw.size(), kFrameBytes * kFrames);
  for (int i = 0; i < kFrames; ++i) {
    const std::vector<uint8_t> want = gradient(i);
    double sum = 0;
    int worst = 0;
    for (size_t k = 0; k < kFrameBytes; ++k) {
      const int off = std::abs(static_cast<uint8_t>(raw[static_cast<size_t>(i) * kFrameBytes + k]) - want[k]);
      sum += off;
      worst = std::max(worst, off);
    }
    // crf 10 on a smooth picture: the mean stays near the rounding of 8-bit YUV; full range to limited and back costs a
    // level or two, and 4:2:0 a few more at the border of the picture
    EXPECT_LT(sum / static_cast<double>(kFrameBytes), 2.0) << "frame " << i;
    EXPECT_LT(worst, 16) << "frame " << i;
  }
}

TEST_F(VideoWriterTest, ImpossibleSettingsAreRefused) {
  const auto refused = [&](auto change) {
    VideoSettings with = settings();
    change(with);
    try {
      VideoWriter writer(folder_ / "a.mp4", with);
      ADD_FAILURE() << "expected an error";
      return std::string();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return std::string(error.what());
    }
  };
  EXPECT_THAT(refused([](VideoSettings& s) { s.width = 95; }), HasSubstr("both sides must be even"));
  EXPECT_THAT(refused([](VideoSettings& s) { s.height = 63; }), HasSubstr("96 x 63"));
  EXPECT_THAT(refused([](VideoSettings& s) { s.height = 0; }), HasSubstr("cannot be encoded"));
  EXPECT_THAT(refused([](VideoSettings& s) { s.fps_numerator = 0; }), HasSubstr("frame rate"));
  EXPECT_THAT(refused([](VideoSettings& s) { s.crf = 99; }), HasSubstr("crf"));
  EXPECT_THAT(refused([](VideoSettings& s) { s.preset = "placebo"; }),
              HasSubstr("preset is one of ultrafast, superfast, veryfast, fast, medium, not 'placebo'"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(VideoWriterTest, APresetReachesTheEncoder) {
  const auto is_cabac = [&](const char* preset) {
    VideoSettings wanted = settings();
    wanted.preset = preset;
    const std::filesystem::path mp4 = folder_ / (std::string(preset) + ".mp4");
    write(mp4, wanted);
    // libx264 writes into the stream what it was told; of these presets ultrafast alone does without CABAC.
    const std::string file = read_text(mp4);
    EXPECT_NE(file.find(" cabac="), std::string::npos);
    return file.find(" cabac=1") != std::string::npos;
  };
  EXPECT_FALSE(is_cabac("ultrafast"));
  EXPECT_TRUE(is_cabac("superfast"));
}

TEST_F(VideoWriterTest, LeavesNothingBehindUnlessFinished) {
  {
    VideoWriter writer(folder_ / "a.mp4", settings());
    for (int i = 0; i < kFrames; ++i) writer.write(gradient(i));
    EXPECT_THROW(writer.write(std::vector<uint8_t>(5)), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  {
    VideoWriter writer(folder_ / "a.mp4", settings());
    EXPECT_THROW(writer.finish(), Error) << "no frames";
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(VideoWriterTest, AnUnwritableTargetIsNamed) {
  try {
    VideoWriter writer(folder_ / "none" / "a.mp4", settings());
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
    EXPECT_THAT(error.what(), HasSubstr((folder_ / "none" / "a.mp4").string()));
  }
}

TEST_F(VideoWriterTest, AFullDiskIsAnError) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);  // fails writes as a full disk does
  EXPECT_THROW(write(folder_ / "a.mp4", settings()), Error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(VideoWriterTest, ReplacesAnEarlierVideoOnlyWhenFinished) {
  test::write_file(folder_ / "a.mp4", "earlier");
  { VideoWriter writer(folder_ / "a.mp4", settings()); }
  EXPECT_EQ(test::read_file(folder_ / "a.mp4"), "earlier");
  VideoWriter writer(folder_ / "a.mp4", settings());
  writer.write(gradient(0));
  writer.finish();
  EXPECT_GT(std::filesystem::file_size(folder_ / "a.mp4"), 100u);
}

TEST(FrameWriter, WritesNumberedFrames) {
  const test::TemporaryFolder folder;
  FrameWriter writer(folder / "deep" / "frames", kWidth, kHeight);
  writer.write(gradient(0));
  writer.write(gradient(1));
  EXPECT_EQ(writer.count(), 2);
  EXPECT_EQ(read_image(folder / "deep" / "frames" / "frame_00000.png").rgb, gradient(0));
  EXPECT_EQ(read_image(folder / "deep" / "frames" / "frame_00001.png").rgb, gradient(1));
  EXPECT_THROW(writer.write(std::vector<uint8_t>(5)), Error);
  test::write_file(folder / "file", "x");
  EXPECT_THROW(FrameWriter(folder / "file" / "frames", kWidth, kHeight), Error);
}

}  // namespace
}  // namespace wan
