// Algorithm: cuBLASLt, F32 accumulation. 2 M N K operations; bound by the matrix units from M of a few hundred on, by
// the weights' bytes below.
#include "backend/cuda/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backend/cuda/copy.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/linear_state.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

uint32_t alignment_of(const TensorView& view, int64_t stride) {
  const auto bits = reinterpret_cast<uintptr_t>(view.data) |
                    (view.shape[0] > 1 ? static_cast<uintptr_t>(stride) * size_of(view.dtype) : 0) | uintptr_t{256};
  return static_cast<uint32_t>(bits & (~bits + 1));
}

/// Whether the library's epilogue rounds once and well. SiLU and GELU by erf have none; its GELU by tanh is good to
/// 2e-6, enough for bf16 alone; kernels for rows that are no multiple of 16 bytes add the bias to an already rounded
/// product; F32 operands keep an F32 bias.
bool fuses(const LinearProblem& problem, Activation activation) {
  if (problem.out == DType::kF32) return activation == Activation::kNone;
  return (activation == Activation::kNone || activation == Activation::kGeluTanh) && problem.in == problem.out &&
         std::min({problem.align_x, problem.align_w, problem.align_y}) >= 16;
}

void check_arguments(const TensorView& x, const TensorView& weight, const TensorView& bias, const TensorView& y) {
  require_op(x.rank() == 2 && weight.rank() == 2 && y.rank() == 2, "x, weight and y must be matrices");
  expect(x.shape[1] == weight.shape[1] && y.shape[0] == x.shape[0] && y.shape[1] == weight.shape[0], [&] {
    return fmt::format("shapes do not match: x {}, weight {}, y {}", x.shape.text(), weight.shape.text(),
                       y.shape.text());
  });
  require_op(x.dtype == weight.dtype && (x.dtype == DType::kF32 || x.dtype == DType::kBF16),
             "x and weight must both be F32 or BF16");
  require_op(y.dtype == DType::kF32 || y.dtype == DType::kBF16, "y must be F32 or BF16");
  require_op(x.stride(1) == 1 && y.stride(1) == 1 && weight.is_contiguous(),
             "rows must have unit inner stride, weight be contiguous");
  require_op(bias.empty() || (bias.rank() == 1 && bias.shape[0] == weight.shape[0] && bias.dtype == weight.dtype &&
                              bias.is_contiguous()),
             "bias must be [N] of the weight's dtype");
}

}  // namespace

cublasLtEpilogue_t fused_epilogue(Activation activation, bool bias) {
  if (activation == Activation::kGeluTanh) return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

Linear::Linear(Context& context, const std::string& card, const std::string& table)
    : state_(std::make_unique<State>(context, card, table)) {}
Linear::~Linear() = default;

Linear::State::State(Context& a_context, const std::string& a_card, const std::string& table)
    : context(a_context), card(a_card), tuned(table, a_card, cublasLtGetVersion()) {
  cublasLtHandle_t raw = nullptr;
  check(cublasLtCreate(&raw));
  handle.reset(raw);
}

LinearPlan* Linear::State::plan_for(const LinearProblem& problem, const TuningKey& key) {
  const auto found = plans.find(problem);
  if (found != plans.end()) return found->second.get();
  auto plan = std::make_unique<LinearPlan>(handle.get(), problem);
  const TuningRow* row = tuned.find(key);
  cublasLtMatmulAlgo_t algorithm{};
  if (row != nullptr) std::memcpy(&algorithm, row->algorithm.data(), sizeof algorithm);
  if (row == nullptr || !plan->accepts(algorithm)) {
    const auto proposals = plan->proposals(1);
    if (proposals.empty()) return plans.emplace(problem, nullptr).first->second.get();
    algorithm = proposals.front();
  }
  plan->use(algorithm);
  return plans.emplace(problem, std::move(plan)).first->second.get();
}

/// The epilogue reads a bias of the output's type; one of another type is converted behind the library's workspace.
TensorView Linear::State::bias_as(DType dtype, TensorView bias) {
  if (bias.empty() || bias.dtype == dtype) return bias;
  auto* workspace = static_cast<std::byte*>(
      context.workspace.reserve(kLinearWorkspaceBytes + static_cast<size_t>(bias.count()) * sizeof(float)));
  const TensorView converted(workspace + kLinearWorkspaceBytes, dtype, bias.shape, Memory::kDevice);
  copy(context, bias, converted);
  return converted;
}

void Linear::forward(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y) {
  check_arguments(x, weight, bias, y);
  if (y.count() == 0) return;
  State& state = *state_;
  const int64_t m = x.shape[0], n = weight.shape[0], k = x.shape[1];
  LinearProblem problem{.in = x.dtype, .out = y.dtype, .m = m, .n = n, .k = k};
  problem.ldx = row_stride(x);
  problem.ldy = row_stride(y);
  problem.align_x = alignment_of(x, problem.ldx);
  problem.align_w = alignment_of(weight, k);
  problem.align_y = alignment_of(y, problem.ldy);
  problem.epilogue = fused_epilogue(activation, !bias.empty());

  LinearPlan* plan = nullptr;
  if (fuses(problem, activation)) {
    plan = state.plan_for(problem, {x.dtype, y.dtype, activation, !bias.empty(), m, n, k});
  }
  if (plan == nullptr && (activation != Activation::kNone || y.dtype != DType::kF32)) {
    TensorView product = y;  // F32 until the second pass, so that it is rounded once
    if (y.dtype != DType::kF32) {
      const size_t bytes = static_cast<size_t>(m * n) * sizeof(float);
      product = TensorView(state.context.scratch.reserve(bytes), DType::kF32, y.shape, Memory::kDevice);
    }
    forward(x, weight, bias, Activation::kNone, product);
    return activate_rows(state.context, product, activation, y);
  }
  expect(plan != nullptr, [&] {
    return fmt::format("cuBLASLt has no kernel for {} x {} (row strides {}, {}; alignment {}, {})", x.shape.text(),
                       weight.shape.text(), problem.ldx, problem.ldy, problem.align_x, problem.align_w);
  });
  check(plan->run(state.context, x.data, weight.data, state.bias_as(y.dtype, bias).data, y.data));
}

}  // namespace wan::cuda
