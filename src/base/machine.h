// What this process may use of the machine: cores, memory, the processor's name. Linux's /proc, sched_getaffinity and
// control groups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wan {

/// Cores this process may run on: its affinity mask, bounded by its control groups' CPU time rounded up. At least one.
int allowed_cores();

/// Bytes that can be allocated now: MemAvailable, bounded by what every enclosing control group and this process's
/// RLIMIT_DATA leave.
uint64_t available_host_bytes();

/// Bytes this process could ever use: MemTotal, bounded by its control groups.
uint64_t total_host_bytes();

/// "model name" of /proc/cpuinfo, or `otherwise`.
std::string processor_name(const std::string& otherwise = "CPU");

/// The first "model name" in the text of /proc/cpuinfo.
std::optional<std::string> parse_cpu_model(std::string_view cpuinfo);

}  // namespace wan
