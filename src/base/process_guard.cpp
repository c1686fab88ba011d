#include "base/process_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

// The guard is a fork of a process with threads, so all below is made of system calls alone: no allocation, no locks.

constexpr pid_t kReleased = 0;
constexpr size_t kBufferBytes = 1 << 14;

/// As getdents64(2) writes it.
struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[1];
};

pid_t number_of(const char* name) noexcept {
  pid_t number = 0;
  for (; *name >= '0' && *name <= '9'; ++name) number = number * 10 + (*name - '0');
  return *name == '\0' ? number : 0;
}

/// /proc/PID/environ, open.
int open_environment(pid_t pid) noexcept {
  char path[40] = "/proc/", digits[12];
  size_t at = 6, count = 0;
  for (; pid > 0; pid /= 10) digits[count++] = static_cast<char>('0' + pid % 10);
  while (count > 0) path[at++] = digits[--count];
  std::memcpy(path + at, "/environ", sizeof "/environ");
  return ::open(path, O_RDONLY | O_CLOEXEC);
}

bool has_mark(pid_t pid, const char* mark) noexcept {
  const int file = open_environment(pid);
  if (file < 0) return false;
  const size_t length = std::strlen(mark);
  char buffer[kBufferBytes];
  size_t kept = 0;  // of the piece before: the mark may lie across two
  bool found = false;
  for (ssize_t count = 0; !found && (count = ::read(file, buffer + kept, sizeof buffer - kept)) > 0;) {
    const size_t filled = kept + static_cast<size_t>(count);
    found = ::memmem(buffer, filled, mark, length) != nullptr;
    kept = std::min(filled, length - 1);
    std::memmove(buffer, buffer + filled - kept, kept);
  }
  ::close(file);
  return found;
}

/// Held by a descriptor while it is looked at, so that the number is not another process's meanwhile.
bool kill_if_marked(pid_t pid, const char* mark) noexcept {
  const int held = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  const bool marked = has_mark(pid, mark);
  if (marked && held >= 0) ::syscall(SYS_pidfd_send_signal, held, SIGKILL, nullptr, 0);
  if (marked && held < 0) ::kill(pid, SIGKILL);
  if (held >= 0) ::close(held);
  return marked;
}

int kill_all_marked(const char* mark) noexcept {
  const int folder = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return 0;
  alignas(DirectoryEntry) char buffer[kBufferBytes];
  int killed = 0;
  for (long count = 0; (count = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < count;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      const pid_t pid = number_of(buffer + at + offsetof(DirectoryEntry, name));
      if (pid > 0 && pid != ::getpid()) killed += kill_if_marked(pid, mark) ? 1 : 0;
      at += entry->length;
    }
  }
  ::close(folder);
  return killed;
}

/// Nothing of the starting process stays open: it would keep its pipes and locks from ending with it.
void leave_starter(int keep) noexcept {
  ::setsid();
  ::prctl(PR_SET_NAME, "wb-guard");
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (int standard = 0; standard <= 2; ++standard) ::dup2(nowhere, standard);
  constexpr int kOnly = 3;
  if (keep != kOnly) ::dup2(keep, kOnly);
  ::syscall(SYS_close_range, kOnly + 1, ~0U, 0);
}

[[noreturn]] void watch_over(int from_starter, const char* mark) noexcept {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  leave_starter(from_starter);
  ProcessGuard::say_group(3, kReleased);  // any word: it is out of the group now
  pid_t group = 0;
  for (;;) {
    pid_t said = 0;
    const ssize_t count = ::recv(3, &said, sizeof said, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count != sizeof said) break;  // the other end is closed: the starter has ended
    if (said == kReleased) ::_exit(0);
    group = said;
  }
  if (group > 0) ::kill(-group, SIGKILL);
  end_marked(mark);
  ::_exit(0);
}

}  // namespace

void end_marked(const char* mark) noexcept {
  constexpr int kMostRounds = 200;  // of one that starts others while it is being killed
  for (int round = 0; round < kMostRounds && kill_all_marked(mark) > 0; ++round) {
    const timespec moment{0, 5'000'000};
    ::nanosleep(&moment, nullptr);
  }
}

ProcessGuard::ProcessGuard(const std::string& mark) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(fmt::format("cannot create a socket: {}", std::strerror(errno)));
  to_guard_ = Descriptor(ends[0]);
  Descriptor at_guard(ends[1]);
  // Off the standard numbers and the channel's, which the program gets before it speaks to the guard.
  if (to_guard_.get() <= Subprocess::kChannelDescriptor)
    to_guard_ = Descriptor(::fcntl(ends[0], F_DUPFD_CLOEXEC, Subprocess::kChannelDescriptor + 1));
  const char* entry = mark.c_str();
  pid_ = ::fork();
  if (pid_ == 0) watch_over(ends[1], entry);
  if (pid_ < 0) throw Error(fmt::format("cannot start the process that guards a program: {}", std::strerror(errno)));
  at_guard.reset();  // so that a guard that has ended is not waited for
  // Until it has left the group, what kills the group kills it as well, and the program would live on.
  pid_t said = 0;
  while (::recv(to_guard_.get(), &said, sizeof said, 0) < 0 && errno == EINTR) {
  }
}

void ProcessGuard::say_group(int descriptor, pid_t group) noexcept {
  ::send(descriptor, &group, sizeof group, MSG_NOSIGNAL);
}

void ProcessGuard::release() noexcept {
  if (pid_ < 0) return;
  say_group(to_guard_.get(), kReleased);
  to_guard_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace wan
