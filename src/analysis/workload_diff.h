// Whether two runs did the same work, and if not, in which field.
#pragma once

#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

struct FieldDifference {
  std::string field;  // "steps", "dtypes.dit", "weights.dit", ...
  std::string a, b;   // as text; "-" where a side has none
};

struct WorkloadDifference {
  std::vector<FieldDifference> different;  // known on both sides and unequal
  std::vector<FieldDifference> unknown;    // recorded on one side only: an imported run may not say
  std::vector<FieldDifference> execution;  // the same work, done another way: named, never a reason to refuse
  bool same() const { return different.empty(); }
};

/// Compares every field that decides the work, prompts and weights by digest. A field that one side has and the other
/// lacks counts as unknown when the lacking side is `a_imported` / `b_imported`, else as different.
enum class Provenance { kMeasured, kImported };
WorkloadDifference compare_workloads(const Workload& a, Provenance from_a, const Workload& b, Provenance from_b);

/// The fields in which the engine decided otherwise, by name; empty where both decided alike, and
/// where either does not say. Long lists are shortened and carry a digest.
std::vector<FieldDifference> execution_differences(const Measured<Execution>& a, const Measured<Execution>& b);

/// Whether both did the same work, however: every field of the workload but those that the execution decides (where
/// weights live, where text is encoded), prompts by digest.
bool same_work(const Workload& a, const Workload& b);

/// "video" or "none", by whether the run wrote one; empty where the record cannot tell: a failed run has none in any
/// case, a traced one and one that was made to be compared have none whatever the others of their case write, and other
/// programs' output is their own affair.
std::string output_kind(const RunRecord& record);

/// The same, with each record's own provenance; "output", whether a video was written, where both tell; and how the
/// executions differ.
WorkloadDifference compare_workloads(const RunRecord& a, const RunRecord& b);

}  // namespace wan
