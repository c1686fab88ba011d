#include "serve/worker_link.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "suite/bounded_lines.h"

namespace wan::serve {
namespace {

constexpr size_t kTailBytes = 4096;
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kHelloMs = 60'000;  // for a program to start on a machine that does much else
constexpr int64_t kOrderMs = 10'000;  // to take an order: it always reads
constexpr suite::PipeLimits kPipe{size_t{1} << 20, 200'000, size_t{64} << 20};

int64_t now_ms() { return monotonic_ns() / kNsPerMs; }

/// Signals that come from outside; others are of the program's own faults.
bool is_from_outside(int signal) {
  return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

std::string end_of(const ExitState& exit) {
  if (exit.signal != 0) return fmt::format("signal {} ({})", exit.signal, ::strsignal(exit.signal));
  return fmt::format("exit code {}", exit.exit_code);
}

}  // namespace

struct WorkerLink::Process {
  Process(const SpawnOptions& spawn, Descriptor to_worker) : orders(std::move(to_worker)), child(spawn) {}

  Descriptor orders;  // the FIFO, for writing
  Subprocess child;
  suite::BoundedLines lines{kPipe};
  Tail words{kTailBytes};
  int64_t last_number = 0;

  /// What was said since.
  std::vector<std::string> read() {
    std::string fresh, spoken;
    if (child.channel().open() && !read_available(child.channel(), fresh)) child.channel().reset();
    for (Descriptor* stream : {&child.out(), &child.err()})
      if (stream->open() && !read_available(*stream, spoken)) stream->reset();
    words.append(spoken);
    return lines.take(fresh);
  }

  /// Until something happens, or `most_ms` are over. `wake` may be -1.
  void wait(int wake, int64_t most_ms) {
    std::array<pollfd, 5> waits{{{child.exit_descriptor(), POLLIN, 0},
                                 {child.channel().get(), POLLIN, 0},
                                 {child.out().get(), POLLIN, 0},
                                 {child.err().get(), POLLIN, 0},
                                 {wake, POLLIN, 0}}};
    ::poll(waits.data(), waits.size(), static_cast<int>(most_ms));
  }

  /// False when it does not take the line.
  bool send(const std::string& line) {
    const int64_t give_up = now_ms() + kOrderMs;
    for (size_t done = 0; done < line.size();) {
      const ssize_t count = ::write(orders.get(), line.data() + done, line.size() - done);
      if (count > 0) {
        done += static_cast<size_t>(count);
        continue;
      }
      if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (now_ms() > give_up || child.poll()) return false;
      pollfd ready{orders.get(), POLLOUT, 0};
      ::poll(&ready, 1, 100);
    }
    return true;
  }
};

/// One order, from its sending to its end.
class WorkerLink::Conversation {
 public:
  Conversation(Process& process, int wake, const std::function<void(const WorkerMessage&)>& on_message,
               const std::function<Wish()>& wish, std::chrono::milliseconds patience)
      : process_(process), wake_(wake), on_message_(on_message), wish_(wish), patience_ms_(patience.count()) {}

  Attempt hold(const MakeOrder& order) {
    number_ = order.number;
    if (!process_.send(encode(WorkerOrder(order)) + "\n")) process_.child.signal_group(SIGKILL);
    for (;;) {
      take_messages();
      if (attempt_.finished || attempt_.failure) break;
      if (const auto exit = process_.child.poll()) {
        take_messages();  // what it said before
        if (!attempt_.finished && !attempt_.failure) ended_early(*exit);
        break;
      }
      heed();
      process_.wait(wake_, 1000);
      uint64_t told = 0;
      [[maybe_unused]] const ssize_t count = ::read(wake_, &told, sizeof told);
    }
    if (attempt_.finished) attempt_.end = Attempt::End::kFinished;
    if (attempt_.failure) attempt_.end = Attempt::End::kFailed;
    return std::move(attempt_);
  }

 private:
  void take_messages() {
    for (const std::string& line : process_.read()) {
      try {
        const WorkerMessage message = decode_message(line);
        if (const auto* said = std::get_if<suite::Message>(&message)) {
          if (const auto* finished = std::get_if<suite::Finished>(said)) attempt_.finished = *finished;
          if (const auto* failure = std::get_if<suite::Failure>(said)) attempt_.failure = *failure;
        }
        on_message_(message);
      } catch (const Error& problem) {
        log::warning(problem.what());
      }
    }
  }

  void ended_early(const ExitState& exit) {
    attempt_.what = end_of(exit);
    attempt_.end = is_given_up_                                                          ? Attempt::End::kStopped
                   : is_impatient_ || (exit.signal != 0 && is_from_outside(exit.signal)) ? Attempt::End::kKilled
                                                                                         : Attempt::End::kCrashed;
  }

  void heed() {
    const Wish wish = wish_();
    if (wish == Wish::kGiveUp && !is_given_up_) {
      is_given_up_ = true;
      process_.child.signal_group(SIGKILL);
    }
    if (wish == Wish::kCancel && deadline_ms_ == 0) {
      deadline_ms_ = now_ms() + patience_ms_;
      if (!process_.send(encode(WorkerOrder(CancelOrder{number_})) + "\n")) deadline_ms_ = 1;
    }
    if (deadline_ms_ > 0 && now_ms() >= deadline_ms_ && !is_impatient_) {
      is_impatient_ = true;
      process_.child.signal_group(SIGKILL);
    }
  }

  Process& process_;
  int wake_;
  const std::function<void(const WorkerMessage&)>& on_message_;
  const std::function<Wish()>& wish_;
  int64_t patience_ms_;
  int64_t number_ = 0, deadline_ms_ = 0;
  bool is_given_up_ = false, is_impatient_ = false;
  Attempt attempt_;
};

WorkerLink::WorkerLink(WorkerProgram program, std::filesystem::path fifo)
    : program_(std::move(program)), fifo_(std::move(fifo)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_.open()) throw Error(fmt::format("cannot make an eventfd: {}", std::strerror(errno)));
}

WorkerLink::~WorkerLink() { end(); }

void WorkerLink::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(wake_.get(), &one, sizeof one);
}

bool WorkerLink::is_running() {
  if (process_) process_->read();
  if (process_ && process_->child.poll()) end();
  return process_ != nullptr;
}

pid_t WorkerLink::pid() const { return process_ ? process_->child.pid() : -1; }

void WorkerLink::end() {
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove(fifo_, ignored);
}

std::string WorkerLink::last_words() { return process_ ? process_->words.text() : ""; }

void WorkerLink::ensure_started() {
  if (is_running()) return;
  end();
  if (::mkfifo(fifo_.c_str(), S_IRUSR | S_IWUSR) != 0)
    throw Error(fmt::format("{}: cannot make the worker's FIFO: {}", fifo_.string(), std::strerror(errno)));
  // For reading too: so it opens at once, and no worker's end is a signal here.
  Descriptor orders(::open(fifo_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!orders.open()) throw Error(fmt::format("{}: cannot be opened: {}", fifo_.string(), std::strerror(errno)));
  SpawnOptions spawn;
  spawn.argv = program_.argv;
  for (const std::string& word : {std::string("--pipe-fd"), std::to_string(Subprocess::kChannelDescriptor),
                                  std::string("--orders"), fifo_.string()})
    spawn.argv.push_back(word);
  process_ = std::make_unique<Process>(spawn, std::move(orders));
  for (const int64_t give_up = now_ms() + kHelloMs; now_ms() < give_up;) {
    for (const std::string& line : process_->read()) {
      const WorkerMessage message = decode_message(line);
      const auto* said = std::get_if<suite::Message>(&message);
      const auto* hello = said != nullptr ? std::get_if<suite::Hello>(said) : nullptr;
      if (hello != nullptr && hello->protocol == suite::kProtocolVersion) return;
    }
    if (const auto exit = process_->child.poll()) {
      process_->read();
      const std::string why = fmt::format("the worker ended before it was ready: {}: {}", end_of(*exit), last_words());
      end();
      throw Error(why);
    }
    process_->wait(-1, 100);
  }
  end();
  throw Error(fmt::format("the worker did not say hello within {} s", kHelloMs / 1000));
}

Attempt WorkerLink::make(MakeOrder order, const std::function<void(const WorkerMessage&)>& on_message,
                         const std::function<Wish()>& wish, std::chrono::milliseconds patience) {
  ensure_started();
  order.number = ++process_->last_number;
  process_->lines = suite::BoundedLines(kPipe);  // each order has its own bounds
  Attempt attempt = Conversation(*process_, wake_.get(), on_message, wish, patience).hold(order);
  const bool is_alive = attempt.end == Attempt::End::kFinished || attempt.end == Attempt::End::kFailed;
  if (is_alive) return attempt;
  if (const std::string words = last_words(); !words.empty()) attempt.what += ": " + words;
  end();
  return attempt;
}

}  // namespace wan::serve
