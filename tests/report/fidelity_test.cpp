// Fidelity in the three reports: beside the seconds, step by step, and in pictures that the page holds.
#include "report/fidelity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "html_records.h"
#include "report/csv.h"
#include "report/html.h"
#include "report/markdown.h"
#include "results/json.h"
#include "temporary_folder.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<const RunRecord*> pointers(const std::vector<RunRecord>& records) {
  std::vector<const RunRecord*> out;
  for (const RunRecord& record : records) out.push_back(&record);
  return out;
}

Json data_of(const std::vector<RunRecord>& records, const HtmlOptions& options = {}) {
  return Json::parse(report_data(report_view(pointers(records), {}, {}), options));
}

std::string markdown_of(const std::vector<RunRecord>& records) {
  return markdown_report(report_view(pointers(records), {}, {}));
}

const Json& case_of(const Json& data, const std::string& title) {
  for (const Json& one : data["cases"])
    if (one["title"] == title) return one;
  throw std::runtime_error("no case " + title);
}

/// The line of a Markdown table that begins with the cell, after `head`.
std::string row_of(const std::string& markdown, const std::string& head, const std::string& cell) {
  const size_t from = markdown.find(head), at = markdown.find("\n| " + cell + " |", from);
  if (from == std::string::npos || at == std::string::npos) return "no row " + cell + " after " + head;
  return markdown.substr(at + 1, markdown.find('\n', at + 1) - at - 1);
}

TEST(Fidelity, StandsBesideTheSecondsOfEveryTableThatMixesClasses) {
  const std::string markdown = markdown_of(fidelity_records());
  for (const char* head : {"## Performance Summary", "| Case | Res |"}) {
    EXPECT_THAT(
        row_of(markdown, head, "fp8_products"),
        HasSubstr("33.2 dB, velocity 2.1 % off, against bf16 | bf16 against fp32 45.1 dB, velocity 0.53 % off"));
    EXPECT_THAT(row_of(markdown, head, "bf16_streamed"), HasSubstr("identical, against bf16"));
    EXPECT_THAT(row_of(markdown, head, "cached"), HasSubstr("| – | – |")) << "not measured";
    EXPECT_THAT(row_of(markdown, head, "too_much"), HasSubstr("drift (REFUTED)"));
  }
  EXPECT_THAT(row_of(markdown, "| Case | Res |", "too_much"), HasSubstr("CLASS REFUTED: class drift is refuted"));
  EXPECT_THAT(markdown, HasSubstr("Fidelity: it is the reference of"));
  EXPECT_THAT(markdown, HasSubstr("no run was made for it"));
  EXPECT_THAT(markdown_of(report_records()), Not(HasSubstr("Fidelity"))) << "one class, one recipe, nothing judged";
}

TEST(Fidelity, MarkdownHasSecondsAgainstItWithTheFrontier) {
  const std::string markdown = markdown_of(fidelity_records());
  EXPECT_THAT(row_of(markdown, "## Seconds against Fidelity", "int8_all"), HasSubstr("| 29.4 ✦ |"));
  EXPECT_THAT(row_of(markdown, "## Seconds against Fidelity", "bf16"), HasSubstr("the reference"));
  EXPECT_THAT(row_of(markdown, "## Seconds against Fidelity", "bf16_streamed"), HasSubstr("identical"));
  EXPECT_THAT(row_of(markdown, "## Seconds against Fidelity", "too_much (CLASS REFUTED)"), HasSubstr("21.3"));
}

TEST(Fidelity, MarkdownHasTheNumbersOfEachCase) {
  const std::string markdown = markdown_of(fidelity_records());
  const size_t at = markdown.find("#### Case: fp8");
  const std::string section = markdown.substr(at, markdown.find("\n---", at) - at);
  EXPECT_THAT(row_of(section, "##### Fidelity", "PSNR"), HasSubstr("33.2 dB | 29.2 dB | 120"));
  EXPECT_THAT(row_of(section, "##### Fidelity", "MS-SSIM"), HasSubstr("| – | – | – |"));
  EXPECT_THAT(section, HasSubstr("smaller than 176 pixels"));
  EXPECT_THAT(row_of(section, "##### Fidelity", "5"), HasSubstr("| 2.1 | 0.998950 | 4.2 |"));
  EXPECT_THAT(section, HasSubstr("- **Noise floor**: bf16, no kernel table against bf16: 47.0 dB"));
  EXPECT_THAT(section, HasSubstr("4 times as large"));
}

