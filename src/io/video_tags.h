// What an mp4 says of itself in words.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace wan {

inline constexpr size_t kMostTagBytes = size_t{1} << 20;  // of one tag

struct VideoTags {
  std::string description;  // the prompt, of our own videos
  std::string comment;      // of our own: pipeline/video_metadata.h
};

/// The file's tags; those it has not are empty. Throws Error(kInput) naming the file when it is missing, no regular
/// file, no mp4, or a tag is longer than kMostTagBytes, Error(kUsage) in a build without FFmpeg.
VideoTags read_video_tags(const std::filesystem::path& video);

}  // namespace wan
