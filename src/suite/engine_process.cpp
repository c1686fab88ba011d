#include "suite/engine_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>

#include "base/output_file.h"
#include "measure/proc.h"
#include "pipeline/engine.h"
#include "pipeline/request_json.h"
#include "suite/counter_stream.h"
#include "suite/fidelity_process.h"
#include "suite/fidelity_task.h"
#include "suite/frame_file.h"
#include "suite/kernel_stages.h"
#include "suite/monitor_toggle.h"
#include "suite/pipe_observer.h"

namespace wan::suite {
namespace {

void generate_all(const EngineProcess& process, PipeObserver& observer) {
  Request request = request_from_json(process.request);
  std::unique_ptr<FrameFile> frames;
  if (!process.keep.empty()) {
    std::filesystem::create_directories(process.keep.parent_path());
    frames = std::make_unique<FrameFile>(kept_frames(process.keep.parent_path(), process.keep.filename()));
    request.dump = kept_latent(process.keep.parent_path(), process.keep.filename());
    request.dump_level = DumpLevel::kLatent;
  }
  // Before the engine's first CUDA call.
  const auto kernels =
      process.kernels == WatchKernels::kNo
          ? nullptr
          : std::make_unique<KernelStages>(
                observer, process.kernels == WatchKernels::kAll ? KeepEvents::kAll : KeepEvents::kSteadyStep);
  Observer& watcher = kernels ? static_cast<Observer&>(*kernels) : observer;
  const auto counters =
      process.counters == SampleCounters::kYes ? std::make_unique<CounterStream>(observer, request.device) : nullptr;
  auto engine = std::make_unique<Engine>();
  for (int64_t i = 0; i < process.videos; ++i) {
    int64_t start_ns = process.start_ns;
    if (i > 0) {
      const NextVideo next{static_cast<int>(i), measure::read_own_and_reset_peak()};
      start_ns = next.own.at_ns;
      observer.send(next);
    }
    CallOptions call{&watcher, process.stop, start_ns};
    if (frames) call.consumers = {frames.get()};
    call.on_stuck = leave_when_stuck(observer);
    const bool shortened = i == 0 && process.warm_up_steps > 0;
    const Outcome outcome = engine->generate(shortened ? warm_up(request, process.warm_up_steps) : request, call);
    if (kernels) {
      KernelTrace trace = kernels->take();
      observer.send(Kernels{std::move(trace), kernels->take_events()});
    }
    if (frames) frames->keep();
    observer.send_finished(outcome);
  }
  engine.release();
}

/// One video, watched in turns.
void generate_in_turns(const EngineProcess& process, PipeObserver& pipe) {
  const Request request = request_from_json(process.request);
  const bool counting = process.counters == SampleCounters::kYes;
  MonitorToggle toggle(pipe, process.steps_in_block, process.is_watched, counting ? request.device : "");
  auto engine = std::make_unique<Engine>();
  const Outcome outcome =
      engine->generate(request, {&toggle, process.stop, process.start_ns, {}, nullptr, leave_when_stuck(pipe)});
  toggle.finish();
  pipe.send_finished(outcome);
  engine.release();
}

}  // namespace

const char* word_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage: return "usage";
    case ErrorKind::kInput: return "input";
    case ErrorKind::kOutOfMemory: return "out_of_memory";
    case ErrorKind::kInterrupted: return "interrupted";
    case ErrorKind::kRuntime:
    case ErrorKind::kNotComparable: return "runtime";
  }
  return "runtime";
}

std::function<void(const Error&)> leave_when_stuck(PipeObserver& pipe) {
  return [&pipe](const Error& problem) {
    pipe.send(Failure{word_of(problem.kind()), problem.what(), {}, {}, {}, {}});
    remove_unfinished_files();
    _exit(static_cast<int>(exit_code(problem.kind())));
  };
}

Request warm_up(Request request, int steps) {
  if (!request.recipe.empty() || (request.steps > 0 && request.steps <= steps)) return request;
  request.steps = steps;
  if (request.split_step) request.split_step = std::min(*request.split_step, steps - 1);
  return request;
}

ExitCode run_engine_process(const EngineProcess& process) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);  // a watching process that has gone is an error to report, not a silent end
  PipeObserver observer(process.pipe_descriptor, process.environment);
  try {
    if (process.steps_in_block > 0)
      generate_in_turns(process, observer);
    else if (!process.fidelity.empty())
      measure_fidelity(process, observer);
    else
      generate_all(process, observer);
    return ExitCode::kSuccess;
  } catch (const OutOfMemory& problem) {
    observer.send(Failure{"out_of_memory", problem.what(), problem.what_for(), problem.advice(),
                          problem.requested_bytes(), problem.free_bytes()});
    return ExitCode::kFailure;
  } catch (const Error& problem) {
    observer.send(Failure{word_of(problem.kind()), problem.what(), {}, {}, {}, {}});
    return exit_code(problem.kind());
  } catch (const std::bad_alloc&) {
    observer.send(Failure{"out_of_memory", "host memory ran out (std::bad_alloc)", "host memory", {}, {}, {}});
    return ExitCode::kFailure;
  }
}

}  // namespace wan::suite
