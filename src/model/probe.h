// A tap on intermediate values, for dumps and tests. A null pointer costs nothing.
#pragma once

#include <string>

#include "tensor/tensor.h"

namespace wan {

class Probe {
 public:
  virtual ~Probe() = default;
  /// `value` is on the backend's device and valid only during the call. Rows of tokens are [L, d]; what has another
  /// number of axes has the shape of the source.
  virtual void tensor(const std::string& name, TensorView value) = 0;
};

}  // namespace wan
