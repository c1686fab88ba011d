// Ctrl-C and SIGTERM: the first asks the engine to stop at its next safe point, the second ends the process at once.
#pragma once

namespace wan::cli {

/// From now on SIGINT and SIGTERM stop the engine. Called before any other thread exists: threads inherit that the
/// signals are blocked.
void stop_on_signals();

/// The signal that asked to stop, or 0.
int received_signal();

}  // namespace wan::cli