TEST(Fidelity, ThePageHasItsPointsAndItsNumbers) {
  const Json data = data_of(fidelity_records());
  const Json& charts = data["fidelity"]["charts"];
  ASSERT_EQ(charts.size(), 1u);
  ASSERT_EQ(charts[0]["points"].size(), 5u) << "all but the one that nobody judged";
  const Json& fastest = charts[0]["points"][0];
  EXPECT_EQ(data["cases"][fastest["case"].get<size_t>()]["title"], "too_much");
  EXPECT_EQ(fastest["refuted"], true);
  EXPECT_EQ(fastest["values"][0], 21.3);
  const Json& one = case_of(data, "too_much");
  EXPECT_THAT(one["refuted"].get<std::string>(), HasSubstr("11 % off in step 5, 6 % is promised"));
  EXPECT_EQ(one["status"], "ok") << "its timed runs ended well";
  ASSERT_EQ(one["failures"].size(), 1u);
  EXPECT_EQ(one["failures"][0]["words"], "class refuted");
  EXPECT_TRUE(one["certainty"]["exclusions"].empty());
  const Json& measured = case_of(data, "fp8_products")["fidelity"].at(0);
  EXPECT_EQ(measured["reference"], "bf16");
  EXPECT_EQ(measured["replayed"].size(), 5u);
  EXPECT_EQ(measured["replayed"][4]["step"], 5);
  EXPECT_EQ(measured["scores"][4]["mean"]["reason"], "smaller than 176 pixels");
  EXPECT_EQ(measured["noise_floor"].size(), 2u);
  EXPECT_EQ(measured["velocity_bound"], 0.06);
  EXPECT_EQ(case_of(data, "cached")["fidelity_cell"]["text"], "");
  EXPECT_EQ(data_of(report_records())["cases"][0]["fidelity_cell"], nullptr);
}

TEST(Fidelity, ComparesNoTimesOfAnotherClassThatNobodyJudged) {
  std::vector<RunRecord> records = fidelity_records(), others;
  std::erase_if(records, [](const RunRecord& record) { return record.run_case.name != "bf16"; });
  for (RunRecord record : records) {
    record.system.gpus[0].name = "NVIDIA H200";
    record.workload.precision_class = PrecisionClass::kDrift;
    record.output.sha256 = "other frames";
    seal(record);
    others.push_back(std::move(record));
  }
  records.insert(records.end(), others.begin(), others.end());
  const auto pair = [&] { return data_of(records)["comparisons"].at(0); };
  EXPECT_THAT(pair()["refusals"].dump(), HasSubstr("fidelity: not measured"));
  EXPECT_TRUE(pair()["fidelity"].empty());
  RunRecord judged = others.back();
  judged.fidelity = fidelity_records()[6].fidelity;
  ASSERT_TRUE(judged.fidelity);
  judged.fidelity->comparison.test_sha256 = "other frames";
  judged.created_utc = "2026-01-02T00:00:00.000Z";
  seal(judged);
  records.push_back(judged);
  EXPECT_TRUE(pair()["refusals"].empty()) << pair()["refusals"];
  EXPECT_THAT(pair()["fidelity"].at(0).get<std::string>(), HasSubstr("(bf16): identical"));
}

class Stills : public ::testing::Test {
 protected:
  Stills() {
    options_.folder = folder_.path();
    options_.picture = [this](const std::filesystem::path& file) {
      asked_.push_back(file.lexically_relative(folder_.path()).string());
      return picture_;
    };
  }

  void write(const std::string& name) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "png";
  }

  void write_all() {
    for (const RunRecord& record : records_)
      if (record.fidelity && record.fidelity->still)
        for (const std::string* name :
             {&record.fidelity->still->reference, &record.fidelity->still->test, &record.fidelity->still->difference})
          write(*name);
  }

  std::vector<Json> stills() {
    std::vector<Json> out;
    const Json data = data_of(records_, options_);
    for (const Json& pair : data["fidelity"]["pairs"]) out.push_back(pair["still"]);
    return out;
  }

  test::TemporaryFolder folder_;
  std::vector<RunRecord> records_ = fidelity_records();
  std::vector<std::string> asked_;
  std::string picture_ = "jpeg";
  HtmlOptions options_;
};

