// NVML through dlopen. Functions a driver lacks leave their values absent. Counters come from GPM (Hopper and newer):
// two snapshots at least 100 ms apart are subtracted by the library; an ordinary user may read them there.
#include <nvml.h>

#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/nvidia_libraries.h"
#include "measure/gpu.h"

namespace wan::measure {
namespace {

/// One function of the library; calling an absent one answers as NVML does.
template <typename Signature>
struct Function;
template <typename... Arguments>
struct Function<nvmlReturn_t(Arguments...)> {
  nvmlReturn_t (*pointer)(Arguments...) = nullptr;
  nvmlReturn_t operator()(Arguments... arguments) const {
    return pointer == nullptr ? NVML_ERROR_FUNCTION_NOT_FOUND : pointer(arguments...);
  }
};

class Library final : public GpuLibrary {
 public:
  Library() : library_(load_nvidia_library("libnvidia-ml.so.1", Symbols::kPrivate)) {
    if (!library_.loaded()) {
      reason_ = "no NVIDIA driver: libnvidia-ml.so.1 cannot be loaded";
      return;
    }
    load_functions();
    const nvmlReturn_t started = init();
    if (started != NVML_SUCCESS) reason_ = fmt::format("NVML does not start: error {}", int(started));
    ready_ = started == NVML_SUCCESS;
  }
  ~Library() override {
    if (ready_) shutdown();
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const std::string& reason() const { return reason_; }
  bool ready() const { return ready_; }

  Function<decltype(nvmlInit_v2)> init;
  Function<decltype(nvmlShutdown)> shutdown;
  Function<decltype(nvmlSystemGetDriverVersion)> driver_version;
  Function<decltype(nvmlSystemGetNVMLVersion)> library_version;
  Function<decltype(nvmlSystemGetCudaDriverVersion_v2)> cuda_version;
  Function<decltype(nvmlDeviceGetCount_v2)> count;
  Function<decltype(nvmlDeviceGetHandleByIndex_v2)> by_index;
  Function<decltype(nvmlDeviceGetName)> name;
  Function<decltype(nvmlDeviceGetUUID)> uuid;
  Function<decltype(nvmlDeviceGetPciInfo_v3)> pci;
  Function<decltype(nvmlDeviceGetVbiosVersion)> vbios;
  Function<decltype(nvmlDeviceGetMemoryInfo)> memory;
  Function<decltype(nvmlDeviceGetUtilizationRates)> utilization;
  Function<decltype(nvmlDeviceGetClockInfo)> clock;
  Function<decltype(nvmlDeviceGetMaxClockInfo)> max_clock;
  Function<nvmlReturn_t(nvmlDevice_t, nvmlTemperatureSensors_t, unsigned int*)> temperature;
  Function<decltype(nvmlDeviceGetFieldValues)> fields;
  Function<decltype(nvmlDeviceGetPowerUsage)> power;
  Function<decltype(nvmlDeviceGetEnforcedPowerLimit)> power_limit;
  Function<decltype(nvmlDeviceGetTotalEnergyConsumption)> energy;
  Function<decltype(nvmlDeviceGetCurrentClocksEventReasons)> reasons;
  Function<decltype(nvmlDeviceGetCudaComputeCapability)> capability;
  Function<decltype(nvmlDeviceGetNumGpuCores)> cores;
  Function<decltype(nvmlDeviceGetEccMode)> ecc;
  Function<decltype(nvmlDeviceGetMigMode)> mig;
  Function<decltype(nvmlDeviceGetCurrPcieLinkGeneration)> pcie_generation;
  Function<decltype(nvmlDeviceGetCurrPcieLinkWidth)> pcie_width;
  Function<decltype(nvmlDeviceGetMaxPcieLinkGeneration)> pcie_generation_max;
  Function<decltype(nvmlDeviceGetMaxPcieLinkWidth)> pcie_width_max;
  Function<decltype(nvmlDeviceGetComputeRunningProcesses_v3)> compute_processes;
  Function<decltype(nvmlGpmQueryDeviceSupport)> gpm_support;
  Function<decltype(nvmlGpmSampleAlloc)> gpm_alloc;
  Function<decltype(nvmlGpmSampleFree)> gpm_free;
  Function<decltype(nvmlGpmSampleGet)> gpm_get;
  Function<decltype(nvmlGpmMetricsGet)> gpm_metrics;

 private:
  template <typename Signature>
  void load(Function<Signature>& function, const char* symbol) {
    function.pointer = library_.function<Signature>(symbol);
  }
  void load_functions();
  void load_device_functions();

  NvidiaLibrary library_;
  bool ready_ = false;
  std::string reason_;
};

void Library::load_functions() {
  load(init, "nvmlInit_v2");
  load(shutdown, "nvmlShutdown");
  load(driver_version, "nvmlSystemGetDriverVersion");
  load(library_version, "nvmlSystemGetNVMLVersion");
  load(cuda_version, "nvmlSystemGetCudaDriverVersion_v2");
  load(count, "nvmlDeviceGetCount_v2");
  load(by_index, "nvmlDeviceGetHandleByIndex_v2");
  load_device_functions();
  load(gpm_support, "nvmlGpmQueryDeviceSupport");
  load(gpm_alloc, "nvmlGpmSampleAlloc");
  load(gpm_free, "nvmlGpmSampleFree");
  load(gpm_get, "nvmlGpmSampleGet");
  load(gpm_metrics, "nvmlGpmMetricsGet");
}

void Library::load_device_functions() {
  load(name, "nvmlDeviceGetName");
  load(uuid, "nvmlDeviceGetUUID");
  load(pci, "nvmlDeviceGetPciInfo_v3");
  load(vbios, "nvmlDeviceGetVbiosVersion");
  load(memory, "nvmlDeviceGetMemoryInfo");
  load(utilization, "nvmlDeviceGetUtilizationRates");
  load(clock, "nvmlDeviceGetClockInfo");
  load(max_clock, "nvmlDeviceGetMaxClockInfo");
  load(temperature, "nvmlDeviceGetTemperature");
  load(fields, "nvmlDeviceGetFieldValues");
  load(power, "nvmlDeviceGetPowerUsage");
  load(power_limit, "nvmlDeviceGetEnforcedPowerLimit");
  load(energy, "nvmlDeviceGetTotalEnergyConsumption");
  load(reasons, "nvmlDeviceGetCurrentClocksEventReasons");
  if (reasons.pointer == nullptr) load(reasons, "nvmlDeviceGetCurrentClocksThrottleReasons");
  load(capability, "nvmlDeviceGetCudaComputeCapability");
  load(cores, "nvmlDeviceGetNumGpuCores");
  load(ecc, "nvmlDeviceGetEccMode");
  load(mig, "nvmlDeviceGetMigMode");
  load(pcie_generation, "nvmlDeviceGetCurrPcieLinkGeneration");
  load(pcie_width, "nvmlDeviceGetCurrPcieLinkWidth");
  load(pcie_generation_max, "nvmlDeviceGetMaxPcieLinkGeneration");
  load(pcie_width_max, "nvmlDeviceGetMaxPcieLinkWidth");
  load(compute_processes, "nvmlDeviceGetComputeRunningProcesses_v3");
}

/// Two snapshots that take turns: the older one is overwritten when the difference has been read.
class Activity {
 public:
  Activity(const Library& library, nvmlDevice_t device) : library_(library), device_(device) {
    nvmlGpmSupport_t support{};
    support.version = NVML_GPM_SUPPORT_VERSION;
    const nvmlReturn_t asked = library_.gpm_support(device_, &support);
    if (asked != NVML_SUCCESS || support.isSupportedDevice == 0) {
      reason_ = asked == NVML_SUCCESS ? "the card has no GPM counters (they begin with Hopper)"
                                      : fmt::format("GPM is not available: NVML error {}", int(asked));
      return;
    }
    for (nvmlGpmSample_t& sample : samples_)
      if (library_.gpm_alloc(&sample) != NVML_SUCCESS) sample = nullptr;
    const nvmlReturn_t first =
        samples_[0] == nullptr || samples_[1] == nullptr ? NVML_ERROR_MEMORY : library_.gpm_get(device_, samples_[0]);
    if (first != NVML_SUCCESS) reason_ = fmt::format("GPM snapshots are refused: NVML error {}", int(first));
    last_ns_ = monotonic_ns();
  }
  ~Activity() {
    for (nvmlGpmSample_t sample : samples_)
      if (sample != nullptr) library_.gpm_free(sample);
  }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  const std::string& reason() const { return reason_; }

