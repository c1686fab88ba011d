// The published records still load, and the medians of every case are those of the committed table: an estimate that
// moves is seen here. Unpacks docs/results/*/records.tar.xz, 111 MB.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>

#include "analysis/report_view.h"
#include "base/file.h"
#include "results/store.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

class Published : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    for (const auto& entry : fs::directory_iterator(fs::path(WAN_SOURCE_DIR) / "docs" / "results")) {
      const fs::path archive = entry.path() / "records.tar.xz", place = *folder_ / entry.path().filename();
      if (!fs::exists(archive)) continue;
      fs::create_directories(place);
      const std::string command =
          fmt::format("cd '{}' && '{}' -E tar xf '{}'", place.string(), WAN_CMAKE, archive.string());
      ASSERT_EQ(std::system(command.c_str()), 0) << command;
    }
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static inline std::unique_ptr<test::TemporaryFolder> folder_;
};

/// "case<tab>machine<tab>column<tab>median" of every median of the table's columns.
std::multiset<std::string> medians_of(const ReportView& view) {
  std::multiset<std::string> out;
  for (const CaseView& shown : view.cases) {
    const CaseSummary& s = shown.numbers();
    const std::pair<const char*, const Quantity*> columns[] = {
        {"Total", &s.total_s},       {"Warm total", &s.warm_total_s},         {"Steady step", &s.steady_step_s},
        {"GPU part", &s.gpu_part_s}, {"Energy (Wh)", &shown.buyer.energy_wh}, {"Peak memory", &s.peak_device_bytes}};
    for (const auto& [name, quantity] : columns)
      if (quantity->has())
        out.insert(fmt::format("{}\t{}\t{}\t{:.9g}", shown.title, view.machine_of(shown), name, quantity->median()));
  }
  return out;
}

TEST_F(Published, RecordsLoadAndTheirMediansAreThoseOfTheTable) {
  const Collection collection = load_collection(*folder_, Parts::kSummedUp);
  EXPECT_TRUE(collection.damaged.empty()) << collection.damaged.front().message;
  EXPECT_EQ(collection.records.size(), 157u);
  std::vector<const RunRecord*> records;
  for (const StoredRecord& stored : collection.records) records.push_back(&stored.record);
  const std::multiset<std::string> medians = medians_of(report_view(records, {}, {}));
  std::istringstream table(read_text(fs::path(WAN_SOURCE_DIR) / "tests" / "analysis" / "published_medians.tsv"));
  std::multiset<std::string> expected;
  for (std::string line; std::getline(table, line);) expected.insert(line);
  EXPECT_EQ(expected.size(), 495u);
  for (const std::string& line : expected) EXPECT_EQ(medians.count(line), expected.count(line)) << line;
  EXPECT_EQ(medians.size(), expected.size());
}

}  // namespace
}  // namespace wan
