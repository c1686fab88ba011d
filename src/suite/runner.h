// Runs a plan: each run in a process of its own, a record right after each. Native
// engine and external command differ only in who writes the stage marks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "measure/gpu.h"
#include "results/record.h"
#include "suite/engine_process.h"
#include "suite/fidelity_plan.h"
#include "suite/log_stages.h"
#include "suite/plan.h"
#include "suite/record_builder.h"
#include "suite/schedule.h"
#include "suite/watch.h"

namespace wan::suite {

enum class IfStored { kRefuse, kResume };   // what an output folder that is not empty means
enum class OtherBuild { kRefuse, kAllow };  // what a folder begun by another build of this program means
enum class WriteVideo { kNo, kYes };

struct RunOptions {
  std::filesystem::path output;
  IfStored if_stored = IfStored::kRefuse;
  OtherBuild other_build = OtherBuild::kRefuse;
  std::string program_sha256;  // of this program's files
  Repetition repetition;
  /// Where each case's frames and last latent stay until it is judged, below `output`; empty: nowhere.
  std::filesystem::path keep;
  /// Asked before each run that is timed, and told what has been run so far: why its case is left out, which it then is
  /// for good. Empty: it is not. May be unset.
  std::function<std::string(const Job& job, const std::vector<RunRecord>& so_far)> leave_out{};
  std::map<std::string, std::string> facts;  // kept among the engine's facts of every record
  Seconds timeout{0};                        // of one video; 0: none
  Seconds grace{5};
  uint64_t memory_limit_bytes = 0;  // private memory of the child; 0: none
  WriteVideo video = WriteVideo::kYes;
  std::vector<PlannedFidelity> fidelity;     // after all others, what each is to find out; not timed
  WatchKernels kernels = WatchKernels::kNo;  // else: after all others, one more run of each case on a card, not timed
  std::optional<OverheadResult> overhead;    // what watching was found to cost here; quoted in records
  measure::CounterRung counters = measure::kTimedRung;    // first source of the card's hardware counters
  Seconds idle_probe{2};                                  // on a card, before each process
  Seconds cool_down{120};                                 // longest wait for a card, before each process; 0: none
  std::vector<std::string> engine;                        // argv of our own engine process; its options are appended
  std::map<std::string, std::string> engine_environment;  // what its environment has beside ours
  std::vector<std::string> command;                       // an external program instead
  std::vector<LogPattern> patterns;                       // of its log lines
  std::string cuda_visible_devices;                       // as in the environment, to find the card by UUID
  /// Says the command's NVTX ranges. When empty, the reason is kept in the record.
  std::filesystem::path injection_library;
  std::string why_no_injection;
  /// The command's PYTHONPATH, in front of it the folder of the shim that marks the stages of the official program
  /// (src/inject/python). Empty: as in our own environment.
  std::string python_path;
};

/// Shown what goes on. All calls come from the running thread.
class Display {
 public:
  virtual ~Display() = default;
  virtual void run_begins(const PlannedCase& planned, const Job& job, int64_t number, int64_t count) = 0;
  virtual void message(const Message& message) = 0;
  virtual void tick(const measure::Samples& samples) = 0;
  virtual void run_ends(const std::vector<RunRecord>& records) = 0;
  virtual void note(const std::string& text) = 0;
};

struct SuiteOutcome {
  std::vector<RunRecord> records;  // of this call, then those that were already there
  int64_t ok = 0, not_ok = 0, skipped = 0;
  std::map<std::string, std::string> left_out;  // case -> why RunOptions::leave_out had it left out
  int stop_signal = 0;                          // 0: ran to its end
  bool second_signal = false;                   // everything is to end at once
};

/// Creates the output folder with its plan.json, or accepts the one that is there. Throws Error(kUsage) for one with
/// something else in it, one whose plan is another and one that cannot be written.
void claim_folder(const Suite& suite, const std::vector<PlannedCase>& plan, const RunOptions& options);

/// Refuses before any work, with Error(kUsage): an output folder with something in it, one whose plan is another, one
/// that another run holds, one that cannot be written.
SuiteOutcome run_suite(const Suite& suite, const std::vector<PlannedCase>& plan, const RunOptions& options,
                       const measure::GpuSet& gpus, Display& display);

/// Of one engine process.
struct VideoCount {
  int64_t videos = 1;
  int warm_up_steps = 0;  // as EngineProcess::warm_up_steps
};

/// Arguments of our own engine process after `engine`; `kStartOption` with where its first stage begins comes last.
std::vector<std::string> engine_arguments(const Request& request, const VideoCount& count, WatchKernels kernels,
                                          SampleCounters counters);
inline constexpr const char* kStartOption = "--start-ns";

}  // namespace wan::suite
