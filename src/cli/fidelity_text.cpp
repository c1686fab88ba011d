// The text of `wanbench fidelity`.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/fidelity_result.h"

namespace wan::cli {
namespace {

std::string number_of(const Score& score, std::string_view unit) {
  if (!score.value) return "-";
  return unit.empty() ? fmt::format("{:.6f}", *score.value) : fmt::format("{:.2f} {}", *score.value, unit);
}

/// A reason's words, of a line that has a dash.
std::string why(const Score& score) {
  if (score.value) return "";
  std::string words = score.reason;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

void print_metrics(const FidelityResult& videos) {
  print("  {:<26}{:>10}{:>11}{:>6}\n", "metric", "mean", "worst", "frame");
  for (const MetricText& text : kMetricTexts) {
    const MetricResult& metric = videos.of(text.metric);
    const std::string frame = metric.worst_frame ? std::to_string(*metric.worst_frame) : "-", reason = why(metric.mean);
    print("  {:<26}{:>10}{:>11}{:>6}{}\n", text.title, number_of(metric.mean, text.unit),
          number_of(metric.worst, text.unit), frame, reason.empty() ? "" : "  " + reason);
  }
}

void print_frames(const FidelityResult& videos) {
  print("  {:>6}", "frame");
  for (const MetricText& text : kMetricTexts)
    print("{:>13}", text.metric == Metric::kDifferencePsnr ? "differences" : text.title);
  print("\n");
  for (size_t frame = 0; frame < static_cast<size_t>(videos.frames); ++frame) {
    print("  {:>6}", frame);
    for (const MetricText& text : kMetricTexts)
      print("{:>13}", number_of(videos.of(text.metric).by_frame[frame], text.unit));
    print("\n");
  }
}

void print_latents(const std::vector<LatentStep>& steps) {
  print("  {:>6}{:>15}{:>14}  latents\n", "step", "relative L2", "cosine");
  for (const LatentStep& step : steps) {
    const std::string l2 = step.relative_l2.value ? fmt::format("{:.3e}", *step.relative_l2.value) : "-";
    const std::string cosine = step.cosine.value ? fmt::format("{:.8f}", *step.cosine.value) : "-";
    const std::string reason = why(step.cosine);
    print("  {:>6}{:>15}{:>14}{}\n", step.step, l2, cosine, reason.empty() ? "" : "  " + reason);
  }
}

/// Which of both are mp4: what the encoder took is in their numbers.
std::string codec_line(const FidelityResult& videos) {
  const bool a = videos.reference.storage == FrameStorage::kMp4, b = videos.test.storage == FrameStorage::kMp4;
  if (!a && !b) return "";
  return fmt::format("includes the codec: {} mp4; PNG frames leave it out", a && b ? "both are" : a ? "A is" : "B is");
}

}  // namespace

void print_fidelity(const FidelityReport& report, ByFrame by_frame) {
  const FidelityResult& videos = report.videos;
  const std::optional<double> fps = videos.reference.fps ? videos.reference.fps : videos.test.fps;
  print("{}{}", wrapped("A " + videos.reference.path.string() + " (the reference)", 0),
        wrapped("B " + videos.test.path.string(), 0));
  print("{}x{}, {} frames{}\n", videos.reference.width, videos.reference.height, videos.frames,
        fps ? fmt::format(", {:g} a second", *fps) : "");
  if (videos.identical) print("identical: every byte of every frame is the same\n");
  if (const std::string line = codec_line(videos); !line.empty()) print("{}", wrapped(line, 0));
  print_metrics(videos);
  if (by_frame == ByFrame::kYes) print_frames(videos);
  if (report.latents) print_latents(*report.latents);
}

}  // namespace wan::cli
