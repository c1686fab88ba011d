// MLPerf's summary.csv: rows of one benchmark as records whose cards are counted, and damaged tables refused by line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/compare.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "import/csv.h"
#include "import/import.h"
#include "results/device_name.h"
#include "results/json.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kSummary = std::string(WAN_SOURCE_DIR) + "/tests/import/data/mlperf_summary.csv";

std::vector<std::string> codes_of(const RunRecord& record) {
  std::vector<std::string> codes;
  for (const Finding& finding : record.imported->findings) codes.push_back(finding.code);
  for (const ValidityFlag& flag : record.validity) codes.push_back(flag.name);
  return codes;
}

double seconds(const RunRecord& record) { return static_cast<double>(total_stage(record)->wall_ns) * 1e-9; }

TEST(MlperfSummary, TakesTheRowsOfTextToVideoAlone) {
  const std::vector<RunRecord> records = import_file(kSummary);
  ASSERT_EQ(records.size(), 4u) << "of six rows one is of another benchmark and one of power";
  for (const RunRecord& record : records) {
    EXPECT_EQ(record.engine.kind, EngineKind::kImported);
    EXPECT_EQ(record.imported->format, "mlperf-summary");
    EXPECT_EQ(record.imported->sha256, sha256_hex(read_text(kSummary)));
    EXPECT_EQ(record.imported->printed.at("notes"), "made up for a test, with \"quotes\" in it");
    EXPECT_EQ(record.workload.precision_class, PrecisionClass::kUnknown);
    EXPECT_EQ(record.system.gpus[0].memory_bytes.reason, "not_in_source");
    EXPECT_EQ(total_stage(record)->device_memory.process_peak_bytes.reason, "not_in_source");
    EXPECT_EQ(to_json(record_from_json(to_json(record), "memory")), to_json(record));
  }
}

TEST(MlperfSummary, SaysWhatItsSecondsAre) {
  const std::vector<RunRecord> records = import_file(kSummary);
  EXPECT_DOUBLE_EQ(seconds(records[0]), 50.25);
  EXPECT_THAT(codes_of(records[0]), ElementsAre("percentile_90"));
  EXPECT_DOUBLE_EQ(seconds(records[1]), 50) << "0.02 videos/s";
  EXPECT_THAT(codes_of(records[1]), ElementsAre("power_left_out", "inverse_of_rate"));
  EXPECT_NE(records[0].run_case.name, records[1].run_case.name) << "a rate is not compared with a latency";
  EXPECT_DOUBLE_EQ(seconds(records[3]), 380.125) << "no such video takes 380 ms";
  EXPECT_THAT(codes_of(records[3]), ElementsAre("unit_mislabelled", "percentile_90"));
}

TEST(MlperfSummary, ReadsMillisecondsWhereTheyCanBe) {
  std::string text = read_text(kSummary);
  text.replace(text.find("380.125"), 7, "380125");
  EXPECT_DOUBLE_EQ(seconds(read_mlperf_summary(text, "x.csv")[3]), 380.125);
  EXPECT_THAT(codes_of(read_mlperf_summary(text, "x.csv")[3]), ElementsAre("percentile_90"));
}

TEST(MlperfSummary, KnowsTheWorkOfTheClosedDivision) {
  const std::vector<RunRecord> records = import_file(kSummary);
  const Workload& closed = records[0].workload;
  EXPECT_EQ(closed.model, "t2v-A14B");
  EXPECT_EQ(closed.width, 1280);
  EXPECT_EQ(closed.height, 720);
  EXPECT_EQ(closed.num_frames, 81);
  EXPECT_EQ(closed.steps, 20);
  EXPECT_EQ(closed.scope, RunScope::kWarm);
  EXPECT_EQ(closed.shift, std::nullopt);
  EXPECT_EQ(records[2].workload.steps, std::nullopt) << "the open division may change them";
  EXPECT_THAT(codes_of(records[2]), ElementsAre("open_division", "percentile_90"));
}

TEST(MlperfSummary, EightCardsNeverPassForOne) {
  const std::vector<RunRecord> records = import_file(kSummary);
  EXPECT_EQ(device_name(records[0]), "8x NVIDIA H200");
  EXPECT_EQ(device_name(records[2]), "72x NVIDIA GB200");
  EXPECT_EQ(device_name(records[3]), "NVIDIA H200");
  const std::vector<RunGroup> groups = group_runs({&records[0], &records[3]});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].device, "8x NVIDIA H200");
  EXPECT_EQ(groups[1].device, "NVIDIA H200");
}

