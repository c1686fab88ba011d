// Ctrl-C and SIGTERM: the first asks the engine to stop at its next safe point, the second ends the process at once.
#pragma once

namespace wan::cli {

/// Installs the handlers for SIGINT and SIGTERM.
void stop_on_signals();

/// The signal that asked to stop, or 0.
int received_signal();

}  // namespace wan::cli
