// Which names of videos are written: the one place that says it, for builds with and without FFmpeg.
#pragma once

#include <filesystem>

namespace wan {

/// Throws Error(kUsage) unless the name ends in .mp4, in whatever case: nothing else is written. The message says what
/// to do for another format.
void require_video_name(const std::filesystem::path& file);

}  // namespace wan
