// What the program and its CUDA module, wan_cuda.so, say to each other: one function, and the table it returns.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace wan {

/// Counts changes of the table's meaning; the types of its functions are told apart by the build.
inline constexpr int kCudaInterfaceVersion = 1;

/// Exceptions (Error, OutOfMemory), backends and tensors cross: program and module must be of one build. `version` and
/// `build` keep their places for ever, so that others can be refused.
struct CudaInterface {
  int version = 0;
  const char* build = nullptr;          // kBuildIdentity of the module
  const char* architectures = nullptr;  // see why_no_code
  /// Why there is no code for device `ordinal`, which is there and new enough; nothing otherwise.
  std::optional<std::string> (*no_code)(int ordinal) = nullptr;
  /// As cuda_problem, make_cuda_backend and tune_cuda_products of backend/factories.h.
  std::optional<std::string> (*problem)(int ordinal) = nullptr;
  std::unique_ptr<Backend> (*make)(int ordinal, const BackendOptions& options) = nullptr;
  std::vector<std::string> (*tune)(int ordinal, std::span<const ProductShape> shapes, double seconds) = nullptr;
};

/// The module's one exported entry.
inline constexpr char kCudaEntry[] = "wan_cuda_interface";
using CudaEntry = const CudaInterface*();

}  // namespace wan
