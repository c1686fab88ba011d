// Seconds against fidelity: what a faster setting costs in the picture, of cases that were set against one reference.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "analysis/case_view.h"

namespace wan {

struct FidelityPoint {
  const CaseView* shown = nullptr;
  const FidelityView* view = nullptr;         // nullptr: it is the reference itself
  double seconds = 0;                         // of a whole video
  bool is_identical = false;                  // to the reference: as good as can be by every measure
  std::vector<std::optional<double>> values;  // by fidelity_measures(); nothing: not measured, or identical
  std::vector<bool> on_frontier;  // by fidelity_measures(): no other is as fast and as near and better in one of both
};

struct FidelityChart {
  std::string name;                   // "against bf16, H200, warm, 1280x704, 161 frames"
  std::string reference;              // as reference_text
  std::vector<FidelityPoint> points;  // the fastest first
};

/// One chart for each reference, card, program, scope, size and length of which two cases that count are judged.
std::vector<FidelityChart> fidelity_charts(const std::deque<CaseView>& cases);

/// Gives every case its cell where the cases are of several precision classes or recipes, or any fidelity is measured.
void add_fidelity_cells(std::deque<CaseView>& cases);

}  // namespace wan
