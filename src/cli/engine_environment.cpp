#include "cli/engine_environment.h"

#include <array>
#include <cstdlib>

namespace wan::cli {
namespace {

// GNU OpenMP and the OpenMP standard; oneDNN; the CUDA runtime and driver; cuBLASLt and cuDNN; glibc's allocator.
constexpr std::array kVariables{"OMP_NUM_THREADS",
                                "OMP_PROC_BIND",
                                "OMP_PLACES",
                                "OMP_WAIT_POLICY",
                                "OMP_DYNAMIC",
                                "OMP_SCHEDULE",
                                "OMP_THREAD_LIMIT",
                                "GOMP_SPINCOUNT",
                                "GOMP_CPU_AFFINITY",
                                "DNNL_MAX_CPU_ISA",
                                "ONEDNN_MAX_CPU_ISA",
                                "DNNL_CPU_ISA_HINTS",
                                "ONEDNN_CPU_ISA_HINTS",
                                "DNNL_DEFAULT_FPMATH_MODE",
                                "ONEDNN_DEFAULT_FPMATH_MODE",
                                "CUDA_LAUNCH_BLOCKING",
                                "CUDA_DEVICE_MAX_CONNECTIONS",
                                "CUDA_MODULE_LOADING",
                                "CUDA_DISABLE_PTX_JIT",
                                "CUDA_FORCE_PTX_JIT",
                                "CUDA_AUTO_BOOST",
                                "CUBLASLT_WORKSPACE_SIZE",
                                "CUBLAS_WORKSPACE_CONFIG",
                                "NVIDIA_TF32_OVERRIDE",
                                "MALLOC_ARENA_MAX",
                                "GLIBC_TUNABLES"};

}  // namespace

std::span<const char* const> recorded_variables() { return kVariables; }

std::map<std::string, std::string> engine_environment() {
  std::map<std::string, std::string> set;
  for (const char* name : kVariables)
    if (const char* value = std::getenv(name)) set.emplace(name, value);
  return set;
}

}  // namespace wan::cli
