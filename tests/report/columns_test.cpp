// Every column of the one list in every report that it names, made from the list: a new column is covered by itself.
#include "analysis/stage_columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "html_records.h"
#include "report/csv.h"
#include "report/format.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/trace.h"
#include "results/fields.h"
#include "results/json.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

/// Gives a value to every member of a stage that has none, by the list of the record's keys: new ones are covered.
struct Filler {
  template <class T>
  void operator()(const char*, Measured<T>& value) {
    if (!value.has()) value = measured(T(7), "test");
  }
  void operator()(const char*, Measured<Spread>& value) { value = measured(Spread{1, 2, 3}, "test"); }
  void operator()(const char*, Counter& counter) { counter = {50, "", "test", 9, 1, {}}; }
  void operator()(const char*, Counters& inner) { fields(*this, inner); }
  void operator()(const char*, HostMemory& inner) { fields(*this, inner); }
  void operator()(const char*, DeviceMemory& inner) { fields(*this, inner); }
  void operator()(const char*, auto&) {}
  void added(const char* key, auto& member) { (*this)(key, member); }
};

/// A run on a card in which every stage has every value a record can have.
RunRecord full_record() {
  RunRecord record = report_records().front();
  Filler filler;
  for (StageRecord& stage : record.stages) fields(filler, stage);
  seal(record);
  return record;
}

std::vector<std::string> words_of(const std::string& line, char between) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; std::getline(stream, word, between);) words.push_back(word);
  return words;
}

class Columns : public ::testing::Test {
 protected:
  const RunRecord record_ = full_record();
  const std::vector<const RunRecord*> records_ = {&record_};
  const StageRecord& step_ = *find_stage(record_, "Step_1_Inference");
};

TEST_F(Columns, HaveKeysTitlesAndHintsOfTheirOwn) {
  std::set<std::string> keys, titles, heads;
  for (const StageColumn& column : stage_columns()) {
    EXPECT_TRUE(keys.insert(column.key).second) << column.key;
    EXPECT_TRUE(titles.insert(column.title).second) << column.title;
    EXPECT_TRUE(heads.insert(head_of(column)).second) << column.head;
    EXPECT_THAT(column.hint, ::testing::EndsWith("."));
    EXPECT_NE(column.targets, 0u) << column.key << " is shown nowhere";
    EXPECT_TRUE(!column.is_in(kMarkdownTable) || column.over_runs != nullptr) << column.key;
    EXPECT_TRUE(!column.is_in(kPageTable) || column.over_runs != nullptr) << column.key;
    EXPECT_TRUE(!column.is_in(kPageCurve) || column.of_stage != nullptr) << column.key;
    EXPECT_TRUE(column.value(record_, step_).has()) << column.key << ": the record of this test lacks a value";
  }
}

TEST_F(Columns, AreEstimatedInSiUnits) {
  const CaseSummary summary = summarise(group_runs(records_)[0]);
  const StageSummary& step = *summary.stage("Step_1_Inference");
  for (const StageColumn& column : stage_columns())
    if (column.over_runs != nullptr) {
      ASSERT_TRUE((step.*column.over_runs).has()) << column.key;
      EXPECT_DOUBLE_EQ((step.*column.over_runs).median(), *column.value(record_, step_).value * column.to_si)
          << column.key;
    }
}

TEST_F(Columns, StandInTheTableOfMarkdown) {
  const std::string text = markdown_report(report_view(records_, {}, {}));
  const size_t begin = text.find("| Stage | Time (s) |");
  ASSERT_NE(begin, std::string::npos);
  const std::string table = text.substr(begin, text.find("\n\n", begin) - begin);
  for (const StageColumn& column : stage_columns())
    EXPECT_EQ(table.find("| " + head_of(column) + " |") != std::string::npos, column.is_in(kMarkdownTable))
        << column.key;
}

TEST_F(Columns, StandInTheTableAndTheCurvesOfThePage) {
  const Json shown = Json::parse(report_data(report_view(records_, {}, {})))["cases"][0];
  std::vector<std::string> titles, curves;
  for (const Json& column : shown["stages"]["columns"]) titles.push_back(column["title"]);
  for (const Json& curve : shown["timeline"]["series"]) curves.push_back(curve["name"]);
  for (const StageColumn& column : stage_columns()) {
    EXPECT_EQ(std::count(titles.begin(), titles.end(), column.title), column.is_in(kPageTable) ? 1 : 0) << column.key;
    EXPECT_EQ(std::count(curves.begin(), curves.end(), column.title), column.is_in(kPageCurve) ? 1 : 0) << column.key;
  }
}

TEST_F(Columns, StandInTheCsv) {
  const std::string csv = to_csv(records_);
  const std::vector<std::string> names = words_of(csv.substr(0, csv.find('\n')), ',');
  for (const StageColumn& column : stage_columns())
    EXPECT_EQ(std::count(names.begin(), names.end(), column.key), column.is_in(kCsv) ? 1 : 0) << column.key;
}

TEST_F(Columns, StandInTheTraceAsArgumentsOrCurves) {
  std::multiset<std::string> arguments, curves;
  const Json trace = Json::parse(trace_json(records_));
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] == "X" && event["args"]["id"] == step_.id)
      for (const auto& [key, value] : event["args"].items()) arguments.insert(key);
    if (event["ph"] == "C") curves.insert(event["name"].get<std::string>());
  }
  for (const StageColumn& column : stage_columns()) {
    const bool as_curve = column.of_stage != nullptr;
    EXPECT_EQ(arguments.count(column.key), column.is_in(kTrace) && !as_curve ? 1u : 0u) << column.key;
    const bool drawn = std::any_of(curves.begin(), curves.end(), [&](const std::string& name) {
      return name.starts_with(std::string(column.title) + " (");
    });
    EXPECT_EQ(drawn, column.is_in(kTrace) && as_curve) << column.key;
  }
}

}  // namespace
}  // namespace wan::report
