// The functions of CUPTI and the driver that PM sampling needs, found at run time. Inner part of pm_sampler.h.
#pragma once

#include <cupti_pmsampling.h>
#include <cupti_profiler_host.h>
#include <cupti_profiler_target.h>
#include <cupti_target.h>

#include <string>

#include "measure/cupti_library.h"

namespace wan::measure {

struct PmFunctions {
  decltype(cuptiGetResultString)* explain = nullptr;
  decltype(cuptiProfilerInitialize)* initialize = nullptr;
  decltype(cuptiProfilerDeInitialize)* deinitialize = nullptr;
  decltype(cuptiDeviceGetChipName)* chip_name = nullptr;
  decltype(cuptiProfilerHostInitialize)* host_initialize = nullptr;
  decltype(cuptiProfilerHostDeinitialize)* host_deinitialize = nullptr;
  decltype(cuptiProfilerHostConfigAddMetrics)* add_metrics = nullptr;
  decltype(cuptiProfilerHostGetConfigImageSize)* config_size = nullptr;
  decltype(cuptiProfilerHostGetConfigImage)* config_image = nullptr;
  decltype(cuptiProfilerHostGetNumOfPasses)* passes = nullptr;
  decltype(cuptiProfilerHostEvaluateToGpuValues)* evaluate = nullptr;
  decltype(cuptiPmSamplingGetCounterAvailability)* availability = nullptr;
  decltype(cuptiPmSamplingEnable)* enable = nullptr;
  decltype(cuptiPmSamplingDisable)* disable = nullptr;
  decltype(cuptiPmSamplingSetConfig)* set_config = nullptr;
  decltype(cuptiPmSamplingGetCounterDataSize)* data_size = nullptr;
  decltype(cuptiPmSamplingCounterDataImageInitialize)* data_initialize = nullptr;
  decltype(cuptiPmSamplingStart)* start = nullptr;
  decltype(cuptiPmSamplingStop)* stop = nullptr;
  decltype(cuptiPmSamplingDecodeData)* decode = nullptr;
  decltype(cuptiPmSamplingGetCounterDataInfo)* data_info = nullptr;
  decltype(cuptiPmSamplingCounterDataGetSampleInfo)* sample_info = nullptr;

  /// Finds them all. Returns the name of the first that this version of the library lacks; empty: none is missing.
  std::string load(const CuptiLibrary& library);
};

/// What the driver needs before CUPTI asks it anything. Returns why it failed; empty: well.
std::string initialize_driver();

/// A CUPTI error in words a person can act on.
std::string explain(const PmFunctions& functions, CUptiResult result);

}  // namespace wan::measure
