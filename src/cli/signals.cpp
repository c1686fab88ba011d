#include "cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include "pipeline/request.h"

namespace wan::cli {
namespace {

volatile sig_atomic_t first_signal = 0;  // handlers can reach nothing else

void handle(int signal) {
  if (first_signal != 0) _exit(128 + signal);
  first_signal = signal;
  request_interrupt();
}

}  // namespace

void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = handle;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int received_signal() { return first_signal; }

}  // namespace wan::cli
