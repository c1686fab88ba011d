// The factory: the one file that names concrete backends.
#include <charconv>

#include "backend/backend.h"
#include "base/error.h"
#include "backend/factories.h"

namespace wan {

std::optional<std::string> why_cuda_is_unusable() { return cuda_problem(0); }

std::unique_ptr<Backend> make_backend(const BackendOptions& options) {
  if (options.device == "cpu") return make_cpu_backend(options.cpu_threads);
  const std::string prefix = "cuda";
  require(options.device.rfind(prefix, 0) == 0, "device '" + options.device + "' is unknown: use cpu, cuda or cuda:N",
          ErrorKind::kUsage);
  int ordinal = 0;
  if (options.device.size() > prefix.size()) {
    const char* begin = options.device.data() + prefix.size() + 1;
    const char* end = options.device.data() + options.device.size();
    const auto parsed = std::from_chars(begin, end, ordinal);
    require(options.device[prefix.size()] == ':' && parsed.ec == std::errc{} && parsed.ptr == end && ordinal >= 0,
            "device '" + options.device + "' is unknown: use cpu, cuda or cuda:N", ErrorKind::kUsage);
  }
  const auto problem = cuda_problem(ordinal);
  require(!problem, "device " + options.device + " cannot be used: " + problem.value_or("") + "; use --device cpu",
          ErrorKind::kUsage);
  return make_cuda_backend(ordinal, options);
}

}  // namespace wan
