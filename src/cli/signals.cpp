#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <utility>

#include "base/error.h"
#include "base/log.h"

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

sigset_t answered() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

bool answers_signals(std::string_view subcommand) {
  return subcommand == "run" || subcommand == "case" || subcommand == "generate" || subcommand == "selftest";
}

void hold_signals() {
  const sigset_t signals = answered();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

EndOnSignal::EndOnSignal(std::string message) : message_(std::move(message)) {
  const sigset_t signals = answered();
  signals_ = Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
  over_ = Descriptor(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.open() || !over_.open()) throw Error("cannot watch for signals: signalfd or eventfd failed");
  thread_ = std::thread(&EndOnSignal::watch, this);
}

EndOnSignal::~EndOnSignal() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(over_.get(), &one, sizeof one);
  thread_.join();
}

void EndOnSignal::watch() const {
  std::array<pollfd, 2> waits{{{over_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
  while (::poll(waits.data(), waits.size(), -1) <= 0) {
  }
  if (waits[0].revents != 0) return;
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
  log::warning(message_);
  _exit(128 + static_cast<int>(info.ssi_signo));
}

const StopSource& stop_on_signals() {
  // A thread of its own takes the signals and every other has them blocked: the matrix kernels oneDNN makes at run time
  // keep data where a handler's stack frame would go, so a handler on a computing thread destroys it.
  hold_signals();
  std::thread(watch, answered()).detach();
  return stop;
}

int received_signal() { return first_signal; }

}  // namespace wan::cli
