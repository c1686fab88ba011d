#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

// Of the last signal to a group, and whether its leader was then a child that nobody had waited for.
volatile pid_t signalled_group = 0;
volatile bool leader_was_there = false;

}  // namespace

/// In place of the C library's: the guard calls it, too, so that nothing is allocated here.
extern "C" int kill(pid_t process, int signal_number) noexcept {
  if (process < 0) {
    siginfo_t found{};
    signalled_group = -process;
    leader_was_there = ::waitid(P_PID, static_cast<id_t>(-process), &found, WEXITED | WNOHANG | WNOWAIT) == 0;
  }
  return static_cast<int>(::syscall(SYS_kill, process, signal_number));
}

namespace wan {
namespace {

SpawnOptions shell(const std::string& script) {
  SpawnOptions options;
  options.argv = {"sh", "-c", script};
  return options;
}

/// Everything a descriptor gives until it is closed at the other end.
std::string read_all(const Descriptor& descriptor) {
  std::string text;
  while (read_available(descriptor, text)) {
    pollfd wait{descriptor.get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
  }
  return text;
}

TEST(Subprocess, SeparatesItsThreePipesAndReportsTheExitCode) {
  Subprocess child(shell("echo out; echo err >&2; echo channel >&3; exit 5"));
  EXPECT_EQ(read_all(child.out()), "out\n");
  EXPECT_EQ(read_all(child.err()), "err\n");
  EXPECT_EQ(read_all(child.channel()), "channel\n");
  const ExitState state = child.wait();
  EXPECT_EQ(state.exit_code, 5);
  EXPECT_EQ(state.signal, 0);
  EXPECT_GT(state.peak_rss_bytes, 0u);
  EXPECT_EQ(child.poll()->exit_code, 5);
}

TEST(Subprocess, RefusesAProgramThatIsNotThere) {
  SpawnOptions options;
  options.argv = {"/nonexistent/program"};
  EXPECT_THROW(Subprocess child(options), Error);
  options.argv = {};
  EXPECT_THROW(Subprocess child(options), Error);
}

TEST(Subprocess, ReportsTheSignalAndKillsTheWholeGroup) {
  Subprocess child(shell("sleep 1000 & echo $!; wait"));
  std::string text;
  while (text.find('\n') == std::string::npos) {
    pollfd wait{child.out().get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    ASSERT_TRUE(read_available(child.out(), text));
  }
  EXPECT_FALSE(child.poll());
  child.signal_group(SIGKILL);
  EXPECT_EQ(child.wait().signal, SIGKILL);
  // The grandchild held the pipe open: that it ends shows that it is gone too.
  read_all(child.out());
}

/// A pipe that every process below this one holds open, so that its end tells that all of them are gone.
struct Held {
  Descriptor read, write;
  Held() {
    int ends[2];
    if (::pipe(ends) != 0) return;
    read = Descriptor(ends[0]);
    write = Descriptor(ends[1]);
    ::fcntl(read.get(), F_SETFD, FD_CLOEXEC);
  }
  /// Whether all that was started has ended; waits for it.
  bool ends() {
    write.reset();
    constexpr int kGenerousMs = 20'000;  // it takes a few
    pollfd wait{read.get(), POLLIN, 0};
    char none = 0;
    return ::poll(&wait, 1, kGenerousMs) == 1 && ::read(read.get(), &none, 1) == 0;
  }
};

// Two of the group, of which one has not its environment, one that left it, and one whose starter has ended.
constexpr const char* kFamily =
    "sleep 1000 & env -i sleep 1000 & setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; ";

/// Until the program has said something on its channel, or closed it.
void wait_for_a_word_of(Subprocess& child) {
  std::string said;
  while (read_available(child.channel(), said) && said.empty()) {
    pollfd wait{child.channel().get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
  }
}

TEST(Subprocess, WhatItLeavesBehindEndsWithIt) {
  Held held;
  // Its end comes only when one has left the group.
  Subprocess child(shell("trap 'exit 4' TERM; setsid sh -c 'echo left >&3; exec sleep 1000' & sleep 1000 & wait"));
  wait_for_a_word_of(child);
  EXPECT_EQ(::kill(child.pid(), SIGTERM), 0);
  EXPECT_EQ(child.wait().exit_code, 4);
  EXPECT_TRUE(held.ends());
}

TEST(Subprocess, ItsGroupIsSignalledWhileTheNumberIsItsOwnAndNeverAgain) {
  Subprocess child(shell("exit 0"));
  signalled_group = 0;
  child.wait();
  EXPECT_EQ(signalled_group, child.pid());
  EXPECT_TRUE(leader_was_there) << "the number was nobody's, or another's";
  signalled_group = 0;
  child.signal_group(SIGKILL);
  EXPECT_EQ(signalled_group, 0);
}

TEST(Subprocess, OneOfItsGroupWithoutItsEnvironmentEndsWithIt) {
  Held held;
  Subprocess child(shell("trap 'exit 4' TERM; env -i sh -c 'echo there >&3; exec sleep 1000' & wait"));
  wait_for_a_word_of(child);
  EXPECT_EQ(::kill(child.pid(), SIGTERM), 0);
  EXPECT_EQ(child.wait().exit_code, 4);
  EXPECT_TRUE(held.ends());
}

TEST(Subprocess, ItsFamilyEndsWithAProcessThatIsKilled) {
  Held held, started;
  const pid_t starter = ::fork();
  if (starter == 0) {
    Subprocess child(shell(kFamily + std::string("echo started >&3; wait")));
    wait_for_a_word_of(child);
    if (::write(started.write.get(), "x", 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char told = 0;
  ASSERT_EQ(::read(started.read.get(), &told, 1), 1);
  ASSERT_EQ(::kill(starter, SIGKILL), 0);
  ASSERT_EQ(::waitpid(starter, nullptr, 0), starter);
  EXPECT_TRUE(held.ends());
}

TEST(Subprocess, ItEndsWithAProcessThatIsKilledAfterTheGuardWas) {
  Held held, started;
  const pid_t starter = ::fork();
  if (starter == 0) {
    Subprocess child(shell("exec sleep 1000"));
    ::kill(child.guard_pid(), SIGKILL);
    if (::write(started.write.get(), "x", 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char told = 0;
  ASSERT_EQ(::read(started.read.get(), &told, 1), 1);
  ASSERT_EQ(::kill(starter, SIGKILL), 0);
  ASSERT_EQ(::waitpid(starter, nullptr, 0), starter);
  EXPECT_TRUE(held.ends());
}

TEST(Subprocess, TheGuardIsOutsideTheGroupAndEndsBeforeTheWaitIsOver) {
  Subprocess child(shell("exec sleep 1000"));
  const pid_t guard = child.guard_pid();
  EXPECT_NE(::getpgid(guard), child.pid());
  EXPECT_NE(::getpgid(guard), ::getpgid(0));
  EXPECT_EQ(::getpgid(child.pid()), child.pid());
  child.signal_group(SIGTERM);
  EXPECT_EQ(child.wait().signal, SIGTERM);
  EXPECT_EQ(::kill(guard, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(Subprocess, ItsMemoryIsLimitedBeforeItStarts) {
  SpawnOptions options = shell("ulimit -d");
  options.memory_limit_bytes = uint64_t{512} << 20;
  Subprocess child(options);
  EXPECT_EQ(read_all(child.out()), "524288\n");
}

TEST(Subprocess, SetsEnvironmentAndFolder) {
  SpawnOptions options = shell("echo $WAN_TEST_VALUE; pwd");
  options.environment = {{"WAN_TEST_VALUE", "42"}};
  options.folder = "/";
  Subprocess child(options);
  EXPECT_EQ(read_all(child.out()), "42\n/\n");
}

TEST(Subprocess, TakesWholeLinesOnly) {
  std::string buffer = "one\ntwo\nthr";
  EXPECT_EQ(take_lines(buffer), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(buffer, "thr");
  EXPECT_TRUE(take_lines(buffer).empty());
}

TEST(Tail, KeepsTheLastBytes) {
  Tail tail(5);
  tail.append("abc");
  tail.append("defg");
  EXPECT_EQ(tail.text(), "cdefg");
}

}  // namespace
}  // namespace wan
