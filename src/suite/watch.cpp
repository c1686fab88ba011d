#include "suite/watch.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>

#include "suite/pipe_log.h"

namespace wan::suite {
namespace {

constexpr size_t kTailBytes = 16384;
constexpr int64_t kNsPerMs = 1'000'000;

int64_t nanoseconds(Seconds seconds) { return static_cast<int64_t>(seconds.value * 1e9); }

SpawnOptions told_the_start(const WatchOptions& options, int64_t& begin_ns) {
  SpawnOptions spawn = options.spawn;
  if (options.start_option.empty()) return spawn;
  begin_ns = monotonic_ns();
  spawn.argv.push_back(options.start_option);
  spawn.argv.push_back(std::to_string(begin_ns));
  return spawn;
}

class Watcher {
 public:
  Watcher(const WatchOptions& options, measure::Gpu* gpu, const std::string& gpu_reason, Listener& listener)
      : options_(options),
        listener_(listener),
        sampler_(gpu, gpu_reason, options.counters),  // may take its time; only then does the total begin
        child_(told_the_start(options, seen_.total.begin_ns)) {
    if (options_.start_option.empty()) seen_.total.begin_ns = child_.start_ns();
    if (options_.timeout.value > 0) deadline_ns_ = child_.start_ns() + nanoseconds(options_.timeout);
  }

  Watched run() {
    while (!ended()) {
      wait_for_something();
      if (ended()) break;
      read_pipes();
      take_signal();
      const int64_t now_ns = monotonic_ns();
      if (reading_ && now_ns >= sampler_.due_ns()) {
        sampler_.sample(child_.pid());
        listener_.on_tick(sampler_.samples());
      }
      enforce_limits(now_ns);
    }
    read_pipes();
    log_.finish();
    seen_.stderr_tail = tail_.text();
    seen_.samples = sampler_.take();
    return std::move(seen_);
  }

 private:
  bool ended() {
    if (ended_) return true;
    const auto state = child_.poll();
    if (!state) return false;
    seen_.total.end_ns = state->end_ns;
    seen_.exit = *state;
    return ended_ = true;
  }

  void wait_for_something() {
    std::array<pollfd, 5> waits{{{child_.exit_descriptor(), POLLIN, 0},
                                 {child_.channel().get(), POLLIN, 0},
                                 {child_.out().get(), POLLIN, 0},
                                 {child_.err().get(), POLLIN, 0},
                                 {options_.signals != nullptr ? options_.signals->descriptor() : -1, POLLIN, 0}}};
    const int64_t now_ns = monotonic_ns();
    constexpr int64_t kLongNs = 1'000'000'000;
    int64_t wake_ns = reading_ ? sampler_.due_ns() : now_ns + kLongNs;
    if (deadline_ns_ > 0) wake_ns = std::min(wake_ns, deadline_ns_);
    int64_t wait_ms = std::clamp<int64_t>((wake_ns - now_ns + kNsPerMs - 1) / kNsPerMs, 0, 1000);
    // Without pidfd the exit is not an event: look often, so that the total stays exact to a few milliseconds.
    if (child_.exit_descriptor() < 0) wait_ms = std::min<int64_t>(wait_ms, 2);
    ::poll(waits.data(), waits.size(), static_cast<int>(wait_ms));
  }

  void read_pipes() {
    read_channel();
    read_output(child_.out(), out_text_, false);
    read_output(child_.err(), err_text_, true);
  }

  void read_channel() {
    if (!child_.channel().open()) return;
    std::string fresh;
    if (!read_available(child_.channel(), fresh)) child_.channel().reset();
    log_.take(fresh, [this](const Message& message) {
      read_as_told(message);
      listener_.on_message(message);
    });
  }

  /// What the process says about its counters, and when to read.
  void read_as_told(const Message& message) {
    if (const auto* state = std::get_if<CounterState>(&message)) {
      if (state->reason.empty())
        sampler_.name_counters(state->names);
      else
        sampler_.refuse_counters(state->reason);
    }
    if (const auto* monitor = std::get_if<Monitor>(&message)) {
      reading_ = monitor->on;
      if (!reading_) sampler_.pause();
    }
    // Of a process that was not asked to count they are from nowhere.
    const bool counts_itself = options_.counters == measure::CounterRung::kCupti;
    if (const auto* counters = std::get_if<Counters>(&message); counters != nullptr && counts_itself)
      sampler_.add_counters(counters->batch);
  }

  void read_output(Descriptor& descriptor, std::string& text, bool is_stderr) {
    if (!descriptor.open()) return;
    std::string fresh;
    if (!read_available(descriptor, fresh)) descriptor.reset();
    if (is_stderr) tail_.append(fresh);
    std::replace(fresh.begin(), fresh.end(), '\r', '\n');
    text += fresh;
    // What is read when the program has ended was said before.
    const int64_t now_ns = ended_ ? seen_.total.end_ns : monotonic_ns();
    for (const std::string& line : take_lines(text))
      if (!line.empty()) listener_.on_output(line, now_ns);
    constexpr size_t kLongestLine = 1 << 20;
    if (text.size() > kLongestLine) text.clear();
  }

  void take_signal() {
    if (options_.signals == nullptr) return;
    const int signal = options_.signals->take();
    if (signal == 0) return;
    if (seen_.stop == StopCause::kInterrupt) {
      seen_.second_signal = true;
      child_.signal_group(SIGKILL);
      return;
    }
    seen_.stop_signal = signal;
    begin_stop(StopCause::kInterrupt);
    listener_.on_interrupt();
  }

  void begin_stop(StopCause cause) {
    seen_.stop = cause;
    child_.signal_group(SIGTERM);
    deadline_ns_ = monotonic_ns() + nanoseconds(options_.grace);
  }

  void enforce_limits(int64_t now_ns) {
    if (deadline_ns_ == 0 || now_ns < deadline_ns_) return;
    if (seen_.stop == StopCause::kNone)
      begin_stop(StopCause::kTimeout);
    else
      child_.signal_group(SIGKILL);
  }

  const WatchOptions& options_;
  Listener& listener_;
  Watched seen_;  // before child_, whose start it notes
  measure::Sampler sampler_;
  Subprocess child_;
  Tail tail_{kTailBytes};
  PipeLog log_{options_.pipe, options_.most_videos, seen_};
  std::string out_text_, err_text_;
  int64_t deadline_ns_ = 0;
  bool ended_ = false;
  bool reading_ = true;
};

}  // namespace

Watched watch(const WatchOptions& options, measure::Gpu* gpu, const std::string& gpu_reason, Listener& listener) {
  return Watcher(options, gpu, gpu_reason, listener).run();
}

}  // namespace wan::suite
