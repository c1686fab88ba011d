// cuDNN convolution with bias and residual in its epilogue. Source: NVIDIA cudnn-frontend,
// docs/operations/Convolutions.md.
#include "backend/cuda/conv_cudnn.h"

#include <cudnn_frontend.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <unordered_map>

#include "base/error.h"

namespace wan::cuda {
namespace {

namespace fe = cudnn_frontend;

enum Uid : int64_t { kX = 1, kW, kBias, kResidual, kY };

/// Everything a plan depends on.
using Key = std::array<int64_t, 21>;

Key key_of(const ConvProblem& p) {
  return {static_cast<int64_t>(p.dtype),
          p.frames_in,
          p.height_in,
          p.width_in,
          p.in_channels,
          p.frames,
          p.height,
          p.width,
          p.out_channels,
          p.kernel_t,
          p.kernel_h,
          p.kernel_w,
          p.stride_t,
          p.stride_h,
          p.stride_w,
          p.pad_top,
          p.pad_bottom,
          p.pad_left,
          p.pad_right,
          p.y_frame_stride,
          p.residual != nullptr};
}

struct Plan {
  std::shared_ptr<fe::graph::Graph> graph;  // null: cuDNN has none for this key
  size_t workspace_bytes = 0;
};

/// A channels-last tensor [1, C, T, H, W].
std::shared_ptr<fe::graph::Tensor_attributes> tensor(fe::graph::Graph& graph, Uid uid, fe::DataType_t type, int64_t n,
                                                     int64_t c, int64_t t, int64_t h, int64_t w) {
  return graph.tensor(fe::graph::Tensor_attributes()
                          .set_uid(uid)
                          .set_data_type(type)
                          .set_dim({n, c, t, h, w})
                          .set_stride({c * t * h * w, 1, c * h * w, c * w, c}));
}

std::shared_ptr<fe::graph::Graph> describe(const ConvProblem& p) {
  const auto type = p.dtype == DType::kF32 ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16;
  auto graph = std::make_shared<fe::graph::Graph>();
  graph->set_io_data_type(type)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  const auto x = tensor(*graph, kX, type, 1, p.in_channels, p.frames_in, p.height_in, p.width_in);
  const auto w = tensor(*graph, kW, type, p.out_channels, p.in_channels, p.kernel_t, p.kernel_h, p.kernel_w);
  const auto bias = tensor(*graph, kBias, fe::DataType_t::FLOAT, 1, p.out_channels, 1, 1, 1);
  auto y = graph->conv_fprop(x, w,
                             fe::graph::Conv_fprop_attributes()
                                 .set_pre_padding({0, p.pad_top, p.pad_left})
                                 .set_post_padding({0, p.pad_bottom, p.pad_right})
                                 .set_stride({p.stride_t, p.stride_h, p.stride_w})
                                 .set_dilation({1, 1, 1}));
  const auto add = fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::ADD);
  y = graph->pointwise(y, bias, add);
  if (p.residual != nullptr) {
    const auto residual = tensor(*graph, kResidual, type, 1, p.out_channels, p.frames, p.height, p.width);
    y = graph->pointwise(y, residual, add);
  }
  const int64_t c = p.out_channels;
  y->set_output(true)
      .set_uid(kY)
      .set_data_type(type)
      .set_dim({1, c, p.frames, p.height, p.width})
      .set_stride({p.frames * p.y_frame_stride, 1, p.y_frame_stride, p.width * c, c});
  return graph;
}

/// Keeps plans that give the same bits each run and (fp32) whose products are fp32.
void restrict_plans(fe::graph::Graph& graph, DType dtype) {
  graph.deselect_numeric_notes(
      {fe::NumericalNote_t::NONDETERMINISTIC, fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION});
  if (dtype == DType::kF32)
    graph.deselect_numeric_notes({fe::NumericalNote_t::TENSOR_CORE, fe::NumericalNote_t::DOWN_CONVERT_INPUTS});
}

/// The first plan in the order of cuDNN's heuristics that is deterministic and (fp32) keeps fp32 products.
Plan build(cudnnHandle_t handle, const ConvProblem& p) {
  auto graph = describe(p);
  if (graph->validate().is_bad() || graph->build_operation_graph(handle).is_bad()) return {};
  if (graph->create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}).is_bad()) return {};
  restrict_plans(*graph, p.dtype);
  if (graph->check_support().is_bad() || graph->build_plans(fe::BuildPlanPolicy_t::HEURISTICS_CHOICE).is_bad())
    return {};
  int64_t workspace = 0;
  if (graph->get_workspace_size(workspace).is_bad()) return {};
  return {graph, static_cast<size_t>(workspace)};
}

