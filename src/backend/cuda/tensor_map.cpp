#include "backend/cuda/tensor_map.h"

#include "backend/cuda/context.h"
#include "base/error.h"

namespace wan::cuda {

EncodeTiled encode_tiled() {
  static const EncodeTiled function = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult found{};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found));
    require(found == cudaDriverEntryPointSuccess, "the driver lacks cuTensorMapEncodeTiled: CUDA 12 or newer is needed",
            ErrorKind::kRuntime);
    return reinterpret_cast<EncodeTiled>(entry);
  }();
  return function;
}

}  // namespace wan::cuda
