// The curve of a video that was made here. Private to pipeline/.
#pragma once

#include "pipeline/cache_curve.h"
#include "pipeline/plan.h"

namespace wan {

/// Of a plan that was carried out, with the ratios of its forwards and MagCache's usual settings. Its source says with
/// which program, on what and of which size it was made. Throws Error(kRuntime) where a ratio that has to be there is
/// missing: a forward added nothing to its input.
CacheCurve measured_curve(const Plan& plan, const MagnitudeRatios& ratios);

}  // namespace wan
