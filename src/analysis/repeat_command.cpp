#include "analysis/repeat_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/workload_diff.h"
#include "base/subprocess.h"

namespace wan {
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
    else if (!made->kernels)
      ++repeats;
    traced = traced || made->kernels;
  }
  std::string out =
      fmt::format("wanbench run --suite {} --case {} {}", shell_quoted("suites/" + run.run_case.suite + ".json"),
                  shell_quoted(run.run_case.name), random ? "--weights random" : "--checkpoint CHECKPOINT");
  if (!run.engine.device.empty())
    out += " --device " + shell_quoted(run.engine.device.substr(0, run.engine.device.find(':')));
  if (const auto dit = work.dtypes.find("dit");
      dit != work.dtypes.end() && (dit->second == "bf16" || dit->second == "fp32"))
    out += " --precision " + dit->second;
  if (work.scope == RunScope::kWarm)
    out += fmt::format(" --repeats 0 --warm-repeats {}", repeats);
  else
    out += fmt::format(" --repeats {} --warmups {}", repeats, warmups);
  if (work.page_cache == PageCache::kEvicted) out += " --page-cache evict";
  if (work.page_cache == PageCache::kHot) out += " --page-cache hot";
  if (traced) out += " --trace-kernels";
  if (output_kind(run) == "none") out += " --no-video";
  return out + " --output NEW_FOLDER";
}

}  // namespace wan
