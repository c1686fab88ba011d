// Child processes through posix_spawn: safe beside threads, and it reports a failed exec to the caller.
#include "base/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"

namespace wan {
namespace {

struct Pipe {
  Descriptor read, write;
};

/// Both ends are closed on exec; the read end does not block. The write end is kept off the standard numbers and off
/// the channel's, so that no dup2 of the child overwrites a source it still needs.
Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(fmt::format("cannot create a pipe: {}", std::strerror(errno)));
  Pipe result{Descriptor(ends[0]), Descriptor(ends[1])};
  ::fcntl(result.read.get(), F_SETFL, O_NONBLOCK);
  if (result.write.get() <= Subprocess::kChannelDescriptor) {
    const int moved = ::fcntl(result.write.get(), F_DUPFD_CLOEXEC, Subprocess::kChannelDescriptor + 1);
    if (moved < 0) throw Error(fmt::format("cannot duplicate a descriptor: {}", std::strerror(errno)));
    result.write = Descriptor(moved);
  }
  return result;
}

/// posix_spawn's two option objects, released on every path.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

void plan_group_and_signals(SpawnPlan& plan) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
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

Subprocess::Subprocess(const SpawnOptions& options) {
  require(!options.argv.empty(), "no program to run was given", ErrorKind::kUsage);
  Pipe out = make_pipe(), err = make_pipe(), channel = make_pipe();
  SpawnPlan plan;
  plan_group_and_signals(plan);
  posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&plan.actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&plan.actions, err.write.get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&plan.actions, channel.write.get(), kChannelDescriptor);
  if (!options.folder.empty()) posix_spawn_file_actions_addchdir_np(&plan.actions, options.folder.c_str());

  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment = merged_environment(options.environment);
  start_ns_ = monotonic_ns();
  const int failure = ::posix_spawnp(&pid_, arguments[0].c_str(), &plan.actions, &plan.attributes,
                                     pointers(arguments).data(), pointers(environment).data());
  if (failure != 0) {
    pid_ = -1;
    throw Error(ErrorKind::kUsage, fmt::format("cannot run {}: {}", options.argv[0], std::strerror(failure)));
  }
  if (options.memory_limit_bytes > 0) {
    const rlimit limit{options.memory_limit_bytes, options.memory_limit_bytes};
    ::prlimit(pid_, RLIMIT_DATA, &limit, nullptr);
  }
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  channel_ = std::move(channel.read);
  exit_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (exit_.open()) ::fcntl(exit_.get(), F_SETFD, FD_CLOEXEC);
}

Subprocess::~Subprocess() {
  if (pid_ < 0) return;
  signal_group(SIGKILL);
  if (!ended_) wait();
}

std::optional<ExitState> Subprocess::poll() {
  if (ended_) return ended_;
  int status = 0;
  rusage usage{};
  const pid_t found = ::wait4(pid_, &status, WNOHANG, &usage);
  if (found != pid_) return std::nullopt;
  return reaped(status, nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime), uint64_t(usage.ru_maxrss) * 1024);
}

ExitState Subprocess::wait() {
  if (ended_) return *ended_;
  int status = 0;
  rusage usage{};
  while (::wait4(pid_, &status, 0, &usage) < 0) {
    if (errno != EINTR) throw Error(fmt::format("cannot wait for process {}: {}", pid_, std::strerror(errno)));
  }
  return reaped(status, nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime), uint64_t(usage.ru_maxrss) * 1024);
}

ExitState Subprocess::reaped(int status, int64_t cpu_ns, uint64_t peak_rss_bytes) {
  ExitState state;
  state.cpu_ns = cpu_ns;
  state.peak_rss_bytes = peak_rss_bytes;
  if (WIFSIGNALED(status))
    state.signal = WTERMSIG(status);
  else
    state.exit_code = WEXITSTATUS(status);
  ended_ = state;
  return state;
}

void Subprocess::signal_group(int signal_number) const {
  if (pid_ > 0) ::kill(-pid_, signal_number);
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
