#include "cli/vbench_folder.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/folder_in_progress.h"
#include "io/printable.h"
#include "io/video_tags.h"
#include "pipeline/video_metadata.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostVideosRead = 10'000;
constexpr size_t kMostNameBytes = 255;  // NAME_MAX of Linux and of its file systems
constexpr size_t kMostNamed = 5;        // in one message
constexpr const char* kSuffix = ".mp4";

void end_if(const std::function<bool()>& stopped) {
  if (stopped()) throw Error(ErrorKind::kInterrupted, "interrupted; nothing was made");
}

std::string quoted(const std::string& prompt) { return fmt::format("\"{}\"", printable(prompt)); }

/// "a, b, ..." of at most kMostNamed.
std::string some_of(const std::vector<std::string>& all) {
  const size_t shown = std::min(all.size(), kMostNamed);
  return fmt::format("{}{}", fmt::join(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     all.size() > shown ? ", ..." : "");
}

/// Videos by what records say of them.
using Recorded = std::map<fs::path, SampleVideo>;

void read_records(const fs::path& folder, Recorded& recorded) {
  for (const StoredRecord& stored : load_collection(folder).records) {
    const RunRecord& run = stored.record;
    const std::optional<fs::path> video = file_beside(stored.file, run.output.file);
    if (!video || run.workload.prompt.empty() || !run.workload.seed) continue;
    recorded[fs::canonical(*video)] = {*video, run.workload.prompt, *run.workload.seed, run.output.sha256};
  }
}

SampleVideo sample_video(const fs::path& file, const Recorded& recorded) {
  const VideoTags tags = read_video_tags(file);
  SampleVideo video{file, "", 0, ""};
  if (!tags.comment.empty()) {
    const VideoMetadata metadata = video_metadata_from_json(tags.comment, file.string() + ": its comment");
    video.prompt = metadata.request.prompt;
    video.seed = metadata.request.seed;
    video.frames_sha256 = metadata.frames_sha256;
  } else {
    const auto known = recorded.find(fs::canonical(file));
    require(known != recorded.end(),
            fmt::format("{}: neither the file nor a record beside it says what it shows: expected the comment that "
                        "wanbench writes into an mp4, and that --no-metadata or another program leaves out; take the "
                        "file out",
                        file.string()));
    video = known->second;
    video.file = file;
  }
  require(!video.prompt.empty(),
          file.string() + ": was made without a prompt: VBench has none such, take the file out");
  return video;
}

/// "PROMPT-N.mp4".
std::string name_of(const SampleVideo& video, size_t sample) {
  const auto is_in_no_name = [](unsigned char c) { return c == '/' || c < ' ' || c == 0x7f; };
  const auto wrong = std::ranges::find_if(video.prompt, is_in_no_name);
  const char* const kWhy = "VBench finds a video by its name, PROMPT-N.mp4: take the file out";
  require(
      wrong == video.prompt.end(),
      fmt::format("{}: its prompt {} has {} at byte {}, which cannot be in the name of a file; {}", video.file.string(),
                  quoted(video.prompt), wrong == video.prompt.end() || *wrong == '/' ? "a '/'" : "a control character",
                  wrong - video.prompt.begin(), kWhy));
  std::string name = fmt::format("{}-{}{}", video.prompt, sample, kSuffix);
  require(name.size() <= kMostNameBytes,
          fmt::format("{}: its prompt {} makes a name of {} bytes; a file's has {} at most; {}", video.file.string(),
                      quoted(video.prompt), name.size(), kMostNameBytes, kWhy));
  return name;
}

using Samples = std::map<std::string, std::vector<SampleVideo>>;  // by prompt; of each by seed

/// Takes out the second of two with one seed and the same frames. Returns those that were.
std::vector<fs::path> drop_doubles(std::vector<SampleVideo>& samples) {
  std::vector<fs::path> dropped;
  std::ranges::stable_sort(samples, {}, &SampleVideo::seed);
  for (size_t i = 1; i < samples.size();) {
    const SampleVideo &one = samples[i - 1], &other = samples[i];
    if (one.seed != other.seed) {
      ++i;
      continue;
    }
    require(!one.frames_sha256.empty() && one.frames_sha256 == other.frames_sha256,
            fmt::format("{} and {} are both of the prompt {} and the seed {}, and not known to show the same: take one "
                        "of them out",
                        one.file.string(), other.file.string(), quoted(one.prompt), one.seed));
    dropped.push_back(other.file);
    samples.erase(samples.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return dropped;
}

void require_all_of(const std::vector<PlannedVideo>& list, const Samples& samples) {
  std::vector<std::string> missing;
  std::set<std::string> seen;
  for (const PlannedVideo& planned : list) {
    if (!seen.insert(planned.request.prompt).second || samples.contains(planned.request.prompt)) continue;
    missing.push_back(fmt::format("{} {}", planned.where, quoted(planned.request.prompt)));
  }
  require(missing.empty(), fmt::format("{} of {} prompts of the list have no video: {}: make them, or take them out of "
                                       "the list",
                                       missing.size(), seen.size(), some_of(missing)));
}

/// As many of each prompt. Returns how many.
size_t require_even(const Samples& samples) {
  size_t most = 0;
  for (const auto& [prompt, all] : samples) {
    require(all.size() <= kMostSamples,
            fmt::format("{} videos are of the prompt {}, the last one {}: VBench reads {} at most, take the others out",
                        all.size(), quoted(prompt), all.back().file.string(), kMostSamples));
    most = std::max(most, all.size());
  }
  std::vector<std::string> fewer;
  for (const auto& [prompt, all] : samples)
    if (all.size() < most) fewer.push_back(fmt::format("{} ({})", quoted(prompt), all.size()));
  require(fewer.empty(),
          fmt::format("{} of {} prompts have fewer videos than the {} of others: {}: make those that are "
                      "missing, or take the others' out",
                      fewer.size(), samples.size(), most, some_of(fewer)));
  return most;
}

void put(const fs::path& video, const fs::path& place) {
  const fs::path real = fs::canonical(video);  // a link to a link would be broken by its new place
  std::error_code failure;
  fs::create_hard_link(real, place, failure);
  if (failure) fs::copy_file(real, place, failure);  // another file system, or one without links
  require(!failure, fmt::format("cannot put {} at {}: {}", video.string(), place.string(), failure.message()),
          ErrorKind::kRuntime);
}

}  // namespace

std::vector<SampleVideo> sample_videos(const std::vector<std::string>& paths, const std::function<bool()>& stopped) {
  Recorded recorded;
  std::set<fs::path> files;
  for (const std::string& path : paths) {
    if (!is_folder(path)) {
      files.insert(path);
      continue;
    }
    read_records(path, recorded);
    const size_t before = files.size();
    for (const fs::path& file : files_in(path))
      if (file.extension() == kSuffix) files.insert(file);
    require(files.size() > before, path + ": expected a folder with mp4 files, found none in it");
  }
  require(files.size() <= kMostVideosRead,
          fmt::format("{} videos are named; {} at most are read", files.size(), kMostVideosRead));
  std::vector<SampleVideo> videos;
  std::set<fs::path> seen;
  for (const fs::path& file : files) {
    end_if(stopped);
    SampleVideo video = sample_video(file, recorded);
    if (seen.insert(fs::canonical(file)).second) videos.push_back(std::move(video));
  }
  return videos;
}

VbenchFolder plan_vbench_folder(std::vector<SampleVideo> videos, const std::vector<PlannedVideo>& list) {
  VbenchFolder folder;
  if (!list.empty()) {
    std::set<std::string> asked;
    for (const PlannedVideo& planned : list) asked.insert(planned.request.prompt);
    const size_t others =
        std::erase_if(videos, [&](const SampleVideo& video) { return !asked.contains(video.prompt); });
    if (others > 0)
      folder.notes.push_back(fmt::format("left out, since their prompts are not in the list: {}", others));
  }
  Samples samples;
  for (SampleVideo& video : videos) {
    std::vector<SampleVideo>& of_prompt = samples[video.prompt];
    of_prompt.push_back(std::move(video));
  }
  std::vector<std::string> doubles;
  for (auto& [prompt, all] : samples)
    for (const fs::path& dropped : drop_doubles(all)) doubles.push_back(dropped.string());
  if (!doubles.empty())
    folder.notes.push_back(
        fmt::format("left out, since their frames are those of others of their prompt and seed: {} ({})",
                    doubles.size(), some_of(doubles)));
  require_all_of(list, samples);
  folder.samples = require_even(samples);
  folder.prompts = samples.size();
  for (const auto& [prompt, all] : samples)
    for (size_t i = 0; i < all.size(); ++i) folder.files.push_back({all[i].file, name_of(all[i], i)});
  return folder;
}

void write_vbench_folder(const VbenchFolder& folder, const fs::path& target, const std::function<bool()>& stopped) {
  FolderInProgress growing(target, 0);
  for (const VbenchFile& file : folder.files) {
    end_if(stopped);
    put(file.video, growing.path() / file.name);
  }
  growing.finish();
}

}  // namespace wan::cli
