// Where the time of a traced run went: kinds of work, gaps, and the longest kernels, as shares of the stages' time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/summary.h"

namespace wan {

/// A kind of work, or the gaps. Shares of a table add up to 1.
struct KindShare {
  std::string name;  // "GEMM", "attention", ..., "gaps"
  int64_t count = 0;
  double seconds = 0;        // charged to it: each instant once, a copy only where no kernel ran
  double share = 0;          // of the stages' time
  double total_seconds = 0;  // what hid behind other work included
};

struct KernelShare {
  std::string name, kind;
  int64_t count = 0;
  double seconds = 0;
  double share = 0;  // of the stages' time
  double mean_us = 0;
};

struct KernelView {
  std::string stages;  // "All steps", else the stage's name
  int64_t stage_count = 0;
  double seconds = 0;
  std::vector<KindShare> kinds;      // largest first, gaps last
  std::vector<KernelShare> kernels;  // longest first
  std::optional<KernelShare> unlisted;
};

struct TracedRun {
  const RunRecord* run = nullptr;
  std::string reason;  // why there are no views
  int64_t lost = 0;    // kernels that are missing from the views
  std::vector<KernelView> views;
  std::optional<double> slowdown;  // its steady step over that of the runs that count
};

/// `KernelView::stages` of the denoising steps together.
inline constexpr const char* kAllSteps = "All steps";

/// "GEMM", "attention", "elementwise", ...
std::string kind_name(KernelKind kind);

/// The tables of one trace as shares.
std::vector<KernelView> kernel_views(const KernelTrace& trace);

/// The last traced run of a group that has tables, else the last traced one; nothing when none was traced.
std::optional<TracedRun> traced_run(const CaseSummary& summary);

}  // namespace wan
