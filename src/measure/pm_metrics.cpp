#include "measure/pm_metrics.h"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan::measure {

const std::vector<PmMetrics::Quantity>& PmMetrics::quantities() {
  // Names differ between chips: Hopper's memory unit is dramc, Ada's dram, Blackwell counts its tensor pipe anew.
  static const std::vector<Quantity> kQuantities = {
      {"SM", &CounterSample::sm, {{"sm__cycles_active.avg.pct_of_peak_sustained_elapsed"}}},
      {"tensor",
       &CounterSample::tensor,
       {{"sm__pipe_tensor_cycles_active_realtime_v2.avg.pct_of_peak_sustained_elapsed"},
        {"sm__pipe_tensor_cycles_active_realtime.avg.pct_of_peak_sustained_elapsed"},
        {"sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"}}},
      {"DRAM",
       &CounterSample::dram,
       {{"dramc__read_throughput.avg.pct_of_peak_sustained_elapsed",
         "dramc__write_throughput.avg.pct_of_peak_sustained_elapsed"},
        {"dram__read_throughput.avg.pct_of_peak_sustained_elapsed",
         "dram__write_throughput.avg.pct_of_peak_sustained_elapsed"},
        {"dram__throughput.avg.pct_of_peak_sustained_elapsed"}}}};
  return kQuantities;
}

PmMetrics::PmMetrics(const PmFunctions& functions, const char* chip, const std::vector<uint8_t>& availability)
    : functions_(functions), chip_(chip), availability_(availability) {
  for (const Quantity& quantity : quantities()) {
    const size_t before = names_.size();
    for (const std::vector<const char*>& candidate : quantity.candidates) {
      std::vector<const char*> together = names_;
      together.insert(together.end(), candidate.begin(), candidate.end());
      if (configure(std::move(together))) break;
    }
    const std::span<const char* const> added(names_.begin() + static_cast<ptrdiff_t>(before), names_.end());
    text_ += fmt::format("{}{}: {}", text_.empty() ? "" : "; ", quantity.title,
                         added.empty() ? "not on this chip" : fmt::format("{}", fmt::join(added, " + ")));
    if (!added.empty()) chosen_.push_back({quantity.member, before, added.size()});
  }
  if (names_.empty())
    reason_ = fmt::format("CUPTI knows none of the wanted counters on the chip {}{}", chip_,
                          reason_.empty() ? "" : " (" + reason_ + ")");
  else
    reason_.clear();
  values_.resize(names_.size());
}

PmMetrics::~PmMetrics() { release(host_); }

CUpti_Profiler_Host_Object* PmMetrics::make_host() {
  CUpti_Profiler_Host_Initialize_Params made{};
  made.structSize = CUpti_Profiler_Host_Initialize_Params_STRUCT_SIZE;
  made.profilerType = CUPTI_PROFILER_TYPE_PM_SAMPLING;
  made.pChipName = chip_;
  made.pCounterAvailabilityImage = availability_.data();
  if (const CUptiResult result = functions_.host_initialize(&made); result != CUPTI_SUCCESS) {
    reason_ = explain(functions_, result);
    return nullptr;
  }
  return made.pHostObject;
}

void PmMetrics::release(CUpti_Profiler_Host_Object* host) const {
  if (host == nullptr) return;
  CUpti_Profiler_Host_Deinitialize_Params gone{};
  gone.structSize = CUpti_Profiler_Host_Deinitialize_Params_STRUCT_SIZE;
  gone.pHostObject = host;
  functions_.host_deinitialize(&gone);
}

bool PmMetrics::configure(std::vector<const char*> names) {
  CUpti_Profiler_Host_Object* host = make_host();
  if (host == nullptr) return false;
  CUpti_Profiler_Host_ConfigAddMetrics_Params add{};
  add.structSize = CUpti_Profiler_Host_ConfigAddMetrics_Params_STRUCT_SIZE;
  add.pHostObject = host;
  add.ppMetricNames = names.data();
  add.numMetrics = names.size();
  CUpti_Profiler_Host_GetConfigImageSize_Params size{};
  size.structSize = CUpti_Profiler_Host_GetConfigImageSize_Params_STRUCT_SIZE;
  size.pHostObject = host;
  bool fits = functions_.add_metrics(&add) == CUPTI_SUCCESS && functions_.config_size(&size) == CUPTI_SUCCESS;
  std::vector<uint8_t> config(fits ? size.configImageSize : 0);
  if (fits) {
    CUpti_Profiler_Host_GetConfigImage_Params image{};
    image.structSize = CUpti_Profiler_Host_GetConfigImage_Params_STRUCT_SIZE;
    image.pHostObject = host;
    image.configImageSize = config.size();
    image.pConfigImage = config.data();
    CUpti_Profiler_Host_GetNumOfPasses_Params passes{};
    passes.structSize = CUpti_Profiler_Host_GetNumOfPasses_Params_STRUCT_SIZE;
    passes.configImageSize = config.size();
    passes.pConfigImage = config.data();
    fits = functions_.config_image(&image) == CUPTI_SUCCESS && functions_.passes(&passes) == CUPTI_SUCCESS &&
           passes.numOfPasses == 1;
  }
  if (!fits) {
    release(host);
    return false;
  }
  release(host_);
  host_ = host;
  names_ = std::move(names);
  config_ = std::move(config);
  return true;
}

CounterSample PmMetrics::evaluate(std::span<const uint8_t> image, size_t index) {
  CUpti_Profiler_Host_EvaluateToGpuValues_Params values{};
  values.structSize = CUpti_Profiler_Host_EvaluateToGpuValues_Params_STRUCT_SIZE;
  values.pHostObject = host_;
  values.pCounterDataImage = image.data();
  values.counterDataImageSize = image.size();
  values.rangeIndex = index;
  values.ppMetricNames = names_.data();
  values.numMetrics = names_.size();
  values.pMetricValues = values_.data();
  CounterSample sample;
  if (functions_.evaluate(&values) != CUPTI_SUCCESS) return sample;
  constexpr double kFromPercent = 0.01;
  for (const Chosen& chosen : chosen_) {
    double sum = 0;
    for (size_t i = 0; i < chosen.count; ++i) sum += values_[chosen.first + i];
    if (std::isfinite(sum)) sample.*chosen.member = sum * kFromPercent;
  }
  return sample;
}

}  // namespace wan::measure
