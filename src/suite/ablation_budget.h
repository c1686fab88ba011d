// Which arms of an ablation still fit into the time that it was given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "results/ablation.h"
#include "results/record.h"

namespace wan::suite {

/// What one run of the arm will take, in seconds: as its own did, or as the default's did with its share of the
/// forwards (all of them where they are left open), or as it was expected before any. Nothing: nobody knows.
std::optional<double> expected_seconds(const Ablation& ablation, const std::string& arm,
                                       const std::vector<RunRecord>& so_far);

/// What comparing one arm's frames with the default's takes, in seconds on `threads`.
double judging_seconds(const Workload& work, int threads);

/// Why the arm is left out with `elapsed` of `limit` over: its run, and comparing it and those that were run, would not
/// end in time. Empty: it is not. The default is never left out.
std::string why_left_out(const Ablation& ablation, const std::string& arm, const std::vector<RunRecord>& so_far,
                         Seconds elapsed, Seconds limit, int threads);

}  // namespace wan::suite
