// What this process may use of the machine: cores, memory, the processor's name. Linux's /proc, sched_getaffinity and
// cgroup v2.
#pragma once

#include <cstdint>
#include <string>

namespace wan {

/// Cores this process may run on: its affinity mask, bounded by the cgroup's cpu.max rounded up. At least one.
int allowed_cores();

/// Bytes that can be allocated now: MemAvailable, bounded by what every enclosing cgroup's memory.max and this
/// process's RLIMIT_DATA leave.
uint64_t available_host_bytes();

/// Bytes this process could ever use: MemTotal, bounded by memory.max.
uint64_t total_host_bytes();

/// "model name" of /proc/cpuinfo, or "CPU".
std::string processor_name();

}  // namespace wan
