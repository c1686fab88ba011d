// The rules of bottleneck.h over the medians of a case.
#include "analysis/bottleneck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/kernels.h"

namespace wan {
namespace {

// Limits of the rules, in percent unless said otherwise.
constexpr double kLoadingLimit = 5;    // Step_i_Loading of the total
constexpr double kTextLimit = 5;       // text encoding on the CPU of the total
constexpr double kInitLimit = 20;      // initialization of a cold total
constexpr double kLaunchGapLimit = 5;  // of the total
constexpr double kCopyLimit = 5;       // exposed copies inside computing stages of the total
constexpr double kEncodeLimit = 5;     // of the total
constexpr double kMemoryLimit = 10;    // memory-bound stages of the total
constexpr double kTracedGapLimit = 5;  // of the steps of a traced run
constexpr double kSmHigh = 90;         // below, on steady steps: the card waits
constexpr double kTensorLow = 40;
constexpr double kDramLow = 40;
constexpr double kDramHigh = 60;
constexpr double kMfuLow = 50;
constexpr double kThrottleLimit = 1;
constexpr double kEarlyShare = 0.9;       // of the time lost to a slowdown, in the first half of the steps
constexpr double kFirstStepLimit = 1.05;  // ratio of step 0 to a steady step
constexpr double kHeadroomLow = 10;
constexpr double kDiskBytes = 256e6;  // bytes from storage below which initialization was not reading
constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

double value_or(const Quantity& q, double fallback) { return q.has() ? q.median() : fallback; }

class Rules {
 public:
  Rules(const CaseSummary& summary, const CardPeak* peak)
      : s_(summary), peak_(peak), total_s_(summary.total_s.median()) {}

  BottleneckReport apply() {
    share_out();
    unattributed();
    loading();
    text_on_cpu();
    initialization();
    launch_gaps();
    traced_gaps();
    copies();
    encoding();
    memory_bound();
    series();
    counters();
    precision();
    throttling();
    memory();
    what_ifs();
    sort();
    return std::move(out_);
  }

 private:
  bool on_gpu(const StageSummary& leaf) const { return computes_on_gpu(*s_.example, leaf.role); }

  static double copies_of(const StageSummary& leaf) {
    return std::clamp(value_or(leaf.exposed_copy_s, 0), 0.0, std::max(0.0, leaf.wall_s.median()));
  }

  /// Time of a GPU leaf in which no kernel ran and no copy was waited for: by NVML's count, or by its device events
  /// where they leave out more.
  static double gap_of(const StageSummary& leaf) {
    const double wall = leaf.wall_s.median(), copy = copies_of(leaf);
    const double idle = leaf.gpu_busy_percent.has() ? wall * (1 - leaf.gpu_busy_percent.median() / 100) - copy : 0;
    const double between = leaf.gpu_s.has() ? wall - leaf.gpu_s.median() : 0;
    return std::clamp(std::max(idle, between), 0.0, std::max(0.0, wall - copy));
  }

  /// The GPU leaf with most of what `get` says, or nothing.
  template <class Get>
  const StageSummary* most(Get get) const {
    const StageSummary* found = nullptr;
    for (const StageSummary& leaf : s_.stages) {
      if (leaf.kind != StageKind::kLeaf || !leaf.wall_s.has() || !on_gpu(leaf) || get(leaf) <= 0) continue;
      if (found == nullptr || get(leaf) > get(*found)) found = &leaf;
    }
    return found;
  }

  void split_gpu_leaf(const StageSummary& leaf, std::map<TimeClass, double>& seconds) const {
    const double wall = leaf.wall_s.median();
    const double copy = copies_of(leaf), gap = gap_of(leaf);
    const bool memory_bound = leaf.dram_active_percent.has() && leaf.dram_active_percent.median() > kDramHigh &&
                              value_or(leaf.tensor_active_percent, 100) < kTensorLow;
    seconds[TimeClass::kExposedCopy] += copy;
    seconds[TimeClass::kLaunchGaps] += gap;
    seconds[memory_bound ? TimeClass::kGpuMemory : TimeClass::kGpuCompute] += wall - copy - gap;
  }

  static TimeClass class_of_host_leaf(const StageSummary& leaf) {
    switch (leaf.role) {
      case StageRole::kInitialization:
        return value_or(leaf.read_bytes, 0) > kDiskBytes ? TimeClass::kDisk : TimeClass::kHostCpu;
      case StageRole::kStepLoading: return TimeClass::kExposedCopy;
      case StageRole::kOutputEncoding: return TimeClass::kEncode;
      case StageRole::kOther: return TimeClass::kOther;
      default: return TimeClass::kHostCpu;
    }
  }

