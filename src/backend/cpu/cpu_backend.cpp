#include "backend/cpu/cpu_backend.h"

#include <string>

#include "backend/cpu/dnnl_engine.h"
#include "backend/factories.h"
#include "base/error.h"
#include "base/machine.h"

namespace wan {
namespace cpu {

CpuBackend::CpuBackend(int threads) : threads_(threads == 0 ? allowed_cores() : threads) {
  constexpr int kMostThreads = 4096;
  require(threads >= 0 && threads <= kMostThreads,
          "the number of CPU threads must be 0 (one for each allowed core) to " + std::to_string(kMostThreads) +
              ", found " + std::to_string(threads),
          ErrorKind::kUsage);
  info_.kind = "cpu";
  info_.name = processor_name();
  info_.multiprocessors = allowed_cores();
  info_.cpu_threads = threads_;
  info_.total_bytes = total_host_bytes();
  const dnnl_version_t* version = dnnl_version();
  info_.libraries = "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
                    std::to_string(version->patch);
  dnnl_ = std::make_unique<Dnnl>();
}

CpuBackend::~CpuBackend() = default;

}  // namespace cpu

std::unique_ptr<Backend> make_cpu_backend(int threads) { return std::make_unique<cpu::CpuBackend>(threads); }

}  // namespace wan
