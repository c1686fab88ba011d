#include "base/subprocess.h"

#include <poll.h>
#include <signal.h>

#include <gtest/gtest.h>

#include "base/error.h"

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