  void share_out() {
    std::map<TimeClass, double> seconds;
    for (const StageSummary& leaf : s_.stages) {
      if (leaf.kind != StageKind::kLeaf || !leaf.wall_s.has()) continue;
      if (leaf.name == kUnattributedName) {
        seconds[TimeClass::kUnattributed] += leaf.wall_s.median();
      } else if (on_gpu(leaf)) {
        split_gpu_leaf(leaf, seconds);
      } else {
        seconds[class_of_host_leaf(leaf)] += leaf.wall_s.median();
      }
    }
    for (const auto& [what, time] : seconds) {
      if (time <= 0) continue;
      out_.classes.push_back({what, time, time / total_s_, time < total_s_ ? total_s_ / (total_s_ - time) : 1});
    }
    std::sort(out_.classes.begin(), out_.classes.end(), [](auto& a, auto& b) { return a.seconds > b.seconds; });
  }

  double role_seconds(StageRole role) const {
    double sum = 0;
    for (const StageSummary& leaf : s_.stages) {
      if (leaf.kind == StageKind::kLeaf && leaf.role == role && leaf.name != kUnattributedName) {
        sum += value_or(leaf.wall_s, 0);
      }
    }
    return sum;
  }
  double class_seconds(TimeClass what) const {
    for (const ClassShare& c : out_.classes) {
      if (c.what == what) return c.seconds;
    }
    return 0;
  }
  double percent(double seconds) const { return 100 * seconds / total_s_; }

  void unattributed() {
    if (!s_.unattributed_share.has()) return;
    const double share = s_.unattributed_share.median();
    if (share < 0) {
      add({"overlapping_stages", Severity::kError, kTotalName, 100 * share, 0, "%",
           "the leaves add up to more than the total: the record counts time twice", std::nullopt});
    } else if (share > kUnattributedWarning) {
      add({"unattributed", share > kUnattributedError ? Severity::kError : Severity::kWarning, kTotalName, 100 * share,
           100 * kUnattributedWarning, "%", "time that no stage accounts for", share * total_s_});
    }
  }

  void loading() {
    const double seconds = role_seconds(StageRole::kStepLoading);
    if (percent(seconds) <= kLoadingLimit) return;
    const StageSummary* worst = nullptr;
    for (const StageSummary& leaf : s_.stages) {
      if (leaf.role != StageRole::kStepLoading || leaf.kind != StageKind::kLeaf) continue;
      if (worst == nullptr || value_or(leaf.wall_s, 0) > value_or(worst->wall_s, 0)) worst = &leaf;
    }
    add({"step_loading", Severity::kWarning, worst->name, percent(seconds), kLoadingLimit, "%",
         "steps wait for weights: an expert swap, or copies from pageable memory that nothing overlaps", seconds});
  }

  void text_on_cpu() {
    const double seconds = role_seconds(StageRole::kTextEncoding);
    if (s_.example->workload.text_encoder_device != "cpu" || percent(seconds) <= kTextLimit) return;
    if (s_.example->engine.device.starts_with("cpu")) return;  // all of it is the host's
    add({"text_encoder_on_cpu", Severity::kWarning, "T5_Encoding", percent(seconds), kTextLimit, "%",
         "the text encoder runs on the CPU, so this part measures the host and not the card", seconds});
  }

  void initialization() {
    const double seconds = role_seconds(StageRole::kInitialization);
    if (percent(seconds) <= kInitLimit) return;
    add({"initialization", Severity::kNote, "Model_Initialization", percent(seconds), kInitLimit, "%",
         class_seconds(TimeClass::kDisk) > 0
             ? "weights are read from storage; a warm run does not pay this"
             : "weights are converted and placed by the host; a warm run does not pay this",
         seconds});
  }

  void launch_gaps() {
    const double seconds = class_seconds(TimeClass::kLaunchGaps);
    if (percent(seconds) <= kLaunchGapLimit) return;
    const StageSummary* where = most(gap_of);
    add({"launch_gaps", Severity::kWarning, where != nullptr ? where->name : "GPU stages", percent(seconds),
         kLaunchGapLimit, "%", "the card is idle within its stages: it waits for the host between kernels", seconds});
  }

