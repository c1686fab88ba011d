// One video of our own engine, watched in turns, to find out what watching costs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "measure/gpu.h"
#include "pipeline/request.h"
#include "suite/classify.h"
#include "suite/watch.h"

namespace wan::suite {

struct OverheadOptions {
  Request request;                  // with its steps; nothing of it is written
  std::vector<std::string> engine;  // argv of our own engine process
  int64_t steps_in_block = 0;
  measure::CounterRung counters = measure::kTimedRung;
};

struct OverheadRun {
  Watched watched;
  Ending ending;
  /// Loading and computing of each step, in seconds, in order.
  std::vector<double> step_s;
};

/// All blocks in one process and one video: the two sides then share clocks, temperature, memory and weights, and only
/// seconds lie between them. `gpu` may be nullptr, then `gpu_reason` says why. `step_begins` is told of each step.
OverheadRun run_in_turns(const OverheadOptions& options, measure::Gpu* gpu, const std::string& gpu_reason,
                         const std::function<void(int step, int steps)>& step_begins);

}  // namespace wan::suite
