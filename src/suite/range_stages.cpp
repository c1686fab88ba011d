#include "suite/range_stages.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "suite/run_bounds.h"

namespace wan::suite {
namespace {

constexpr size_t kMostParts = 5000;

/// In order of time, a range before those within it.
bool comes_before(const Range& a, const Range& b) {
  return std::tuple(a.begin_ns, -a.end_ns, a.depth) < std::tuple(b.begin_ns, -b.end_ns, b.depth);
}

int64_t main_thread(const std::vector<Range>& ordered) {
  std::map<int64_t, std::pair<int64_t, int64_t>> covered;  // by thread: nanoseconds, and up to where
  for (const Range& range : ordered) {
    auto& [length_ns, to_ns] = covered[range.thread];
    length_ns += std::max<int64_t>(0, range.end_ns - std::max(range.begin_ns, to_ns));
    to_ns = std::max(to_ns, range.end_ns);
  }
  const auto most = std::max_element(covered.begin(), covered.end(),
                                     [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
  return most == covered.end() ? 0 : most->first;
}

StageSpan leaf_of(const Range& range, std::map<std::string, int>& times_seen) {
  StageSpan leaf;
  const int times = ++times_seen[range.name];
  leaf.stage = stage_from_name(times == 1 ? range.name : fmt::format("{}#{}", range.name, times));
  leaf.begin_ns = range.begin_ns;
  leaf.end_ns = range.end_ns;
  return leaf;
}

std::vector<StageSpan> leaves_of(const std::vector<Range>& ordered, int64_t thread) {
  std::vector<StageSpan> leaves;
  std::map<std::string, int> times_seen;
  for (const Range& range : ordered) {
    const bool is_instant = range.end_ns <= range.begin_ns;
    if (range.thread != thread || is_instant || (!leaves.empty() && range.begin_ns < leaves.back().end_ns)) continue;
    leaves.push_back(leaf_of(range, times_seen));
  }
  return leaves;
}

/// The leaf during which the range began, or nullptr.
const StageSpan* leaf_around(const std::vector<StageSpan>& leaves, const Range& range) {
  auto after = std::upper_bound(leaves.begin(), leaves.end(), range.begin_ns,
                                [](int64_t at_ns, const StageSpan& leaf) { return at_ns < leaf.begin_ns; });
  if (after == leaves.begin()) return nullptr;
  const StageSpan& leaf = *--after;
  return range.begin_ns < leaf.end_ns ? &leaf : nullptr;
}

}  // namespace

RangeStages stages_of_ranges(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), comes_before);
  const int64_t thread = main_thread(ranges);
  RangeStages result;
  const std::vector<StageSpan> leaves = leaves_of(ranges, thread);
  if (leaves.size() > kMostLeaves) {
    result.left_out =
        fmt::format("{} outermost NVTX ranges, more than {}: a trace, not stages", leaves.size(), kMostLeaves);
    return result;
  }
  result.spans = leaves;
  size_t left_out = 0;
  for (const Range& range : ranges) {
    const StageSpan* leaf = leaf_around(leaves, range);
    const bool on_main = range.thread == thread;
    const bool is_the_leaf = leaf != nullptr && on_main && range.begin_ns == leaf->begin_ns &&
                             range.end_ns == leaf->end_ns && leaf->stage.name.starts_with(range.name) &&
                             range.depth == 0;
    if (is_the_leaf) continue;
    if (leaf == nullptr || result.spans.size() - leaves.size() >= kMostParts) {
      ++left_out;
      continue;
    }
    const bool within = on_main && range.end_ns <= leaf->end_ns;
    result.spans.push_back({leaf->stage, range.name, !within, range.begin_ns, range.end_ns});
  }
  if (left_out > 0)
    result.left_out = fmt::format("{} NVTX ranges began outside every stage or were too many", left_out);
  return result;
}

}  // namespace wan::suite
