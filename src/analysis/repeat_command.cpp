#include "analysis/repeat_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/workload_diff.h"
#include "base/flags.h"
#include "base/memory_size.h"
#include "base/subprocess.h"
#include "results/ablation.h"

namespace wan {
namespace {

/// What the case was set against at last, as `run` takes it; a case must be of the run, too. Empty: nothing.
std::string fidelity_flags(const RunGroup& group) {
  if (group.judged.empty()) return "";
  const std::string& arm = group.judged.back()->fidelity->comparison.reference;
  const bool is_precision = arm == "fp32" || arm == "bf16";
  return fmt::format("{} {} {}", is_precision ? "" : fmt::format(" {} {}", flags::kCase, shell_quoted(arm)),
                     flags::kFidelity, shell_quoted(arm));
}

/// How an arm of an ablation is made again, beside its default.
std::string ablate_words(const RunRecord& run) {
  const auto fact = [&](const char* name) {
    const auto found = run.engine.facts.find(name);
    return found == run.engine.facts.end() ? std::string() : found->second;
  };
  const std::string& arm = run.run_case.name;
  return fmt::format("wanbench ablate {} {} {}{}", shell_quoted(fact(kAblatedCaseFact)), flags::kSuite,
                     shell_quoted("suites/" + fact(kAblatedSuiteFact) + ".json"),
                     arm == kDefaultArm ? "" : " --levers " + shell_quoted(arm));
}

}  // namespace

std::string repeat_command(const CaseSummary& summary) {
  const RunRecord& run = *summary.example;
  if (run.engine.kind != EngineKind::kNative || run.run_case.suite.empty()) return {};
  const Workload& work = run.workload;
  const bool random = std::any_of(work.weights.begin(), work.weights.end(),
                                  [](const WeightsFile& file) { return file.digest_kind == "random"; });
  int64_t repeats = 0, warmups = 0;
  bool traced = false;
  for (const RunRecord* made : summary.group.runs) {
    if (made->run_case.warmup)
      ++warmups;
    else if (!made->kernels && !made->fidelity)
      ++repeats;
    traced = traced || made->kernels;
  }
  const bool is_arm = run.engine.facts.contains(kAblatedCaseFact);
  std::string out = is_arm ? ablate_words(run)
                           : fmt::format("wanbench run {} {} {} {}", flags::kSuite,
                                         shell_quoted("suites/" + run.run_case.suite + ".json"), flags::kCase,
                                         shell_quoted(run.run_case.name));
  const auto add = [&out](const char* flag, const auto& value) { out += fmt::format(" {} {}", flag, value); };
  if (random)
    add(flags::kWeights, flags::kRandomWeights);
  else
    add(flags::kCheckpoint, "CHECKPOINT");
  if (random && !work.model.empty()) add(flags::kModel, shell_quoted(work.model));
  if (!run.engine.device.empty())
    add(flags::kDevice, shell_quoted(run.engine.device.substr(0, run.engine.device.find(':'))));
  if (run.execution.has() && run.execution.value->ranks > 1) {
    add(flags::kGpus, run.execution.value->ranks);
    add(flags::kParallel, run.execution.value->parallel);
  }
  if (const auto dit = work.dtypes.find("dit"); dit != work.dtypes.end()) add(flags::kPrecision, dit->second);
  if (run.execution.has() && run.execution.value->gpu_memory_limit_bytes)
    add(flags::kGpuMemoryLimit, MemorySize{*run.execution.value->gpu_memory_limit_bytes}.text());
  if (is_arm) {
    add(flags::kRepeats, repeats);
    if (output_kind(run) == "none") out += fmt::format(" {}", flags::kNoVideo);
    add(flags::kOutput, "NEW_FOLDER");
    return out;
  }
  add(flags::kRepeats, work.scope == RunScope::kWarm ? 0 : repeats);
  if (work.scope == RunScope::kWarm) {
    add(flags::kWarmRepeats, repeats);
    if (const auto steps = run.engine.facts.find(flags::kWarmUpStepsFact); steps != run.engine.facts.end())
      add(flags::kWarmUpSteps, shell_quoted(steps->second));
  } else {
    add(flags::kWarmups, warmups);
  }
  if (work.page_cache == PageCache::kEvicted) add(flags::kPageCache, flags::kEvictPageCache);
  if (work.page_cache == PageCache::kHot) add(flags::kPageCache, flags::kHotPageCache);
  if (traced) out += fmt::format(" {}", flags::kTraceKernels);
  out += fidelity_flags(summary.group);
  if (output_kind(run) == "none") out += fmt::format(" {}", flags::kNoVideo);
  add(flags::kOutput, "NEW_FOLDER");
  return out;
}

}  // namespace wan
