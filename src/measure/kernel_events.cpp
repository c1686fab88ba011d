#include "measure/kernel_events.h"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

namespace wan::measure {
namespace {

constexpr uint32_t kUnused = UINT32_MAX;

/// Keeps the entries that are asked for, in the order of the first asking.
template <class Entry>
class Used {
 public:
  explicit Used(const std::vector<Entry>& all) : all_(all), index_(all.size(), kUnused) {}
  uint32_t of(uint32_t entry) {
    if (index_[entry] == kUnused) {
      index_[entry] = static_cast<uint32_t>(kept_.size());
      kept_.push_back(all_[entry]);
    }
    return index_[entry];
  }
  std::vector<Entry> take() { return std::move(kept_); }

 private:
  const std::vector<Entry>& all_;
  std::vector<uint32_t> index_;
  std::vector<Entry> kept_;
};

bool share_time(const Interval& a, const Interval& b) { return a.begin_ns < b.end_ns && b.begin_ns < a.end_ns; }

template <class Event>
void sort_by_begin(std::vector<Event>& events) {
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.begin_ns != b.begin_ns ? a.begin_ns < b.begin_ns : a.end_ns > b.end_ns;
  });
}

}  // namespace

StageWindow steady_step(const std::vector<StageWindow>& windows) {
  std::vector<StageWindow> steps;
  for (const StageWindow& window : windows)
    if (window.stages == kStepStages) steps.push_back({fmt::format("Step_{}", steps.size()), window.interval});
  if (steps.empty()) return {};
  if (steps.size() > 1) steps.erase(steps.begin());
  const auto middle = steps.begin() + (std::ssize(steps) - 1) / 2;
  std::nth_element(steps.begin(), middle, steps.end(), [](const StageWindow& a, const StageWindow& b) {
    return a.interval.length_ns() < b.interval.length_ns();
  });
  return *middle;
}

KernelEvents events_of(const CollectedKernels& collected, const StageWindow& window) {
  KernelEvents out;
  out.stages = window.stages;
  Used<KernelName> names(collected.names);
  Used<LaunchShape> launches(collected.launches);
  Used<std::string> call_names(collected.call_names);
  Used<HostThread> threads(collected.threads);
  std::unordered_set<uint32_t> launched;
  for (const KernelRun& run : collected.runs) {
    if (!share_time(run.interval, window.interval)) continue;
    launched.insert(run.correlation);
    DeviceEvent event{
        run.interval.begin_ns, run.interval.end_ns, names.of(run.name), {}, run.stream, run.correlation, run.bytes};
    if (run.launch != kNoLaunch) event.launch = launches.of(run.launch);
    out.device.push_back(event);
  }
  for (const HostCall& call : collected.calls) {
    const bool is_long = call.end_ns - call.begin_ns >= kShortCallNs;
    const bool within = is_long && share_time({call.begin_ns, call.end_ns}, window.interval);
    if (!within && !launched.contains(call.correlation)) continue;
    out.host.push_back(
        {call.begin_ns, call.end_ns, call_names.of(call.name), threads.of(call.thread), call.correlation});
  }
  sort_by_begin(out.device);
  sort_by_begin(out.host);
  out.names = names.take();
  out.launches = launches.take();
  out.call_names = call_names.take();
  out.threads = threads.take();
  return out;
}

}  // namespace wan::measure
