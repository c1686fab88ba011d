#include "suite/fidelity_plan.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/flags.h"
#include "base/hash.h"
#include "pipeline/decisions.h"
#include "pipeline/request_json.h"
#include "pipeline/request_words.h"
#include "results/store.h"
#include "results/velocity_bound.h"
#include "suite/decided.h"
#include "suite/requested_workload.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;

/// The same request in another precision. It may take the whole card: what is asked of a case's memory is not asked of
/// its reference.
constexpr Precision kReferences[] = {Precision::kF32, Precision::kBF16};

Request in_precision(Request request, Precision precision) {
  request.precision = precision;
  request.vae_precision.reset();
  request.dit_precision.reset();
  request.quantize.clear();
  request.whole_blocks.reset();
  request.whole_steps.reset();
  request.offload = Offload::kAuto;
  request.gpu_memory_limit.reset();
  return request;
}

/// Nothing of a step is reused.
Request all_computed(Request request) {
  request.step_cache.reset();
  request.cache_threshold.reset();
  request.cache_max_skips.reset();
  request.cache_retention.reset();
  request.cache_curve.clear();
  request.cfg_gate.reset();
  return request;
}

/// A setting with what the engine decides of it.
struct Side {
  Setting setting;
  Decisions decisions;
};

Side side(const std::string& name, const Request& request) {
  const Decisions decisions = decide(request);
  return {{name, request, precision_class(decisions), decisions.recipe}, decisions};
}

SettingPair pair_of(const Side& reference, const Side& test) {
  const bool is_same_schedule = reference.decisions.timesteps == test.decisions.timesteps;
  return {reference.setting, test.setting, is_same_schedule ? "" : "other_timesteps"};
}

/// What must be equal for two videos to be meant to be one; empty: all is.
std::string difference_of(const Side& a, const Side& b) {
  const Decisions &x = a.decisions, &y = b.decisions;
  if (x.width != y.width || x.height != y.height)
    return fmt::format("its size is {}x{}, the reference's {}x{}", y.width, y.height, x.width, x.height);
  if (x.num_frames != y.num_frames)
    return fmt::format("it has {} frames, the reference {}", y.num_frames, x.num_frames);
  if (x.fps != y.fps) return fmt::format("it has {:g} frames a second, the reference {:g}", y.fps, x.fps);
  const Workload v = requested_workload(a.setting.request), w = requested_workload(b.setting.request);
  if (v.prompt != w.prompt || v.negative_prompt != w.negative_prompt) return "its prompts are others";
  if (v.image_sha256 != w.image_sha256 || v.last_image_sha256 != w.last_image_sha256) return "its images are others";
  if (v.conditioning != w.conditioning) return "its sound, its pose or its clips are others";
  if (v.seed != w.seed || v.initial_latent_sha256 != w.initial_latent_sha256) return "it starts with other noise";
  return "";
}

/// The precision that an arm names: 8 bits are no reference.
std::optional<Precision> reference_precision(std::string_view arm) {
  for (const Precision precision : kReferences)
    if (arm == enum_name(precision)) return precision;
  return std::nullopt;
}

class Planner {
 public:
  Planner(const std::vector<PlannedCase>& plan, const FidelityOptions& options)
      : plan_(plan), options_(options), precision_(reference_precision(options.arm)) {
    if (precision_) return;
    const auto found = std::find_if(plan.begin(), plan.end(),
                                    [&](const PlannedCase& planned) { return planned.details.name == options.arm; });
    std::vector<std::string> names;
    for (const PlannedCase& planned : plan) names.push_back(planned.details.name);
    require(found != plan.end(),
            fmt::format("{} {}: expected {}, {}, or a case of this run: {}", flags::kFidelity, options.arm,
                        enum_name(kReferences[0]), enum_name(kReferences[1]), fmt::join(names, ", ")),
            ErrorKind::kUsage);
    arm_ = side(options.arm, found->details.request);
  }

  FidelityPlan plan() {
    FidelityPlan out;
    for (const PlannedCase& planned : plan_) {
      const std::string& name = planned.details.name;
      try {
        if (const std::string why_not = add(planned, out); !why_not.empty())
          out.notes.push_back(fmt::format("{}: fidelity is not measured: {}", name, why_not));
      } catch (const Error& problem) {
        throw Error(problem.kind(),
                    fmt::format("case {}, {} {}: {}", name, flags::kFidelity, options_.arm, problem.what()));
      }
    }
    require(!out.cases.empty(),
            fmt::format("{} {}: no case can be set against it\n{}", flags::kFidelity, options_.arm,
                        fmt::join(out.notes, "\n")),
            ErrorKind::kUsage);
    return out;
  }

