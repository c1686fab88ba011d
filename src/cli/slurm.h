// `wanbench run --launcher slurm`: a suite as an array of Slurm's, one task for each case and repeat.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "suite/plan.h"
#include "suite/runner.h"

namespace wan::cli {

struct SlurmOptions {
  int64_t nodes_at_once = 0;            // tasks that run at once; 0: as many as there are nodes for
  std::optional<int64_t> gpus_per_run;  // cards of a task
  std::vector<std::string> sbatch;      // NAME=VALUE of --sbatch-option
  bool share_nodes = false, wait = false, collect = false;
  std::optional<int64_t> task;  // of this process, which the array's script starts
};

/// The device that runs take where nobody says: decided on the login node, and on all others alike. Throws
/// Error(kUsage) where it cannot be.
std::string slurm_device(const SlurmOptions& slurm, const std::string& asked);

/// Cuts the plan down to this process's task, and the run's folder and repeats to those of it. Throws Error(kUsage)
/// naming this node where its plan, weights or program are not the login node's.
void take_task(const SlurmOptions& slurm, std::optional<int> warmups, std::vector<suite::PlannedCase>& plan,
               suite::RunOptions& run);

/// Submits what is missing, and behind it the job that collects.
ExitCode submit_to_slurm(const SlurmOptions& slurm, const suite::Suite& suite,
                         const std::vector<suite::PlannedCase>& plan, const suite::RunOptions& run);

/// Prints the scripts and how they would be submitted; writes nothing.
void print_slurm_scripts(const SlurmOptions& slurm, const std::vector<suite::PlannedCase>& plan,
                         const suite::RunOptions& run);

/// Makes records for the tasks that left none, and the report of all.
ExitCode collect_from_slurm(const suite::Suite& suite, const std::vector<suite::PlannedCase>& plan,
                            const suite::RunOptions& run);

}  // namespace wan::cli
