#include "measure/machine.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sstream>

#include <fmt/format.h>

#include "base/cgroup.h"
#include "base/machine.h"
#include "measure/proc.h"

namespace wan::measure {
namespace {

namespace fs = std::filesystem;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

template <class T>
Measured<T> limit_of_cgroups(const std::optional<T>& limit) {
  return limit ? measured(*limit, "cgroup") : absent<T>("no_limit");
}

/// What the environment shows of itself; several layers are joined.
std::string container_kind() {
  std::string kind;
  const auto add = [&](const char* word) { kind += (kind.empty() ? "" : ", ") + std::string(word); };
  std::error_code ignored;
  const std::string groups = read_pseudo_file("/proc/1/cgroup");
  if (fs::exists("/.dockerenv", ignored)) add("docker");
  if (fs::exists("/run/.containerenv", ignored)) add("podman");
  if (fs::exists("/var/run/secrets/kubernetes.io", ignored) || groups.find("kubepods") != std::string::npos)
    add("kubernetes");
  const std::string vendor = trimmed(read_pseudo_file("/sys/class/dmi/id/sys_vendor"));
  const bool hypervisor = read_pseudo_file("/proc/cpuinfo").find(" hypervisor") != std::string::npos;
  if (hypervisor) add(vendor.empty() ? "virtual machine" : ("virtual machine (" + vendor + ")").c_str());
  return kind.empty() ? "none" : kind;
}

int64_t numa_nodes() {
  int64_t nodes = 0;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator("/sys/devices/system/node", failure)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("node") && name.find_first_not_of("0123456789", 4) == std::string::npos) ++nodes;
  }
  return nodes;
}

template <class T, class U>
Measured<T> from_nvml(const std::optional<U>& value) {
  return value ? measured(static_cast<T>(*value), "nvml") : absent<T>("not_told_by_the_driver");
}

}  // namespace

SystemInfo describe_machine() {
  SystemInfo system;
  utsname names{};
  ::uname(&names);
  system.host = names.nodename;
  system.kernel = fmt::format("{} {}", names.sysname, names.release);
  system.cpu_model = processor_name("unknown");
  const Cgroups cgroups;
  system.cpu_limit_cores = limit_of_cgroups(cgroups.core_limit());
  system.cores_allowed = measured<int64_t>(allowed_cores(), "proc");
  system.cores_total = measured<int64_t>(::sysconf(_SC_NPROCESSORS_ONLN), "proc");
  const int64_t nodes = numa_nodes();
  system.numa_nodes = nodes > 0 ? measured(nodes, "proc") : absent<int64_t>("not_told_by_the_kernel");
  system.ram_bytes = measured(read_machine().total_bytes, "proc");
  system.memory_limit_bytes = limit_of_cgroups(cgroups.memory_limit_bytes());
  system.container = container_kind();
  return system;
}

GpuInfo describe_gpu(const GpuFacts& facts, const GpuReading* now) {
  GpuInfo gpu;
  gpu.uuid = facts.uuid;
  gpu.name = facts.name;
  gpu.pci_bus_id = facts.pci_bus_id;
  gpu.compute_capability = facts.compute_capability;
  gpu.driver = facts.driver;
  gpu.vbios = facts.vbios;
  gpu.mig_profile = facts.mig == "on" ? "on" : "";
  gpu.ecc = facts.ecc ? (*facts.ecc ? "on" : "off") : "";
  // NVML counts CUDA cores; from Ampere's GA10x to Blackwell there are 128 a multiprocessor, on GA100 64.
  const bool cores_128 = facts.compute_capability >= "8.6" || facts.compute_capability.size() > 3;
  gpu.sm_count = facts.cuda_cores && cores_128 ? measured<int64_t>(*facts.cuda_cores / 128, "nvml")
                                               : absent<int64_t>("not_told_by_the_driver");
  gpu.memory_bytes = from_nvml<uint64_t>(facts.memory_bytes);
  gpu.power_limit_w = from_nvml<double>(facts.power_limit_w);
  gpu.max_sm_clock_mhz = from_nvml<double>(facts.max_sm_clock_mhz);
  gpu.max_memory_clock_mhz = from_nvml<double>(facts.max_memory_clock_mhz);
  gpu.pcie_max_generation = from_nvml<int64_t>(facts.pcie_generation_max);
  gpu.pcie_max_width = from_nvml<int64_t>(facts.pcie_width_max);
  gpu.pcie_generation = from_nvml<int64_t>(now != nullptr ? now->pcie_generation : std::nullopt);
  gpu.pcie_width = from_nvml<int64_t>(now != nullptr ? now->pcie_width : std::nullopt);
  return gpu;
}

std::string storage_of(const fs::path& path) {
  std::error_code failure;
  const std::string target = fs::canonical(path, failure).string();
  if (failure) return {};
  std::istringstream mounts(read_pseudo_file("/proc/self/mounts"));
  std::string best, answer;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, point, type;
    words >> device >> point >> type;
    const bool holds = target == point || point == "/" || target.starts_with(point + "/");
    if (!holds || point.size() < best.size()) continue;
    best = point;
    answer = type + " on " + device;
  }
  return answer;
}

std::optional<uint64_t> free_disk_bytes(const fs::path& folder) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) return std::nullopt;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace wan::measure
