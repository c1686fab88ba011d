#include "fidelity/compare_videos.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/threads.h"
#include "fidelity/flip.h"
#include "fidelity/psnr.h"
#include "fidelity/ssim.h"

namespace wan {
namespace {

[[noreturn]] void refuse(const VideoFrames& test, const std::string& expected, const std::string& found,
                         const VideoFrames& reference) {
  throw Error(ErrorKind::kNotComparable,
              fmt::format("{}: expected {} as {} has, found {}: compare videos of one size, length and frame rate",
                          test.facts().path.string(), expected, reference.facts().path.string(), found));
}

void require_alike(const VideoFrames& reference, const VideoFrames& test) {
  const FramesFacts &a = reference.facts(), &b = test.facts();
  const auto size = [](const FramesFacts& facts) { return fmt::format("{}x{} pixels", facts.width, facts.height); };
  if (a.width != b.width || a.height != b.height) refuse(test, size(a), size(b), reference);
  if (a.frames && b.frames && *a.frames != *b.frames)
    refuse(test, fmt::format("{} frames", *a.frames), fmt::format("{} frames", *b.frames), reference);
  constexpr double kSameRate = 1e-6;  // a rate is a fraction of two integers
  if (a.fps && b.fps && std::abs(*a.fps - *b.fps) > kSameRate * *a.fps)
    refuse(test, fmt::format("{:g} frames a second", *a.fps), fmt::format("{:g}", *b.fps), reference);
}

/// What is measured of one frame.
struct FrameErrors {
  double squared = 0;
  double squared_change = std::numeric_limits<double>::quiet_NaN();  // since the frame before; NaN: there is none
  Similarity similarity;
  double flip = 0;
};

struct FramePair {
  int64_t index = 0;
  Image a, b;
  FrameErrors errors;  // those that need the frame before
};

/// Hands out the pairs in order, to any thread.
class PairReader {
 public:
  PairReader(VideoFrames& a, VideoFrames& b) : a_(a), b_(b) {}

  /// False behind the last.
  bool next(FramePair& pair) {
    const std::lock_guard lock(mutex_);
    const bool has_a = a_.next(pair.a), has_b = b_.next(pair.b);
    if (has_a != has_b) refuse_count(has_a);
    if (!has_a) return false;
    pair.index = count_++;
    pair.errors = {};
    if (pair.index > 0)
      pair.errors.squared_change = mean_squared_change(before_a_.rgb, pair.a.rgb, before_b_.rgb, pair.b.rgb);
    before_a_ = pair.a;
    before_b_ = pair.b;
    return true;
  }
  int64_t count() const { return count_; }

 private:
  /// Counts what is left of the longer one.
  [[noreturn]] void refuse_count(bool reference_is_longer) {
    int64_t longer = count_ + 1;
    Image rest;
    while ((reference_is_longer ? a_ : b_).next(rest)) ++longer;
    const auto text = [](int64_t count) { return fmt::format("{} frames", count); };
    if (reference_is_longer) refuse(b_, text(longer), text(count_), a_);
    refuse(b_, text(count_), text(longer), a_);
  }

