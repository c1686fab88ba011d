// What the reports show of a set of records, worked out once for all of them: cases, which of them compare with which,
// cards side by side, what fits, cold beside warm.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/ablation.h"
#include "analysis/cards.h"
#include "analysis/case_view.h"
#include "analysis/compare.h"
#include "analysis/fidelity_chart.h"
#include "analysis/fit_table.h"
#include "analysis/load.h"
#include "analysis/mlperf.h"

namespace wan {

/// One case set against another, whatever differs between their work.
struct CasePair {
  std::string title;
  Comparison comparison;  // of the one that takes less against the other, where they compare
};

struct ColdWarm {
  const CaseView* cold = nullptr;
  const CaseView* warm = nullptr;
  std::optional<double> extra_s;  // nothing unless both have a run that counts
};

/// A case in a cell of the cards' table.
struct CardEntry {
  const CaseView* shown = nullptr;
  bool without_video = false;    // others of the row wrote one: its totals are of less work
  std::vector<Quantity> values;  // by card_quantities()
};

struct CardRowView {
  std::string name;
  std::vector<std::vector<CardEntry>> cells;  // by machine; without those replaced by a case of their title that counts
  std::vector<std::string> differences;
};

struct CardsView {
  std::vector<Machine> machines;
  std::vector<CardRowView> rows;
  std::vector<size_t> quantities;  // of card_quantities(): those that any case has
};

struct ReportView {
  std::vector<const RunRecord*> records;
  std::deque<CaseView> cases;   // those of more than warm-ups
  std::vector<CasePair> pairs;  // our own engine's first, of them those on one card
  std::vector<ColdWarm> cold_warm;
  CardsView cards;
  FitView fit;
  std::vector<FidelityChart> fidelity;             // point into `cases`
  std::deque<AblationTable> ablations;             // none but by who knows what one is of
  std::deque<LoadView> loads;                      // likewise
  MlperfView mlperf;                               // likewise; points into `cases`
  std::map<std::string, std::string> not_counted;  // by run id: why the run enters no estimate
  bool several_programs = false;

  /// The device, and the program where there are several.
  std::string machine_of(const CaseView& shown) const;
};

/// Points into the records and the tables of peaks and prices, which must outlive the result.
ReportView report_view(const std::vector<const RunRecord*>& records, const std::vector<CardPeak>& peaks,
                       const std::vector<CardPrice>& prices, const std::vector<FitRow>& fit_rows = {});

/// B against A, whatever differs between their work.
Comparison compare_freely(const CaseView& a, const CaseView& b);

}  // namespace wan
