// Runs of one case on several cards of a kind: how far the cards are apart, how far the runs of one, and the mean over
// cards with an interval that knows the difference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics.h"
#include "results/record.h"

namespace wan {

/// The runs of one card. `values` is not empty.
struct CardRuns {
  std::string node, card;
  std::vector<double> values;
};

/// By a one-way random-effects model, y = mean + card + run.
struct CardEffect {
  int64_t nodes = 0, cards = 0, runs = 0;
  /// Of the cards' means; where a node has several cards, of the nodes' means of them: a card with more runs weighs no
  /// more.
  double mean = 0;
  /// Of that mean over all cards of the kind, by Student's t over the units that are independent: nodes where one has
  /// several cards, which may share their air and power; else cards. Exact where all have as many runs and effects are
  /// normal (Searle, Casella, McCulloch, Variance Components, 3.6); unweighted means keep it near that otherwise
  /// (Burdick and Graybill 1992, 6.2). None of a single unit.
  std::optional<Interval> interval;
  bool by_node = false;  // the units are nodes
  /// Standard deviations by Thomas and Hultquist's moments for unequal numbers: runs of one card, pooled, none where no
  /// card has two; cards apart from their runs, nodes' part included, 0 where the runs' own spread explains it.
  std::optional<double> within_sd, between_sd;
};

/// Not empty, each card once.
CardEffect card_effect(const std::vector<CardRuns>& cards, double confidence);

/// "runs of 60 cards on 20 nodes share this estimate, whose interval takes them for runs of one: ...": of seconds.
std::string card_effect_text(const CardEffect& effect);

/// The case's whole time in seconds, by card: its UUID or, on a CPU, its node. Runs without a total or without a name
/// of their card are left out.
std::vector<CardRuns> runs_by_card(const std::vector<const RunRecord*>& runs);

}  // namespace wan
