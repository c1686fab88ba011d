#include "base/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

/// This process's cgroup v2 directory and its parents up to the mount; limits of all of them hold.
std::vector<fs::path> cgroup_directories() {
  const fs::path mount = "/sys/fs/cgroup";
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("0::", 0) != 0) continue;
    std::vector<fs::path> directories{mount};
    fs::path at = mount;
    for (const fs::path& part : fs::path(line.substr(3)).relative_path()) directories.push_back(at /= part);
    return directories;
  }
  return {};
}

/// The number a one-number control file holds; nothing for "max", or when there is no such file.
std::optional<uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

/// A field of /proc/meminfo in bytes; 0 when missing.
uint64_t meminfo_bytes(const std::string& field) {
  constexpr uint64_t kKibi = 1024;
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  uint64_t value = 0;
  while (file >> name >> value) {
    if (name == field + ":") return value * kKibi;
    std::getline(file, unit);
  }
  return 0;
}

/// What RLIMIT_DATA leaves this process, whose private writable memory it bounds; kNoLimit without one.
uint64_t left_by_data_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  std::ifstream file("/proc/self/statm");  // pages: size resident shared text library data dirty
  uint64_t pages = 0;
  for (int field = 0; field < 6; ++field) file >> pages;
  const uint64_t used = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

}  // namespace

int allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  for (const fs::path& directory : cgroup_directories()) {
    std::ifstream file(directory / "cpu.max");  // "quota period" in microseconds, or "max period"
    int64_t quota = 0, period = 0;
    if (file >> quota >> period && period > 0)
      cores = static_cast<int>(std::min<int64_t>(cores, (quota + period - 1) / period));
  }
  return std::max(cores, 1);
}

uint64_t available_host_bytes() {
  uint64_t available = meminfo_bytes("MemAvailable");
  for (const fs::path& directory : cgroup_directories()) {
    const auto limit = number_in(directory / "memory.max");
    const auto used = number_in(directory / "memory.current");
    if (limit && used) available = std::min(available, *limit > *used ? *limit - *used : 0);
  }
  return std::min(available, left_by_data_limit());
}

uint64_t total_host_bytes() {
  uint64_t limit = kNoLimit;
  for (const fs::path& directory : cgroup_directories())
    limit = std::min(limit, number_in(directory / "memory.max").value_or(kNoLimit));
  return std::min(meminfo_bytes("MemTotal"), limit);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace wan
