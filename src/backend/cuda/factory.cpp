// Makes the CUDA backend, or says why this machine cannot run it. Touches no device until one is made: a process that
// only asks holds no device memory.
#include "backend/cuda/factory.h"

#include <fmt/format.h>

#include "backend/card_code.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/tuning.h"
#include "base/error.h"
#include "base/file.h"

namespace wan::cuda {
namespace {

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

/// A card that may compute, or why there is none.
struct CardOrProblem {
  std::optional<Card> card;
  std::string problem;
};

CardOrProblem find_card(int ordinal) {
  constexpr int kOldestMajor = 8;  // bf16 matrix units
  const auto no = [](std::string problem) { return CardOrProblem{{}, std::move(problem)}; };
  int driver = 0, runtime = 0, devices = 0, major = 0, minor = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return no("no NVIDIA driver is installed here");
  if (driver / 1000 < runtime / 1000)
    return no(fmt::format("the NVIDIA driver supports CUDA {} and this build needs {}: update the driver",
                          version_text(driver), version_text(runtime)));
  const cudaError_t status = cudaGetDeviceCount(&devices);
  cudaGetLastError();
  if (status != cudaSuccess) return no(fmt::format("no CUDA device: {}", cudaGetErrorString(status)));
  if (ordinal >= devices) return no(fmt::format("there is no device {}: this machine shows {}", ordinal, devices));
  cudaDeviceProp properties{};
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal) != cudaSuccess ||
      cudaGetDeviceProperties(&properties, ordinal) != cudaSuccess)
    return no(fmt::format("device {} does not answer: {}", ordinal, cudaGetErrorString(cudaGetLastError())));
  if (major < kOldestMajor)
    return no(fmt::format("device {} has compute capability {}.{}; bfloat16 needs {}.0 (Ampere) or newer", ordinal,
                          major, minor, kOldestMajor));
  return {Card{major, minor, properties.name}, {}};
}

}  // namespace

std::string_view architectures() { return WAN_CUDA_ARCHITECTURES; }

std::optional<std::string> problem(int ordinal) {
  const CardOrProblem found = find_card(ordinal);
  return found.card ? why_no_code(architectures(), *found.card) : found.problem;
}

std::optional<std::string> no_code(int ordinal) {
  const CardOrProblem found = find_card(ordinal);
  return found.card ? why_no_code(architectures(), *found.card) : std::nullopt;
}

std::unique_ptr<Backend> make(int ordinal, const BackendOptions& options) {
  const std::string table =
      options.tuning_table.empty() ? std::string(builtin_tuning_table()) : read_text(options.tuning_table);
  return std::make_unique<CudaBackend>(ordinal, table, options.gpu_memory_limit);
}

std::vector<std::string> tune(int ordinal, std::span<const ProductShape> shapes, double seconds) {
  CudaBackend backend(ordinal, std::string(builtin_tuning_table()));
  return backend.linear_state().tune(shapes, {seconds});
}

}  // namespace wan::cuda
