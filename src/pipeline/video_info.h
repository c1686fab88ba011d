// What is known of a video before its first frame, and what a file says of it.
#pragma once

#include "pipeline/frame_consumer.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

/// The request as the plan settled it: of the options that stand in videos every one is filled in that the model has;
/// all others are left out, as are paths and the device.
Request video_request(const Request& request, const Plan& plan);

/// Size and rate of the plan, the prompt, and as settings the options of request_options.h that stand in videos, with
/// every default filled in, the task and this program's version.
VideoInfo video_info(const Request& request, const Plan& plan);

}  // namespace wan
