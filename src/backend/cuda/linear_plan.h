// One cuBLASLt product made ready: descriptors, the epilogue that fuses, and the kernel. Shared by linear.cpp and the
// tuner.
#pragma once

#include <cublasLt.h>

#include <compare>
#include <memory>
#include <source_location>
#include <vector>

#include "backend/cuda/context.h"
#include "backend/cuda/tuning.h"
#include "tensor/tensor.h"

namespace wan::cuda {

void check(cublasStatus_t status, std::source_location where = std::source_location::current());

/// Library scratch every product may use; what cuBLAS itself takes on Hopper.
inline constexpr size_t kLinearWorkspaceBytes = size_t{32} << 20;

struct LinearProblem {
  DType in = DType::kBF16, out = DType::kBF16;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  int64_t m = 0, n = 0, k = 0;                           // y[m, n] = x[m, k] w[n, k]^T
  int64_t ldx = 0, ldy = 0;                              // elements between rows
  uint32_t align_x = 256, align_w = 256, align_y = 256;  // bytes the addresses are multiples of
  auto operator<=>(const LinearProblem&) const = default;
};

struct LtDelete {
  void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDesc_t desc) const { cublasLtMatmulDescDestroy(desc); }
  void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
  void operator()(cublasLtMatmulPreference_t preference) const { cublasLtMatmulPreferenceDestroy(preference); }
};
template <typename Handle>
using LtOwned = std::unique_ptr<std::remove_pointer_t<Handle>, LtDelete>;

class LinearPlan {
 public:
  LinearPlan(cublasLtHandle_t handle, const LinearProblem& problem);
  /// The library's proposals, best first; empty when it has no kernel for this epilogue.
  std::vector<cublasLtMatmulAlgo_t> proposals(int most) const;
  /// Whether the library accepts this kernel for this problem within the workspace.
  bool accepts(const cublasLtMatmulAlgo_t& algorithm) const;
  void use(const cublasLtMatmulAlgo_t& algorithm) { algorithm_ = algorithm; }
  /// `bias` has the output's dtype and is read only by epilogues that add one.
  cublasStatus_t run(Context& context, const void* x, const void* w, const void* bias, void* y);

 private:
  cublasLtHandle_t handle_;
  LinearProblem problem_;
  LtOwned<cublasLtMatmulDesc_t> desc_;
  LtOwned<cublasLtMatrixLayout_t> w_layout_, x_layout_, y_layout_;
  cublasLtMatmulAlgo_t algorithm_{};
};

}  // namespace wan::cuda
