#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace wan {
namespace {

namespace fs = std::filesystem;

/// A small pseudo file's text; empty when it cannot be read.
std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What a one-number control file limits to; absent for "max", a negative number, or when there is no such file.
std::optional<uint64_t> limit_in(const fs::path& path) {
  constexpr int64_t kNone = int64_t{1} << 60;  // version 1 writes "no limit" as a number near 2^63
  std::ifstream file(path);
  int64_t value = 0;
  if (file >> value && value >= 0 && value < kNone) return static_cast<uint64_t>(value);
  return std::nullopt;
}

/// The number after `key` in "key number" lines; absent when it is not there.
std::optional<uint64_t> field_in(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value)
    if (name == key) return value;
  return std::nullopt;
}

template <class T>
std::optional<T> least(std::optional<T> a, std::optional<T> b) {
  return a && b ? std::min(a, b) : a ? a : b;
}

std::vector<fs::path> from_root_to(const fs::path& root, const fs::path& group) {
  std::vector<fs::path> folders{root};
  for (const fs::path& part : group.relative_path())
    if (!part.empty()) folders.push_back(folders.back() / part);
  return folders;
}

/// Whether a line of controllers, "cpu,cpuacct", has this one.
bool lists(const std::string& controllers, const std::string& wanted) {
  return ("," + controllers + ",").find("," + wanted + ",") != std::string::npos;
}

/// `limit`, `used` and the key in memory.stat are named differently in the two versions.
std::optional<uint64_t> left_in(const fs::path& folder, const char* limit_file, const char* used_file,
                                const char* cache_key) {
  const auto limit = limit_in(folder / limit_file), used = limit_in(folder / used_file);
  if (!limit || !used) return std::nullopt;
  const uint64_t cache = std::min(*used, field_in(folder / "memory.stat", cache_key).value_or(0));
  return *limit - std::min(*limit, *used - cache);
}

}  // namespace

Cgroups::Cgroups() : Cgroups("/sys/fs/cgroup", text_of("/proc/self/cgroup")) {}

Cgroups::Cgroups(const fs::path& mount, std::string_view membership)
    : v2_{mount}, v1_cpu_{mount / "cpu"}, v1_memory_{mount / "memory"} {
  std::istringstream lines{std::string(membership)};
  for (std::string line; std::getline(lines, line);) {  // hierarchy:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) v2_ = from_root_to(mount, group);
    if (lists(controllers, "cpu")) v1_cpu_ = from_root_to(mount / "cpu", group);
    if (lists(controllers, "memory")) v1_memory_ = from_root_to(mount / "memory", group);
  }
}

std::optional<double> Cgroups::core_limit() const {
  std::optional<double> cores;
  for (const fs::path& folder : v2_) cores = least(cores, parse_cpu_max(text_of(folder / "cpu.max")));
  for (const fs::path& folder : v1_cpu_) {
    const auto quota = limit_in(folder / "cpu.cfs_quota_us"), period = limit_in(folder / "cpu.cfs_period_us");
    if (quota && period && *quota > 0 && *period > 0)
      cores = least<double>(cores, static_cast<double>(*quota) / static_cast<double>(*period));
  }
  return cores;
}

std::optional<uint64_t> Cgroups::memory_limit_bytes() const {
  std::optional<uint64_t> bytes;
  for (const fs::path& folder : v2_) bytes = least(bytes, limit_in(folder / "memory.max"));
  for (const fs::path& folder : v1_memory_) bytes = least(bytes, limit_in(folder / "memory.limit_in_bytes"));
  return bytes;
}

std::optional<uint64_t> Cgroups::memory_left_bytes() const {
  std::optional<uint64_t> bytes;
  for (const fs::path& folder : v2_)
    bytes = least(bytes, left_in(folder, "memory.max", "memory.current", "inactive_file"));
  for (const fs::path& folder : v1_memory_)
    bytes = least(bytes, left_in(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"));
  return bytes;
}

int64_t Cgroups::oom_kills() const {
  const auto innermost = [](const std::vector<fs::path>& folders, const char* file) {
    std::optional<uint64_t> kills;
    for (auto folder = folders.rbegin(); folder != folders.rend() && !kills; ++folder)
      kills = field_in(*folder / file, "oom_kill");
    return kills;
  };
  const auto kills = innermost(v2_, "memory.events");
  return static_cast<int64_t>(kills ? *kills : innermost(v1_memory_, "memory.oom_control").value_or(0));
}

std::optional<double> parse_cpu_max(const std::string& text) {
  std::istringstream words(text);
  double quota = 0, period = 0;  // in microseconds; "max" is no number
  if (words >> quota >> period && period > 0) return quota / period;
  return std::nullopt;
}

}  // namespace wan
