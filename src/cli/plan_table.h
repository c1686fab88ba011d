// What fits in which memory: the published models at their usual sizes, against cards' and limits' sizes.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "cli/video_plan.h"

namespace wan::cli {

inline constexpr std::array<int, 8> kTableGib{8, 12, 16, 24, 32, 48, 80, 141};

/// One memory of one row.
struct TableCell {
  std::optional<MemoryPlan> predicted;    // nothing: no place for the weights fits
  std::optional<PublishedPeak> measured;  // of the card's memory no more than this: the records' largest run
};

/// A model at a size, its weights in one stored form.
struct TableRow {
  std::string model, stored;
  int64_t width = 0, height = 0, num_frames = 0;
  uint64_t host_bytes = 0;       // page-locked where weights are streamed
  std::vector<TableCell> cells;  // as kTableGib
};

/// Planned for Hopper's kernels, with a host that holds everything; measured by the published records.
std::vector<TableRow> plan_table();

}  // namespace wan::cli
