#include "cli/fidelity_input.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file_kind.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

fs::path video_of_record(const fs::path& file) {
  const RunRecord record = load_record(file);
  require(!record.output.file.empty(),
          fmt::format("{}: expected a run with a video, found one that wrote none: name a run made with its video",
                      file.string()));
  const std::optional<fs::path> video = file_beside(file, record.output.file);
  require(video.has_value(), fmt::format("{}: expected its video {} beside it, found none: put it there", file.string(),
                                         record.output.file));
  return *video;
}

std::optional<fs::path> video_of_results(const fs::path& folder) {
  std::vector<fs::path> videos;
  for (const StoredRecord& stored : load_collection(folder).records)
    if (const auto video = file_beside(stored.file, stored.record.output.file)) videos.push_back(*video);
  std::sort(videos.begin(), videos.end());
  videos.erase(std::unique(videos.begin(), videos.end()), videos.end());
  if (videos.empty()) return std::nullopt;
  require(videos.size() == 1,
          fmt::format("{}: expected runs with one video, found {} videos, the first {}: name one of them or a run's "
                      "{} file",
                      folder.string(), videos.size(), videos.front().filename().string(), kRecordSuffix));
  return videos.front();
}

}  // namespace

fs::path video_of(const fs::path& named) {
  if (named.string().ends_with(kRecordSuffix)) return video_of_record(named);
  if (!is_folder(named) || is_file(named / "frame_00000.png")) return named;
  return video_of_results(named).value_or(named);
}

}  // namespace wan::cli
