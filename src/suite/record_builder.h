// From a watched process to the records of its videos.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "measure/validity.h"
#include "results/overhead.h"
#include "results/record.h"
#include "suite/classify.h"
#include "suite/fidelity_task.h"
#include "suite/plan.h"
#include "suite/watch.h"

namespace wan::suite {

/// A test, its reference and the replay of it; of each pair of the noise floor likewise.
inline constexpr int64_t kMostFidelityVideos = 9;

/// What one start of the engine is to make.
struct Job {
  const PlannedCase* planned = nullptr;
  RunScope scope = RunScope::kCold;
  int64_t first_repeat = 0;
  int64_t videos = 1;                      // that count; a warm process makes one more before them
  bool warmup = false;                     // nothing of it counts
  bool traced = false;                     // its kernels are watched, so its times do not count
  const FidelityTask* fidelity = nullptr;  // what is to be found out of it; its times do not count then either
  /// Videos of the process, those that do not count included. Of fidelity, the most that it may make.
  int64_t process_videos() const {
    if (fidelity != nullptr) return kMostFidelityVideos;
    return scope == RunScope::kWarm ? videos + 1 : 1;
  }
};

/// What is the same for all records of a suite's run.
struct RunContext {
  std::string suite, suite_version;
  EngineProtocol protocol = EngineProtocol::kNative;
  SystemInfo system;  // without the GPUs of the case
  std::filesystem::path output;
  std::string program_sha256;                // of this program's files
  std::map<std::string, std::string> facts;  // how runs are repeated; kept among the engine's facts
  std::optional<OverheadResult> overhead;    // what watching was found to cost here
};

/// What was done to the machine before a run.
struct Preparation {
  PageCache page_cache = PageCache::kUnknown;
  std::map<std::string, std::string> facts;  // kept among the engine's facts
};

struct JobFacts {
  const Job& job;
  const RunContext& context;
  const Watched& watched;
  Ending ending;
  std::string created_utc;
  SpawnOptions spawn;         // as it was started
  std::string marker_source;  // engine, shim, nvtx, log, total
  const measure::IdleProbe& probe;
  const Preparation& preparation;
  measure::Gpu* gpu = nullptr;
  std::vector<std::filesystem::path> videos;  // where each video of the process goes; empty paths: none
};

/// The flag of a run whose kernels were watched.
inline constexpr const char* kTracedFlag = "traced";
/// The flag of a run that was made to be compared.
inline constexpr const char* kFidelityFlag = "fidelity";

/// This program. `program_sha256`: of its file.
ToolInfo describe_tool(const std::string& program_sha256);

/// One record for each video that counts: the complete ones, the one the process ended in when it was not ok, and those
/// it did not come to, without times.
std::vector<RunRecord> build_records(const JobFacts& facts);

/// The record of what was found out of another program's video, which `made` is the run of: that run without its times.
RunRecord judged_run(const RunRecord& made, const JobFacts& facts);

}  // namespace wan::suite
