// An invented CUDA module: what crosses the boundary, without CUDA. Compiled several times, as FAKE_VERSION and
// FAKE_BUILD say.
#include <fmt/format.h>

#include "backend/cuda_interface.h"
#include "backend/memory_ledger.h"
#include "base/build_info.h"
#include "base/error.h"
#include "build_identity.h"

namespace wan {
namespace {

std::optional<std::string> no_code(int) { return std::nullopt; }

std::optional<std::string> problem(int ordinal) {
  return ordinal == 0 ? std::nullopt : std::optional<std::string>(fmt::format("device {} is invented", ordinal));
}

/// Device 1 has no memory, device 2 no table; the others are dry.
std::unique_ptr<Backend> make(int ordinal, const BackendOptions& options) {
  if (ordinal == 1) throw OutOfMemory("an invented buffer", 20, 10, "use less");
  if (ordinal == 2) throw Error(ErrorKind::kInput, options.tuning_table + " is no table");
  return make_dry_backend();
}

/// Where state of the program's is, as this module sees it.
std::vector<std::string> tune(int, std::span<const ProductShape>, double) {
  return {fmt::format("{}", static_cast<const void*>(&build_info()))};
}

}  // namespace
}  // namespace wan

extern "C" const wan::CudaInterface* wan_cuda_interface() {
  using namespace wan;
  static const CudaInterface interface { FAKE_VERSION, FAKE_BUILD, "80", &no_code, &problem, &make, &tune };
  return &interface;
}
