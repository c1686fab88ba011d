// Chooses cuBLASLt kernels by timing them. Never runs inside a generation: its result is a table.
#include <algorithm>
#include <cstring>
#include <limits>

#include "backend/cuda/linear.h"
#include "backend/cuda/linear_state.h"
#include "backend/cuda/random.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr int kMostProposals = 16;
constexpr int kChain = 4;              // runs between two events, so that the card stays as busy as in a step
constexpr float kWarmFraction = 0.3f;  // of a shape's time, to bring the card to the clocks of a long run

struct Buffers {
  Buffers(Context& context, const ProductShape& shape) {
    const auto make = [&](DType dtype, const Shape& extents) {
      auto block = std::make_shared<DeviceMemory>(static_cast<size_t>(extents.count()) * size_of(dtype), "tuning",
                                                  context.ledger);
      Tensor tensor(TensorView(block->data(), dtype, extents, Memory::kDevice),
                    [block](void*) mutable { block.reset(); });
      fill_normal(context.compute, context.multiprocessors, tensor, /*seed=*/static_cast<uint64_t>(extents.count()), 0,
                  0, 1);
      return tensor;
    };
    x = make(shape.in, {shape.m, shape.k});
    w = make(shape.in, {shape.n, shape.k});
    bias = make(shape.out, {shape.n});
    y = make(shape.out, {shape.m, shape.n});
  }
  Tensor x, w, bias, y;
};

struct Candidate {
  cublasLtMatmulAlgo_t algorithm{};
  std::vector<float> times_ms;
  float median_ms() const {
    std::vector<float> sorted = times_ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? std::numeric_limits<float>::max() : sorted[sorted.size() / 2];
  }
};

struct EventPair {
  EventPair() {
    check(cudaEventCreate(&begin));
    check(cudaEventCreate(&end));
  }
  ~EventPair() {
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
  }
  EventPair(const EventPair&) = delete;
  EventPair& operator=(const EventPair&) = delete;
  cudaEvent_t begin = nullptr, end = nullptr;
};

/// Milliseconds of one run; negative when the kernel refuses.
float time_once(Context& context, LinearPlan& plan, const Buffers& buffers, const EventPair& events) {
  check(cudaEventRecord(events.begin, context.compute));
  for (int i = 0; i < kChain; ++i) {
    const cublasStatus_t status =
        plan.run(context, buffers.x->data, buffers.w->data, buffers.bias->data, buffers.y->data);
    if (status != CUBLAS_STATUS_SUCCESS) return -1;
  }
  check(cudaEventRecord(events.end, context.compute));
  check(cudaEventSynchronize(events.end));
  float ms = 0;
  check(cudaEventElapsedTime(&ms, events.begin, events.end));
  return ms / kChain;
}

/// Rounds over all candidates, so that each sees the same clocks; slow ones drop out after the first rounds.
void race(Context& context, LinearPlan& plan, const Buffers& buffers, std::vector<Candidate>& candidates,
          float budget_ms) {
  constexpr int kRoundsForAll = 3;
  constexpr float kHopeless = 1.1f;  // times the best median
  const EventPair events;
  float spent_ms = 0;
  for (int round = 0; spent_ms < budget_ms && !candidates.empty(); ++round) {
    for (Candidate& candidate : candidates) {
      plan.use(candidate.algorithm);
      const float ms = time_once(context, plan, buffers, events);
      if (ms >= 0 && spent_ms > kWarmFraction * budget_ms) candidate.times_ms.push_back(ms);
      if (ms < 0) candidate.times_ms.assign(1, std::numeric_limits<float>::max());
      spent_ms += kChain * std::max(ms, 0.001f);
    }
    if (round < kRoundsForAll || spent_ms < 0.5f * budget_ms) continue;
    float best = std::numeric_limits<float>::max();
    for (const Candidate& candidate : candidates) best = std::min(best, candidate.median_ms());
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.median_ms() > kHopeless * best; });
  }
}

}  // namespace

std::vector<std::string> Linear::tune(std::span<const ProductShape> shapes, Seconds seconds) {
  State& state = *state_;
  std::vector<std::string> rows;
  for (const ProductShape& shape : shapes) {
    require_op(shape.activation == Activation::kNone || shape.activation == Activation::kGeluTanh,
               "SiLU and GELU by erf run as passes of their own: tune the plain product");
    const LinearProblem problem{.in = shape.in,
                                .out = shape.out,
                                .epilogue = fused_epilogue(shape.activation, true),
                                .m = shape.m,
                                .n = shape.n,
                                .k = shape.k,
                                .ldx = shape.k,
                                .ldy = shape.n};
    LinearPlan plan(state.handle.get(), problem);
    std::vector<Candidate> candidates;
    for (const cublasLtMatmulAlgo_t& algorithm : plan.proposals(kMostProposals)) candidates.push_back({algorithm, {}});
    if (candidates.empty()) continue;
    const Buffers buffers(state.context, shape);
    race(state.context, plan, buffers, candidates, static_cast<float>(seconds.value * 1e3));
    const auto best =
        std::min_element(candidates.begin(), candidates.end(),
                         [](const Candidate& a, const Candidate& b) { return a.median_ms() < b.median_ms(); });
    TuningRow row{.key = {shape.in, shape.out, shape.activation, true, shape.m, shape.n, shape.k}};
    static_assert(sizeof row.algorithm == sizeof best->algorithm);
    std::memcpy(row.algorithm.data(), &best->algorithm, sizeof best->algorithm);
    row.tflops = 2e-9 * static_cast<double>(shape.m * shape.n) * static_cast<double>(shape.k) / best->median_ms();
    rows.push_back(format_row(state.card, cublasLtGetVersion(), row));
  }
  return rows;
}

}  // namespace wan::cuda
