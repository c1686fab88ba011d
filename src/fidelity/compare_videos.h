// How far two videos are apart, frame by frame, without holding either.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fidelity/score.h"
#include "io/video_frames.h"

namespace wan {

enum class Metric { kPsnr, kSsim, kMsSsim, kFlip, kDifferencePsnr };
inline constexpr size_t kMetrics = 5;

struct MetricText {
  Metric metric;
  std::string_view key;    // in JSON
  std::string_view title;  // for people
  std::string_view unit;   // empty: none
};
inline constexpr std::array<MetricText, kMetrics> kMetricTexts{{
    {Metric::kPsnr, "psnr", "PSNR", "dB"},
    {Metric::kSsim, "ssim", "SSIM", ""},
    {Metric::kMsSsim, "ms_ssim", "MS-SSIM", ""},
    {Metric::kFlip, "flip", "FLIP", ""},
    {Metric::kDifferencePsnr, "difference_psnr", "PSNR of frame differences", "dB"},
}};

struct MetricResult {
  Score mean;                          // over frames; PSNR is that of the mean squared error of all frames
  Score worst;                         // of a frame
  std::optional<int64_t> worst_frame;  // from 0, the first of several; none where `worst` is absent
  std::vector<Score> by_frame;
};

struct FidelityResult {
  FramesFacts reference, test;
  int64_t frames = 0;
  bool identical = false;  // every byte of every frame
  std::array<MetricResult, kMetrics> metrics;

  const MetricResult& of(Metric metric) const { return metrics[static_cast<size_t>(metric)]; }
};

/// Reads both to their ends, a frame of each per thread and one before it. Throws Error(kNotComparable) when size,
/// frame count or frame rate differ (the rate where both say it), and what the readers throw.
FidelityResult compare_videos(VideoFrames& reference, VideoFrames& test);

}  // namespace wan