 private:
  /// Returns why the case cannot be judged; empty: it can.
  std::string add(const PlannedCase& planned, FidelityPlan& out) const {
    const std::string& name = planned.details.name;
    const Request& request = planned.details.request;
    const Side reference = arm_ ? *arm_ : side(options_.arm, all_computed(in_precision(request, *precision_)));
    FidelityTask task;
    if (options_.command.empty()) {
      const Side test = side(name, request);
      if (name == options_.arm || (precision_ && is_same_work(reference, test))) return "it is the reference itself";
      if (const std::string other = difference_of(reference, test); !other.empty()) return other;
      task.pair = pair_of(reference, test);
      task.bound = bound_of(reference, test);
    } else {
      task.pair.reference = reference.setting;
      task.pair.test.name = name;
    }
    task.stills_from = options_.output;
    task.folder = options_.output / "fidelity" /
                  fmt::format("{}.{}.{}", file_word(name), file_word(options_.arm), planned.key.substr(0, 8));
    add_floor(task, reference);
    task.reference_key = key_of(planned, task);
    out.cases.push_back({&planned, std::move(task)});
    return "";
  }

  /// Whether both compute the same on the same device, however they hold their weights.
  static bool is_same_work(const Side& a, const Side& b) {
    return request_json_of_work(a.setting.request) == request_json_of_work(b.setting.request) &&
           a.decisions.computed == b.decisions.computed;
  }

  static std::string request_json_of_work(const Request& request) {
    return request_json(in_precision(request, Precision::kF32));
  }

  /// What the class promises holds against fp32, and of a class below rounding against that too.
  std::optional<double> bound_of(const Side& reference, const Side& test) const {
    if (!precision_) return std::nullopt;  // other steps, LoRAs or weights may be what differs
    const PrecisionClass of_reference = reference.setting.precision_class, of_test = test.setting.precision_class;
    const bool is_drift = of_test == PrecisionClass::kDrift;
    if (of_reference == PrecisionClass::kExact || (of_reference == PrecisionClass::kRounding && is_drift))
      return velocity_bound(of_test);
    return std::nullopt;
  }

  void add_floor(FidelityTask& task, const Side& reference) const {
    const Request& request = reference.setting.request;
    if (options_.floor == NoiseFloor::kNo) {
      task.why_no_floor = "not_asked_for";
      return;
    }
    if (!request.device.starts_with("cuda")) {
      task.why_no_floor = "a_cpu_computes_in_fp32";
      return;
    }
    const Side bf16 = reference.setting.precision_class == PrecisionClass::kRounding
                          ? reference
                          : side("bf16", all_computed(in_precision(request, Precision::kBF16)));
    const Side fp32 = side("fp32", all_computed(in_precision(request, Precision::kF32)));
    const bool is_the_pair_itself =
        reference.setting.precision_class == PrecisionClass::kExact && is_same_work(bf16, test_side(task));
    if (!is_the_pair_itself) task.floor.push_back(pair_of(fp32, bf16));
    Side other = bf16;
    other.setting.name += ", no kernel table";
    other.setting.request.tuning_table = empty_table(task);
    task.floor.push_back(pair_of(bf16, other));
  }

  static Side test_side(const FidelityTask& task) {
    const Setting& test = task.pair.test;
    return test.request.device.empty() ? Side{} : side(test.name, test.request);
  }

  /// Of all that the task asks for, wherever its files go.
  static std::string key_of(const PlannedCase& planned, FidelityTask task) {
    const std::string table = empty_table(task).string();
    for (SettingPair& pair : task.floor)
      if (pair.test.request.tuning_table == table) pair.test.request.tuning_table = "none";
    task.folder.clear();
    task.stills_from.clear();
    return sha256_hex(planned.key + "\n" + to_json(task)).substr(0, 32);
  }

  const std::vector<PlannedCase>& plan_;
  const FidelityOptions& options_;
  std::optional<Precision> precision_;
  std::optional<Side> arm_;
};

}  // namespace

FidelityPlan plan_fidelity(const std::vector<PlannedCase>& plan, const FidelityOptions& options) {
  return Planner(plan, options).plan();
}

}  // namespace wan::suite
