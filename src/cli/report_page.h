// What the page of a report needs beside the records: the tables of cards, and files that lie where the records do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/fit_table.h"
#include "analysis/mlperf.h"
#include "analysis/report_view.h"
#include "analysis/tables.h"
#include "report/html.h"
#include "results/store.h"

namespace wan::cli {

struct CardTables {
  std::vector<CardPeak> peaks;
  std::vector<CardPrice> prices;
  std::vector<FitRow> fit;
  MlperfTable mlperf;
};

/// The tables that come with the program.
CardTables load_card_tables();

/// Of the records, with the plan of what only they have. Points into both, which must outlive it.
ReportView page_view(const std::vector<const RunRecord*>& records, const CardTables& tables);

/// What lies beside each record, by run id, and the spans that were taken out of it, which the records give away. A
/// damaged file is named and left out, as it is for drawing only.
report::Beside load_beside(std::vector<StoredRecord>& records);

}  // namespace wan::cli
