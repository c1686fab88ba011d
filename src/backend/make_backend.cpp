// The factory: the one file that names concrete backends.
#include <charconv>

#include "backend/backend.h"
#include "backend/factories.h"
#include "base/error.h"

namespace wan {
namespace {

/// N of "cuda:N", 0 of "cuda". Throws Error(kUsage) when the name is unknown or the device cannot be used.
int usable_cuda_ordinal(const std::string& device) {
  const std::string prefix = "cuda";
  require(device.rfind(prefix, 0) == 0, "device '" + device + "' is unknown: use cpu, cuda or cuda:N",
          ErrorKind::kUsage);
  int ordinal = 0;
  if (device.size() > prefix.size()) {
    const char* begin = device.data() + prefix.size() + 1;
    const char* end = device.data() + device.size();
    const auto parsed = std::from_chars(begin, end, ordinal);
    require(device[prefix.size()] == ':' && parsed.ec == std::errc{} && parsed.ptr == end && ordinal >= 0,
            "device '" + device + "' is unknown: use cpu, cuda or cuda:N", ErrorKind::kUsage);
  }
  const auto problem = cuda_problem(ordinal);
  require(!problem, "device " + device + " cannot be used: " + problem.value_or("") + "; use --device cpu",
          ErrorKind::kUsage);
  return ordinal;
}

}  // namespace

std::optional<std::string> why_cuda_is_unusable() { return cuda_problem(0); }

std::unique_ptr<Backend> make_backend(const BackendOptions& options) {
  if (options.device == "cpu") return make_cpu_backend(options.cpu_threads);
  return make_cuda_backend(usable_cuda_ordinal(options.device), options);
}

std::vector<std::string> tune_products(const BackendOptions& options, std::span<const ProductShape> shapes,
                                       double seconds) {
  require(options.device != "cpu", "device cpu has no kernels to choose among: use --device cuda", ErrorKind::kUsage);
  return tune_cuda_products(usable_cuda_ordinal(options.device), shapes, seconds);
}

}  // namespace wan
