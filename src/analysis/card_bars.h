// One case of one program on several cards: what a picture of seconds and cents by card shows.
#pragma once

#include <optional>
#include <vector>

#include "analysis/report_view.h"

namespace wan {

/// A card and a program are never compared at once, and imported values are of no program at hand.
struct CardBars {
  std::vector<const CaseView*> cases;  // one a card, by seconds of a video, least first
};

/// The case that the most cards have, then the one whose least measured card has the most runs, then the report's
/// first. Cases that wrote no video where another did, those that do not count and those of other work than the row's
/// first are left out; nothing where no two cards remain. Points into the view.
std::optional<CardBars> card_bars(const ReportView& view);

}  // namespace wan
