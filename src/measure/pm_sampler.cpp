// CUPTI PM sampling as cupti_pmsampling.h and cupti_profiler_host.h of CUDA 13 describe it: a sampling object fills a
// ring on the device at a fixed period, which `read` decodes into an image of counts that PmMetrics evaluates.
#include "measure/pm_sampler.h"

#include <cuda.h>

#include <fmt/format.h>

#include "measure/pm_functions.h"
#include "measure/pm_metrics.h"

namespace wan::measure {
namespace {

constexpr size_t kRingBytes = size_t{64} << 20;
constexpr uint32_t kMostSamples = 256;  // in one decoding: 2.5 s

}  // namespace

class PmSampler::Session {
 public:
  explicit Session(size_t device) : device_(device), library_(CUDA_VERSION / 1000) { reason_ = open(); }
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& reason() const { return reason_; }
  const std::string& metrics() const { return metrics_ ? metrics_->text() : reason_; }
  std::vector<CounterSample> read();

 private:
  /// Each returns why it failed; empty: it did not.
  std::string open();
  std::string prepare();
  std::string start_sampling();
  std::string clear_image();
  std::string because(const char* what, CUptiResult result) const {
    return result == CUPTI_SUCCESS ? "" : fmt::format("CUPTI PM sampling, {}: {}", what, explain(functions_, result));
  }
  /// False once there is nothing more to decode now, or something failed.
  bool decode_into(std::vector<CounterSample>& samples);

