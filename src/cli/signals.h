// Ctrl-C and SIGTERM: the first asks the engine to stop at its next safe point, the second ends the process at once.
#pragma once

#include "pipeline/stop.h"

namespace wan::cli {

/// From now on SIGINT and SIGTERM stop the requests that are given the result, which lives as long as the process.
/// Called before any other thread exists: threads inherit that the signals are blocked.
const StopSource& stop_on_signals();

/// The signal that asked to stop, or 0.
int received_signal();

}  // namespace wan::cli