  std::optional<ActivityReading> read() {
    constexpr int64_t kFloorNs = 100'000'000;  // NVML documents more than 100 ms between two snapshots
    const int64_t now_ns = monotonic_ns();
    if (!reason_.empty() || now_ns - last_ns_ < kFloorNs) return std::nullopt;
    if (library_.gpm_get(device_, samples_[1]) != NVML_SUCCESS) return std::nullopt;
    ActivityReading reading = difference();
    reading.interval = {last_ns_, now_ns};
    std::swap(samples_[0], samples_[1]);
    last_ns_ = now_ns;
    return reading;
  }

 private:
  ActivityReading difference() {
    constexpr std::array<unsigned int, 7> kIds = {NVML_GPM_METRIC_SM_UTIL,         NVML_GPM_METRIC_SM_OCCUPANCY,
                                                  NVML_GPM_METRIC_ANY_TENSOR_UTIL, NVML_GPM_METRIC_DRAM_BW_UTIL,
                                                  NVML_GPM_METRIC_GRAPHICS_UTIL,   NVML_GPM_METRIC_PCIE_TX_PER_SEC,
                                                  NVML_GPM_METRIC_PCIE_RX_PER_SEC};
    const auto query = std::make_unique<nvmlGpmMetricsGet_t>();
    query->version = NVML_GPM_METRICS_GET_VERSION;
    query->numMetrics = kIds.size();
    query->sample1 = samples_[0];
    query->sample2 = samples_[1];
    for (size_t i = 0; i < kIds.size(); ++i) query->metrics[i].metricId = kIds[i];
    ActivityReading reading;
    if (library_.gpm_metrics(query.get()) != NVML_SUCCESS) return reading;
    const auto value = [&](size_t i, double scale) -> std::optional<double> {
      const nvmlGpmMetric_t& metric = query->metrics[i];
      if (metric.nvmlReturn != NVML_SUCCESS || std::isnan(metric.value)) return std::nullopt;
      return metric.value * scale;
    };
    reading.sm = value(0, 0.01);
    reading.occupancy = value(1, 0.01);
    reading.tensor = value(2, 0.01);
    reading.dram = value(3, 0.01);
    reading.graphics = value(4, 0.01);
    reading.pcie_to_host_mib_s = value(5, 1);
    reading.pcie_to_device_mib_s = value(6, 1);
    return reading;
  }

