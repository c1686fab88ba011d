// A libnvidia-ml.so.1 with one invented card, so that the loading and reading of NVML is tested where there is none.
#include <nvml.h>

#include <cstring>

namespace {

// Counters move by the call, not by a clock: the test knows every answer.
unsigned long long energy_mj = 1000;
char device_storage, sample_storage[2];

nvmlDevice_t the_device() { return reinterpret_cast<nvmlDevice_t>(&device_storage); }

nvmlReturn_t put(char* out, unsigned int size, const char* text) {
  std::strncpy(out, text, size);
  return NVML_SUCCESS;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlInit_v2() { return NVML_SUCCESS; }
nvmlReturn_t nvmlShutdown() { return NVML_SUCCESS; }
nvmlReturn_t nvmlSystemGetDriverVersion(char* out, unsigned int size) { return put(out, size, "580.1"); }
nvmlReturn_t nvmlSystemGetNVMLVersion(char* out, unsigned int size) { return put(out, size, "13.580.1"); }
nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = 13000;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 1;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int, nvmlDevice_t* device) {
  *device = the_device();
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t, char* out, unsigned int size) { return put(out, size, "Paper H100"); }
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t, char* out, unsigned int size) { return put(out, size, "GPU-paper"); }
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t, nvmlMemory_t* memory) {
  *memory = {80ull << 30, 70ull << 30, 10ull << 30};
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t, nvmlUtilization_t* utilization) {
  *utilization = {75, 20};
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t, nvmlClockType_t type, unsigned int* clock) {
  *clock = type == NVML_CLOCK_SM ? 1600 : 2600;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t, unsigned long long* energy) {
  *energy = energy_mj += 500;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t, unsigned int*) { return NVML_ERROR_NOT_SUPPORTED; }
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t, int count, nvmlFieldValue_t* values) {
  for (int i = 0; i < count; ++i) {
    values[i].nvmlReturn = values[i].fieldId == NVML_FI_DEV_POWER_INSTANT ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
    values[i].value.uiVal = 650'500;
  }
  return NVML_SUCCESS;
}
// The older name: newer drivers have another, and only one of the two need exist.
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t, unsigned long long* reasons) {
  *reasons = nvmlClocksEventReasonSwPowerCap;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t, unsigned int* count, nvmlProcessInfo_t* infos) {
  infos[0] = {};
  infos[0].pid = 77;
  infos[0].usedGpuMemory = 5ull << 30;
  infos[1] = {};
  infos[1].pid = 78;
  infos[1].usedGpuMemory = static_cast<unsigned long long>(NVML_VALUE_NOT_AVAILABLE);
  *count = 2;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t, nvmlGpmSupport_t* support) {
  support->isSupportedDevice = support->version == NVML_GPM_SUPPORT_VERSION ? 1 : 0;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t* sample) {
  static int next = 0;
  *sample = reinterpret_cast<nvmlGpmSample_t>(&sample_storage[next++ % 2]);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t) { return NVML_SUCCESS; }
nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t) {
  return device == the_device() ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}
nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t* query) {
  if (query->version != NVML_GPM_METRICS_GET_VERSION || query->sample1 == query->sample2)
    return NVML_ERROR_INVALID_ARGUMENT;
  for (unsigned int i = 0; i < query->numMetrics; ++i) {
    nvmlGpmMetric_t& metric = query->metrics[i];
    metric.nvmlReturn = metric.metricId == NVML_GPM_METRIC_DRAM_BW_UTIL ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
    metric.value = metric.metricId == NVML_GPM_METRIC_SM_UTIL ? 90 : metric.metricId * 1.0;
  }
  return NVML_SUCCESS;
}

}  // extern "C"
