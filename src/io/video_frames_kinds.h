// The two kinds behind open_video_frames. Internal to io.
#pragma once

#include "io/video_frames.h"

namespace wan {

std::unique_ptr<VideoFrames> open_frame_folder(const std::filesystem::path& folder);
std::unique_ptr<VideoFrames> open_mp4_frames(const std::filesystem::path& video);

/// Throws Error(kInput) unless the frame has the size in `facts`. `where` names it.
void require_same_size(const FramesFacts& facts, int width, int height, const std::string& where);

}  // namespace wan
