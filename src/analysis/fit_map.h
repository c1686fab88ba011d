// What fits on which card: sizes by frames, from what ran, what ran out of memory, and what follows from the two.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/memory.h"
#include "analysis/summary.h"

namespace wan {

enum class Fit {
  kFits,         // ran here
  kOutOfMemory,  // ran out here, or its plan found too little
  kShouldFit,    // no larger than a case that ran within this card's memory, here or on another card
  kShouldNot,    // no smaller than a case that ran out, here or on a card with as much memory
  kNotKnown,
};
std::string_view to_string(Fit fit);  // "fits", "out of memory", "should fit", "should not fit", "not known"

struct FitCell {
  Fit fit = Fit::kNotKnown;
  std::optional<Headroom> room;        // of what ran; of kShouldFit at least that much is free
  const CaseSummary* basis = nullptr;  // the case that says so; nullptr: none does
};

struct FitSize {
  int64_t width = 0, height = 0;
  bool operator==(const FitSize&) const = default;
};

/// One card with one way to run a model: program, data types, where weights and text encoder are. Where several cases
/// are one cell's, the one with the most memory free speaks for it.
struct FitMap {
  std::string device;
  const CaseSummary* example = nullptr;  // for the way
  std::optional<double> capacity_bytes;
  std::vector<FitSize> sizes;  // by area
  std::vector<int64_t> frames;
  std::vector<std::vector<FitCell>> cells;  // [size][frames]
};

/// Maps of one way share their sizes and frames over all cards. Memory is taken to grow with area and frames.
/// Cases without a card, size or frames, and those that ended in another way than ok or out of memory, are left out.
/// Points into the summaries.
std::vector<FitMap> fit_maps(const std::vector<const CaseSummary*>& summaries);

}  // namespace wan
