// One video as `wanbench plan` sees it: what it takes on a card, by stage, and whether that fits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/planned_card.h"

namespace wan::cli {

struct VideoPlan {
  std::string name;  // of a suite's case; empty for a request
  Plan plan;
  MemoryPlan memory;        // of what runs, or where nothing does of what needs least
  uint64_t host_bytes = 0;  // page-locked
  std::string refusal;      // why it does not fit, and what would; empty: it fits
  std::vector<ExpectedStage> stages;

  bool fits() const { return refusal.empty(); }
  /// Of the stages that are known, all steps counted; nothing where a step is not.
  std::optional<double> seconds() const;
};

/// Opens headers only. Throws what open_models and make_plan do.
VideoPlan plan_video(const std::string& name, const Request& request, const PlannedCard& card);

}  // namespace wan::cli
