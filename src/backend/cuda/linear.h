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
  std::vector<std::string> tune(std::span<const ProductShape> shapes, Seconds seconds);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan::cuda
