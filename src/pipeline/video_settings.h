// What the mp4 of a run is written as, and what its comment says of it.
#pragma once

#include "io/video_writer.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

/// Size and rate of the plan, the prompt, and as comment the options of request_options.h that stand in videos, with
/// every default filled in, the task and this program's version.
VideoSettings video_settings(const Request& request, const Plan& plan);

}  // namespace wan