  void traced_gaps() {
    const auto traced = traced_run(s_);
    if (!traced) return;
    for (const KernelView& view : traced->views) {
      const double gaps = view.kinds.back().share;
      if (view.stages != kAllSteps || 100 * gaps <= kTracedGapLimit) continue;
      add({"kernel_gaps", Severity::kNote, "Step_*_Inference", 100 * gaps, kTracedGapLimit, "%",
           "no kernel runs for this share of the traced steps: launches, waits for weights, and the tracing itself",
           std::nullopt});
    }
  }

  void copies() {
    const double seconds = class_seconds(TimeClass::kExposedCopy) - role_seconds(StageRole::kStepLoading);
    if (percent(seconds) <= kCopyLimit) return;
    const StageSummary* where = most(copies_of);
    add({"exposed_copies", Severity::kWarning, where != nullptr ? where->name : "GPU stages", percent(seconds),
         kCopyLimit, "%",
         "computing stages wait for copies: weights that stream slower than they are used, or pageable memory",
         seconds});
  }

  void encoding() {
    const double seconds = class_seconds(TimeClass::kEncode);
    if (percent(seconds) <= kEncodeLimit) return;
    add({"video_encoding", Severity::kNote, "Output_Encoding", percent(seconds), kEncodeLimit, "%",
         "the video is encoded by the host after its frames are ready", seconds});
  }

  void memory_bound() {
    const double seconds = class_seconds(TimeClass::kGpuMemory);
    if (percent(seconds) <= kMemoryLimit) return;
    add({"memory_bound", Severity::kNote, "GPU stages", percent(seconds), kMemoryLimit, "%",
         "memory is busy while tensor cores idle: these stages gain from bandwidth or from fused kernels, not from "
         "arithmetic",
         std::nullopt});
  }

  /// "; in 2 of 5 runs" where there are several.
  static std::string in_runs(size_t count, size_t of) {
    return of > 1 ? fmt::format("; in {} of {} runs", count, of) : std::string();
  }

  /// The run with the median first step: half the runs lose as much.
  const StepSeries* usual_first_step() const {
    std::vector<const StepSeries*> all;
    for (const StepSeries& steps : s_.step_series) all.push_back(&steps);
    if (all.empty()) return nullptr;
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
    std::nth_element(all.begin(), middle, all.end(),
                     [](const auto* a, const auto* b) { return a->first_over_steady < b->first_over_steady; });
    return *middle;
  }

  bool first_step_locks_pages() const {
    return std::any_of(s_.example->stages.begin(), s_.example->stages.end(), [](const StageRecord& stage) {
      return stage.name == "page_lock_and_fill" && stage.parent.ends_with("Step_0_Inference") && stage.wall_ns > 0;
    });
  }

  void series() {
    const StepSeries* worst_modes = nullptr;
    const StepSeries* worst_drift = nullptr;
    size_t with_modes = 0, with_drift = 0;
    for (const StepSeries& steps : s_.step_series) {
      if (steps.bimodal) {
        ++with_modes;
        if (worst_modes == nullptr || steps.p90_over_p10 > worst_modes->p90_over_p10) worst_modes = &steps;
      } else if (steps.drifts) {
        ++with_drift;
        if (worst_drift == nullptr || std::abs(steps.drift) > std::abs(worst_drift->drift)) worst_drift = &steps;
      }
    }
    const size_t runs = s_.step_series.size();
    if (worst_modes != nullptr)
      add({"bimodal_steps", Severity::kWarning, "Step_*_Inference", worst_modes->p90_over_p10, kBimodalLimit, "x",
           "steps run at two speeds: another job on the card, or clocks that change" + in_runs(with_modes, runs),
           std::nullopt});
    if (worst_drift != nullptr)
      add({"step_drift", Severity::kNote, "Step_*_Inference", 100 * worst_drift->drift, 100 * kDriftLimit, "%",
           "step time changes along the run: temperature or power limit" + in_runs(with_drift, runs), std::nullopt});
    const StepSeries* first = usual_first_step();
    if (first == nullptr || first->first_over_steady <= kFirstStepLimit) return;
    add({"first_step", Severity::kNote, "Step_0_Inference", first->first_over_steady, kFirstStepLimit, "x",
         first_step_locks_pages() ? "the first step pays for warm-up: kernel loading, autotuning, allocation; weights "
                                    "were page-locked beside it, "
                                    "which can hold its launches"
                                  : "the first step pays for warm-up: kernel loading, autotuning, allocation",
         first->first_s - first->steady_median_s});
  }

