// A libcupti with PM sampling of one invented chip: what it counts, how many counters a pass holds, and where it fails
// is known to the test.
#include <cupti_pmsampling.h>
#include <cupti_profiler_host.h>
#include <cupti_profiler_target.h>
#include <cupti_target.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

// CUPTI leaves these types to the library.
struct CUpti_Profiler_Host_Object {
  std::vector<std::string> names;
};
struct CUpti_PmSampling_Object {
  uint64_t device_ns = 0;
};

namespace {

const char* failing = "";  // the function that fails, and how
CUptiResult failure = CUPTI_SUCCESS;
size_t a_pass_holds = 8;
int open_hosts = 0, open_objects = 0, initialized = 0;
CUpti_PmSampling_Object object;

CUptiResult answer(const char* function) { return std::strcmp(failing, function) == 0 ? failure : CUPTI_SUCCESS; }

bool knows(const std::string& name) {
  for (const char* known : {"sm__cycles_active", "sm__pipe_tensor_cycles_active_realtime", "dramc__read_throughput",
                            "dramc__write_throughput"})
    if (name == std::string(known) + ".avg.pct_of_peak_sustained_elapsed") return true;
  return false;
}

double value_of(const std::string& name) {
  if (name.starts_with("sm__cycles")) return 90;
  if (name.starts_with("sm__pipe_tensor")) return std::numeric_limits<double>::quiet_NaN();
  return name.starts_with("dramc__read") ? 20 : 5;
}

constexpr uint64_t kPeriod = 10'000'000;
constexpr size_t kSamplesARead = 3;

}  // namespace

extern "C" {

/// For the test: what fails from now on, and how many counters fit a pass.
void fake_pm(const char* function, int result, size_t in_a_pass) {
  failing = function;
  failure = static_cast<CUptiResult>(result);
  a_pass_holds = in_a_pass;
  object = {};
}
int fake_pm_open() { return open_hosts + open_objects + initialized; }

CUptiResult cuptiGetResultString(CUptiResult, const char** text) {
  *text = "INVENTED";
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerInitialize(CUpti_Profiler_Initialize_Params*) {
  ++initialized;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerDeInitialize(CUpti_Profiler_DeInitialize_Params*) {
  --initialized;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiDeviceGetChipName(CUpti_Device_GetChipName_Params* p) {
  p->pChipName = p->deviceIndex == 1 ? "paper100" : nullptr;
  return p->deviceIndex == 1 ? CUPTI_SUCCESS : CUPTI_ERROR_INVALID_DEVICE;
}
CUptiResult cuptiPmSamplingGetCounterAvailability(CUpti_PmSampling_GetCounterAvailability_Params* p) {
  if (p->pCounterAvailabilityImage == nullptr)
    p->counterAvailabilityImageSize = 4;
  else
    std::memcpy(p->pCounterAvailabilityImage, "real", 4);
  return answer("availability");
}
CUptiResult cuptiProfilerHostInitialize(CUpti_Profiler_Host_Initialize_Params* p) {
  if (p->structSize == 0 || p->profilerType != CUPTI_PROFILER_TYPE_PM_SAMPLING ||
      std::memcmp(p->pCounterAvailabilityImage, "real", 4) != 0)
    return CUPTI_ERROR_INVALID_PARAMETER;
  p->pHostObject = new CUpti_Profiler_Host_Object;
  ++open_hosts;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerHostDeinitialize(CUpti_Profiler_Host_Deinitialize_Params* p) {
  delete p->pHostObject;
  --open_hosts;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerHostConfigAddMetrics(CUpti_Profiler_Host_ConfigAddMetrics_Params* p) {
  for (size_t i = 0; i < p->numMetrics; ++i) {
    if (!knows(p->ppMetricNames[i])) return CUPTI_ERROR_INVALID_METRIC_NAME;
    p->pHostObject->names.push_back(p->ppMetricNames[i]);
  }
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerHostGetConfigImageSize(CUpti_Profiler_Host_GetConfigImageSize_Params* p) {
  p->configImageSize = 1;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerHostGetConfigImage(CUpti_Profiler_Host_GetConfigImage_Params* p) {
  p->pConfigImage[0] = static_cast<uint8_t>(p->pHostObject->names.size());
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerHostGetNumOfPasses(CUpti_Profiler_Host_GetNumOfPasses_Params* p) {
  p->numOfPasses = p->pConfigImage[0] <= a_pass_holds ? 1 : 2;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiProfilerHostEvaluateToGpuValues(CUpti_Profiler_Host_EvaluateToGpuValues_Params* p) {
  if (p->numMetrics != p->pHostObject->names.size()) return CUPTI_ERROR_INVALID_PARAMETER;
  for (size_t i = 0; i < p->numMetrics; ++i) p->pMetricValues[i] = value_of(p->ppMetricNames[i]);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiPmSamplingEnable(CUpti_PmSampling_Enable_Params* p) {
  if (const CUptiResult result = answer("enable"); result != CUPTI_SUCCESS) return result;
  p->pPmSamplingObject = &object;
  ++open_objects;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiPmSamplingDisable(CUpti_PmSampling_Disable_Params*) {
  --open_objects;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiPmSamplingSetConfig(CUpti_PmSampling_SetConfig_Params* p) {
  const bool right = p->samplingInterval == kPeriod && p->configSize == 1 && p->hardwareBufferSize > 0 &&
                     p->triggerMode == CUPTI_PM_SAMPLING_TRIGGER_MODE_GPU_TIME_INTERVAL;
  return right ? CUPTI_SUCCESS : CUPTI_ERROR_INVALID_PARAMETER;
}
CUptiResult cuptiPmSamplingGetCounterDataSize(CUpti_PmSampling_GetCounterDataSize_Params* p) {
  p->counterDataSize = 16;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiPmSamplingCounterDataImageInitialize(CUpti_PmSampling_CounterDataImage_Initialize_Params* p) {
  std::memset(p->pCounterData, 0, p->counterDataSize);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiPmSamplingStart(CUpti_PmSampling_Start_Params*) { return answer("start"); }
CUptiResult cuptiPmSamplingStop(CUpti_PmSampling_Stop_Params*) { return CUPTI_SUCCESS; }

/// Three samples a read in two images: the first is full after two.
CUptiResult cuptiPmSamplingDecodeData(CUpti_PmSampling_DecodeData_Params* p) {
  if (p->pCounterDataImage[0] != 0) return CUPTI_ERROR_INVALID_PARAMETER;  // it was not cleared
  const bool second = object.device_ns / kPeriod % kSamplesARead == 2;
  p->pCounterDataImage[0] = second ? 1 : 2;
  p->decodeStopReason = second ? CUPTI_PM_SAMPLING_DECODE_STOP_REASON_END_OF_RECORDS
                               : CUPTI_PM_SAMPLING_DECODE_STOP_REASON_COUNTER_DATA_FULL;
  return answer("decode");
}
CUptiResult cuptiPmSamplingGetCounterDataInfo(CUpti_PmSampling_GetCounterDataInfo_Params* p) {
  p->numCompletedSamples = p->pCounterDataImage[0];
  return CUPTI_SUCCESS;
}
CUptiResult cuptiPmSamplingCounterDataGetSampleInfo(CUpti_PmSampling_CounterData_GetSampleInfo_Params* p) {
  p->startTimestamp = object.device_ns;
  p->endTimestamp = object.device_ns += kPeriod;
  return CUPTI_SUCCESS;
}

}  // extern "C"
