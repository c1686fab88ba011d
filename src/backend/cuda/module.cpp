// The entry of wan_cuda.so: see backend/cuda_interface.h.
#include "backend/cuda/factory.h"
#include "backend/cuda_interface.h"
#include "build_identity.h"

extern "C" const wan::CudaInterface* wan_cuda_interface() {
  using namespace wan;
  static const CudaInterface interface {
    kCudaInterfaceVersion, kBuildIdentity, cuda::architectures().data(), &cuda::no_code, &cuda::problem, &cuda::make,
        &cuda::tune
  };
  return &interface;
}