  /// Mean over steady steps of a column, weighted by time.
  std::optional<double> steady(Quantity StageSummary::*column) const {
    double sum = 0, weight = 0;
    for (const StageSummary& leaf : s_.stages) {
      if (leaf.kind != StageKind::kLeaf || leaf.role != StageRole::kStepInference) continue;
      if (leaf.index == 0 || !(leaf.*column).has()) continue;
      const double wall = value_or(leaf.wall_s, 0);
      sum += (leaf.*column).median() * wall;
      weight += wall;
    }
    return weight > 0 ? std::optional<double>(sum / weight) : std::nullopt;
  }

  void counters() {
    const auto sm = steady(&StageSummary::sm_active_percent);
    if (!sm) return;
    const auto tensor = steady(&StageSummary::tensor_active_percent), dram = steady(&StageSummary::dram_active_percent);
    if (*sm < kSmHigh) {
      add({"low_sm", Severity::kWarning, "Step_*_Inference", *sm, kSmHigh, "%",
           "multiprocessors idle during steady steps: launch gaps, copies or too little work a kernel", std::nullopt});
      return;
    }
    if (tensor && dram && *tensor < kTensorLow && *dram < kDramLow) {
      add({"elementwise", Severity::kWarning, "Step_*_Inference", *tensor, kTensorLow, "%",
           "multiprocessors are occupied but neither tensor cores nor memory are: latency or elementwise kernels",
           std::nullopt});
    }
    const auto achieved = steady(&StageSummary::achieved_tflops), clock = steady(&StageSummary::sm_clock_mhz);
    if (!achieved || peak_ == nullptr) return;
    const auto mfu = flop_utilisation(*achieved, *peak_, s_.example->workload, clock);
    if (mfu && tensor && *tensor >= kTensorLow && mfu->at_peak_percent < kMfuLow) {
      add({"low_mfu", Severity::kNote, "Step_*_Inference", mfu->at_peak_percent, kMfuLow, "%",
           "tensor cores are busy but useful work is low: padded or wasted work, or lowered clocks", std::nullopt});
    }
  }

  void precision() {
    const auto dit = s_.example->workload.dtypes.find("dit");
    if (dit == s_.example->workload.dtypes.end() || !dit->second.starts_with("fp32")) return;
    const bool on_card = std::any_of(s_.stages.begin(), s_.stages.end(), [&](const StageSummary& leaf) {
      return leaf.role == StageRole::kStepInference && on_gpu(leaf);
    });
    if (!on_card) return;
    add({"fp32_weights", Severity::kNote, "dit", 4, 2, "bytes a weight",
         "weights are kept in fp32; bf16 halves their memory and their copies", std::nullopt});
  }

  struct Slowdown {
    double lost_s = 0;       // slowed steps beyond the run's median of the others
    double early_share = 0;  // of that, in the first half of the steps
  };
  std::optional<Slowdown> slowdown_of_steps() const {
    struct Step {
      int64_t index;
      double wall_s;
    };
    std::vector<Step> slowed;
    std::vector<double> others;
    int64_t last = 0;
    for (const StageRecord& stage : s_.example->stages) {
      if (stage.kind != StageKind::kLeaf || stage.role != StageRole::kStepInference) continue;
      last = std::max(last, stage.index);
      if (stage.index == 0 || !stage.throttled_percent.has()) continue;  // the first step pays for other things, too
      const double wall_s = static_cast<double>(stage.wall_ns) * 1e-9;
      if (*stage.throttled_percent.value > kThrottleLimit)
        slowed.push_back({stage.index, wall_s});
      else
        others.push_back(wall_s);
    }
    if (others.empty()) return std::nullopt;
    const double usual = median(others);
    Slowdown found;
    double early = 0;
    for (const Step& step : slowed) {
      found.lost_s += step.wall_s - usual;
      if (2 * step.index <= last) early += step.wall_s - usual;
    }
    if (found.lost_s <= 0) return std::nullopt;
    found.early_share = early / found.lost_s;
    return found;
  }

  void throttling() {
    const StageRecord* total = total_stage(*s_.example);
    if (total == nullptr || !total->throttled_percent.has() || *total->throttled_percent.value <= kThrottleLimit)
      return;
    const auto slowdown = slowdown_of_steps();
    const bool early = slowdown && slowdown->early_share > kEarlyShare;
    const char* const cause =
        early ? "the card was slowed by heat or hardware protection early in the run: where its fans follow late, a "
                "warm-up before the run helps"
              : "the card was slowed by heat or hardware protection: look at its cooling and its power supply";
    add({"throttled", Severity::kWarning, kTotalName, *total->throttled_percent.value, kThrottleLimit, "%", cause,
         slowdown ? std::optional(slowdown->lost_s) : std::nullopt});
  }

