// What is known of a video before its first frame, and what a file says of it.
#pragma once

#include <string_view>

#include "pipeline/frame_consumer.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

/// The request as the plan settled it: of the options that stand in videos every one is filled in that the model has;
/// all others are left out, as are paths and the device.
Request video_request(const Request& request, const Plan& plan);

/// The libx264 preset of an mp4 whose frames come from `device` (Plan::device) and are encoded on `cores`. Frames that
/// a card decodes at some 40 a second (1280x704) are encoded as they come: the slowest preset whose tail behind the
/// last one stays under 0.3 s (docs/results/h200-percents.md). A CPU decodes more slowly than any preset encodes.
const char* video_preset(std::string_view device, int cores);

/// Size and rate of the plan, the prompt, and as settings the options of request_options.h that stand in videos, with
/// every default filled in, the task and this program's version.
VideoInfo video_info(const Request& request, const Plan& plan);

}  // namespace wan
