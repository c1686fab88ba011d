// From a suite and what the command line changes in it to the list of runs. Everything that can be refused is refused
// here, before anything starts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "results/record.h"
#include "suite/case.h"

namespace wan::suite {

/// What is done to the weight files' pages before each cold run: nothing; read once, unless they are in memory;
/// dropped.
enum class PageCacheSetting { kAsIs, kHot, kEvict };

/// What the command line says; empty fields leave the suite's own.
struct PlanOptions {
  std::vector<std::filesystem::path> checkpoints;  // a case takes the one of its model, the first when it names none
  std::filesystem::path default_checkpoint;        // when neither the suite nor the command line does
  bool random_weights = false;                     // for every case, at the published sizes of its model
  std::string model;                               // of cases that name none; before the suite's own
  std::string device;
  std::string gpus, parallel;  // as a request has them
  std::optional<Precision> precision;
  std::optional<MemorySize> gpu_memory_limit;
  std::filesystem::path tuning_table;  // kernel choices made by `tune`, for every case
  std::vector<std::string> only;       // names or aliases of cases; empty: all
  std::vector<std::string> command;    // an external program instead of the engine: nothing is checked against a model
  std::string default_device = "cpu";  // where neither says
  PageCacheSetting page_cache = PageCacheSetting::kAsIs;
};

struct PlannedCase {
  Case details;       // request complete: checkpoint and device filled in
  Workload workload;  // as far as it is known before running
  std::string key;    // of the request, the weights and the page cache: a stored run with this key is this run
  PageCacheSetting page_cache = PageCacheSetting::kAsIs;
};

/// Takes out of the suite the cases of a model that none of the checkpoints holds, unless cases were asked for by name.
/// Returns a line about each.
std::vector<std::string> leave_out_other_models(Suite& suite, const PlanOptions& options);

/// Throws Error(kUsage, kInput) naming the case: an unknown case name, an impossible size, a checkpoint that is
/// missing.
std::vector<PlannedCase> plan_cases(const Suite& suite, const PlanOptions& options);

}  // namespace wan::suite
