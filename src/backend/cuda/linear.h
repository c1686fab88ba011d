// Matrix products through cuBLASLt with bias and activation in the epilogue.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/context.h"
#include "base/clock.h"
#include "tensor/tensor.h"

namespace wan::cuda {

/// One product as the tuner sees it: y[M, N] = activation(x[M, K] W[N, K]^T + bias).
struct LinearShape {
  int64_t m = 0, n = 0, k = 0;
  DType in = DType::kBF16;
  DType out = DType::kBF16;
  Activation activation = Activation::kNone;
};

/// Plans (descriptors and the chosen kernel) are made at a shape's first call and kept. The choice is a function of
/// card, library version and shape alone: from a tuning table when it has the shape, else the library's first proposal.
class Linear {
 public:
  /// `table` is the text of a tuning table, see tuning.h.
  Linear(Context& context, const std::string& card, const std::string& table);
  ~Linear();
  /// Contract of Backend::linear; x and y may have any row stride.
  void forward(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y);
  /// Times the library's best proposals for each shape on random data at the clocks of a busy card, and returns table
  /// rows (tuning.h) for the fastest. `seconds` is spent on each shape.
  std::vector<std::string> tune(std::span<const LinearShape> shapes, Seconds seconds);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
