// What two compared cases say of each other's picture: between precision classes, recipes or LoRAs a ratio of times
// alone is half of the truth.
#pragma once

#include <string>
#include <vector>

#include "analysis/case_fidelity.h"
#include "analysis/workload_diff.h"

namespace wan {

struct ComparedFidelity {
  enum class Side { kA, kB };
  Side of = Side::kB;
  FidelityView view;
  bool against_other_side = false;  // else both sides have the same reference
};

struct PairFidelity {
  bool is_asked = false;                   // classes, recipes or LoRAs differ, or a measurement refutes a class
  std::vector<ComparedFidelity> measured;  // of one side against the other, or of both against one reference
  std::string refuted_a, refuted_b;        // of each side's class; empty: nothing refutes it
  bool is_missing() const { return is_asked && measured.empty(); }
};

/// `different`: in what the work of the two differs.
PairFidelity fidelity_between(const CaseSummary& a, const CaseSummary& b,
                              const std::vector<FieldDifference>& different);

/// "B against A (bf16): 31.5 dB, velocity 3 % off; noise floor: ...", given the sides' names.
std::string compared_text(const ComparedFidelity& fidelity, std::string_view a, std::string_view b);

}  // namespace wan