  std::mutex mutex_;
  VideoFrames &a_, &b_;
  Image before_a_, before_b_;
  int64_t count_ = 0;
};

/// As many as there are cores, fewer of frames so large that they would fill the memory.
size_t threads_for(const FramesFacts& facts) {
  constexpr int64_t kMostBytes = int64_t{4} << 30, kBytesPerPixel = 36;  // both pictures and the metrics' planes
  const int64_t each_takes = kBytesPerPixel * facts.width * facts.height;
  return static_cast<size_t>(std::clamp<int64_t>(kMostBytes / each_takes, 1, worker_threads()));
}

std::vector<FrameErrors> measure(PairReader& reader, size_t threads) {
  std::mutex mutex;
  std::vector<FrameErrors> frames;
  const Flip flip;
  const auto work = [&](const std::atomic<bool>& failed) {
    FramePair pair;
    while (!failed && reader.next(pair)) {
      pair.errors.squared = mean_squared_error(pair.a.rgb, pair.b.rgb);
      pair.errors.similarity = similarity(pair.a, pair.b);
      pair.errors.flip = flip.mean_error(pair.a, pair.b);
      const std::lock_guard lock(mutex);
      const auto index = static_cast<size_t>(pair.index);
      if (frames.size() <= index) frames.resize(index + 1);
      frames[index] = pair.errors;
    }
  };
  run_together(std::vector<std::function<void(const std::atomic<bool>&)>>(threads, work));
  return frames;
}

enum class Worst { kLeast, kMost };

/// Of scores that a frame has or has not; `mean` is over those.
MetricResult summary(std::vector<Score> by_frame, Worst worst) {
  MetricResult result;
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < by_frame.size(); ++i) {
    if (!by_frame[i].value) continue;
    const double value = *by_frame[i].value;
    sum += value;
    ++count;
    if (result.worst_frame && (worst == Worst::kLeast ? value >= *result.worst.value : value <= *result.worst.value))
      continue;
    result.worst = scored(value);
    result.worst_frame = static_cast<int64_t>(i);
  }
  result.mean = count > 0 ? scored(sum / static_cast<double>(count)) : by_frame.front();
  if (count == 0) result.worst = by_frame.front();
  result.by_frame = std::move(by_frame);
  return result;
}

/// Of squared errors; NaN: the frame has none, being the first. One without error has no PSNR but counts in the mean.
MetricResult psnr_summary(const std::vector<double>& errors) {
  std::vector<Score> by_frame;
  double sum = 0;
  int64_t count = 0;
  for (const double error : errors) {
    if (std::isnan(error)) {
      by_frame.push_back(no_score("first_frame"));
      continue;
    }
    by_frame.push_back(psnr_of(error));
    sum += error;
    ++count;
  }
  MetricResult result = summary(std::move(by_frame), Worst::kLeast);
  result.mean = count > 0 ? psnr_of(sum / static_cast<double>(count)) : no_score("one_frame");
  if (!result.worst.value) result.worst = result.mean;
  return result;
}

/// One value of every frame.
template <class T>
std::vector<T> each(const std::vector<FrameErrors>& frames, const std::function<T(const FrameErrors&)>& of) {
  std::vector<T> values;
  for (const FrameErrors& frame : frames) values.push_back(of(frame));
  return values;
}

}  // namespace

FidelityResult compare_videos(VideoFrames& reference, VideoFrames& test) {
  require_alike(reference, test);
  PairReader reader(reference, test);
  const std::vector<FrameErrors> frames = measure(reader, threads_for(reference.facts()));
  FidelityResult result;
  result.reference = reference.facts();
  result.test = test.facts();
  result.frames = reader.count();
  result.identical = std::all_of(frames.begin(), frames.end(), [](const FrameErrors& f) { return f.squared <= 0; });
  const auto set = [&](Metric metric, MetricResult value) {
    result.metrics[static_cast<size_t>(metric)] = std::move(value);
  };
  const auto scores = [&](const std::function<Score(const FrameErrors&)>& of) { return each<Score>(frames, of); };
  const auto errors = [&](const std::function<double(const FrameErrors&)>& of) { return each<double>(frames, of); };
  set(Metric::kPsnr, psnr_summary(errors([](const FrameErrors& f) { return f.squared; })));
  set(Metric::kSsim, summary(scores([](const FrameErrors& f) { return f.similarity.ssim; }), Worst::kLeast));
  set(Metric::kMsSsim, summary(scores([](const FrameErrors& f) { return f.similarity.ms_ssim; }), Worst::kLeast));
  set(Metric::kFlip, summary(scores([](const FrameErrors& f) { return scored(f.flip); }), Worst::kMost));
  set(Metric::kDifferencePsnr, psnr_summary(errors([](const FrameErrors& f) { return f.squared_change; })));
  return result;
}

}  // namespace wan
