// Schedules of models distilled to a few steps, each as its authors compute it: in float32 where they do, with
// timesteps that are not truncated. All throw Error(kUsage) for steps or values that make no schedule.
#pragma once

#include <span>

#include "sampler/schedule.h"

namespace wan {

/// `steps` even points from 1 down, shifted: sigma = s(1 - i / steps), timestep 1000 sigma. Source: Wan2.2-Lightning
/// wan/utils/fm_solvers_euler.py.
Schedule even_schedule(int steps, double shift);

/// The points `list` / 1000 of the unshifted line, shifted: {1000, 750, 500, 250}. Timestep 1000 sigma. Source:
/// LightX2V models/schedulers/wan/step_distill/scheduler.py.
Schedule list_schedule(std::span<const int> list, double shift);

/// The model is told the whole timesteps of `list`; sigma is the nearest of 1000 shifted ones: {1000, 757, 522}.
/// Source: FastVideo models/schedulers/scheduling_flow_match_euler_discrete.py, DmdDenoisingStage.
Schedule nearest_schedule(std::span<const int> list, double shift);

inline constexpr int kMostTangentSteps = 4;

/// sigma = tan / (1 + tan) of the angles atan(sigma_max), 1.5, 1.4, 1.0, the first `steps` of them. The timestep is
/// 1000 sigma rounded to bfloat16, and the noise begins at the first sigma. 1 <= steps <= kMostTangentSteps. Source:
/// TurboDiffusion inference/wan2.2_i2v_infer.py.
Schedule tangent_schedule(int steps, double sigma_max);

}  // namespace wan
