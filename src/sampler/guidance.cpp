// Guidance in two combines rather than one with weights (1 - scale, scale): the difference is rounded before it is
// scaled, as in the source, where the two velocities are close and large against their difference.
#include "sampler/guidance.h"

#include <array>
#include <cmath>

#include "base/error.h"

namespace wan {

bool needs_guidance(double scale) { return !(std::abs(scale - 1.0) <= 1e-6); }

void guide(Backend& backend, TensorView conditional, TensorView unconditional, float scale, TensorView out) {
  require_op(out.data != unconditional.data, "out must not alias the unconditional velocity");
  backend.combine(std::array{Term{1.0f, conditional}, Term{-1.0f, unconditional}}, out);
  backend.combine(std::array{Term{1.0f, unconditional}, Term{scale, out}}, out);
}

Expert choose_expert(double timestep, double boundary) {
  return timestep >= boundary * 1000.0 ? Expert::kHighNoise : Expert::kLowNoise;
}

}  // namespace wan