TEST(MlperfSummary, EntriesOfOneSubmitterAreNoRepeats) {
  RunRecord record = import_file(kSummary)[0], other = record;
  other.run_case.arm = "another platform";
  EXPECT_EQ(group_runs({&record, &other}).size(), 2u);
}

std::string refusal(std::string_view from, std::string_view to) {
  std::string text = read_text(kSummary);
  const size_t at = text.rfind(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  try {
    read_mlperf_summary(text, "x.csv");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(MlperfSummary, ATableOfMoreCardsThanAnybodyHasIsRefused) {
  const std::string text = read_text(kSummary);
  std::string row = text.substr(text.rfind('\n', text.size() - 2) + 1);
  const std::string one = R"("1","1","closed/)";
  row.replace(row.find(one), one.size(), R"("1000","1000","closed/)");
  std::string many = text;
  for (int i = 0; i < 20; ++i) many += row;
  try {
    read_mlperf_summary(many, "x.csv");
    FAIL() << "20,000 cards and those of the other rows";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected at most 20000 accelerators in all rows"));
  }
}

TEST(MlperfSummary, RefusesDamagedTablesByLine) {
  EXPECT_EQ(refusal("380.125", "380.5"), "");
  EXPECT_THAT(refusal("380.125", "fast"),
              HasSubstr("x.csv:7: column 'Result': expected a number above 0, found 'fast'"));
  EXPECT_THAT(refusal("380.125", "0"), HasSubstr("above 0"));
  EXPECT_THAT(refusal("380.125", "-1"), HasSubstr("above 0"));
  EXPECT_THAT(refusal("380.125", "1e300"), HasSubstr("expected 0 to 1e+09 seconds"));
  EXPECT_THAT(refusal("singlestream", "Server"), HasSubstr("SingleStream or Offline, found 'Server'"));
  EXPECT_THAT(refusal("Latency (ms)", "Tokens/s"), HasSubstr("Latency (s) or Latency (ms)"));
  EXPECT_THAT(refusal(R"("1","1","closed/)", R"("0","0","closed/)"), HasSubstr("a whole number from 1 to 1024"));
  EXPECT_THAT(refusal(R"("1","1","closed/)", R"("10001","1","closed/)"), HasSubstr("accelerators_per_node"));
  EXPECT_THAT(refusal("\"NVIDIA H200\"", "\"\""), HasSubstr("the name of a card"));
  EXPECT_THAT(refusal(",PrivateID", ""), HasSubstr("x.csv:2: expected 29 cells as in the header, found 30"));
  EXPECT_THAT(refusal("accelerators_per_node", "cards"), HasSubstr("expected a column 'accelerators_per_node'"));
  try {
    read_mlperf_summary("Model,MlperfModel\nresnet,resnet\n", "y.csv");
    FAIL() << "a table without the benchmark";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("y.csv: expected rows of the benchmark 'wan-2.2-t2v-a14b'"));
    EXPECT_THAT(error.what(), HasSubstr("none in 1 rows"));
  }
}

TEST(MlperfSummary, NamesATotalOfCardsThatDoesNotFollow) {
  std::string text = read_text(kSummary);
  text.replace(text.find("\"4\",\"72\""), 8, "\"4\",\"18\"");
  const RunRecord record = read_mlperf_summary(text, "x.csv")[2];
  EXPECT_THAT(codes_of(record), ::testing::Contains("aggregate_mismatch"));
  EXPECT_EQ(device_name(record), "72x NVIDIA GB200");
}

TEST(Csv, ReadsQuotesLineEndsAndCommasInCells) {
  const auto cells = [](std::string_view text) {
    std::vector<std::string> all;
    for (const CsvRow& row : csv_rows(text, "x"))
      for (const std::string& cell : row.cells) all.push_back(cell);
    return all;
  };
  EXPECT_THAT(cells("a,b\r\n\"c,\nd\",\"\"\r\n"), ElementsAre("a", "b", "c,\nd", ""));
  EXPECT_THAT(cells("\"say \"\"so\"\"\""), ElementsAre("say \"so\""));
  EXPECT_THAT(cells("\"say \"so\" now\",b"), ElementsAre("say \"so\" now", "b"));
  EXPECT_THAT(cells("a,b\n\n1,2"), ElementsAre("a", "b", "1", "2"));
  EXPECT_THAT(cells("a\rb,c\r"), ElementsAre("a\rb", "c"));
  EXPECT_TRUE(csv_rows("", "x").empty());
  EXPECT_THROW(csv_rows("a,\"b", "x"), Error);
  EXPECT_EQ(csv_rows("a\n\"b\nc\"\nd", "x")[2].line, 4);
}

}  // namespace
}  // namespace wan
