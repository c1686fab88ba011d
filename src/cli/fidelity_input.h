// What somebody names to `wanbench fidelity`, as the frames that are meant.
#pragma once

#include <filesystem>

namespace wan::cli {

/// An mp4 or a folder of frames as it is; of a record of a run, or a folder of them that has one video, that video.
/// Throws Error(kInput) naming the path when a record has no video, or the folder several.
std::filesystem::path video_of(const std::filesystem::path& named);

}  // namespace wan::cli
