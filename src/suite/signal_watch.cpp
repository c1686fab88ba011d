#include "suite/signal_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

namespace wan::suite {

SignalWatch::SignalWatch() {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGINT);
  sigaddset(&watched, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &watched, &before_);
  descriptor_ = Descriptor(::signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!descriptor_.open()) throw Error("cannot watch for signals: signalfd failed");
}

SignalWatch::~SignalWatch() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

bool SignalWatch::waiting() const {
  pollfd state{descriptor_.get(), POLLIN, 0};
  return ::poll(&state, 1, 0) == 1;
}

int SignalWatch::take() {
  signalfd_siginfo info{};
  const ssize_t count = ::read(descriptor_.get(), &info, sizeof info);
  return count == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace wan::suite
