// One run taken apart: leaves that tile the total, what no stage accounts for, and the sums people ask about.
#pragma once

#include <optional>
#include <vector>

#include "results/record.h"
#include "results/stage_names.h"
#include "results/stage_role.h"

namespace wan {

/// Share of the total beyond which unattributed time is a warning, and an error.
inline constexpr double kUnattributedWarning = 0.01;
inline constexpr double kUnattributedError = 0.05;

struct Breakdown {
  std::vector<const StageRecord*> leaves;  // in the record's order; never a parent, hidden span or component
  int64_t total_ns = 0;                    // Total_Execution, or the leaves' sum where a record has no total
  int64_t leaves_ns = 0;
  int64_t unattributed_ns = 0;  // total - leaves; negative: leaves overlap, and the record is wrong
  double unattributed_share() const;
};

/// Points into `record`, which must outlive the result. Throws Error(kInput) when the record has no stage at all.
Breakdown break_down(const RunRecord& record);

/// Sums over the leaves that answer one question each; nothing where a needed leaf is missing.
struct Scopes {
  int64_t total_ns = 0;
  std::optional<int64_t> warm_total_ns;  // text encoding to the end of VAE decoding
  std::optional<int64_t> steps_ns;       // all Step_i_Inference
  // Leaves that compute on the card: steps, VAE, and text encoding unless it ran on the CPU; and all the rest of the
  // total, unattributed time included. Nothing of a run on a card none of whose leaves is known to compute there.
  std::optional<int64_t> gpu_part_ns, host_part_ns;
};
Scopes scopes(const RunRecord& record);

/// True when the leaf's work runs on a GPU in this run.
bool computes_on_gpu(const RunRecord& record, const StageRecord& leaf);
bool computes_on_gpu(const RunRecord& record, StageRole role);

}  // namespace wan
