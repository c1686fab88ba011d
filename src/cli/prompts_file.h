// `generate --prompts FILE`: many requests from one file. docs/formats.md describes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/request.h"

namespace wan::cli {

inline constexpr uint64_t kMostPromptBytes = uint64_t{16} << 20;  // of a file
inline constexpr size_t kMostPromptLine = size_t{64} << 10;       // of a line, in bytes
inline constexpr size_t kMostVideos = 1000;                       // of one command: what each took is kept to its end

/// One video of several.
struct PlannedVideo {
  std::string where;  // "prompts.txt:3", for messages; empty: the command line
  Request request;
  bool has_own_seed = false;
};

/// A video a line: the line is its prompt, or, where it begins with a brace, a JSON object with the options of a
/// request, which count before those of `base`. Blank lines and lines that begin with # are passed over. Relative paths
/// are taken from the file's folder. Throws Error(kInput) naming file and line.
std::vector<PlannedVideo> read_prompts(const std::filesystem::path& file, const Request& base);

/// Each video with each seed, the seeds of one after another. Throws Error(kUsage) where a line of the file has a seed
/// of its own, and for more than kMostVideos.
std::vector<PlannedVideo> with_seeds(const std::vector<PlannedVideo>& videos, const std::vector<uint64_t>& seeds);

}  // namespace wan::cli
