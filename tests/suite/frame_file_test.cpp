// Frames come back from the file as they went in, and the file goes with its object.
#include "suite/frame_file.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

VideoInfo two_frames() {
  VideoInfo video;
  video.width = 2;
  video.height = 1;
  video.num_frames = 2;
  video.fps = 24;
  return video;
}

TEST(FrameFile, GivesBackWhatItTook) {
  const wan::test::TemporaryFolder folder;
  const auto path = folder / "frames";
  {
    FrameFile file(path);
    file.begin(two_frames());
    const std::vector<uint8_t> first{1, 2, 3, 4, 5, 255}, second{9, 8, 7, 6, 5, 0};
    file.frame(first);
    file.frame(second);
    file.finish();
    const auto video = file.open();
    EXPECT_EQ(video->facts().storage, FrameStorage::kAsComputed);
    EXPECT_EQ(video->facts().frames, 2);
    EXPECT_EQ(video->facts().fps, 24);
    Image frame;
    ASSERT_TRUE(video->next(frame));
    EXPECT_EQ(frame.rgb, first);
    ASSERT_TRUE(video->next(frame));
    EXPECT_EQ(frame.rgb, second);
    EXPECT_FALSE(video->next(frame));
    EXPECT_FALSE(video->next(frame));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(FrameFile, WhatWasKeptOutlivesAVideoThatFails) {
  const wan::test::TemporaryFolder folder;
  const auto path = folder / "frames";
  const std::vector<uint8_t> good{1, 2, 3, 4, 5, 6}, other{9, 9, 9, 9, 9, 9};
  const auto make = [&](const std::vector<uint8_t>& rgb, bool is_kept) {
    FrameFile file(path);
    file.begin(two_frames());
    file.frame(rgb);
    file.frame(rgb);
    if (!is_kept) return file.abandon();
    file.finish();
    file.keep();
  };
  make(good, true);
  make(other, false);
  const auto video = open_kept_frames(path, two_frames());
  Image frame;
  ASSERT_TRUE(video->next(frame));
  EXPECT_EQ(frame.rgb, good);
  EXPECT_FALSE(std::filesystem::exists(folder / "frames.part"));
}

TEST(FrameFile, NamesTheFileThatCannotBeWrittenAndWhatItNeeds) {
  const wan::test::TemporaryFolder folder;
  FrameFile file(folder / "missing" / "frames");
  VideoInfo video = two_frames();
  video.width = video.height = 16384;
  try {
    file.begin(video);
    FAIL() << "a folder that is missing took the frames";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kRuntime);
    EXPECT_THAT(problem.what(), testing::HasSubstr("missing/frames: cannot be written"));
    EXPECT_THAT(problem.what(), testing::HasSubstr("1.50 GiB"));
  }
}

}  // namespace
}  // namespace wan::suite
