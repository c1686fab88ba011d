// A small still of a video, for a page that shows what was generated where the video itself may be absent.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace wan {

inline constexpr int kPosterSide = 320;                // pixels of the longer side, at most
inline constexpr size_t kPosterBytes = size_t{40000};  // of the JPEG, at most

/// The middle frame of the file's video stream as a JPEG, its sides in the video's proportion. The file is read as mp4,
/// whatever it holds, and no other file is opened. Needs no sound, index or frame count in it. Throws Error(kInput)
/// naming the file when it has no picture that can be decoded, Error(kUsage) in a build without FFmpeg.
std::string video_poster(const std::filesystem::path& video);

}  // namespace wan
