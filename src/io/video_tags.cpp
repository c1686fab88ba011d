#include "io/video_tags.h"

#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "io/mp4_input.h"

namespace wan {
namespace {

std::string tag_of(const Mp4Input& input, const char* key, const std::filesystem::path& video) {
  const AVDictionaryEntry* found = av_dict_get(input->metadata, key, nullptr, AV_DICT_MATCH_CASE);
  if (found == nullptr) return {};
  const size_t size = std::strlen(found->value);
  require(size <= kMostTagBytes,
          fmt::format("{}: its {} has {} bytes; {} at most are read", video.string(), key, size, kMostTagBytes));
  return {found->value, size};
}

}  // namespace

VideoTags read_video_tags(const std::filesystem::path& video) {
  std::error_code failure;
  const auto type = std::filesystem::status(video, failure).type();
  require(type != std::filesystem::file_type::not_found,
          video.string() + ": there is no such file: name an mp4 that wanbench made");
  require(type == std::filesystem::file_type::regular,
          video.string() + ": expected an mp4, found no regular file: name an mp4 that wanbench made");
  const Mp4Input input = open_mp4(video, "read it as mp4");
  return {tag_of(input, "description", video), tag_of(input, "comment", video)};
}

}  // namespace wan
