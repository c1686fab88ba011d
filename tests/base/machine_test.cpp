// What a process may use of the machine, with a limit set for the time of a test.
#include "base/machine.h"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace wan {
namespace {

TEST(Machine, AMemoryLimitOfTheProcessBoundsWhatIsAvailable) {
  constexpr uint64_t kLeft = uint64_t{512} << 20;
  if (available_host_bytes() < 2 * kLeft) GTEST_SKIP() << "the machine has no memory left to limit";
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  for (int field = 0; field < 6; ++field) file >> pages;  // the sixth: data and stack
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_DATA, &before), 0);
  rlimit limit = before;
  limit.rlim_cur = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) + kLeft;
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &limit), 0);
  const uint64_t available = available_host_bytes();
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_LE(available, kLeft + (kLeft >> 4));
  EXPECT_GE(available, kLeft - (kLeft >> 4)) << "what the process has already does not count twice";
}

TEST(Machine, ReadsTheProcessorsNameFromTheFirstOfItsLines) {
  EXPECT_EQ(parse_cpu_model("processor\t: 0\nmodel name\t: A Fast CPU @ 3 GHz\nflags\t: x\nmodel name\t: B\n"),
            "A Fast CPU @ 3 GHz");
  EXPECT_FALSE(parse_cpu_model(""));
}

}  // namespace
}  // namespace wan
