// The arms of an ablation: a case as it is, and the same with one lever set otherwise, each as a case of a suite that
// is made for it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/residency.h"
#include "results/ablation.h"
#include "suite/fidelity_plan.h"
#include "suite/plan.h"

namespace wan::suite {

/// In the order in which they are tried.
std::vector<std::string> lever_names();

struct AblationOptions {
  std::vector<std::string> levers{};     // names of levers, which bring all their arms, or of arms; empty: all
  std::filesystem::path cache_curve{};   // of the arms of magcache; empty: the one that comes with the program
  std::optional<Residency> residency{};  // that the case as it is will have; empty: not known, or a CPU
};

struct PlannedAblation {
  Ablation ablation;  // every arm, with the reason of those that are refused
  Suite suite;        // of the arms that are to be run, the default first
};

/// `base`: the case as it is, complete. Nothing is opened but headers. Throws Error(kUsage) naming `--levers` for a
/// name that is neither a lever nor an arm; what `decide` throws of the case itself.
PlannedAblation plan_ablation(const PlannedCase& base, const AblationOptions& options);

/// What is found out of the arms behind the first: each against that one's own timed run, which is made no second time.
std::vector<PlannedFidelity> judge_arms(const std::vector<PlannedCase>& plan, const std::filesystem::path& output);

}  // namespace wan::suite
