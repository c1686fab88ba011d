#include "measure/pm_functions.h"

#include <dlfcn.h>

#include <fmt/format.h>

namespace wan::measure {

std::string PmFunctions::load(const CuptiLibrary& library) {
  std::string missing;
  const auto find = [&]<class Signature>(Signature*& function, const char* name) {
    function = library.function<Signature>(name);
    if (function == nullptr && missing.empty()) missing = name;
  };
  find(explain, "cuptiGetResultString");
  find(initialize, "cuptiProfilerInitialize");
  find(deinitialize, "cuptiProfilerDeInitialize");
  find(chip_name, "cuptiDeviceGetChipName");
  find(host_initialize, "cuptiProfilerHostInitialize");
  find(host_deinitialize, "cuptiProfilerHostDeinitialize");
  find(add_metrics, "cuptiProfilerHostConfigAddMetrics");
  find(config_size, "cuptiProfilerHostGetConfigImageSize");
  find(config_image, "cuptiProfilerHostGetConfigImage");
  find(passes, "cuptiProfilerHostGetNumOfPasses");
  find(evaluate, "cuptiProfilerHostEvaluateToGpuValues");
  find(availability, "cuptiPmSamplingGetCounterAvailability");
  find(enable, "cuptiPmSamplingEnable");
  find(disable, "cuptiPmSamplingDisable");
  find(set_config, "cuptiPmSamplingSetConfig");
  find(data_size, "cuptiPmSamplingGetCounterDataSize");
  find(data_initialize, "cuptiPmSamplingCounterDataImageInitialize");
  find(start, "cuptiPmSamplingStart");
  find(stop, "cuptiPmSamplingStop");
  find(decode, "cuptiPmSamplingDecodeData");
  find(data_info, "cuptiPmSamplingGetCounterDataInfo");
  find(sample_info, "cuptiPmSamplingCounterDataGetSampleInfo");
  return missing;
}

std::string initialize_driver() {
  // The engine uses the same library; it stays loaded for it.
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (driver == nullptr) return "no NVIDIA driver: libcuda.so.1 cannot be loaded";
  auto* initialize = reinterpret_cast<decltype(cuInit)*>(::dlsym(driver, "cuInit"));
  if (initialize == nullptr) return "libcuda.so.1 lacks cuInit";
  const CUresult result = initialize(0);
  return result == CUDA_SUCCESS ? "" : fmt::format("cuInit fails with error {}", int(result));
}

std::string explain(const PmFunctions& functions, CUptiResult result) {
  switch (result) {
    case CUPTI_ERROR_INSUFFICIENT_PRIVILEGES:
    case CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES:
      return "the driver keeps the counters to administrators (NVreg_RestrictProfilingToAdminUsers=0 lifts it)";
    case CUPTI_ERROR_HARDWARE_BUSY:
    case CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED: return "another client holds the counters";
    default: break;
  }
  const char* text = nullptr;
  functions.explain(result, &text);
  return text != nullptr ? text : fmt::format("error {}", int(result));
}

}  // namespace wan::measure
