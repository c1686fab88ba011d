// cuDNN's fused attention through its C++ front end. Source: NVIDIA cudnn-frontend, docs/operations/Attention.md.
#include "backend/cuda/attention_cudnn.h"

#include <cudnn_frontend.h>
#include <fmt/format.h>

#include <compare>
#include <map>
#include <unordered_map>

#include "base/error.h"

namespace wan::cuda {
namespace {

namespace fe = cudnn_frontend;

constexpr int64_t kMaxHeadDim = 256;
constexpr int64_t kAlignment = 16;  // bytes: the fused kernels load vectors of eight bf16

enum Uid : int64_t { kQ = 1, kK, kV, kOut };

struct Key {
  int64_t q_rows, k_rows, heads, head_dim, q_stride, k_stride, v_stride, out_stride;
  float scale;
  auto operator<=>(const Key&) const = default;
};

struct Plan {
  std::shared_ptr<fe::graph::Graph> graph;
  size_t workspace_bytes = 0;
};

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS) throw Error(fmt::format("cuDNN {}: {}", what, cudnnGetErrorString(status)));
}

void check_graph(fe::error_t status, const Key& key) {
  if (status.is_good()) return;
  throw Error(fmt::format("cuDNN {} cannot run attention with {} queries, {} keys, {} heads of {}: {}",
                          cudnnGetVersion(), key.q_rows, key.k_rows, key.heads, key.head_dim, status.get_message()));
}

std::shared_ptr<fe::graph::Tensor_attributes> rows(fe::graph::Graph& graph, Uid uid, const char* name, const Key& key,
                                                   int64_t length, int64_t stride) {
  return graph.tensor(fe::graph::Tensor_attributes()
                          .set_name(name)
                          .set_uid(uid)
                          .set_dim({1, key.heads, length, key.head_dim})
                          .set_stride({length * stride, key.head_dim, stride, 1}));
}

Plan build(cudnnHandle_t handle, const Key& key) {
  auto graph = std::make_shared<fe::graph::Graph>();
  graph->set_io_data_type(fe::DataType_t::BFLOAT16)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  const auto q = rows(*graph, kQ, "q", key, key.q_rows, key.q_stride);
  const auto k = rows(*graph, kK, "k", key, key.k_rows, key.k_stride);
  const auto v = rows(*graph, kV, "v", key, key.k_rows, key.v_stride);
  const auto options =
      fe::graph::SDPA_attributes().set_name("attention").set_generate_stats(false).set_attn_scale(key.scale);
  const auto out = graph->sdpa(q, k, v, options)[0];
  out->set_output(true)
      .set_uid(kOut)
      .set_dim({1, key.heads, key.q_rows, key.head_dim})
      .set_stride({key.q_rows * key.out_stride, key.head_dim, key.out_stride, 1});
  check_graph(graph->validate(), key);
  check_graph(graph->build_operation_graph(handle), key);
  check_graph(graph->create_execution_plans({fe::HeurMode_t::A}), key);
  check_graph(graph->check_support(), key);
  check_graph(graph->build_plans(), key);
  int64_t workspace = 0;
  check_graph(graph->get_workspace_size(workspace), key);
  return {graph, static_cast<size_t>(workspace)};
}

}  // namespace

struct CudnnAttention::State {
  explicit State(Context& c) : context(c) {}
  ~State() {
    plans.clear();
    if (handle != nullptr) cudnnDestroy(handle);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// Made when first needed: loading cuDNN takes a while, and a run may never ask.
  void open() {
    if (handle != nullptr) return;
    check_cudnn(cudnnCreate(&handle), "did not start");
    check_cudnn(cudnnSetStream(handle, context.compute), "refused the stream");
  }

  Context& context;
  cudnnHandle_t handle = nullptr;
  std::map<Key, Plan> plans;
};

CudnnAttention::CudnnAttention(Context& context) : state_(std::make_unique<State>(context)) {}
CudnnAttention::~CudnnAttention() = default;

bool CudnnAttention::accepts(const AttentionCall& call) const {
  const bool aligned = common_alignment(call.q, call.q_stride, call.dtype) >= kAlignment &&
                       common_alignment(call.k, call.k_stride, call.dtype) >= kAlignment &&
                       common_alignment(call.v, call.v_stride, call.dtype) >= kAlignment &&
                       common_alignment(call.out, call.out_stride, call.dtype) >= kAlignment;
  return call.dtype == DType::kBF16 && call.head_dim % 8 == 0 && call.head_dim <= kMaxHeadDim && aligned &&
         state_->context.capability >= 80;
}

void CudnnAttention::forward(const AttentionCall& call) {
  State& s = *state_;
  s.open();
  const Key key{call.q_rows,   call.k_rows,   call.heads,      call.head_dim, call.q_stride,
                call.k_stride, call.v_stride, call.out_stride, call.scale};
  auto found = s.plans.find(key);
  if (found == s.plans.end()) found = s.plans.emplace(key, build(s.handle, key)).first;
  const Plan& plan = found->second;
  std::unordered_map<int64_t, void*> tensors = {{kQ, const_cast<void*>(call.q)},
                                                {kK, const_cast<void*>(call.k)},
                                                {kV, const_cast<void*>(call.v)},
                                                {kOut, call.out}};
  check_graph(plan.graph->execute(s.handle, tensors, s.context.workspace.reserve(plan.workspace_bytes)), key);
}

}  // namespace wan::cuda
