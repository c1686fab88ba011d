// Compares two sets of named tensors: what `wanbench diff` prints and tests assert.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/tensor_file.h"

namespace wan {

struct TensorDifference {
  std::string name;
  double relative = 0;  // |a - b| / |b| over all elements; infinite when b is 0 and a is not
  double largest = 0;   // max |a - b|
  bool shape_differs = false;
  bool not_finite = false;
  std::string shapes;  // for messages
};

struct DiffOptions {
  std::string prefix_a, prefix_b;
};

struct DiffResult {
  std::vector<TensorDifference> common;  // in the order of the computation: as they lie in A
  std::vector<std::string> only_a, only_b;
  /// The first tensor that is over `limit`, has another shape or is not finite.
  const TensorDifference* first_over(double limit) const;
};

/// Only tensors under the prefixes count, compared by what follows. Throws Error(kInput) for dtypes that hold
/// no numbers.
DiffResult diff_tensors(const TensorFile& a, const TensorFile& b, const DiffOptions& options);

}  // namespace wan
