// Which cases of a suite are set against which reference: decided before anything runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "suite/fidelity_task.h"
#include "suite/plan.h"

namespace wan::suite {

enum class NoiseFloor { kYes, kNo };

struct FidelityOptions {
  /// "fp32" or "bf16", each case's own request in that precision; or the name of a case, for all others.
  std::string arm;
  NoiseFloor floor = NoiseFloor::kYes;
  std::filesystem::path output;      // of the suite's run
  std::vector<std::string> command;  // the external program whose videos are judged; empty: the engine's
};

/// What is to be found out of one case.
struct PlannedFidelity {
  const PlannedCase* planned = nullptr;
  FidelityTask task;
};

struct FidelityPlan {
  std::vector<PlannedFidelity> cases;
  std::vector<std::string> notes;  // a line on each case that is not judged, and why
};

/// `plan` must outlive what is returned. Throws Error(kUsage) where no case can be judged, or the arm is none; what
/// `decide` throws of a reference that the engine cannot make.
FidelityPlan plan_fidelity(const std::vector<PlannedCase>& plan, const FidelityOptions& options);

}  // namespace wan::suite
