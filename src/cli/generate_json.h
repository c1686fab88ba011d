// The document of `generate --json`: what was asked, what became of it and what it cost. docs/formats.md describes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/video_result.h"

namespace wan::cli {

/// One document of schema wanbench.generate, ending in a line feed; other characters than ASCII are escaped. `failure`:
/// why none of the videos was begun, if that is so.
std::string generate_json(const std::vector<VideoResult>& videos, ExitCode code,
                          const std::optional<VideoFailure>& failure);

}  // namespace wan::cli
