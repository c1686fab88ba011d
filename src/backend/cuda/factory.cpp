// Makes the CUDA backend, or says why this machine cannot run it. Touches no device until one is made: a process that
// only asks holds no device memory.
#include <fmt/format.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/tuning.h"
#include "backend/factories.h"
#include "base/error.h"
#include "base/file.h"

namespace wan {
namespace {

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

std::optional<std::string> cuda_problem(int ordinal) {
  constexpr int kOldestMajor = 8;  // bf16 matrix units
  int driver = 0, runtime = 0, devices = 0, major = 0, minor = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "no NVIDIA driver is installed here";
  if (driver / 1000 < runtime / 1000) {
    return fmt::format("the NVIDIA driver supports CUDA {} and this build needs {}: update the driver",
                       version_text(driver), version_text(runtime));
  }
  const cudaError_t status = cudaGetDeviceCount(&devices);
  cudaGetLastError();
  if (status != cudaSuccess) return fmt::format("no CUDA device: {}", cudaGetErrorString(status));
  if (ordinal >= devices) return fmt::format("there is no device {}: this machine shows {}", ordinal, devices);
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal) != cudaSuccess) {
    return fmt::format("device {} does not answer: {}", ordinal, cudaGetErrorString(cudaGetLastError()));
  }
  if (major < kOldestMajor) {
    return fmt::format("device {} has compute capability {}.{}; bfloat16 needs {}.0 (Ampere) or newer", ordinal, major,
                       minor, kOldestMajor);
  }
  return std::nullopt;
}

std::unique_ptr<Backend> make_cuda_backend(int ordinal, const BackendOptions& options) {
  const std::string table =
      options.tuning_table.empty() ? std::string(cuda::builtin_tuning_table()) : read_text(options.tuning_table);
  return std::make_unique<cuda::CudaBackend>(ordinal, table);
}

std::vector<std::string> tune_cuda_products(int ordinal, std::span<const ProductShape> shapes, double seconds) {
  cuda::CudaBackend backend(ordinal, std::string(cuda::builtin_tuning_table()));
  return backend.linear_state().tune(shapes, {seconds});
}

}  // namespace wan
