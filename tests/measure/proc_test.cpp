// Parsing of /proc texts as the kernel writes them, and one look at the real thing.
#include "measure/proc.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "measure/gpu.h"

namespace wan::measure {
namespace {

TEST(VisibleDevices, AnEmptyTextOrNoCardFirstHidesAll) {
  for (const char* hiding : {"", "-1", "-1,0", "none", "NoDevFiles", ",0", " "})
    EXPECT_TRUE(hides_all_cards(hiding)) << hiding;
  for (const char* showing : {"0", "1,0", "0,-1", "GPU-b7c38af6", "MIG-1", "GPU-b7c38af6,1"})
    EXPECT_FALSE(hides_all_cards(showing)) << showing;
  EXPECT_FALSE(hides_all_cards(nullptr));
}

TEST(Proc, ReadsMemoryPartsInBytes) {
  const MemoryReading memory = parse_status(
      "Name:\tpython\nVmHWM:\t  2048 kB\nVmRSS:\t 1536 kB\nRssAnon:\t 1000 kB\nRssFile:\t  500 kB\nRssShmem:\t   36 "
      "kB\n"
      "VmSwap:\t    4 kB\n");
  EXPECT_EQ(memory.anonymous, 1000u * 1024);
  EXPECT_EQ(memory.resident(), 1536u * 1024);
  EXPECT_EQ(memory.high_water, 2048u * 1024);
  EXPECT_EQ(memory.swapped, 4096u);
  EXPECT_EQ(parse_status("").resident(), 0u);
}

TEST(Proc, SurvivesHostileCommandNames) {
  // pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
  const StatFields fields = parse_stat("42 (a) R 9 (b) S 1 2 3 4 5 6 70 8 900 10 11 12 130 14 20 0");
  EXPECT_EQ(fields.major_faults, 900u);
  EXPECT_EQ(fields.child_ticks, 130u + 14u);
  EXPECT_EQ(parse_stat("garbage").child_ticks, 0u);
  EXPECT_FALSE(fields.stopped);
  EXPECT_TRUE(parse_stat("42 (a) S (b) T 1 2 3 4 5 6 70 8 900 10 11 12 130 14 20 0").stopped);
  EXPECT_TRUE(parse_stat("42 (a) t 1 2 3 4 5 6 70 8 900 10 11 12 130 14 20 0").stopped) << "by a debugger";
}

TEST(Proc, ReadsTheMachine) {
  MachineReading machine;
  parse_machine_stat("cpu  10 20 30 400 50 6 7 8 9 0\ncpu0 1 2 3 4\n", 10'000'000, machine);
  EXPECT_EQ(machine.busy_ns, (10 + 20 + 30 + 6 + 7) * int64_t{10'000'000});
  EXPECT_EQ(machine.steal_ns, 80'000'000);
  parse_meminfo(
      "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\nCached: 300 kB\nSwapCached: 5 kB\n"
      "SwapTotal: 50 kB\nSwapFree: 20 kB\n",
      machine);
  EXPECT_EQ(machine.used_bytes, 600u * 1024);
  EXPECT_EQ(machine.page_cache_bytes, 300u * 1024);
  EXPECT_EQ(machine.swap_used_bytes, 30u * 1024);
  parse_vmstat("pswpin 12\npswpout 13\n", machine);
  EXPECT_EQ(machine.swap_in_pages, 12u);
}

TEST(Proc, ReadsStorageAndReadBytes) {
  const IoFields io = parse_io("rchar: 100\nwchar: 5\nread_bytes: 40\nwrite_bytes: 7\n");
  EXPECT_EQ(io.disk_read_bytes, 40u);
  EXPECT_EQ(io.read_bytes, 100u);
}

TEST(Proc, FindsThisProcess) {
  const TreeReading tree = read_tree(getpid());
  ASSERT_GE(tree.processes, 1);
  EXPECT_EQ(tree.pids.front(), getpid());
  EXPECT_GT(tree.memory.resident(), 0u);
  EXPECT_GT(tree.cpu_ns, 0);
}

TEST(Proc, SeesWhichProcessesAreStopped) {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  EXPECT_EQ(read_tree(child).stopped, 1);
  EXPECT_EQ(read_tree(getpid()).stopped, 1) << "one below it";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(read_tree(getpid()).stopped, 0);
}

/// A card with a name and nothing to read.
class PaperGpu final : public Gpu {
 public:
  explicit PaperGpu(const std::string& uuid) { facts_.uuid = uuid; }
  const GpuFacts& facts() const override { return facts_; }
  GpuReading read() override { return {}; }
  std::optional<ActivityReading> read_activity() override { return std::nullopt; }

 private:
  GpuFacts facts_;
};

TEST(FindGpu, FollowsCudaVisibleDevicesByUuidAndByIndex) {
  GpuSet set;
  for (const char* uuid : {"GPU-aaa", "GPU-bbb", "GPU-ccc"}) set.gpus.push_back(std::make_unique<PaperGpu>(uuid));
  const auto uuid = [&](const std::string& device, const std::string& visible) {
    const Gpu* gpu = find_gpu(set, device, visible);
    return gpu == nullptr ? std::string("none") : gpu->facts().uuid;
  };
  EXPECT_EQ(uuid("cuda:1", ""), "GPU-bbb");
  EXPECT_EQ(uuid("cuda", "2,0"), "GPU-ccc");
  EXPECT_EQ(uuid("cuda:1", "2,0"), "GPU-aaa");
  EXPECT_EQ(uuid("cuda:0", "GPU-bbb"), "GPU-bbb");
  EXPECT_EQ(uuid("cuda:1", "GPU-bbb"), "none");
  EXPECT_EQ(uuid("cuda:7", ""), "none");
  EXPECT_EQ(uuid("cpu", ""), "none");
}

}  // namespace
}  // namespace wan::measure
