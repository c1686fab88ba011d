// The card that `wanbench plan` plans for: this machine's, or one of the table of peaks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/published.h"
#include "base/memory_size.h"
#include "pipeline/plan.h"
#include "pipeline/stage_seconds.h"

namespace wan::cli {

/// How near a card's stage seconds come to what they were fitted to.
struct CardSeconds {
  PublishedCard published;
  StageFits fits;
};

struct PlannedCard {
  std::string name;  // empty: none here
  std::string why_no_card;
  std::optional<uint64_t> total_bytes, room_bytes;  // all there is; of it what a process may fill
  std::string room_words;                           // what bounds that: "free now"
  HistoryMemory history = HistoryMemory::kApart;
  MemoryLimits limits{UINT64_MAX / 2, UINT64_MAX / 2};
  std::optional<CardSeconds> seconds;
  std::string why_no_seconds;
};

/// `name`: words of a card of suites/peaks.json, as "h200"; empty: the first card here. Without a card, and without a
/// name, memory is bounded by `limit` alone. Throws Error(kUsage) for a name that the table has not, naming those that
/// it has.
PlannedCard planned_card(const std::string& name, const std::optional<MemorySize>& limit);

/// What makes the video of a published row again, planned for a card.
Request request_of(const PublishedVideo& video);

/// The seconds of a card's published videos, fitted.
StageFits fit_published(const PublishedCard& card);

}  // namespace wan::cli
