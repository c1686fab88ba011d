// Which of a video's forwards are reused: the request's options, the curve, and what is refused. Private to pipeline/.
#pragma once

#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

/// What is published of EasyCache (H-EmbodVis/EasyCache EasyCache4Wan2.1/easycache_generate.py): its threshold, and 10
/// of 50 steps.
inline constexpr double kEasyCacheThreshold = 0.05, kEasyCacheRetention = 0.2;

/// Fills in the plan's step_cache, cfg_gate_step, takes_magnitudes and forwards; all that choose_sampling fills in, the
/// model and `from_image` are known. Throws Error(kUsage) naming the flag and what would do for settings that mean
/// nothing without another or for this model, and Error(kInput) for a curve that is not of it.
void choose_reuse(const Request& request, Plan& plan);

}  // namespace wan