  void memory() {
    const auto& gpus = s_.example->system.gpus;
    if (gpus.empty() || !gpus[0].memory_bytes.has() || !s_.peak_device_bytes.has()) return;
    const Headroom room = headroom(static_cast<double>(*gpus[0].memory_bytes.value), s_.peak_device_bytes.median());
    out_.headroom = room;
    if (room.free_percent >= kHeadroomLow) return;
    add({"memory_headroom", Severity::kWarning, gpus[0].name, room.free_percent, kHeadroomLow, "%",
         fmt::format("{:.1f} of the card's {:.1f} GiB are used at the peak", room.peak_bytes / kGiB,
                     room.capacity_bytes / kGiB),
         std::nullopt});
  }

  void what_ifs() {
    const auto add_if = [&](std::string change, double saved, bool hypothetical = false) {
      if (saved <= 0.005 * total_s_ || saved >= total_s_) return;
      out_.what_ifs.push_back(
          {std::move(change), saved, total_s_ - saved, total_s_ / (total_s_ - saved), 0, hypothetical});
    };
    const double loading = role_seconds(StageRole::kStepLoading);
    add_if("no waiting for weights between steps", loading);
    if (const StageSummary* where = most(copies_of))
      add_if(fmt::format("no waiting for copies within stages (most of it in {})", where->name),
             class_seconds(TimeClass::kExposedCopy) - loading);
    if (const StepSeries* usual = usual_first_step())
      add_if("a first step as fast as the others", usual->first_s - usual->steady_median_s);
    if (s_.example->workload.text_encoder_device == "cpu" && !s_.example->system.gpus.empty()) {
      add_if("text encoder on the card (its time there taken as 0)", role_seconds(StageRole::kTextEncoding));
    }
    add_if("weights already in place (warm run)", role_seconds(StageRole::kInitialization));
    add_if("no idle time of the card within its stages", class_seconds(TimeClass::kLaunchGaps));
    add_if("encoding hidden behind decoding", class_seconds(TimeClass::kEncode));
    add_if("no unattributed time", class_seconds(TimeClass::kUnattributed));
    add_if("steps twice as fast", 0.5 * role_seconds(StageRole::kStepInference), true);
    add_if("VAE decoding twice as fast", 0.5 * role_seconds(StageRole::kVaeDecoding), true);
    std::sort(out_.what_ifs.begin(), out_.what_ifs.end(), [](auto& a, auto& b) { return a.saved_s > b.saved_s; });
    if (const double bytes = bytes_of_fp32_weights(); bytes > 0)
      out_.what_ifs.push_back({"weights in bf16 instead of fp32", 0, total_s_, 1, bytes / 2, false});
  }

  /// Of the card's memory at the stage that held most of them.
  double bytes_of_fp32_weights() const {
    double most = 0;
    for (const StageRecord& stage : s_.example->stages) {
      double bytes = 0;
      for (const auto& [component, dtype] : s_.example->workload.dtypes) {
        const auto held = stage.device_memory.component_bytes.find("weights." + component);
        if (dtype.starts_with("fp32") && held != stage.device_memory.component_bytes.end())
          bytes += static_cast<double>(held->second);
      }
      most = std::max(most, bytes);
    }
    return most;
  }

  void add(BottleneckFinding finding) { out_.findings.push_back(std::move(finding)); }

  void sort() {
    std::stable_sort(out_.findings.begin(), out_.findings.end(), [](const auto& a, const auto& b) {
      if (a.severity != b.severity) return a.severity > b.severity;
      return a.saving_s.value_or(0) > b.saving_s.value_or(0);
    });
  }

  const CaseSummary& s_;
  const CardPeak* peak_;
  double total_s_;
  BottleneckReport out_;
};

}  // namespace

std::string class_name(TimeClass value) {
  switch (value) {
    case TimeClass::kDisk: return "disk";
    case TimeClass::kHostCpu: return "host CPU";
    case TimeClass::kExposedCopy: return "exposed copies";
    case TimeClass::kGpuCompute: return "GPU compute";
    case TimeClass::kGpuMemory: return "GPU memory";
    case TimeClass::kLaunchGaps: return "launch gaps";
    case TimeClass::kEncode: return "video encoding";
    case TimeClass::kOther: return "other stages";
    case TimeClass::kUnattributed: return "unattributed";
  }
  return "?";
}

BottleneckReport find_bottlenecks(const CaseSummary& summary, const CardPeak* peak) {
  if (!summary.total_s.has() || summary.total_s.median() <= 0) return {};  // shares of nothing
  return Rules(summary, peak).apply();
}

}  // namespace wan
