// The folder that VBench wants: mp4 files alone, each named PROMPT-N.mp4, with N from 0 for the samples of one prompt.
// What its files show is read from their own tags, or from the records beside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/prompts_file.h"

namespace wan::cli {

inline constexpr size_t kMostSamples = 5;  // of one prompt: VBench reads no others

/// A video, and what it is of.
struct SampleVideo {
  std::filesystem::path file;
  std::string prompt;
  uint64_t seed = 0;
  std::string frames_sha256;  // of the RGB frames in order; empty: not known
};

/// The mp4 files of the paths: each is one, or a folder with some, four levels deep. A file that says nothing of itself
/// is what a record beside it says. Throws Error(kInput) naming the path that is none, or the video of which nobody
/// says what it shows, Error(kInterrupted) once `stopped` says so.
std::vector<SampleVideo> sample_videos(const std::vector<std::string>& paths, const std::function<bool()>& stopped);

struct VbenchFile {
  std::filesystem::path video;
  std::string name;
};

struct VbenchFolder {
  std::vector<VbenchFile> files;
  size_t prompts = 0, samples = 0;  // of each prompt
  std::vector<std::string> notes;   // what was left out, and why
};

/// The samples of a prompt are numbered by their seeds. With a `list` of prompts each of them has a video, and those of
/// others are left out. Of two videos with one prompt, one seed and the same frames one is left out. Throws
/// Error(kInput) naming the videos or prompts: one that no file can be named after, two videos of one prompt and seed
/// whose frames are not the same, more than kMostSamples of a prompt, fewer than of others, none of one of the list.
VbenchFolder plan_vbench_folder(std::vector<SampleVideo> videos, const std::vector<PlannedVideo>& list);

/// Makes the folder with hard links, or copies where those cannot be. It has its name when all is in it. Throws
/// Error(kUsage) when `target` is there and not empty, Error(kRuntime) when a file cannot be put there,
/// Error(kInterrupted) once `stopped` says so.
void write_vbench_folder(const VbenchFolder& folder, const std::filesystem::path& target,
                         const std::function<bool()>& stopped);

}  // namespace wan::cli
