// Takes the magnitudes of what the blocks add, forward by forward, for a curve. The residuals come to the host whole.
#pragma once

#include <array>
#include <vector>

#include "backend/backend.h"
#include "sampler/forward_schedule.h"

namespace wan {

class MagnitudeRecorder {
 public:
  explicit MagnitudeRecorder(int steps);

  /// The ratios that follow are of another expert, which has none with what was before.
  void forget();
  /// A branch's residual [L, d] of a step, in its type, on the device. Waits for it.
  void add(Backend& backend, int step, int branch, TensorView residual);
  const MagnitudeRatios& ratios() const { return ratios_; }

 private:
  MagnitudeRatios ratios_;
  std::array<std::vector<double>, 2> norms_;  // a token's, of the forward before
  Tensor host_;
};

/// Of each row of [L, d], F32 or BF16 on the host: the square root of the sum of squares, in doubles.
std::vector<double> row_norms(TensorView rows);

/// The mean over rows of `now` over `before`, without rows that were zero; nothing where no row is left. Source:
/// MagCache4Wan2.2/magcache_generate.py, magcache_calibration.
std::optional<double> mean_ratio(const std::vector<double>& now, const std::vector<double>& before);

}  // namespace wan
