// How many videos an hour several processes make at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

/// By one clock.
struct MadeVideo {
  double begin_s = 0, end_s = 0;
};

struct RateTogether {
  double window_s = 0;             // in which all of them were at work
  double per_s = 0;                // videos of all together in it; a video that is partly in it counts so far
  std::vector<double> each_per_s;  // of one each
};

/// The window begins when the last of them begins its first video and ends when the first of them ends its last one.
/// Nothing where one has no video, or where they were never all at work.
std::optional<RateTogether> rate_together(const std::vector<std::vector<MadeVideo>>& replicas);

/// Of the runs that ended well and are no warm-ups: warm ones where there are any, else cold ones. By the machine's
/// monotonic clock; runs without it are left out.
std::vector<MadeVideo> made_videos(const std::vector<const RunRecord*>& runs, const std::string& case_name);

}  // namespace wan
