// The control groups that enclose this process: cgroup v2, and v1 where the kernel still keeps cpu or memory on it. A
// limit of any of them holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

class Cgroups {
 public:
  /// Of the calling process, as it stands now.
  Cgroups();

  /// `membership` as in /proc/PID/cgroup. Groups that cannot be seen under `mount`, as in a container that is told its
  /// path on the host, say nothing; the mount's root, which is all that such a container sees, does.
  Cgroups(const std::filesystem::path& mount, std::string_view membership);

  /// CPU time for each unit of time, 1.5: one and a half cores; the least of all groups. Absent: no limit.
  std::optional<double> core_limit() const;

  /// The least of all groups. Absent: no limit.
  std::optional<uint64_t> memory_limit_bytes() const;

  /// What a limit leaves, the file cache that is given up first counting as free; the least of all groups. Absent: no
  /// limit.
  std::optional<uint64_t> memory_left_bytes() const;

  /// Processes that the memory limit of the innermost group that counts them has killed; 0 where none does.
  int64_t oom_kills() const;

 private:
  std::vector<std::filesystem::path> v2_, v1_cpu_, v1_memory_;  // from the mount's root inwards
};

/// cgroup v2's cpu.max, "150000 100000" -> 1.5 cores; absent for "max".
std::optional<double> parse_cpu_max(const std::string& text);

}  // namespace wan
