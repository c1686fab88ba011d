// Stands in for backend/cuda in a build without CUDA.
#include "backend/cuda_module.h"
#include "backend/factories.h"
#include "base/error.h"

namespace wan {

std::optional<std::string> cuda_problem(int) {
  return "this build has no CUDA backend (nvcc, cuDNN or its front end was not found when it was configured)";
}

std::filesystem::path cuda_module_file() { return {}; }

std::optional<std::string> why_card_has_no_code() { return std::nullopt; }

CudaStatus cuda_status() { return {{}, *cuda_problem(0), {}}; }

std::unique_ptr<Backend> make_cuda_backend(int, const BackendOptions&) {
  throw Error(ErrorKind::kUsage, *cuda_problem(0));
}

std::vector<std::string> tune_cuda_products(int, std::span<const ProductShape>, double) {
  throw Error(ErrorKind::kUsage, *cuda_problem(0));
}

}  // namespace wan
