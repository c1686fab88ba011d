// What the process that runs a case does: generate, and tell the watching process through the pipe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "pipeline/request.h"
#include "pipeline/stop.h"

namespace wan::suite {

/// kYes: the sums of all, and each kernel of one steady step; kAll: each of all.
enum class WatchKernels { kNo, kYes, kAll };
enum class SampleCounters { kNo, kYes };  // hardware counters, by CUPTI in this process

struct EngineProcess {
  int pipe_descriptor = -1;
  int64_t start_ns = 0;        // CLOCK_MONOTONIC at which Model_Initialization begins
  int64_t videos = 1;          // made one after another by one engine: from the second on they are warm
  int warm_up_steps = 0;       // of the first where it has more; 0: as many as the others
  std::string request;         // as request_json writes it
  std::string fidelity;        // instead of it, a FidelityTask as JSON; empty: none
  std::filesystem::path keep;  // where the last video's frames and last latent stay: a path without ending; empty: they
                               // do not
  std::map<std::string, std::string> environment;  // variables that the engine and its libraries read, where set
  WatchKernels kernels = WatchKernels::kNo;
  SampleCounters counters = SampleCounters::kNo;
  // To find out what watching costs: it is on only in the blocks of this many steps for which `is_watched` holds.
  int64_t steps_in_block = 0;  // 0: always on
  bool (*is_watched)(int64_t block) = nullptr;
  const StopSource* stop = nullptr;  // ends the videos early; none: nobody can
};

/// What an error's kind is called on the pipe and in documents: "usage", "out_of_memory"; "runtime" where nothing else
/// is known.
const char* word_of(ErrorKind kind);

class PipeObserver;

/// CallOptions::on_stuck of a process that reports down `pipe`, which must outlive it: what ended the request is told,
/// its unfinished files are removed, and the process ends without the rank that does not.
std::function<void(const Error&)> leave_when_stuck(PipeObserver& pipe);

/// The video before those that count, in `steps` steps: behind it all is loaded and warm as well, both experts where
/// there are two. As it is where it has no more, and where a recipe decides its steps.
Request warm_up(Request request, int steps);

/// Runs to the end and reports errors through the pipe as well; never throws what the engine throws. After success the
/// models are left for the kernel to free with the process, which ends next: taking them apart would only add to the
/// total.
/// The process dies with its parent, so that a killed suite leaves no orphan behind.
ExitCode run_engine_process(const EngineProcess& process);

}  // namespace wan::suite
