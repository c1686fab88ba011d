#include "base/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "base/cgroup.h"

namespace wan {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

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
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const double limit = Cgroups().core_limit().value_or(cores);
  return std::max(1, static_cast<int>(std::min<double>(cores, std::ceil(limit))));
}

uint64_t available_host_bytes() {
  const uint64_t left_by_cgroups = Cgroups().memory_left_bytes().value_or(kNoLimit);
  return std::min({meminfo_bytes("MemAvailable"), left_by_cgroups, left_by_data_limit()});
}

uint64_t total_host_bytes() {
  return std::min(meminfo_bytes("MemTotal"), Cgroups().memory_limit_bytes().value_or(kNoLimit));
}

std::optional<std::string> parse_cpu_model(std::string_view cpuinfo) {
  const size_t at = cpuinfo.find("model name");
  if (at == std::string_view::npos) return std::nullopt;
  const size_t begin = cpuinfo.find(": ", at), end = cpuinfo.find('\n', at);
  if (begin == std::string_view::npos || begin > end) return std::nullopt;
  return std::string(cpuinfo.substr(begin + 2, end - begin - 2));
}

std::string processor_name(const std::string& otherwise) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_cpu_model(text).value_or(otherwise);
}

}  // namespace wan
