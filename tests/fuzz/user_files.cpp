// The files that a user names beside results: imported reports, tables, the file on what watching costs.
#include "backend/cuda/tuning.h"
#include "base/error.h"
#include "import/import.h"
#include "report.h"
#include "results/json.h"
#include "results/overhead.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

std::vector<RunRecord> read_import(Bytes input) {
  std::vector<RunRecord> records = import_file(as_file(input));
  for (RunRecord& record : records) {
    check(!record.system.gpus.empty() || record.engine.device == "cpu", "an imported run has a card, or used none");
    recompute(record);
  }
  return records;
}

OverheadResult read_overhead(Bytes input) {
  OverheadResult result = overhead_from_json(std::string(text_of(input)), "fuzz");
  const std::string written = to_json(result);
  check(read_again([&] { return to_json(overhead_from_json(written, "written")); }) == written,
        "what watching costs is read as it was written");
  return result;
}

/// The file as either table.
Tables read_tables(Bytes input) {
  const std::filesystem::path file = as_file(input);
  Tables found;
  try {
    found.peaks = load_peaks(file);
  } catch (const Error&) {
    found.prices = load_prices(file);
  }
  for (const RunRecord& run : good_records()) {
    const std::string& name = run.system.gpus.front().name;
    if (const CardPeak* peak = find_peak(found.peaks, name)) flop_utilisation(500, *peak, run.workload, 1600);
    if (const CardPrice* price = find_price(found.prices, name); price != nullptr && price->per_gpu_hour)
      cost_of(100, 1, *price);
  }
  return found;
}

}  // namespace

void imports(Bytes input) { read_import(input); }
void imports_report(Bytes input) {
  std::vector<RunRecord> records = read_import(input);
  for (RunRecord& record : records) record = written_and_read(record);
  report_and_compare(std::move(records));
}

void overhead(Bytes input) { read_overhead(input); }
void overhead_report(Bytes input) {
  RunRecord record = good_records().front();
  record.overhead_percent = measured(read_overhead(input).percent, "selftest");
  seal(record);
  report_and_compare({written_and_read(record)});
}

void tables(Bytes input) { read_tables(input); }
void tables_report(Bytes input) { report_and_compare({}, {}, read_tables(input)); }

void tuning(Bytes input) {
  const std::string card = "NVIDIA H100 80GB HBM3";
  constexpr size_t kVersion = 130200;
  const cuda::TuningTable table(text_of(input), card, kVersion);
  const cuda::TuningRow* row = table.find({DType::kBF16, DType::kBF16, Activation::kNone, true, 1000, 3072, 3072});
  if (row == nullptr) return;
  const auto again =
      read_again([&] { return cuda::TuningTable(cuda::format_row(card, kVersion, *row), card, kVersion); });
  const cuda::TuningRow* same = again.find(row->key);
  check(same != nullptr && same->algorithm == row->algorithm, "a row is read as it was written");
}

}  // namespace wan::fuzz
