// The CUDA backend of a program that loads it: backend/factories.h through the module.
#include <dlfcn.h>

#include <fmt/format.h>

#include "backend/cuda_module.h"
#include "backend/cuda_requirements.h"
#include "backend/factories.h"
#include "base/error.h"
#include "base/program.h"

namespace wan {
namespace {

/// Never closed: whoever loads CUDA later needs it as well.
bool driver_loads() { return ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) != nullptr; }

std::string places_in_words() {
  std::string text;
  for (const auto& place : cuda_module_places(program_folder(), installed_cuda_modules()))
    text += (text.empty() ? "" : " and ") + place.string();
  return text;
}

std::vector<LibraryFinding> find_libraries() {
  return load_libraries(cuda_requirements(), library_folders(library_places()));
}

CudaModule load_all() {
  CudaModule module{nullptr, cuda_module_file(), {}};
  if (module.path.empty())
    module.problem = fmt::format("the CUDA module is not installed: it is looked for as {}", places_in_words());
  if (module.problem.empty())
    for (const LibraryFinding& finding : find_libraries())
      if (module.problem.empty()) module.problem = finding.problem;
  return module.problem.empty() ? load_cuda_module(module.path) : module;
}

/// Of this process: loaded at the first question where a driver is, and not again.
const CudaModule& module_of_process() {
  static const CudaModule module =
      driver_loads() ? load_all() : CudaModule{nullptr, {}, "no NVIDIA driver is installed here"};
  return module;
}

const CudaInterface& loaded() {
  const CudaModule& module = module_of_process();
  require(module.interface != nullptr, module.problem, ErrorKind::kUsage);
  return *module.interface;
}

}  // namespace

std::filesystem::path cuda_module_file() {
  std::error_code ignored;
  for (const auto& place : cuda_module_places(program_folder(), installed_cuda_modules()))
    if (std::filesystem::is_regular_file(place, ignored)) return place;
  return {};
}

std::optional<std::string> why_card_has_no_code() {
  const CudaModule& module = module_of_process();
  return module.interface == nullptr ? std::nullopt : module.interface->no_code(0);
}

CudaStatus cuda_status() {
  CudaStatus status;
  status.module = cuda_module_file();
  status.problem = module_of_process().problem;
  status.libraries = find_libraries();
  return status;
}

std::optional<std::string> cuda_problem(int ordinal) {
  const CudaModule& module = module_of_process();
  if (module.interface == nullptr) return module.problem;
  return module.interface->problem(ordinal);
}

std::unique_ptr<Backend> make_cuda_backend(int ordinal, const BackendOptions& options) {
  return loaded().make(ordinal, options);
}

std::vector<std::string> tune_cuda_products(int ordinal, std::span<const ProductShape> shapes, double seconds) {
  return loaded().tune(ordinal, shapes, seconds);
}

}  // namespace wan
