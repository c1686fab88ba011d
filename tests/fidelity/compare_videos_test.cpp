// Whole videos: what is summed up over frames, and what is refused.
#include "fidelity/compare_videos.h"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "pictures.h"

namespace wan {
namespace {

using test::grey;
using test::with_noise;
using testing::AllOf;
using testing::HasSubstr;

/// Frames from a function.
class MadeVideo final : public VideoFrames {
 public:
  MadeVideo(int frames, std::function<Image(int)> make, std::optional<double> fps = {})
      : left_(frames), make_(std::move(make)) {
    const Image first = make_(0);
    facts_ = {"made", FrameStorage::kPng, first.width, first.height, fps, std::nullopt};
  }
  bool next(Image& frame) override {
    if (index_ == left_) return false;
    frame = make_(index_++);
    return true;
  }

 private:
  int index_ = 0, left_;
  std::function<Image(int)> make_;
};

FidelityResult compared(int frames, const std::function<Image(int)>& a, const std::function<Image(int)>& b) {
  MadeVideo reference(frames, a), test(frames, b);
  return compare_videos(reference, test);
}

std::string refusal_of(VideoFrames& a, VideoFrames& b) {
  try {
    compare_videos(a, b);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNotComparable);
    return error.what();
  }
  ADD_FAILURE() << "was compared";
  return "";
}

Image noisy(int frame) { return with_noise(grey(64, 48, 128), 20, static_cast<uint32_t>(frame)); }

TEST(CompareVideos, AVideoAgainstItselfIsIdentical) {
  const FidelityResult found = compared(6, noisy, noisy);
  EXPECT_TRUE(found.identical);
  EXPECT_EQ(found.frames, 6);
  EXPECT_EQ(found.of(Metric::kPsnr).mean, no_score(kIdentical));
  EXPECT_EQ(found.of(Metric::kPsnr).worst, no_score(kIdentical));
  EXPECT_EQ(found.of(Metric::kPsnr).worst_frame, std::nullopt);
  EXPECT_EQ(found.of(Metric::kDifferencePsnr).mean, no_score(kIdentical));
  EXPECT_EQ(found.of(Metric::kSsim).mean, scored(1));
  EXPECT_EQ(found.of(Metric::kFlip).mean, scored(0));
}

/// Noise in some frames: its PSNR, that of all frames together, and where it is.
TEST(CompareVideos, FindsTheWorstFrame) {
  const auto sigma_of = [](int frame) { return frame == 7 ? 16.0 : frame % 2 == 0 ? 0.0 : 4.0; };
  const auto flat = [](int) { return grey(256, 256, 128); };
  const FidelityResult found =
      compared(12, flat, [&](int i) { return with_noise(flat(i), sigma_of(i), static_cast<uint32_t>(i)); });
  EXPECT_FALSE(found.identical);
  double sum = 0;
  const auto variance = [](double sigma) { return sigma > 0 ? sigma * sigma + 1.0 / 12 : 0; };
  for (int i = 0; i < 12; ++i) sum += variance(sigma_of(i));
  const MetricResult& psnr = found.of(Metric::kPsnr);
  constexpr double kPercent = 0.0432;  // of an error, in dB
  ASSERT_TRUE(psnr.mean.value && psnr.worst.value);
  EXPECT_NEAR(*psnr.mean.value, 10 * std::log10(255.0 * 255 * 12 / sum), kPercent);
  EXPECT_NEAR(*psnr.worst.value, 10 * std::log10(255.0 * 255 / variance(16)), kPercent);
  EXPECT_EQ(psnr.by_frame[0], no_score(kIdentical));
  for (const MetricText& text : kMetricTexts) {
    const MetricResult& metric = found.of(text.metric);
    ASSERT_EQ(metric.by_frame.size(), 12u);
    if (text.metric == Metric::kDifferencePsnr) continue;  // of two frames
    EXPECT_EQ(metric.worst_frame, 7) << text.key;
  }
  EXPECT_GT(*found.of(Metric::kFlip).worst.value, *found.of(Metric::kFlip).mean.value);
  EXPECT_LT(*found.of(Metric::kSsim).worst.value, *found.of(Metric::kSsim).mean.value);
}

/// Another picture that does not flicker differs in all but the differences of its frames; noise of its own in each
/// frame has them with twice the variance.
TEST(CompareVideos, TellsFlickerFromAnotherPicture) {
  const auto flat = [](int) { return grey(256, 256, 128); };
  const auto fixed = [&](int) { return with_noise(grey(256, 256, 128), 8, 1); };
  const auto moving = [&](int i) { return with_noise(grey(256, 256, 128), 8, static_cast<uint32_t>(i)); };
  EXPECT_EQ(compared(4, flat, fixed).of(Metric::kDifferencePsnr).mean, no_score(kIdentical));
  const FidelityResult found = compared(4, flat, moving);
  ASSERT_TRUE(found.of(Metric::kDifferencePsnr).mean.value);
  EXPECT_NEAR(*found.of(Metric::kPsnr).mean.value - *found.of(Metric::kDifferencePsnr).mean.value, 10 * std::log10(2.0),
              0.06);
  EXPECT_EQ(found.of(Metric::kDifferencePsnr).by_frame[0], no_score("first_frame"));
}

TEST(CompareVideos, WhatAFrameIsTooSmallOrTooAloneForSaysSo) {
  const FidelityResult found = compared(
      1, [](int) { return grey(16, 12, 10); }, [](int) { return grey(16, 12, 20); });
  EXPECT_EQ(found.of(Metric::kMsSsim).mean, no_score("smaller_than_176_pixels"));
  EXPECT_EQ(found.of(Metric::kDifferencePsnr).mean, no_score("one_frame"));
  EXPECT_EQ(found.of(Metric::kDifferencePsnr).worst, no_score("one_frame"));
}

TEST(CompareVideos, OfAnotherSizeLengthOrRateAreRefused) {
  const auto of = [](int frames, int width, std::optional<double> fps) {
    return MadeVideo(
        frames, [width](int) { return grey(width, 20, 1); }, fps);
  };
  MadeVideo a = of(5, 30, 24), wide = of(5, 31, 24);
  EXPECT_THAT(refusal_of(a, wide), AllOf(HasSubstr("made: expected 30x20 pixels"), HasSubstr("found 31x20 pixels")));
  MadeVideo longer = of(9, 30, 24);
  EXPECT_THAT(refusal_of(a, longer), AllOf(HasSubstr("expected 5 frames"), HasSubstr("found 9 frames")));
  MadeVideo b = of(5, 30, 24), shorter = of(2, 30, {});
  EXPECT_THAT(refusal_of(b, shorter), AllOf(HasSubstr("expected 5 frames"), HasSubstr("found 2 frames")));
  MadeVideo c = of(5, 30, 24), slower = of(5, 30, 16);
  EXPECT_THAT(refusal_of(c, slower), AllOf(HasSubstr("expected 24 frames a second"), HasSubstr("found 16")));
}

TEST(CompareVideos, AnErrorOfAFrameIsPassedOn) {
  MadeVideo a(50, noisy);
  MadeVideo b(50, [](int i) {
    if (i == 9) throw Error(ErrorKind::kInput, "frame 9 is damaged");
    return noisy(i);
  });
  EXPECT_THROW(compare_videos(a, b), Error);
}

}  // namespace
}  // namespace wan