TEST_F(Stills, AreHeldByThePage) {
  write_all();
  const std::vector<Json> pairs = stills();
  ASSERT_EQ(pairs.size(), 4u);
  EXPECT_EQ(pairs[0]["reason"], "nothing differs");
  for (size_t i = 1; i < pairs.size(); ++i) {
    EXPECT_EQ(pairs[i]["reason"], "");
    EXPECT_EQ(pairs[i]["frame"], 120);
    for (const char* key : {"reference", "test", "difference"})
      EXPECT_EQ(pairs[i][key], "data:image/jpeg;base64,anBlZw==");
  }
}

TEST_F(Stills, OfFilesThatAreNotBelowTheReportAreNone) {
  write_all();
  for (const std::string& name :
       {std::string("../outside.png"), std::string("/etc/passwd"), std::string("missing.png")}) {
    for (RunRecord& record : records_)
      if (record.fidelity && record.fidelity->still) record.fidelity->still->reference = name;
    asked_.clear();
    const std::vector<Json> pairs = stills();
    EXPECT_EQ(pairs[1]["reason"], "its pictures are not beside the report") << name;
    EXPECT_FALSE(pairs[1].contains("test"));
    EXPECT_TRUE(asked_.empty()) << name;
  }
}

TEST_F(Stills, ThatCannotBeReadAreSaidToBeMissing) {
  write_all();
  picture_.clear();
  EXPECT_EQ(stills()[1]["reason"], "its pictures are not beside the report");
}

TEST_F(Stills, EndWhereThePageIsFull) {
  write_all();
  picture_.assign(size_t{700} << 10, 'x');  // 2.7 MB a pair in base64, of 4 MiB
  const std::vector<Json> pairs = stills();
  EXPECT_EQ(pairs[1]["reason"], "");
  EXPECT_EQ(pairs[2]["reason"], "the page has room for no more pictures");
  EXPECT_FALSE(pairs[2].contains("reference"));
}

std::string without_code(const std::string& markdown) {
  std::string out;
  bool is_code = false;
  for (const char c : markdown) {
    if (c == '`')
      is_code = !is_code;
    else if (!is_code)
      out.push_back(c);
  }
  return out;
}

TEST(Fidelity, TextsOfStrangersAreNoMarkup) {
  std::vector<RunRecord> records = fidelity_records();
  for (RunRecord& record : records) {
    if (!record.fidelity) continue;
    record.fidelity->comparison.reference = record.fidelity->comparison.test = kHostileText;
    record.fidelity->comparison.scores[0].metric = kHostileText;
    record.fidelity->why_no_noise_floor = kHostileText;
    record.fidelity->noise_floor.clear();
    if (record.fidelity->still) record.fidelity->still->test = kHostileText;
  }
  const ReportView view = report_view(pointers(records), {}, {});
  EXPECT_THAT(html_report(view), Not(HasSubstr("<img")));
  const std::string markdown = without_code(markdown_report(view));
  for (size_t at = markdown.find("<img"); at != std::string::npos; at = markdown.find("<img", at + 1))
    ASSERT_EQ(markdown[at - 1], '\\') << markdown.substr(at - 20, 40);
}

TEST(Fidelity, StandsInTheLastColumnsOfTheCsvOfEachRunOfItsCase) {
  const std::vector<RunRecord> records = fidelity_records();
  std::vector<const RunRecord*> runs;
  for (const RunRecord& record : records)
    if (record.run_case.name == "too_much" || record.run_case.name == "cached") runs.push_back(&record);
  std::istringstream lines(to_csv(runs));
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line,
              testing::EndsWith(",fidelity_reference,fidelity_identical,fidelity_psnr_db,fidelity_ssim,fidelity_flip,"
                                "fidelity_velocity_percent,fidelity_floor_velocity_percent,fidelity_includes_codec,"
                                "class_refuted,fidelity_run_id"));
  size_t judged = 0, others = 0;
  while (std::getline(lines, line)) {
    if (line.find(",cached,") != std::string::npos) {
      EXPECT_THAT(line, testing::EndsWith(",,,,,,,,,,")) << "empty";
      ++others;
    } else {
      EXPECT_THAT(line, HasSubstr(",bf16,0,21.3,"));
      EXPECT_THAT(line, HasSubstr(",11,0.53,0,1,"));
      ++judged;
    }
  }
  EXPECT_GT(judged, 0u);
  EXPECT_GT(others, 0u);
}

}  // namespace
}  // namespace wan::report
