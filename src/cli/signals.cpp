#include "cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "pipeline/request.h"

namespace wan::cli {
namespace {

std::atomic<int> first_signal{0};

void watch(sigset_t signals) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (first_signal != 0) _exit(128 + signal);
    first_signal = signal;
    request_interrupt();
  }
}

}  // namespace

void stop_on_signals() {
  // A thread of its own takes the signals and every other has them blocked: the matrix kernels oneDNN makes at run time
  // keep data where a handler's stack frame would go, so a handler on a computing thread destroys it.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(watch, signals).detach();
}

int received_signal() { return first_signal; }

}  // namespace wan::cli