  const Library& library_;
  nvmlDevice_t device_;
  std::array<nvmlGpmSample_t, 2> samples_{};
  int64_t last_ns_ = 0;
  std::string reason_;
};

class NvmlGpu final : public Gpu {
 public:
  NvmlGpu(const Library& library, nvmlDevice_t device)
      : library_(library), device_(device), activity_(library, device) {
    read_identity();
    read_limits();
    facts_.activity_reason = activity_.reason();
    if (facts_.activity_reason.empty()) facts_.activity_source = "nvml_gpm";
  }

  const GpuFacts& facts() const override { return facts_; }
  std::optional<ActivityReading> read_activity() override { return activity_.read(); }
  GpuReading read() override;

 private:
  template <typename Call>
  std::optional<unsigned int> number(Call call) const {
    unsigned int value = 0;
    if (call(&value) != NVML_SUCCESS) return std::nullopt;
    return value;
  }
  template <typename Call>
  std::string text(Call call) const {
    std::array<char, NVML_DEVICE_NAME_V2_BUFFER_SIZE> buffer{};
    return call(buffer.data(), static_cast<unsigned int>(buffer.size())) == NVML_SUCCESS ? buffer.data() : "";
  }
  void read_identity();
  void read_limits();
  void read_processes(GpuReading& reading);
  void read_power(GpuReading& reading);

