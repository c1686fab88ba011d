#include "pipeline/copy_time.h"

#include <algorithm>

namespace wan {
namespace {

/// Disjoint, in order, together covering the same instants.
std::vector<TimeSpan> merged(std::vector<TimeSpan> spans) {
  std::erase_if(spans, [](const TimeSpan& span) { return span.end_ns <= span.begin_ns; });
  std::sort(spans.begin(), spans.end(), [](const TimeSpan& a, const TimeSpan& b) { return a.begin_ns < b.begin_ns; });
  std::vector<TimeSpan> result;
  for (const TimeSpan& span : spans) {
    if (!result.empty() && span.begin_ns <= result.back().end_ns)
      result.back().end_ns = std::max(result.back().end_ns, span.end_ns);
    else
      result.push_back(span);
  }
  return result;
}

}  // namespace

int64_t hidden_copy_ns(std::vector<TimeSpan> copies, std::vector<TimeSpan> waits) {
  const std::vector<TimeSpan> in_flight = merged(std::move(copies)), held_up = merged(std::move(waits));
  int64_t hidden = 0;
  for (const TimeSpan& copy : in_flight) {
    hidden += copy.end_ns - copy.begin_ns;
    for (const TimeSpan& wait : held_up)
      hidden -= std::max<int64_t>(0, std::min(copy.end_ns, wait.end_ns) - std::max(copy.begin_ns, wait.begin_ns));
  }
  return hidden;
}

}  // namespace wan
