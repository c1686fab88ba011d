// Each instant of a stage is charged once: to the kernel that began first, to a copy only where no kernel ran, to the
// gaps where nothing did.
#include "measure/kernel_table.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace wan::measure {
namespace {

/// Length of `interval` outside of `covered`, whose intervals are in order and apart. `from` is where to start looking:
/// it only moves on, so intervals must come in order of their begin.
int64_t uncovered_ns(const Interval& interval, const std::vector<Interval>& covered, size_t& from) {
  while (from < covered.size() && covered[from].end_ns <= interval.begin_ns) ++from;
  int64_t left = interval.length_ns();
  for (size_t i = from; i < covered.size() && covered[i].begin_ns < interval.end_ns; ++i)
    left -= intersection(covered[i], interval).length_ns();
  return left;
}

class Tables {
 public:
  explicit Tables(const std::vector<KernelName>& names) : names_(names) {}

  /// `runs` are all that share time with the window, in order of their begin.
  void add(const StageWindow& window, const std::vector<KernelRun>& runs) {
    Sums& sums = sums_of(window.stages);
    ++sums.table.stage_count;
    sums.table.wall_ns += window.interval.length_ns();
    sums.table.gap_ns += window.interval.length_ns() - charge(sums, window.interval, runs);
    for (const KernelRun& run : runs) {
      const int64_t inside = intersection(run.interval, window.interval).length_ns();
      const bool begins_here = run.interval.begin_ns >= window.interval.begin_ns;
      const KernelName& name = names_[run.name];
      KernelKindSum& kind = sums.kinds[name.kind];
      kind.count += begins_here;
      kind.total_ns += inside;
      KernelSum& kernel = sums.kernels[run.name];
      kernel.count += begins_here;
      kernel.total_ns += inside;
    }
  }

  std::vector<KernelTable> finish() {
    std::vector<KernelTable> out;
    for (Sums& sums : all_) {
      for (auto& [kind, sum] : sums.kinds) {
        sum.kind = kind;
        sums.table.kinds.push_back(sum);
      }
      list_longest(sums);
      out.push_back(std::move(sums.table));
    }
    return out;
  }

 private:
  struct Sums {
    KernelTable table;
    std::map<KernelKind, KernelKindSum> kinds;
    std::map<uint32_t, KernelSum> kernels;
  };

  Sums& sums_of(const std::string& stages) {
    for (Sums& sums : all_)
      if (sums.table.stages == stages) return sums;
    all_.emplace_back().table.stages = stages;
    return all_.back();
  }

  /// Gives the window's time to the kinds; returns how much of it was given.
  int64_t charge(Sums& sums, const Interval& window, const std::vector<KernelRun>& runs) const {
    std::vector<Interval> busy;  // kernels, merged
    int64_t given = 0;
    const auto give = [&](const KernelRun& run, int64_t ns) {
      sums.kinds[names_[run.name].kind].exposed_ns += ns;
      given += ns;
    };
    for (const KernelRun& run : runs) {
      if (names_[run.name].kind == KernelKind::kCopy) continue;
      Interval fresh = intersection(run.interval, window);
      if (!busy.empty()) fresh.begin_ns = std::max(fresh.begin_ns, busy.back().end_ns);
      if (fresh.length_ns() == 0) continue;
      give(run, fresh.length_ns());
      if (!busy.empty() && busy.back().end_ns == fresh.begin_ns)
        busy.back().end_ns = fresh.end_ns;
      else
        busy.push_back(fresh);
    }
    int64_t copied_to = window.begin_ns;
    size_t from = 0;
    for (const KernelRun& run : runs) {
      if (names_[run.name].kind != KernelKind::kCopy) continue;
      Interval fresh = intersection(run.interval, window);
      fresh.begin_ns = std::max(fresh.begin_ns, copied_to);
      if (fresh.length_ns() == 0) continue;
      give(run, uncovered_ns(fresh, busy, from));
      copied_to = fresh.end_ns;
    }
    return given;
  }

  void list_longest(Sums& sums) const {
    std::vector<KernelSum> kernels;
    for (const auto& [name, sum] : sums.kernels)
      kernels.push_back({names_[name].name, names_[name].kind, sum.count, sum.total_ns});
    std::stable_sort(kernels.begin(), kernels.end(),
                     [](const KernelSum& a, const KernelSum& b) { return a.total_ns > b.total_ns; });
    for (size_t i = kListedKernels; i < kernels.size(); ++i) {
      sums.table.unlisted_count += kernels[i].count;
      sums.table.unlisted_ns += kernels[i].total_ns;
    }
    kernels.resize(std::min(kernels.size(), kListedKernels));
    sums.table.kernels = std::move(kernels);
  }

  const std::vector<KernelName>& names_;
  std::vector<Sums> all_;
};

}  // namespace

std::vector<KernelTable> tabulate_kernels(std::vector<KernelRun> runs, const std::vector<KernelName>& names,
                                          const std::vector<StageWindow>& windows) {
  std::stable_sort(runs.begin(), runs.end(),
                   [](const KernelRun& a, const KernelRun& b) { return a.interval.begin_ns < b.interval.begin_ns; });
  Tables tables(names);
  size_t first = 0;
  for (const StageWindow& window : windows) {
    while (first < runs.size() && runs[first].interval.end_ns <= window.interval.begin_ns) ++first;
    std::vector<KernelRun> inside;
    for (size_t i = first; i < runs.size() && runs[i].interval.begin_ns < window.interval.end_ns; ++i)
      if (runs[i].interval.end_ns > window.interval.begin_ns) inside.push_back(runs[i]);
    tables.add(window, inside);
  }
  return tables.finish();
}

int64_t begun_outside(size_t runs, const std::vector<KernelTable>& tables) {
  auto outside = static_cast<int64_t>(runs);
  for (const KernelTable& table : tables)
    for (const KernelKindSum& kind : table.kinds) outside -= kind.count;
  return outside;
}

std::string describe(const MissingKernels& missing) {
  const std::pair<int64_t, const char*> parts[] = {
      {missing.without_time, "without a time"},
      {missing.end_first, "whose end is before their begin"},
      {missing.beyond_kept, "beyond those that are kept"},
      {missing.dropped, "dropped by CUPTI for want of a buffer (calls of the host may be among them)"},
      {missing.outside_stages, "begun outside every stage"},
      {missing.calls_beyond, "calls of the host beyond those that are kept"}};
  std::string text;
  for (const auto& [count, why] : parts)
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, why);
  return text;
}

}  // namespace wan::measure
