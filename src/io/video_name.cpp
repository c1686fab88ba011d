#include "io/video_name.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {

void require_video_name(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (ending == ".mp4") return;
  std::string message = fmt::format(
      "{}: a video's name must end in .mp4, the one format that is written, but this one ends in {}: name a .mp4, or "
      "have the frames as PNG files with --frames DIR",
      file.string(), ending.empty() ? "nothing of the kind" : fmt::format("'{}'", file.extension().string()));
  if (ending == ".gif")
    message +=
        "; ffmpeg makes a GIF of an mp4: ffmpeg -i VIDEO.mp4 -vf "
        "'split[a][b];[a]palettegen[p];[b][p]paletteuse' VIDEO.gif";
  else if (!ending.empty())
    message += "; ffmpeg makes other formats of an mp4: ffmpeg -i VIDEO.mp4 VIDEO.webm";
  throw Error(ErrorKind::kUsage, message);
}

}  // namespace wan
