// Frames reach every consumer whole and in order, and a video that ends early leaves nothing behind.
#include "pipeline/frame_consumer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "io/image.h"
#include "io/video_writer.h"
#include "pipeline/frame_sink.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

constexpr int64_t kSide = 16, kFrames = 3;

/// Writes down its calls; throws in the one that is named.
class Recorder final : public FrameConsumer {
 public:
  explicit Recorder(std::string failing = {}) : failing_(std::move(failing)) {}
  std::vector<std::string> calls;

  void begin(const VideoInfo& video) override { note("begin " + std::to_string(video.num_frames)); }
  void frame(std::span<const uint8_t> rgb) override { note("frame " + std::to_string(rgb[0])); }
  void describe(const VideoFacts& facts) override {
    facts_ = facts;
    if (!facts.metadata.empty()) note("describe");
  }
  void finish() override { note("finish"); }
  const VideoFacts& facts() const { return facts_; }
  void abandon() noexcept override { calls.emplace_back("abandon"); }

 private:
  void note(const std::string& call) {
    calls.push_back(call);
    if (call == failing_) throw std::runtime_error("failing in " + call);
  }
  std::string failing_;
  VideoFacts facts_;
};

class FrameConsumers : public testing::Test {
 protected:
  void SetUp() override {
    plan_.variant = &variants().front();
    plan_.width = plan_.height = kSide;
    plan_.num_frames = kFrames;
    plan_.fps = 24;
    frames_ = host_tensor(DType::kU8, {kFrames, kSide, kSide, 3});
    for (int64_t i = 0; i < frames_->count(); ++i)
      frames_->as<uint8_t>()[i] = static_cast<uint8_t>(i / (kSide * kSide * 3) * 10 + i % 7 * 30 * (i % kSide != 0));
  }

  const test::TemporaryFolder folder_;
  Plan plan_;
  Tensor frames_;  // the first byte of frame i is 10 i
};

TEST_F(FrameConsumers, EachGetsEveryFrameInOrder) {
  Request request;
  request.frames = folder_ / "frames";
  Recorder one, other;
  FrameMemory memory;
  FrameSink sink(request, plan_, {&one, &memory, &other});
  sink.push(frames_.view().slice(0, 0, 1));
  sink.push(frames_.view().slice(0, 1, kFrames));
  const std::string digest = sink.finish();
  EXPECT_THAT(one.calls, ElementsAre("begin 3", "frame 0", "frame 10", "frame 20", "finish"));
  EXPECT_EQ(other.calls, one.calls);
  const std::vector<uint8_t> pushed(frames_->as<uint8_t>(), frames_->as<uint8_t>() + frames_->count());
  EXPECT_EQ(memory.rgb(), pushed);
  EXPECT_EQ(memory.video().width, kSide);
  Sha256 hash;
  hash.update(std::as_bytes(std::span(pushed)));
  EXPECT_EQ(digest, hash.hex());
  const Image last = read_image(request.frames / "frame_00002.png");
  EXPECT_EQ(std::vector<uint8_t>(last.rgb.begin(), last.rgb.end()),
            std::vector<uint8_t>(pushed.begin() + 2 * kSide * kSide * 3, pushed.end()));
}

TEST_F(FrameConsumers, EachIsToldWhatTheVideoWasMadeOfBeforeItFinishes) {
  Recorder one, other;
  FrameSink sink({}, plan_, {&one, &other});
  sink.push(frames_);
  std::string asked_with;
  const std::string digest = sink.finish([&](const std::string& frames_sha256) {
    asked_with = frames_sha256;
    return "metadata";
  });
  EXPECT_EQ(asked_with, digest);
  for (const Recorder* recorder : {&one, &other}) {
    EXPECT_THAT(recorder->calls, ElementsAre("begin 3", "frame 0", "frame 10", "frame 20", "describe", "finish"));
    EXPECT_EQ(recorder->facts().frames_sha256, digest);
    EXPECT_EQ(recorder->facts().metadata, "metadata");
  }
}

TEST_F(FrameConsumers, AVideoOfAnotherFormatIsRefusedBeforeAnyFrame) {
  Request request;
  request.output = folder_ / "video.gif";
  EXPECT_THROW(FrameSink(request, plan_, {}), Error);
  EXPECT_FALSE(fs::exists(request.output));
}

TEST_F(FrameConsumers, AnUnfinishedVideoIsAbandoned) {
  Request request;
  request.frames = folder_ / "frames";
  if (can_write_video()) request.output = folder_ / "video.mp4";
  Recorder recorder;
  FrameMemory memory;
  {
    FrameSink sink(request, plan_, {&recorder, &memory});
    sink.push(frames_);
  }
  EXPECT_EQ(recorder.calls.front(), "begin 3");
  EXPECT_EQ(recorder.calls.back(), "abandon");
  EXPECT_THAT(recorder.calls, testing::Not(testing::Contains("finish")));
  EXPECT_TRUE(memory.rgb().empty());
  EXPECT_TRUE(fs::is_empty(request.frames));
  EXPECT_FALSE(fs::exists(folder_ / "video.mp4"));
}

TEST_F(FrameConsumers, APngFolderRemovesItsOwnFramesAlone) {
  PngFolder folder(folder_);
  fs::create_directories(folder_ / "other");
  VideoInfo video;
  video.width = video.height = kSide;
  video.num_frames = kFrames;
  folder.begin(video);
  folder.frame({frames_->as<uint8_t>(), kSide * kSide * 3});
  EXPECT_TRUE(fs::exists(folder_ / "frame_00000.png"));
  folder.abandon();
  EXPECT_FALSE(fs::exists(folder_ / "frame_00000.png"));
  EXPECT_TRUE(fs::exists(folder_ / "other"));
}

TEST_F(FrameConsumers, WhatOneThrowsEndsTheVideoOfAll) {
  Recorder sound, failing("frame 10");
  {
    FrameSink sink({}, plan_, {&sound, &failing});
    sink.push(frames_.view().slice(0, 0, 2));
    EXPECT_THROW(sink.finish(), std::runtime_error);
  }
  EXPECT_THAT(sound.calls, ElementsAre("begin 3", "frame 0", "frame 10", "abandon"));
  EXPECT_THAT(failing.calls, ElementsAre("begin 3", "frame 0", "frame 10", "abandon"));
}

TEST_F(FrameConsumers, WhoCannotBeginIsNotAbandonedButOthersAre) {
  Recorder sound, failing("begin 3"), never;
  EXPECT_THROW(FrameSink({}, plan_, {&sound, &failing, &never}), std::runtime_error);
  EXPECT_THAT(sound.calls, ElementsAre("begin 3", "abandon"));
  EXPECT_THAT(failing.calls, ElementsAre("begin 3"));
  EXPECT_THAT(never.calls, ElementsAre());
}

TEST_F(FrameConsumers, WhoCannotFinishIsAbandonedAndThoseAfterIt) {
  Recorder first, failing("finish"), last;
  {
    FrameSink sink({}, plan_, {&first, &failing, &last});
    EXPECT_THROW(sink.finish(), std::runtime_error);
  }
  EXPECT_THAT(first.calls, ElementsAre("begin 3", "finish"));
  EXPECT_THAT(failing.calls, ElementsAre("begin 3", "finish", "abandon"));
  EXPECT_THAT(last.calls, ElementsAre("begin 3", "abandon"));
}

}  // namespace
}  // namespace wan
