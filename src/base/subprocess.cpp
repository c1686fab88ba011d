// Child processes by fork and exec, with nothing but system calls between them: safe beside threads. posix_spawn knows
// no PR_SET_PDEATHSIG, and the guard has to be told of the group before the program runs.
#include "base/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_guard.h"

namespace wan {
namespace {

struct Pipe {
  Descriptor read, write;
};

enum class Reads { kNow, kWait };  // whether an empty pipe is waited on

/// Both ends are closed on exec. The write end is kept off the standard numbers and off
/// the channel's, so that no dup2 of the child overwrites a source it still needs.
Pipe make_pipe(Reads reads = Reads::kNow) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(fmt::format("cannot create a pipe: {}", std::strerror(errno)));
  Pipe result{Descriptor(ends[0]), Descriptor(ends[1])};
  if (reads == Reads::kNow) ::fcntl(result.read.get(), F_SETFL, O_NONBLOCK);
  if (result.write.get() <= Subprocess::kChannelDescriptor) {
    const int moved = ::fcntl(result.write.get(), F_DUPFD_CLOEXEC, Subprocess::kChannelDescriptor + 1);
    if (moved < 0) throw Error(fmt::format("cannot duplicate a descriptor: {}", std::strerror(errno)));
    result.write = Descriptor(moved);
  }
  return result;
}

/// An entry of the environment that no other program has.
std::string new_mark(const void* starter) {
  return fmt::format("WANBENCH_RUN_{}_{}_{}=1", ::getpid(), monotonic_ns(), reinterpret_cast<uintptr_t>(starter));
}

/// All that the child needs between fork and exec.
struct Start {
  int out = -1, err = -1, channel = -1, guard = -1, failure = -1;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  const char* folder = nullptr;
  rlim_t memory_limit_bytes = 0;
  pid_t parent = -1;
};

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// In the child. Returns only on failure, with errno.
void become(const Start& start) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != start.parent) ::_exit(127);  // it ended before the line above
  ::setpgid(0, 0);
  reset_signals();
  if (start.memory_limit_bytes > 0) {
    const rlimit limit{start.memory_limit_bytes, start.memory_limit_bytes};
    ::setrlimit(RLIMIT_DATA, &limit);
  }
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(start.out, STDOUT_FILENO) < 0 ||
      ::dup2(start.err, STDERR_FILENO) < 0 || ::dup2(start.channel, Subprocess::kChannelDescriptor) < 0)
    return;
  if (nothing > Subprocess::kChannelDescriptor) ::close(nothing);
  if (start.folder != nullptr && ::chdir(start.folder) != 0) return;
  ProcessGuard::say_group(start.guard, ::getpid());
  ::execvpe(start.arguments[0], start.arguments, start.environment);
}

