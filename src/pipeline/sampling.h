// How a request is sampled: its recipe, with what the request gives another value. Private to pipeline/.
#pragma once

#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

/// Fills in the plan's recipe, steps, shift, guidance, split, solver, schedule and seed; its variant and `from_image`
/// are known. Throws Error(kUsage) naming the flag for what the model or the recipe does not have.
void choose_sampling(const Request& request, Plan& plan);

}  // namespace wan
