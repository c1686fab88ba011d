#include "results/contradictions.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "results/stage_names.h"

namespace wan {
namespace {

/// How far a stage may reach beyond the run: clocks of a device are mapped to the host's with less error.
constexpr int64_t kSlackNs = 1'000'000'000;

class Judge {
 public:
  explicit Judge(const RunRecord& record)
      : record_(record), total_(total_stage(record)), is_imported_(record.engine.kind == EngineKind::kImported) {}

  std::vector<std::string> apply() {
    work();
    totals();
    std::set<std::string_view> ids;
    for (const StageRecord& stage : record_.stages) {
      const bool is_part = stage.kind == StageKind::kHidden || stage.kind == StageKind::kComponent;
      if (!is_part && !ids.insert(stage.id).second) add("two stages are called '{}'", stage.id);
      lengths(stage);
      amounts(stage);
      if (!is_imported_) place(stage);
    }
    return std::move(found_);
  }

 private:
  template <class... Arguments>
  void add(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    constexpr size_t kMost = 10;  // one is enough; a table of them helps nobody
    if (found_.size() < kMost) found_.push_back(fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  void work() {
    const Workload& work = record_.workload;
    const std::pair<const char*, const std::optional<int64_t>*> sizes[] = {
        {"width", &work.width}, {"height", &work.height}, {"num_frames", &work.num_frames}, {"steps", &work.steps}};
    for (const auto& [name, size] : sizes)
      if (*size && **size <= 0) add("its {} are {}", name, **size);
    if (record_.run_case.repeat < 0) add("it is repeat {}", record_.run_case.repeat);
  }

  void totals() {
    const auto count = std::count_if(record_.stages.begin(), record_.stages.end(),
                                     [](const StageRecord& stage) { return stage.kind == StageKind::kParent; });
    if (count > 1) add("it has {} totals", count);
    if (total_ != nullptr && total_->wall_ns == 0) add("{} took no time", kTotalName);
  }

  void lengths(const StageRecord& stage) {
    if (stage.wall_ns < 0) add("stage '{}' took {} ns", stage.id, stage.wall_ns);
    if (stage.count < 1) add("stage '{}' sums up {} spans", stage.id, stage.count);
    const std::pair<const char*, const Measured<int64_t>*> times[] = {{"gpu_ns", &stage.gpu_ns},
                                                                      {"exposed_copy_ns", &stage.exposed_copy_ns},
                                                                      {"hidden_copy_ns", &stage.hidden_copy_ns},
                                                                      {"cpu_core_ns", &stage.cpu_core_ns}};
    for (const auto& [name, time] : times)
      if (time->has() && *time->value < 0) add("stage '{}' has a {} of {}", stage.id, name, *time->value);
  }

  void amounts(const StageRecord& stage) {
    const std::pair<const char*, const Measured<double>*> amounts[] = {{"flops", &stage.flops},
                                                                       {"energy_j", &stage.energy_j},
                                                                       {"power_mean_w", &stage.power_mean_w},
                                                                       {"throttled_percent", &stage.throttled_percent}};
    for (const auto& [name, amount] : amounts)
      if (amount->has() && *amount->value < 0) add("stage '{}' has a {} of {}", stage.id, name, *amount->value);
    for (const Counter* counter :
         {&stage.counters.sm_active, &stage.counters.sm_occupancy, &stage.counters.tensor_active,
          &stage.counters.dram_active, &stage.counters.gpu_busy})
      if (counter->mean_percent && *counter->mean_percent < 0)
        add("stage '{}' has a counter of {} %", stage.id, *counter->mean_percent);
  }

  /// A leaf lies within the run. What is hidden may have begun before a video of a warm process.
  void place(const StageRecord& stage) {
    if (total_ == nullptr || stage.kind != StageKind::kLeaf || stage.wall_ns < 0 || total_->wall_ns < 0) return;
    if (stage.wall_ns - kSlackNs > total_->wall_ns)
      add("stage '{}' is longer than the run, {} of {} ns", stage.id, stage.wall_ns, total_->wall_ns);
    else if (stage.begin_ns.has() &&
             (*stage.begin_ns.value < -kSlackNs || *stage.begin_ns.value - kSlackNs > total_->wall_ns))
      add("stage '{}' begins at {} ns of a run of {} ns", stage.id, *stage.begin_ns.value, total_->wall_ns);
  }

  const RunRecord& record_;
  const StageRecord* total_;
  const bool is_imported_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> contradictions(const RunRecord& record) { return Judge(record).apply(); }

}  // namespace wan
