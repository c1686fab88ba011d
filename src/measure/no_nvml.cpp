// Stands in for nvml.cpp where nvml.h was not found at build time.
#include "measure/gpu.h"

namespace wan::measure {

bool built_with_nvml() { return false; }

GpuSet open_gpus() {
  GpuSet set;
  set.reason = "built without nvml.h";
  return set;
}

}  // namespace wan::measure
