// Reading what lies beside records.
#include "cli/report_page.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/data_files.h"
#include "cli/plan_table.h"

namespace wan::cli {
namespace {

template <class Content>
std::map<std::string, Content> load_all(const std::vector<StoredRecord>& records,
                                        std::optional<Content> (*load)(const std::filesystem::path&,
                                                                       const RunRecord&)) {
  std::map<std::string, Content> found;
  for (const StoredRecord& stored : records) {
    try {
      if (auto content = load(stored.file, stored.record)) found.emplace(stored.record.id, std::move(*content));
    } catch (const Error& error) {
      log::warning(error.what());
    }
  }
  return found;
}

}  // namespace

CardTables load_card_tables() {
  const std::filesystem::path suites = data_folder() / "suites";
  return {load_peaks(suites / "peaks.json"), load_prices(suites / "prices.json"),
          load_fit_rows(suites / "memory_table.json"), load_mlperf(suites / "mlperf.json")};
}

ReportView page_view(const std::vector<const RunRecord*>& records, const CardTables& tables) {
  ReportView view = report_view(records, tables.peaks, tables.prices, tables.fit);
  predict_own(view.fit.rows);
  view.mlperf = mlperf_view(view.cases, tables.mlperf);
  return view;
}

report::Beside load_beside(std::vector<StoredRecord>& records) {
  report::Beside beside{load_all(records, load_samples), load_all(records, load_spans),
                        load_all(records, load_kernel_events)};
  for (StoredRecord& stored : records)
    if (!stored.spans.parts.empty()) beside.spans.emplace(stored.record.id, std::move(stored.spans));
  return beside;
}

}  // namespace wan::cli