  const Library& library_;
  nvmlDevice_t device_;
  Activity activity_;
  GpuFacts facts_;
};

void NvmlGpu::read_identity() {
  const Library& l = library_;
  facts_.name = text([&](char* out, unsigned int size) { return l.name(device_, out, size); });
  facts_.uuid = text([&](char* out, unsigned int size) { return l.uuid(device_, out, size); });
  facts_.vbios = text([&](char* out, unsigned int size) { return l.vbios(device_, out, size); });
  facts_.driver = text([&](char* out, unsigned int size) { return l.driver_version(out, size); });
  nvmlPciInfo_t pci{};
  if (l.pci(device_, &pci) == NVML_SUCCESS) facts_.pci_bus_id = pci.busId;
  int major = 0, minor = 0, cuda = 0;
  if (l.capability(device_, &major, &minor) == NVML_SUCCESS)
    facts_.compute_capability = fmt::format("{}.{}", major, minor);
  if (l.cuda_version(&cuda) == NVML_SUCCESS) facts_.cuda_driver = cuda;
  if (const auto cores = number([&](unsigned int* out) { return l.cores(device_, out); }))
    facts_.cuda_cores = static_cast<int>(*cores);
  nvmlEnableState_t ecc{}, ecc_pending{};
  if (l.ecc(device_, &ecc, &ecc_pending) == NVML_SUCCESS) facts_.ecc = ecc == NVML_FEATURE_ENABLED;
  unsigned int mig = 0, mig_pending = 0;
  if (l.mig(device_, &mig, &mig_pending) == NVML_SUCCESS) facts_.mig = mig == NVML_DEVICE_MIG_ENABLE ? "on" : "off";
}

void NvmlGpu::read_limits() {
  const Library& l = library_;
  nvmlMemory_t memory{};
  if (l.memory(device_, &memory) == NVML_SUCCESS) facts_.memory_bytes = memory.total;
  if (const auto limit = number([&](unsigned int* out) { return l.power_limit(device_, out); }))
    facts_.power_limit_w = *limit * 1e-3;
  if (const auto clock = number([&](unsigned int* out) { return l.max_clock(device_, NVML_CLOCK_SM, out); }))
    facts_.max_sm_clock_mhz = *clock;
  if (const auto clock = number([&](unsigned int* out) { return l.max_clock(device_, NVML_CLOCK_MEM, out); }))
    facts_.max_memory_clock_mhz = *clock;
  if (const auto link = number([&](unsigned int* out) { return l.pcie_generation_max(device_, out); }))
    facts_.pcie_generation_max = static_cast<int>(*link);
  if (const auto link = number([&](unsigned int* out) { return l.pcie_width_max(device_, out); }))
    facts_.pcie_width_max = static_cast<int>(*link);
}

GpuReading NvmlGpu::read() {
  const Library& l = library_;
  GpuReading reading;
  reading.at_ns = monotonic_ns();
  nvmlMemory_t memory{};
  if (l.memory(device_, &memory) == NVML_SUCCESS) reading.device_bytes = memory.used;
  nvmlUtilization_t utilization{};
  if (l.utilization(device_, &utilization) == NVML_SUCCESS) reading.gpu_busy = utilization.gpu * 0.01;
  if (const auto clock = number([&](unsigned int* out) { return l.clock(device_, NVML_CLOCK_SM, out); }))
    reading.sm_clock_mhz = *clock;
  if (const auto clock = number([&](unsigned int* out) { return l.clock(device_, NVML_CLOCK_MEM, out); }))
    reading.memory_clock_mhz = *clock;
  if (const auto degrees = number([&](unsigned int* out) { return l.temperature(device_, NVML_TEMPERATURE_GPU, out); }))
    reading.temperature_c = *degrees;
  if (const auto link = number([&](unsigned int* out) { return l.pcie_generation(device_, out); }))
    reading.pcie_generation = static_cast<int>(*link);
  if (const auto link = number([&](unsigned int* out) { return l.pcie_width(device_, out); }))
    reading.pcie_width = static_cast<int>(*link);
  unsigned long long reasons = 0;
  if (l.reasons(device_, &reasons) == NVML_SUCCESS) reading.slowdown = reasons;
  read_power(reading);
  read_processes(reading);
  return reading;
}

/// Instant power where the driver has it: the older call averages over one second on recent cards.
void NvmlGpu::read_power(GpuReading& reading) {
  nvmlFieldValue_t instant{};
  instant.fieldId = NVML_FI_DEV_POWER_INSTANT;
  if (library_.fields(device_, 1, &instant) == NVML_SUCCESS && instant.nvmlReturn == NVML_SUCCESS)
    reading.power_w = instant.value.uiVal * 1e-3;
  else if (const auto power = number([&](unsigned int* out) { return library_.power(device_, out); }))
    reading.power_w = *power * 1e-3;
  unsigned long long energy = 0;
  if (library_.energy(device_, &energy) == NVML_SUCCESS) reading.energy_mj = double(energy);
}

void NvmlGpu::read_processes(GpuReading& reading) {
  std::array<nvmlProcessInfo_t, 64> infos{};
  unsigned int count = infos.size();
  if (library_.compute_processes(device_, &count, infos.data()) != NVML_SUCCESS) return;
  for (unsigned int i = 0; i < count; ++i) {
    GpuProcess process{static_cast<pid_t>(infos[i].pid), std::nullopt};
    if (infos[i].usedGpuMemory != static_cast<unsigned long long>(NVML_VALUE_NOT_AVAILABLE))
      process.memory_bytes = infos[i].usedGpuMemory;
    reading.processes.push_back(process);
  }
}

}  // namespace

bool built_with_nvml() { return true; }

GpuSet open_gpus() {
  GpuSet set;
  auto owned = std::make_unique<Library>();
  const Library& library = *owned;
  set.library = std::move(owned);
  set.reason = library.reason();
  if (!library.ready()) return set;
  std::array<char, NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE> version{};
  if (library.library_version(version.data(), version.size()) == NVML_SUCCESS) set.version = version.data();
  unsigned int count = 0;
  library.count(&count);
  for (unsigned int i = 0; i < count; ++i) {
    nvmlDevice_t device{};
    if (library.by_index(i, &device) == NVML_SUCCESS) set.gpus.push_back(std::make_unique<NvmlGpu>(library, device));
  }
  if (set.gpus.empty()) set.reason = "the driver shows no GPU";
  return set;
}

}  // namespace wan::measure