std::unordered_map<int64_t, void*> pointers_of(const ConvProblem& p) {
  std::unordered_map<int64_t, void*> pointers = {
      {kX, const_cast<void*>(p.x)}, {kW, const_cast<void*>(p.weights)}, {kBias, const_cast<float*>(p.bias)}, {kY, p.y}};
  if (p.residual != nullptr) pointers[kResidual] = const_cast<void*>(p.residual);
  return pointers;
}

}  // namespace

struct CudnnConv::State {
  explicit State(Context& c) : context(c) {
    if (cudnnCreate(&handle) != CUDNN_STATUS_SUCCESS) throw Error("cuDNN does not start on this device");
    if (cudnnSetStream(handle, context.compute) != CUDNN_STATUS_SUCCESS)
      throw Error("cuDNN refuses the compute stream");
  }
  ~State() { cudnnDestroy(handle); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Context& context;
  cudnnHandle_t handle = nullptr;
  std::map<Key, Plan> plans;
};

CudnnConv::CudnnConv(Context& context) : state_(std::make_unique<State>(context)) {}
CudnnConv::~CudnnConv() = default;

std::vector<CudnnConv::Candidate> CudnnConv::time_plans(const ConvProblem& p, int most, int repeats) {
  std::vector<Candidate> candidates;
  auto graph = describe(p);
  if (graph->validate().is_bad() || graph->build_operation_graph(state_->handle).is_bad()) return candidates;
  if (graph->create_execution_plans({fe::HeurMode_t::A}).is_bad()) return candidates;
  restrict_plans(*graph, p.dtype);
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  for (int64_t i = 0; i < std::min<int64_t>(most, graph->get_execution_plan_count()); ++i) {
    Candidate candidate;
    if (graph->get_plan_name_at_index(i, candidate.name).is_bad()) continue;
    int64_t workspace = 0;
    if (graph->build_plan_at_index(state_->handle, i).is_bad()) continue;
    if (graph->get_workspace_size_plan_at_index(i, workspace).is_bad()) continue;
    auto pointers = pointers_of(p);
    void* memory = workspace > 0 ? state_->context.workspace.reserve(static_cast<size_t>(workspace)) : nullptr;
    bool good = true;
    for (int k = -1; k < repeats; ++k) {
      check(cudaEventRecord(begin, state_->context.compute));
      good = good && graph->execute_plan_at_index(state_->handle, pointers, memory, i).is_good();
      check(cudaEventRecord(end, state_->context.compute));
      check(cudaEventSynchronize(end));
      float ms = 0;
      check(cudaEventElapsedTime(&ms, begin, end));
      if (k >= 0) candidate.best_ms = k == 0 ? ms : std::min(candidate.best_ms, ms);
    }
    if (good) candidates.push_back(candidate);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return candidates;
}

bool CudnnConv::run(const ConvProblem& p) {
  require_op(!p.upsample, "cuDNN wants the enlarged input");
  auto [entry, is_new] = state_->plans.try_emplace(key_of(p));
  Plan& plan = entry->second;
  if (is_new) plan = build(state_->handle, p);
  if (plan.graph == nullptr) return false;
  void* workspace = plan.workspace_bytes > 0 ? state_->context.workspace.reserve(plan.workspace_bytes) : nullptr;
  auto pointers = pointers_of(p);
  auto status = plan.graph->execute(state_->handle, pointers, workspace);
  if (status.is_bad())
    throw Error(fmt::format("cuDNN {} fails in a convolution {} -> {} channels over {} x {} x {}: {}",
                            cudnnGetVersion(), p.in_channels, p.out_channels, p.frames_in, p.height_in, p.width_in,
                            status.get_message()));
  return true;
}

}  // namespace wan::cuda
