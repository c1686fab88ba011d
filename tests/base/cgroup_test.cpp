// Limits of control groups, read from folders laid out as the kernel lays out its own.
#include "base/cgroup.h"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

class CgroupTree : public ::testing::Test {
 protected:
  void write(const fs::path& file, const std::string& text) const {
    fs::create_directories((mount_ / file).parent_path());
    std::ofstream(mount_ / file) << text;
  }

  const test::TemporaryFolder mount_;
};

TEST_F(CgroupTree, TheTightestOfAllGroupsHolds) {
  write("a/cpu.max", "150000 100000\n");
  write("a/b/cpu.max", "max 100000\n");
  write("a/memory.max", "1000\n");
  write("a/b/memory.max", "3000\n");
  const Cgroups inner(mount_, "0::/a/b\n");
  EXPECT_EQ(inner.core_limit(), 1.5);
  EXPECT_EQ(inner.memory_limit_bytes(), 1000u);
  const Cgroups neighbour(mount_, "0::/c\n");
  EXPECT_FALSE(neighbour.core_limit());
  EXPECT_FALSE(neighbour.memory_limit_bytes());
}

TEST_F(CgroupTree, AContainerToldItsPathOnTheHostReadsTheMountsRoot) {
  write("cpu.max", "200000 100000\n");
  write("memory.max", "4096\n");
  write("memory.events", "oom 9\noom_kill 3\n");
  const Cgroups groups(mount_, "0::/kubepods/pod1/container\n");
  EXPECT_EQ(groups.core_limit(), 2.0);
  EXPECT_EQ(groups.memory_limit_bytes(), 4096u);
  EXPECT_EQ(groups.oom_kills(), 3);
}

TEST_F(CgroupTree, Version1KeepsEachControllerInAFolderOfItsOwn) {
  write("cpu/a/cpu.cfs_quota_us", "50000\n");
  write("cpu/a/cpu.cfs_period_us", "100000\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("memory/m/memory.limit_in_bytes", "8000\n");
  write("memory/m/memory.usage_in_bytes", "5000\n");
  write("memory/m/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  const Cgroups groups(mount_, "4:memory:/m\n2:cpu,cpuacct:/a\n0::/\n");
  EXPECT_EQ(groups.core_limit(), 0.5);
  EXPECT_EQ(groups.memory_limit_bytes(), 8000u);
  EXPECT_EQ(groups.memory_left_bytes(), 3000u);
  EXPECT_EQ(groups.oom_kills(), 2);
}

TEST_F(CgroupTree, Version1WritesNoLimitAsANumber) {
  write("cpu/cpu.cfs_quota_us", "-1\n");
  write("cpu/cpu.cfs_period_us", "100000\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("memory/memory.usage_in_bytes", "5000\n");
  const Cgroups groups(mount_, "2:memory:/\n1:cpu:/\n");
  EXPECT_FALSE(groups.core_limit());
  EXPECT_FALSE(groups.memory_limit_bytes());
  EXPECT_FALSE(groups.memory_left_bytes());
}

TEST_F(CgroupTree, FileCacheThatIsGivenUpFirstCountsAsFree) {
  write("memory.max", "10000\n");
  write("memory.current", "9000\n");
  write("memory.stat", "anon 1000\nfile 8000\nactive_file 2000\ninactive_file 6000\n");
  write("a/memory.max", "5000\n");
  write("a/memory.current", "6000\n");
  EXPECT_EQ(Cgroups(mount_, "0::/\n").memory_left_bytes(), 7000u);
  EXPECT_EQ(Cgroups(mount_, "0::/a\n").memory_left_bytes(), 0u) << "above its limit, for an instant";
}

TEST(CgroupCpuMax, IsQuotaOverPeriod) {
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), 1.5);
  EXPECT_FALSE(parse_cpu_max("max 100000\n"));
  EXPECT_FALSE(parse_cpu_max(""));
}

}  // namespace
}  // namespace wan
