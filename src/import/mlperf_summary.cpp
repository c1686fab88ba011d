// Reader of MLPerf Inference's summary.csv, the table that its submission checker writes: of its rows those of the
// text-to-video benchmark, a record each. Columns are found by name, since every round has had others.
#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "import/csv.h"
#include "import/fill.h"
#include "import/import.h"

namespace wan {
namespace {

constexpr const char* kBenchmark = "wan-2.2-t2v-a14b";
constexpr size_t kMaxCell = 4096;
constexpr Bounds<int64_t> kCards{1, 1024};  // each is an entry of its record
constexpr size_t kCardsOfAll = 20'000;      // of all records of a table
constexpr double kShortestVideoS = 1;       // 72 cards take 5.7 s in round 6.1

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

class SummaryRow {
 public:
  SummaryRow(const CsvRow& header, const CsvRow& row, const std::string& file) : line_(row.line), file_(file) {
    for (size_t i = 0; i < header.cells.size(); ++i) cells_[header.cells[i]] = row.cells[i];
  }

  bool is_of_benchmark() const {
    return lower(cell("Model")) == kBenchmark || lower(cell("MlperfModel")) == kBenchmark;
  }
  bool is_power() const { return units() == "Watts" || units() == "millijoules"; }
  const std::string& units() const { return cell("Units"); }
  double result() const {
    const auto value = checked_number<double>(cell("Result"), kAboveZero);
    if (!value) fail("Result", "a number above 0");
    return *value;
  }

  RunRecord record() const {
    RunRecord record = imported_record(file_, "mlperf-summary");
    for (const auto& [column, text] : cells_) {
      if (text.size() > kMaxCell) fail(column, fmt::format("at most {} characters", kMaxCell));
      record.imported->printed[column] = text;
    }
    take_system(record);
    take_workload(record);
    take_result(record);
    return record;
  }

 private:
  [[noreturn]] void fail(const std::string& column, const std::string& expected) const {
    throw Error(ErrorKind::kInput, fmt::format("{}:{}: column '{}': expected {}, found '{}'", file_, line_, column,
                                               expected, cell(column).substr(0, 100)));
  }
  const std::string& cell(const std::string& column) const {
    const auto found = cells_.find(column);
    if (found == cells_.end())
      throw Error(ErrorKind::kInput, fmt::format("{}: expected a column '{}' of MLPerf's summary.csv", file_, column));
    return found->second;
  }
  int64_t cards(const char* column) const {
    const auto value = checked_number<int64_t>(cell(column), kCards);
    if (!value) fail(column, fmt::format("a whole number from {} to {}", kCards.least, kCards.most));
    return *value;
  }

  void take_system(RunRecord& record) const {
    const int64_t cards_in_all = cards("number_of_nodes") * cards("accelerators_per_node");
    if (!kCards.hold(cards_in_all)) fail("number_of_nodes", fmt::format("at most {} accelerators", kCards.most));
    const std::string& name = cell("accelerator_model_name");
    if (name.empty()) fail("accelerator_model_name", "the name of a card");
    record.system.gpus.assign(static_cast<size_t>(cards_in_all), named_gpu(name));
    if (const auto printed = checked_number<int64_t>(cell("total_accelerators")); printed != cards_in_all)
      record.imported->findings.push_back(
          {"aggregate_mismatch", "total_accelerators", "the printed number of cards is not nodes times cards of a node",
           printed ? std::optional<double>(static_cast<double>(*printed)) : std::nullopt,
           static_cast<double>(cards_in_all), "cards"});
    record.system.cpu_model = cell("host_processor_model_name");
    const std::string division = cell("Division"), round = cell("version");
    record.engine.name = fmt::format("{}, MLPerf {} {}", cell("Organization"), round, division);
    record.engine.versions["framework"] = cell("framework");
    for (const char* column : {"Availability", "Platform", "Location", "weight_data_types", "operating_system"})
      record.engine.facts[column] = cell(column);
    record.run_case.suite_version = round;
    record.run_case.name = fmt::format("MLPerf {} {}", kBenchmark, scenario());
    record.run_case.arm = cell("Platform");  // two entries of one submitter with the same cards are no repeats
  }

  /// What the benchmark fixes; precision and the flow shift are not among it. The open division may change all of it.
  void take_workload(RunRecord& record) const {
    Workload& workload = record.workload;
    workload.scope = RunScope::kWarm;  // loading is not timed
    if (lower(cell("Division")) != "closed") {
      record.validity.push_back(
          {"open_division", "the model, its precision and its steps may be the submitter's own", "", false});
      return;
    }
    workload.task = "t2v";
    workload.model = "t2v-A14B";
    workload.width = 1280;
    workload.height = 720;
    workload.num_frames = 81;
    workload.fps = 16;
    workload.steps = 20;
    workload.guidance_high = 4;
    workload.guidance_low = 3;
    workload.boundary = 0.875;
    workload.seed = 42;
  }

  std::string scenario() const {
    const std::string given = lower(cell("Scenario"));
    if (given == "singlestream") return "SingleStream";
    if (given == "offline") return "Offline";
    fail("Scenario", "SingleStream or Offline");
  }

  void take_result(RunRecord& record) const {
    if (scenario() == "Offline") {
      if (units() != "Samples/s") fail("Units", "Samples/s");
      add_total(record, 1 / result());
      record.validity.push_back(
          {"inverse_of_rate",
           fmt::format("the seconds are 1 / {} videos/s, with many videos under way: no video took so long or so short",
                       cell("Result")),
           "", false});
      return;
    }
    add_total(record, latency_s(record));
    record.validity.push_back(
        {"percentile_90", "the seconds are the 90th percentile of at least 50 videos, not their median", "", false});
  }

  /// Versions of the checker divide this benchmark's milliseconds by 1000 and yet write "(ms)" above them.
  double latency_s(RunRecord& record) const {
    const double given = result();
    if (units() == "Latency (s)") return given;
    if (units() != "Latency (ms)") fail("Units", "Latency (s) or Latency (ms)");
    if (given / 1000 >= kShortestVideoS) return given / 1000;
    record.imported->findings.push_back({"unit_mislabelled", "Result",
                                         "labelled in ms, which no such video can take; read as seconds", std::nullopt,
                                         given, "s"});
    return given;
  }

  int64_t line_;
  const std::string& file_;
  std::map<std::string, std::string> cells_;
};

}  // namespace

std::vector<RunRecord> read_mlperf_summary(std::string_view text, const std::string& file_name) {
  const std::vector<CsvRow> rows = csv_rows(text, file_name);
  std::vector<RunRecord> records;
  size_t cards = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    const SummaryRow row(rows[0], rows[i], file_name);
    if (!row.is_of_benchmark()) continue;
    if (!row.is_power()) {
      cards += records.emplace_back(row.record()).system.gpus.size();
      require(cards <= kCardsOfAll, fmt::format("{}:{}: expected at most {} accelerators in all rows of the benchmark",
                                                file_name, rows[i].line, kCardsOfAll));
    } else if (!records.empty()) {  // follows the row of the run's performance
      records.back().imported->findings.push_back({"power_left_out", "Result",
                                                   "the table's row on this run's power is not taken", row.result(),
                                                   std::nullopt, row.units()});
    }
  }
  if (records.empty())
    throw Error(ErrorKind::kInput, fmt::format("{}: expected rows of the benchmark '{}' in MLPerf's summary.csv, found "
                                               "none in {} rows",
                                               file_name, kBenchmark, rows.empty() ? 0 : rows.size() - 1));
  return records;
}

}  // namespace wan
