// Cards side by side: which cases are the same one under its names, and what is compared of them.
#pragma once

#include <string>
#include <vector>

#include "analysis/summary.h"

namespace wan {

/// A card with a program that ran on it: a column of the comparison.
struct Machine {
  std::string device, engine;
  EngineKind kind = EngineKind::kNative;
  const RunRecord* example = nullptr;  // for what else is to be said of it
  std::vector<const RunRecord*> runs;  // of all its cases
  bool operator==(const Machine& other) const {
    return device == other.device && engine == other.engine && kind == other.kind;
  }
};

/// A case on all machines. A cell holds more than one summary where a source has the same work under two names.
struct CardRow {
  std::string name;                        // the name of our own suite where one of its runs is there
  std::vector<std::vector<size_t>> cells;  // by machine: indices of the summaries
  std::vector<std::string> differences;    // of a cell's work from the first one's: "steps: 5, there 10"
};

struct CardTable {
  std::vector<Machine> machines;  // imported ones first, then in order of appearance
  std::vector<CardRow> rows;
};

/// Cases are one row when a name or alias of one is a name or alias of the other, and their circumstances are equal
/// (summary.h; cold and unknown scopes are). Points into the summaries.
CardTable card_table(const std::vector<const CaseSummary*>& summaries);

enum class CardUnit { kSeconds, kBytes, kJoules, kShare };

/// One question asked of every case on every card.
struct CardQuantity {
  std::string name;
  CardUnit unit = CardUnit::kSeconds;
  Quantity (*of)(const CaseSummary&);
};
const std::vector<CardQuantity>& card_quantities();

}  // namespace wan
