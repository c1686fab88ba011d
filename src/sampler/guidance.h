// Classifier-free guidance, and which of two experts runs at a timestep.
#pragma once

#include "backend/backend.h"

namespace wan {

/// Whether a scale needs both velocities: at 1, within 1e-6, the guided velocity is the conditional one. Source:
/// Wan2.2-Lightning wan/text2video.py, which leaves out the unconditional call there.
bool needs_guidance(double scale);

/// out = unconditional + scale * (conditional - unconditional), in that order of rounding.
/// All F32, contiguous, of one shape; `out` may alias `conditional` but not `unconditional`.
/// Source: Wan2.2 wan/text2video.py, WanT2V.generate.
void guide(Backend& backend, TensorView conditional, TensorView unconditional, float scale, TensorView out);

enum class Expert { kLowNoise, kHighNoise };

/// High noise from timestep 1000 * boundary on, inclusive. `timestep` is the schedule's, `boundary` the share in the
/// model's config (0.875, 0.9). Source: wan/text2video.py, WanT2V._prepare_model_for_timestep.
Expert choose_expert(double timestep, double boundary);

}  // namespace wan
