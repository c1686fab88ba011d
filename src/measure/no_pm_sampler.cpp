// Stands in for pm_sampler.cpp where CUPTI's PM sampling headers were not found at build time.
#include "measure/pm_sampler.h"

namespace wan::measure {

class PmSampler::Session {};

PmSampler::PmSampler(int) {}
PmSampler::~PmSampler() = default;

const std::string& PmSampler::reason() const {
  static const std::string kReason = "built without cupti_pmsampling.h";
  return kReason;
}

const std::string& PmSampler::metrics() const {
  static const std::string kNone;
  return kNone;
}

std::vector<CounterSample> PmSampler::read() { return {}; }

}  // namespace wan::measure
