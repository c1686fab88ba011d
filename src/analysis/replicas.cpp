#include "analysis/replicas.h"

#include <algorithm>

namespace wan {
namespace {

constexpr double kNanosecond = 1e-9;

/// How many of its videos are in the window, parts of them as parts.
double videos_within(const std::vector<MadeVideo>& videos, double begin, double end) {
  double count = 0;
  for (const MadeVideo& video : videos) {
    const double within = std::min(video.end_s, end) - std::max(video.begin_s, begin);
    if (within > 0) count += within / (video.end_s - video.begin_s);
  }
  return count;
}

std::vector<MadeVideo> videos_of(const std::vector<const RunRecord*>& runs, const std::string& case_name,
                                 RunScope scope) {
  std::vector<MadeVideo> videos;
  for (const RunRecord* run : runs) {
    const bool counts = run->status == RunStatus::kOk && !run->run_case.warmup && run->run_case.name == case_name;
    if (!counts || run->workload.scope != scope || run->clock.origin_monotonic_ns == 0) continue;
    const auto whole = std::ranges::find(run->stages, StageKind::kParent, &StageRecord::kind);
    if (whole == run->stages.end() || whole->wall_ns <= 0) continue;
    const double begin = static_cast<double>(run->clock.origin_monotonic_ns) * kNanosecond;
    videos.push_back({begin, begin + static_cast<double>(whole->wall_ns) * kNanosecond});
  }
  return videos;
}

}  // namespace

std::optional<RateTogether> rate_together(const std::vector<std::vector<MadeVideo>>& replicas) {
  RateTogether out;
  double begin = 0, end = 0;
  for (size_t i = 0; i < replicas.size(); ++i) {
    if (replicas[i].empty()) return std::nullopt;
    const double first = std::ranges::min_element(replicas[i], {}, &MadeVideo::begin_s)->begin_s;
    const double last = std::ranges::max_element(replicas[i], {}, &MadeVideo::end_s)->end_s;
    begin = i == 0 ? first : std::max(begin, first);
    end = i == 0 ? last : std::min(end, last);
  }
  out.window_s = end - begin;
  if (replicas.empty() || out.window_s <= 0) return std::nullopt;
  for (const std::vector<MadeVideo>& videos : replicas) {
    out.each_per_s.push_back(videos_within(videos, begin, end) / out.window_s);
    out.per_s += out.each_per_s.back();
  }
  return out;
}

std::vector<MadeVideo> made_videos(const std::vector<const RunRecord*>& runs, const std::string& case_name) {
  std::vector<MadeVideo> warm = videos_of(runs, case_name, RunScope::kWarm);
  return warm.empty() ? videos_of(runs, case_name, RunScope::kCold) : warm;
}

}  // namespace wan
