#include "suite/run_bounds.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace wan::suite {
namespace {

bool fits(const StageSpan& span, const measure::Interval& run) {
  const bool inside = span.begin_ns >= run.begin_ns - kClockSlackNs && span.end_ns <= run.end_ns + kClockSlackNs;
  if (!inside || span.end_ns < span.begin_ns) return false;
  const int64_t longest_ns = run.length_ns() + kClockSlackNs;
  const std::optional<int64_t> lengths[] = {span.gpu_ns, span.exposed_copy_ns, span.hidden_copy_ns};
  return std::all_of(std::begin(lengths), std::end(lengths), [&](const std::optional<int64_t>& length) {
    return !length || (*length >= -kClockSlackNs && *length <= longest_ns);
  });
}

}  // namespace

SpansWithin spans_within(std::vector<StageSpan> spans, const measure::Interval& run) {
  SpansWithin out;
  size_t count = 0;
  std::string first;
  for (StageSpan& span : spans) {
    if (!fits(span, run)) {
      if (count++ == 0) first = span.component.empty() ? span.stage.name : span.stage.name + "/" + span.component;
      continue;
    }
    if (span.is_leaf()) {
      span.begin_ns = std::clamp(span.begin_ns, run.begin_ns, run.end_ns);
      span.end_ns = std::clamp(span.end_ns, run.begin_ns, run.end_ns);
    }
    out.spans.push_back(std::move(span));
  }
  if (count > 0)
    out.left_out = fmt::format(
        "{} spans that the program reported cannot be of its run and are left out, the first is '{}'", count, first);
  return out;
}

}  // namespace wan::suite
