// What `wanbench plan` prints, for people and as JSON.
#pragma once

#include <vector>

#include "cli/json_document.h"
#include "cli/plan_table.h"
#include "cli/video_plan.h"

namespace wan::cli {

/// Lines of at most 80 columns. `Detail::kErrors` adds how near the card's seconds come to its records.
enum class Detail { kPlain, kErrors };
void print_plans(const PlannedCard& card, const std::vector<VideoPlan>& videos, Detail detail);
void print_table(const std::vector<FitRow>& rows);

/// The documents of docs/formats.md.
OrderedJson json_of(const PlannedCard& card, const std::vector<VideoPlan>& videos);
OrderedJson json_of(const std::vector<FitRow>& rows);

}  // namespace wan::cli
