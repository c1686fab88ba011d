// How far the guided velocity of a step that began with a reference's latent may be from the reference's, by class. The
// class follows from what was switched on; a measurement above its bound shows that the stamp is wrong.
#pragma once

#include <optional>

#include "results/record.h"

namespace wan {

/// Relative L2. The reference computes in fp32 with the same weights, prompt and schedule. Nothing of a class that
/// promises nothing. Exact: what another order of fp32 sums makes of a step, a hundred times over. Drift: what 8-bit
/// products and attention were counted to make, with room. Rounding has no bound that holds for every model: guidance
/// takes the difference of two velocities several times, and bf16 was measured to make 0.7 to 0.9 % of the 5B, 1.0 to
/// 1.1 % of T2V-A14B and 1.0 to 5.3 % of the small model (docs/results/h200-fidelity.md); it is judged beside those.
constexpr std::optional<double> velocity_bound(PrecisionClass precision_class) {
  switch (precision_class) {
    case PrecisionClass::kExact: return 1e-4;
    case PrecisionClass::kDrift: return 6e-2;
    case PrecisionClass::kRounding:
    case PrecisionClass::kAltered:
    case PrecisionClass::kUnknown: break;
  }
  return std::nullopt;
}

}  // namespace wan
