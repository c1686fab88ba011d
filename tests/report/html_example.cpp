// Writes a results folder of the hand-made records with its reports into the folder given: what the browser test opens.
#include <fmt/format.h>

#include <filesystem>

#include "base/file.h"
#include "html_records.h"
#include "report/html.h"
#include "report/trace.h"
#include "results/store.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1], suites = std::filesystem::path(WAN_SOURCE_DIR) / "suites";
  std::filesystem::remove_all(folder);
  std::vector<wan::RunRecord> records = wan::report_records();
  records.push_back(wan::imported_record());
  std::vector<const wan::RunRecord*> pointers;
  for (wan::RunRecord& record : records) {
    wan::store_record(folder / "records", record);
    pointers.push_back(&record);
  }
  wan::report::HtmlOptions options{wan::load_peaks(suites / "peaks.json"), wan::load_prices(suites / "prices.json")};
  options.folder = folder;
  options.samples = {{records[3].id, wan::report_samples()}};  // the first warm run
  wan::write_atomically(folder / "report.html", wan::report::html_report(pointers, options));
  wan::write_atomically(folder / "trace.json", wan::report::trace_json(pointers));
  return 0;
}
