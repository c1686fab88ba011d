#include "suite/command_stages.h"

#include <utility>

#include <fmt/format.h>

#include "suite/range_stages.h"

namespace wan::suite {

std::string cut_command(Watched& watched, const LogStages& log, const std::string& why_no_injection) {
  VideoLog& video = watched.videos.back();
  if (!why_no_injection.empty()) video.facts["nvtx"] = why_no_injection;
  if (!video.spans.empty() || !video.begins.empty()) {
    if (!video.ranges.empty())
      video.facts["nvtx_left_out"] = fmt::format("{} ranges: the stages are the Python shim's", video.ranges.size());
    for (StageSpan& span : video.spans)  // the shim begins when Python does, the stage when the process does
      if (span.stage.role == StageRole::kInitialization && span.component.empty())
        span.begin_ns = watched.total.begin_ns;
    return "shim";
  }
  RangeStages stages = stages_of_ranges(std::move(video.ranges));
  if (!stages.left_out.empty()) video.facts["nvtx_left_out"] = stages.left_out;
  const bool has_ranges = !stages.spans.empty();
  if (!has_ranges && !log.left_out().empty()) video.facts["log_left_out"] = log.left_out();
  video.spans = has_ranges ? std::move(stages.spans) : log.spans(watched.total.end_ns);
  return has_ranges ? "nvtx" : video.spans.empty() ? "total" : "log";
}

}  // namespace wan::suite
