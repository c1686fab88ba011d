// How a request is cut into clips, of models that make their videos so. Private to pipeline/.
#pragma once

#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

/// Fills in the plan's clips and number of frames; its variant and fps are known. Reads the sound, whose length decides
/// them, unless it `may_be_assumed`. Throws Error(kUsage) naming the flag for what the model does not take or needs,
/// and Error(kInput) for a sound that cannot be used.
void choose_clips(const Request& request, const ModelSet& models, bool may_be_assumed, Plan& plan);

/// Throws Error(kUsage) for what does not work with clips yet, saying so.
void check_clip_settings(const Request& request, const Plan& plan);

}  // namespace wan
