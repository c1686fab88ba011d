// Ctrl-C and SIGTERM as something to read in a loop, while a suite runs.
#pragma once

#include <signal.h>

#include "base/subprocess.h"

namespace wan::suite {

/// What is said at once to who asked for an end.
inline constexpr const char* kStopping = "stopping; a second Ctrl-C ends at once";

/// For its life SIGINT and SIGTERM do not end this process but wait to be taken. Children start with the default.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// Readable while a signal waits.
  int descriptor() const { return descriptor_.get(); }
  /// Whether there is one to take.
  bool waiting() const;
  /// The next waiting signal, or 0.
  int take();

 private:
  sigset_t before_;
  Descriptor descriptor_;
};

}  // namespace wan::suite
