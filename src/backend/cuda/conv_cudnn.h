// Convolution through cuDNN's graph API: fp32 (without TF32) on every card, bf16 on cards our own kernel does not know.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/context.h"
#include "backend/cuda/conv_problem.h"

namespace wan::cuda {

/// Builds a plan the first time it meets a shape and keeps it: the library's first choice that computes the same bits
/// each run.
class CudnnConv {
 public:
  explicit CudnnConv(Context& context);
  ~CudnnConv();
  /// False when cuDNN has no plan for this problem; nothing has run then. Not for `upsample` problems.
  bool run(const ConvProblem& problem);

  struct Candidate {
    std::string name;  // engine and settings, as cuDNN writes them
    float best_ms = 0;
  };
  /// Times the first `most` plans cuDNN proposes; for benchmarks, a run never races kernels.
  std::vector<Candidate> time_plans(const ConvProblem& problem, int most, int repeats);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
