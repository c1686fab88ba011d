// Ctrl-C and SIGTERM: the first asks the engine to stop at its next safe point; a second one, or a safe point that is
// too far away, ends the process at once. Neither leaves a file.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/subprocess.h"
#include "pipeline/stop.h"

namespace wan::cli {

/// Whether this subcommand answers signals itself.
bool answers_signals(std::string_view subcommand);

/// From here on SIGINT and SIGTERM wait until somebody takes them. First of all in main, before there is another
/// thread: a signal in the first moments is then answered like any other.
void hold_signals();

/// While it lives, a held signal ends the process at once with a line that says `message` and the exit code 128 + its
/// number; one that comes later waits again. For work that leaves nothing half done behind.
class EndOnSignal {
 public:
  /// Throws Error(kRuntime) when the machine refuses.
  explicit EndOnSignal(std::string message);
  ~EndOnSignal();
  EndOnSignal(const EndOnSignal&) = delete;
  EndOnSignal& operator=(const EndOnSignal&) = delete;

 private:
  void watch() const;
  std::string message_;
  Descriptor signals_, over_;
  std::thread thread_;
};

/// How a signal is answered.
struct StopManner {
  bool tells = true;  // says at once, on standard error, that it was heard
  /// From the first signal until the process is ended, its unfinished files removed; none: it is waited for. A
  /// process of two 14 B models on 32 cores took up to 2.9 s more to end (docs/results/stop-h200.txt).
  std::optional<std::chrono::milliseconds> patience = std::chrono::milliseconds(1500);
};

/// From now on SIGINT and SIGTERM stop the requests that are given the result, which lives as long as the process.
/// Called before any other thread exists: threads inherit that the signals are blocked.
const StopSource& stop_on_signals(const StopManner& manner = {});

/// Says why on standard error and ends the process at once, its unfinished files removed: where a thread can neither be
/// ended nor waited for.
[[noreturn]] void leave_now(const std::string& why);

/// What is still said before a signal or leave_now ends the process in the middle of its work; called once, from a
/// thread of its own, with the process's exit code. Empty: nothing. Once this has returned no earlier one is under way.
void on_leaving(std::function<void(ExitCode)> last_words);

/// The signal that asked to stop, or 0.
int received_signal();

}  // namespace wan::cli
