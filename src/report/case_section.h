// One case of the Markdown report: its summary, what to call it, and its section.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "analysis/summary.h"
#include "analysis/tables.h"

namespace wan::report {

/// A case with something to show. Where no run counts, `summary` is that of one run that does not, and `doubt` says
/// why.
struct ShownCase {
  CaseSummary summary;
  std::unique_ptr<RunRecord> stand_in;  // that run, with its objections set aside; `summary` points to it
  const RunRecord* original = nullptr;  // as it was stored; empty where runs count
  std::string doubt;
  std::vector<Exclusion> excluded;

  std::string title() const;  // the case's name with its circumstances
  bool on_gpu() const;
  std::string time_cell() const;    // total seconds, or the status
  size_t runs() const;              // that could count: no warm-ups, no traced ones
  std::string runs_cell() const;    // how many count, of how many
  std::string status_cell() const;  // ok, or what happened
};

ShownCase show_case(const RunGroup& group);

/// "commit abc", or "commits abc (2 runs), def (changed, 1 run)" where runs of several are shown together.
std::string commits_of(const std::vector<const RunRecord*>& runs);

/// "1.87x (GPU part 1.86x), FASTER", or why the two cannot be compared.
std::string speedup_cell(const ShownCase* a, const ShownCase* b);

/// From "#### Case: ..." to the end of the resource overview.
std::string case_section(const ShownCase& shown, const std::vector<CardPeak>& peaks);

}  // namespace wan::report
