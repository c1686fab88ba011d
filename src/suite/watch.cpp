#include "suite/watch.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"

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
    note_left_out(channel_.left_out());
    if (videos_too_many_ > 0) note_left_out(fmt::format("{} videos more than were asked for", videos_too_many_));
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

  void note_left_out(const std::string& what) {
    if (!what.empty()) seen_.left_out += (seen_.left_out.empty() ? "" : "; ") + what;
  }

  void read_channel() {
    if (!child_.channel().open()) return;
    std::string fresh;
    if (!read_available(child_.channel(), fresh)) child_.channel().reset();
    for (const std::string& line : channel_.take(fresh)) {
      try {
        const Message message = decode(line);
        keep(message);
        listener_.on_message(message);
      } catch (const Error& failure) {
        if (seen_.broken_line.empty()) seen_.broken_line = failure.what();
      }
    }
  }

  void keep(const Message& message) {
    if (const auto* next = std::get_if<NextVideo>(&message)) {
      if (seen_.videos.size() >= options_.most_videos) {
        ++videos_too_many_;
        return;
      }
      seen_.videos.emplace_back();
      seen_.videos.back().next = *next;
    }
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
    VideoLog& video = seen_.videos.back();
    if (const auto* begin = std::get_if<Begin>(&message)) video.begins.push_back(*begin);
    if (const auto* span = std::get_if<StageSpan>(&message)) video.spans.push_back(*span);
    if (const auto* range = std::get_if<Range>(&message)) video.ranges.push_back(*range);
    if (const auto* memory = std::get_if<Memory>(&message)) video.memory.push_back(*memory);
    if (const auto* decided = std::get_if<Decided>(&message)) video.decided = *decided;
    if (const auto* clock = std::get_if<ClockTied>(&message)) video.clock = *clock;
    if (const auto* fact = std::get_if<Fact>(&message)) keep(video, *fact);
    if (const auto* kernels = std::get_if<Kernels>(&message)) video.kernels = *kernels;
    if (const auto* finished = std::get_if<Finished>(&message)) video.finished = *finished;
    if (const auto* failure = std::get_if<Failure>(&message)) seen_.failure = *failure;
  }

  /// The two keys with a meaning become fields here; the rest is for people.
  static void keep(VideoLog& video, const Fact& fact) {
    constexpr std::string_view kVersion = "version.";
    if (fact.key.starts_with(kVersion))
      video.versions[fact.key.substr(kVersion.size())] = fact.value;
    else if (fact.key == "shim_clock")
      video.shim_clock = fact.value == "cuda_event" ? "cuda_event" : "host";
    else
      video.facts[fact.key] = fact.value;
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
  BoundedLines channel_{options_.pipe};
  size_t videos_too_many_ = 0;
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