/// Why the program could not be executed; 0: it was.
int failure_of_start(const Descriptor& from_child) {
  int failure = 0;
  ssize_t count = 0;
  while ((count = ::read(from_child.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  return count == sizeof failure ? failure : 0;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) merged[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const auto& [key, value] : changes) merged[key] = value;
  std::vector<std::string> entries;
  for (const auto& [key, value] : merged) entries.push_back(key + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

int64_t nanoseconds(const timeval& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_usec * 1000; }

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  reset();
  value_ = other.release();
  return *this;
}

int Descriptor::release() noexcept { return std::exchange(value_, -1); }

void Descriptor::reset() noexcept {
  if (value_ >= 0) ::close(value_);
  value_ = -1;
}

Subprocess::Subprocess(const SpawnOptions& options) : mark_(new_mark(this)) {
  require(!options.argv.empty(), "no program to run was given", ErrorKind::kUsage);
  guard_ = std::make_unique<ProcessGuard>(mark_);
  Pipe out = make_pipe(), err = make_pipe(), channel = make_pipe(), failure = make_pipe(Reads::kWait);
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment = merged_environment(options.environment);
  environment.push_back(mark_);
  const std::vector<char*> argument_pointers = pointers(arguments), environment_pointers = pointers(environment);
  const Start start{out.write.get(),
                    err.write.get(),
                    channel.write.get(),
                    guard_->descriptor(),
                    failure.write.get(),
                    argument_pointers.data(),
                    environment_pointers.data(),
                    options.folder.empty() ? nullptr : options.folder.c_str(),
                    options.memory_limit_bytes,
                    ::getpid()};
  start_ns_ = monotonic_ns();
  pid_ = ::fork();
  if (pid_ == 0) {
    become(start);
    const int why = errno;
    [[maybe_unused]] const ssize_t told = ::write(start.failure, &why, sizeof why);
    ::_exit(127);
  }
  if (pid_ < 0) throw Error(fmt::format("cannot start a process: {}", std::strerror(errno)));
  failure.write.reset();
  if (const int why = failure_of_start(failure.read); why != 0) {
    guard_->release();
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    throw Error(ErrorKind::kUsage, fmt::format("cannot run {}: {}", options.argv[0], std::strerror(why)));
  }
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  channel_ = std::move(channel.read);
  exit_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (exit_.open()) ::fcntl(exit_.get(), F_SETFD, FD_CLOEXEC);
}

Subprocess::~Subprocess() {
  if (pid_ < 0 || ended_) return;
  signal_group(SIGKILL);
  wait();
}

pid_t Subprocess::guard_pid() const { return guard_->pid(); }

std::optional<ExitState> Subprocess::poll() {
  if (ended_) return ended_;
  siginfo_t found{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &found, WEXITED | WNOHANG | WNOWAIT) != 0 || found.si_pid != pid_)
    return std::nullopt;
  return reap();
}

ExitState Subprocess::wait() {
  if (ended_) return *ended_;
  siginfo_t found{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &found, WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) throw Error(fmt::format("cannot wait for process {}: {}", pid_, std::strerror(errno)));
  }
  return reap();
}

/// Of a child that has ended and is not waited for yet, so that its number is still its group's.
ExitState Subprocess::reap() {
  ExitState state;
  state.end_ns = monotonic_ns();
  signal_group(SIGKILL);
  end_marked(mark_.c_str());
  guard_->release();
  int status = 0;
  rusage usage{};
  while (::wait4(pid_, &status, 0, &usage) < 0) {
    if (errno != EINTR) throw Error(fmt::format("cannot wait for process {}: {}", pid_, std::strerror(errno)));
  }
  state.cpu_ns = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  state.peak_rss_bytes = uint64_t(usage.ru_maxrss) * 1024;
  if (WIFSIGNALED(status))
    state.signal = WTERMSIG(status);
  else
    state.exit_code = WEXITSTATUS(status);
  ended_ = state;
  return state;
}

void Subprocess::signal_group(int signal_number) const {
  if (pid_ > 0 && !ended_) ::kill(-pid_, signal_number);
}

bool read_available(const Descriptor& descriptor, std::string& into) {
  std::array<char, 16384> chunk;
  constexpr int kMostChunks = 64;  // a program that never stops writing must not keep the caller here
  for (int chunks = 0; chunks < kMostChunks; ++chunks) {
    const ssize_t count = ::read(descriptor.get(), chunk.data(), chunk.size());
    if (count > 0) {
      into.append(chunk.data(), static_cast<size_t>(count));
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && errno == EAGAIN;
  }
  return true;
}

std::vector<std::string> take_lines(std::string& buffer) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n', begin)) {
    lines.push_back(buffer.substr(begin, end - begin));
    begin = end + 1;
  }
  buffer.erase(0, begin);
  return lines;
}

void Tail::append(std::string_view text) {
  text_ += text;
  if (text_.size() > limit_) text_.erase(0, text_.size() - limit_);
}

std::string shell_quoted(const std::string& word) {
  constexpr std::string_view kPlain = "_-./:,=+";
  const auto plain = [&](unsigned char c) {
    return std::isalnum(c) != 0 || kPlain.find(static_cast<char>(c)) != kPlain.npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace wan
