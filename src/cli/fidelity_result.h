// What `wanbench fidelity` found, and its two wordings.
#pragma once

#include <optional>
#include <vector>

#include "cli/json_document.h"
#include "fidelity/compare_videos.h"
#include "fidelity/latents.h"

namespace wan::cli {

enum class ByFrame { kNo, kYes };

struct FidelityReport {
  FidelityResult videos;
  std::optional<std::vector<LatentStep>> latents;  // none: no dumps were given
};

OrderedJson json_of(const FidelityReport& report, ByFrame by_frame);
void print_fidelity(const FidelityReport& report, ByFrame by_frame);

}  // namespace wan::cli
