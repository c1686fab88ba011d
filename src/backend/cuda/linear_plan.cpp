#include "backend/cuda/linear_plan.h"

#include <fmt/format.h>

#include "base/error.h"

namespace wan::cuda {
namespace {

cudaDataType_t cuda_type(DType dtype) {
  switch (dtype) {
    case DType::kF32: return CUDA_R_32F;
    case DType::kBF16: return CUDA_R_16BF;
    default: throw Error(fmt::format("linear takes F32 or BF16, found {}", name_of(dtype)));
  }
}

LtOwned<cublasLtMatrixLayout_t> make_layout(DType dtype, int64_t rows, int64_t columns, int64_t ld) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, cuda_type(dtype), static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), ld));
  return LtOwned<cublasLtMatrixLayout_t>(layout);
}

template <typename Value>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value));
}

template <typename Value>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value));
}

}  // namespace

void check(cublasStatus_t status, std::source_location where) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(fmt::format("cuBLASLt reports {} in {} ({}:{})", cublasLtGetStatusString(status), where.function_name(),
                          where.file_name(), where.line()));
}

// The library is column-major: y^T [n, m] = (w^T)^T [n, k] x^T [k, m], where each row-major matrix is the transpose of
// itself.
LinearPlan::LinearPlan(cublasLtHandle_t handle, const LinearProblem& problem) : handle_(handle), problem_(problem) {
  cublasLtMatmulDesc_t desc = nullptr;
  // COMPUTE_32F is true single precision for F32 operands: TF32 has a compute type of its own.
  check(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  desc_.reset(desc);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
  set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, problem.epilogue);
  if ((problem.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) {
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, cuda_type(problem.out));
  }
  w_layout_ = make_layout(problem.in, problem.k, problem.n, problem.k);
  x_layout_ = make_layout(problem.in, problem.k, problem.m, problem.ldx);
  y_layout_ = make_layout(problem.out, problem.n, problem.m, problem.ldy);
}

std::vector<cublasLtMatmulAlgo_t> LinearPlan::proposals(int most) const {
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw));
  const LtOwned<cublasLtMatmulPreference_t> preference(raw);
  set(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kLinearWorkspaceBytes);
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, problem_.align_w);
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, problem_.align_x);
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, problem_.align_y);
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, problem_.align_y);
  // Partial sums of a split K must not be rounded to bf16 on the way.
  set(raw, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE} | uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<size_t>(most));
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_, desc_.get(), w_layout_.get(), x_layout_.get(), y_layout_.get(),
                                     y_layout_.get(), raw, most, results.data(), &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return {};
  check(status);
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  for (int i = 0; i < found; ++i) {
    if (results[static_cast<size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
      algorithms.push_back(results[static_cast<size_t>(i)].algo);
  }
  return algorithms;
}

bool LinearPlan::accepts(const cublasLtMatmulAlgo_t& algorithm) const {
  cublasLtMatmulHeuristicResult_t result{};
  const cublasStatus_t status = cublasLtMatmulAlgoCheck(handle_, desc_.get(), w_layout_.get(), x_layout_.get(),
                                                        y_layout_.get(), y_layout_.get(), &algorithm, &result);
  return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= kLinearWorkspaceBytes;
}

cublasStatus_t LinearPlan::run(Context& context, const void* x, const void* w, const void* bias, void* y) {
  if ((problem_.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) set(desc_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  const float one = 1, zero = 0;
  return cublasLtMatmul(handle_, desc_.get(), &one, w, w_layout_.get(), x, x_layout_.get(), &zero, y, y_layout_.get(),
                        y, y_layout_.get(), &algorithm_, context.workspace.reserve(kLinearWorkspaceBytes),
                        kLinearWorkspaceBytes, context.compute);
}

}  // namespace wan::cuda
