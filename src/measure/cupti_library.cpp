// Which version of CUPTI is asked for.
#include "measure/cupti_library.h"

#include <fmt/format.h>

namespace wan::measure {

CuptiLibrary::CuptiLibrary(int cuda_major)
    : library_(load_nvidia_library(fmt::format("libcupti.so.{}", cuda_major), Symbols::kPrivate)) {}

}  // namespace wan::measure