  size_t device_;
  CuptiLibrary library_;
  PmFunctions functions_;
  std::vector<uint8_t> availability_, image_;
  std::unique_ptr<PmMetrics> metrics_;
  CUpti_PmSampling_Object* object_ = nullptr;
  bool initialized_ = false, sampling_ = false;
  std::string reason_;
};

std::string PmSampler::Session::open() {
  if (!library_.loaded()) return library_.reason();
  if (const std::string missing = functions_.load(library_); !missing.empty())
    return "this version of CUPTI lacks " + missing;
  if (std::string problem = initialize_driver(); !problem.empty()) return problem;
  CUpti_Profiler_Initialize_Params begin{};
  begin.structSize = CUpti_Profiler_Initialize_Params_STRUCT_SIZE;
  if (const auto result = functions_.initialize(&begin); result != CUPTI_SUCCESS)
    return because("initialization (needs libnvperf_host and libnvperf_target beside libcupti)", result);
  initialized_ = true;
  if (std::string problem = prepare(); !problem.empty()) return problem;
  return start_sampling();
}

/// Chooses the counters.
std::string PmSampler::Session::prepare() {
  CUpti_Device_GetChipName_Params chip{};
  chip.structSize = CUpti_Device_GetChipName_Params_STRUCT_SIZE;
  chip.deviceIndex = device_;
  if (const auto result = functions_.chip_name(&chip); result != CUPTI_SUCCESS) return because("chip name", result);
  // Asked twice: for the size, then for the content.
  CUpti_PmSampling_GetCounterAvailability_Params available{};
  available.structSize = CUpti_PmSampling_GetCounterAvailability_Params_STRUCT_SIZE;
  available.deviceIndex = device_;
  for (int round = 0; round < 2; ++round) {
    if (const auto result = functions_.availability(&available); result != CUPTI_SUCCESS)
      return because("counter availability", result);
    availability_.resize(available.counterAvailabilityImageSize);
    available.pCounterAvailabilityImage = availability_.data();
  }
  metrics_ = std::make_unique<PmMetrics>(functions_, chip.pChipName, availability_);
  return metrics_->reason();
}

std::string PmSampler::Session::start_sampling() {
  CUpti_PmSampling_Enable_Params enable{};
  enable.structSize = CUpti_PmSampling_Enable_Params_STRUCT_SIZE;
  enable.deviceIndex = device_;
  if (const auto result = functions_.enable(&enable); result != CUPTI_SUCCESS) return because("enabling", result);
  object_ = enable.pPmSamplingObject;
  CUpti_PmSampling_SetConfig_Params config{};
  config.structSize = CUpti_PmSampling_SetConfig_Params_STRUCT_SIZE;
  config.pPmSamplingObject = object_;
  config.configSize = metrics_->config().size();
  config.pConfig = metrics_->config().data();
  config.hardwareBufferSize = kRingBytes;
  config.samplingInterval = kPeriodNs;
  config.triggerMode = CUPTI_PM_SAMPLING_TRIGGER_MODE_GPU_TIME_INTERVAL;
  config.hwBufferAppendMode = CUPTI_PM_SAMPLING_HARDWARE_BUFFER_APPEND_MODE_KEEP_LATEST;
  if (const auto result = functions_.set_config(&config); result != CUPTI_SUCCESS)
    return because("configuration", result);
  CUpti_PmSampling_GetCounterDataSize_Params size{};
  size.structSize = CUpti_PmSampling_GetCounterDataSize_Params_STRUCT_SIZE;
  size.pPmSamplingObject = object_;
  size.pMetricNames = metrics_->names().data();
  size.numMetrics = metrics_->names().size();
  size.maxSamples = kMostSamples;
  if (const auto result = functions_.data_size(&size); result != CUPTI_SUCCESS) return because("image size", result);
  image_.resize(size.counterDataSize);
  if (std::string problem = clear_image(); !problem.empty()) return problem;
  CUpti_PmSampling_Start_Params start{};
  start.structSize = CUpti_PmSampling_Start_Params_STRUCT_SIZE;
  start.pPmSamplingObject = object_;
  const auto result = functions_.start(&start);
  sampling_ = result == CUPTI_SUCCESS;
  return because("start", result);
}

std::string PmSampler::Session::clear_image() {
  CUpti_PmSampling_CounterDataImage_Initialize_Params clear{};
  clear.structSize = CUpti_PmSampling_CounterDataImage_Initialize_Params_STRUCT_SIZE;
  clear.pPmSamplingObject = object_;
  clear.counterDataSize = image_.size();
  clear.pCounterData = image_.data();
  return because("clearing the image", functions_.data_initialize(&clear));
}

PmSampler::Session::~Session() {
  if (sampling_) {
    CUpti_PmSampling_Stop_Params stop{};
    stop.structSize = CUpti_PmSampling_Stop_Params_STRUCT_SIZE;
    stop.pPmSamplingObject = object_;
    functions_.stop(&stop);
  }
  if (object_ != nullptr) {
    CUpti_PmSampling_Disable_Params disable{};
    disable.structSize = CUpti_PmSampling_Disable_Params_STRUCT_SIZE;
    disable.pPmSamplingObject = object_;
    functions_.disable(&disable);
  }
  metrics_.reset();
  if (initialized_) {
    CUpti_Profiler_DeInitialize_Params end{};
    end.structSize = CUpti_Profiler_DeInitialize_Params_STRUCT_SIZE;
    functions_.deinitialize(&end);
  }
}

std::vector<CounterSample> PmSampler::Session::read() {
  std::vector<CounterSample> samples;
  constexpr int kMostRounds = 64;  // more than the ring holds; a device that never comes to an end stops here
  for (int round = 0; reason_.empty() && round < kMostRounds && decode_into(samples); ++round) {
  }
  return samples;
}

bool PmSampler::Session::decode_into(std::vector<CounterSample>& samples) {
  CUpti_PmSampling_DecodeData_Params decode{};
  decode.structSize = CUpti_PmSampling_DecodeData_Params_STRUCT_SIZE;
  decode.pPmSamplingObject = object_;
  decode.pCounterDataImage = image_.data();
  decode.counterDataImageSize = image_.size();
  reason_ = because("decoding", functions_.decode(&decode));
  if (!reason_.empty()) return false;
  CUpti_PmSampling_GetCounterDataInfo_Params info{};
  info.structSize = CUpti_PmSampling_GetCounterDataInfo_Params_STRUCT_SIZE;
  info.pCounterDataImage = image_.data();
  info.counterDataImageSize = image_.size();
  reason_ = because("sample count", functions_.data_info(&info));
  for (size_t i = 0; reason_.empty() && i < info.numCompletedSamples; ++i) {
    CUpti_PmSampling_CounterData_GetSampleInfo_Params at{};
    at.structSize = CUpti_PmSampling_CounterData_GetSampleInfo_Params_STRUCT_SIZE;
    at.pPmSamplingObject = object_;
    at.pCounterDataImage = image_.data();
    at.counterDataImageSize = image_.size();
    at.sampleIndex = i;
    reason_ = because("sample time", functions_.sample_info(&at));
    CounterSample sample = metrics_->evaluate(image_, i);
    sample.begin_ns = static_cast<int64_t>(at.startTimestamp);
    sample.end_ns = static_cast<int64_t>(at.endTimestamp);
    samples.push_back(sample);
  }
  if (reason_.empty()) reason_ = clear_image();
  return reason_.empty() && decode.decodeStopReason == CUPTI_PM_SAMPLING_DECODE_STOP_REASON_COUNTER_DATA_FULL;
}

PmSampler::PmSampler(int device) : session_(std::make_unique<Session>(static_cast<size_t>(device))) {}
PmSampler::~PmSampler() = default;

const std::string& PmSampler::reason() const { return session_->reason(); }
const std::string& PmSampler::metrics() const { return session_->metrics(); }
std::vector<CounterSample> PmSampler::read() { return session_->read(); }

}  // namespace wan::measure
