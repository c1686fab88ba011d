// Which version of CUPTI is asked for.
#include "measure/cupti_library.h"

#include <fmt/format.h>

namespace wan::measure {

CuptiLibrary::CuptiLibrary(int cuda_major) {
  const std::string name = fmt::format("libcupti.so.{}", cuda_major);
  library_ = load_nvidia_library(name, Symbols::kPrivate);
  if (!library_.loaded())
    reason_ = fmt::format("{} of the CUDA toolkit cannot be loaded: WANBENCH_CUDA_LIBRARIES may name its folder", name);
}

}  // namespace wan::measure
