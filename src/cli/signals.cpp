#include "cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace wan::cli {
namespace {

// Signals come to the process, not to an object: what they say is kept here.
std::atomic<int> first_signal{0};
StopSource stop;

void watch(sigset_t signals) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (first_signal != 0) _exit(128 + signal);
    first_signal = signal;
    stop.request_stop();
  }
}

}  // namespace

const StopSource& stop_on_signals() {
  // A thread of its own takes the signals and every other has them blocked: the matrix kernels oneDNN makes at run time
  // keep data where a handler's stack frame would go, so a handler on a computing thread destroys it.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(watch, signals).detach();
  return stop;
}

int received_signal() { return first_signal; }

}  // namespace wan::cli
