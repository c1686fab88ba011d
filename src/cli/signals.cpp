#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "base/output_file.h"
#include "suite/signal_watch.h"

namespace wan::cli {
namespace {

// Signals come to the process, not to an object: what they say is kept here.
std::atomic<int> first_signal{0};
StopSource stop;
std::mutex words_mutex;
std::function<void(ExitCode)> words;

/// The process's end from this thread, whatever the others do.
[[noreturn]] void leave(ExitCode code) {
  remove_unfinished_files();
  const std::lock_guard lock(words_mutex);
  try {
    if (words) words(code);
  } catch (const Error&) {
    // Nobody takes them.
  }
  _exit(static_cast<int>(code));
}

/// To standard error past all buffers and locks: whoever holds those may be what is to be stopped. Not where nobody
/// reads it.
void tell(const char* text) {
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
  const std::string line = fmt::format("{}{}\n", isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "", text);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

/// The next of `signals`, or 0 when `patience` is over first.
int wait_for(const sigset_t& signals, const std::optional<std::chrono::milliseconds>& patience) {
  constexpr int64_t kMsPerSecond = 1000, kNsPerMs = 1'000'000;
  for (;;) {
    int signal = 0;
    if (patience) {
      const timespec limit{patience->count() / kMsPerSecond, patience->count() % kMsPerSecond * kNsPerMs};
      signal = sigtimedwait(&signals, nullptr, &limit);
      if (signal < 0 && errno == EAGAIN) return 0;
    } else if (sigwait(&signals, &signal) != 0) {
      continue;
    }
    if (signal > 0) return signal;
  }
}

void watch(const sigset_t& signals, const StopManner& manner) {
  const int first = wait_for(signals, std::nullopt);
  first_signal = first;
  stop.request_stop();
  if (manner.tells) tell(suite::kStopping);
  const int second = wait_for(signals, manner.patience);
  if (second == 0 && manner.tells) tell("interrupted in the middle of its work; no unfinished file is left");
  leave(static_cast<ExitCode>(128 + (second == 0 ? first : second)));
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
  return subcommand == "run" || subcommand == "ablate" || subcommand == "case" || subcommand == "generate" ||
         subcommand == "repeat" || subcommand == "selftest" || subcommand == "serve" || subcommand == "load";
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

const StopSource& stop_on_signals(const StopManner& manner) {
  // A thread of its own takes the signals and every other has them blocked: the matrix kernels oneDNN makes at run time
  // keep data where a handler's stack frame would go, so a handler on a computing thread destroys it.
  hold_signals();
  std::thread([manner] { watch(answered(), manner); }).detach();
  return stop;
}

void on_leaving(std::function<void(ExitCode)> last_words) {
  const std::lock_guard lock(words_mutex);
  words = std::move(last_words);
}

void leave_now(const std::string& why) {
  tell(why.c_str());
  leave(ExitCode::kFailure);
}

int received_signal() { return first_signal; }

}  // namespace wan::cli
