// What the driver says about GPUs, through NVML loaded at run time. On a machine without driver, or in a build without
// nvml.h, everything here answers "nothing" and says why.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "measure/windows.h"

namespace wan::measure {

/// What does not change while a run goes on. Unknown numbers are absent.
struct GpuFacts {
  std::string name, uuid, pci_bus_id, compute_capability, driver, vbios, mig;
  std::optional<int> cuda_driver;  // 13000 for 13.0
  std::optional<uint64_t> memory_bytes;
  std::optional<int> cuda_cores;
  std::optional<bool> ecc;
  std::optional<double> power_limit_w;
  std::optional<double> max_sm_clock_mhz, max_memory_clock_mhz;
  std::optional<int> pcie_generation_max, pcie_width_max;
  std::string activity_source;  // "nvml_gpm", or empty
  std::string activity_reason;  // why SM activity cannot be read, when the source is empty
};

struct GpuProcess {
  pid_t pid = 0;
  std::optional<uint64_t> memory_bytes;  // absent where the driver does not tell (containers, MIG)
};

/// Bits of GpuReading::slowdown, as NVML's clock event reasons.
inline constexpr uint64_t kSoftwarePowerCap = 0x4;
inline constexpr uint64_t kHardwareSlowdown = 0x8;
inline constexpr uint64_t kSoftwareThermal = 0x20;
inline constexpr uint64_t kHardwareThermal = 0x40;
inline constexpr uint64_t kHardwarePowerBrake = 0x80;

/// One instant of one card.
struct GpuReading {
  int64_t at_ns = 0;
  std::optional<uint64_t> device_bytes;  // whole card, strangers included
  std::optional<double> gpu_busy;        // 0 to 1: share of the driver's own window in which any kernel ran
  std::optional<double> sm_clock_mhz, memory_clock_mhz;
  std::optional<double> temperature_c;
  std::optional<double> power_w;
  std::optional<double> energy_mj;  // counter since the driver was loaded; moves about every 100 ms
  std::optional<uint64_t> slowdown;
  std::optional<int> pcie_generation, pcie_width;  // now: they drop when the card idles
  std::vector<GpuProcess> processes;
};

/// Hardware counters over one interval, each 0 to 1 but the PCIe rates.
struct ActivityReading {
  Interval interval;
  std::optional<double> sm, occupancy, tensor, dram, graphics;
  std::optional<double> pcie_to_host_mib_s, pcie_to_device_mib_s;
};

/// One card. Reading never throws: what the driver refuses is absent.
class Gpu {
 public:
  virtual ~Gpu() = default;
  virtual const GpuFacts& facts() const = 0;
  virtual GpuReading read() = 0;
  /// Counters since the last answer; absent until 100 ms have passed, the source's documented floor, or without source.
  virtual std::optional<ActivityReading> read_activity() = 0;
};

/// The loaded driver library; its cards must not outlive it.
class GpuLibrary {
 public:
  virtual ~GpuLibrary() = default;
};

/// All cards the driver shows, by PCI order.
struct GpuSet {
  std::unique_ptr<GpuLibrary> library;
  std::vector<std::unique_ptr<Gpu>> gpus;
  std::string reason;   // why there are none
  std::string version;  // NVML's, for the record
};

GpuSet open_gpus();

/// Whether this program was built with nvml.h.
bool built_with_nvml();

/// Whether CUDA_VISIBLE_DEVICES, null where it is not set, leaves no card: CUDA reads it up to the first entry that
/// names none, so an empty text, "-1" and "none" hide all.
bool hides_all_cards(const char* visible);

/// The card that `device` ("cuda", "cuda:1", "cpu", empty) and CUDA_VISIBLE_DEVICES' text (may be empty) mean, by UUID
/// where the text names UUIDs; nullptr for cpu or when there is none.
Gpu* find_gpu(const GpuSet& set, const std::string& device, const std::string& visible);

}  // namespace wan::measure
