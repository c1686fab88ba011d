// What the process that finds out a setting's fidelity does: it makes the videos, sets them against one another, and
// tells the watching process through the pipe.
#pragma once

#include "suite/engine_process.h"
#include "suite/fidelity_task.h"
#include "suite/pipe_observer.h"

namespace wan::suite {

/// A difference is shown this many times as large, no brighter than white.
inline constexpr int kDifferenceGain = 4;

/// Makes the test's video first, which the record is of, then those it is compared with; a setting that stands in two
/// pairs is made once. Frames are compared as they were computed. Leaves the stills in the task's folder, and nothing
/// else. Throws what the engine and the comparisons throw.
void measure_fidelity(const EngineProcess& process, PipeObserver& pipe);

}  // namespace wan::suite
