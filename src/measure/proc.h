// What Linux says about a process tree and about the machine: /proc, read at one instant. Text parsing is apart from
// reading, so that tests need no process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wan::measure {

/// Memory of one process or of a tree, in bytes. The resident parts add up to its RSS.
struct MemoryReading {
  uint64_t anonymous = 0;  // heap, stacks, and what was written to private mappings
  uint64_t file = 0;       // pages of mapped files: weights read through mmap; shared with the page cache
  uint64_t shared = 0;     // shmem and shared anonymous mappings
  uint64_t swapped = 0;
  uint64_t high_water = 0;  // largest RSS since the start or the last reset; of a tree: the sum over its processes
  uint64_t resident() const { return anonymous + file + shared; }
};

/// One instant of a process and everything below it.
struct TreeReading {
  int64_t at_ns = 0;
  int64_t cpu_ns = 0;  // user and system time of live processes and of the children they waited for
  MemoryReading memory;
  uint64_t disk_read_bytes = 0;  // fetched from storage: page-cache misses only
  uint64_t read_bytes = 0;       // through read(2) and alike, cached or not; memory-mapped reads do not count
  uint64_t major_faults = 0;     // page faults that went to storage
  int processes = 0;             // 0: the tree has ended
  std::vector<pid_t> pids;       // of a tree; the root first
  int stopped = 0;               // of its processes: by SIGSTOP or a debugger
};

/// One instant of the whole machine.
struct MachineReading {
  int64_t at_ns = 0;
  int64_t busy_ns = 0;  // all processors, everything but idle, iowait and steal
  int64_t steal_ns = 0;
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;  // total less available
  uint64_t page_cache_bytes = 0;
  uint64_t swap_used_bytes = 0;
  uint64_t swap_in_pages = 0, swap_out_pages = 0;
};

/// The process `root` and its descendants now. Processes that end meanwhile are left out.
TreeReading read_tree(pid_t root);

/// The calling process at a stage boundary: CPU time in nanoseconds, memory, and the high-water mark since the last
/// call, which this call resets where the kernel lets it (/proc/self/clear_refs).
TreeReading read_own_and_reset_peak();

MachineReading read_machine();

/// Fields of /proc/PID/status in bytes; absent ones stay 0.
MemoryReading parse_status(std::string_view text);

/// From /proc/PID/stat: major faults, the CPU ticks of children waited for, and whether it is stopped. The command name
/// may hold anything.
struct StatFields {
  uint64_t major_faults = 0;
  uint64_t child_ticks = 0;
  bool stopped = false;
};
StatFields parse_stat(std::string_view text);

/// From /proc/PID/io: {read_bytes (storage), rchar}.
struct IoFields {
  uint64_t disk_read_bytes = 0, read_bytes = 0;
};
IoFields parse_io(std::string_view text);

/// The first line of /proc/stat, with ticks of `tick_ns` nanoseconds.
void parse_machine_stat(std::string_view text, int64_t tick_ns, MachineReading& into);
void parse_meminfo(std::string_view text, MachineReading& into);
void parse_vmstat(std::string_view text, MachineReading& into);

/// A small pseudo file's text; empty when it cannot be read.
std::string read_pseudo_file(const std::string& path);

}  // namespace wan::measure
