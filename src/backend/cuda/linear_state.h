// What Linear keeps between calls; shared by linear.cpp and linear_tune.cpp.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/cuda/linear.h"
#include "backend/cuda/linear_plan.h"

namespace wan::cuda {

struct Linear::State {
  State(Context& context, const std::string& card, const std::string& table);
  /// The plan of this problem, or nullptr when the library has no kernel for its epilogue.
  LinearPlan* plan_for(const LinearProblem& problem, const TuningKey& key);
  TensorView bias_as(DType dtype, TensorView bias);

  Context& context;
  std::string card;
  LtOwned<cublasLtHandle_t> handle;
  TuningTable tuned;
  std::map<LinearProblem, std::unique_ptr<LinearPlan>> plans;
};

/// The epilogue that adds a bias and applies the activation; SiLU and GELU by erf have none.
cublasLtEpilogue_t fused_epilogue(Activation activation, bool bias);

}  // namespace wan::cuda
