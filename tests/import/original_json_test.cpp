// The original's JSON in both spellings, and hostile input to both importers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/compare.h"
#include "base/error.h"
#include "base/file.h"
#include "import/import.h"
#include "import/parse.h"

namespace wan {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

const std::string kH100 = std::string(WAN_FIXTURES) + "/units/h100_original_case01.json";

TEST(OriginalJson, ReadsTheH100Report) {
  const Json source = Json::parse(read_text(kH100));
  const RunRecord r = import_file(kH100, {.case_name = "01_Speed_Preview_480p", .gpu_name = ""})[0];
  EXPECT_EQ(r.system.gpus[0].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(r.engine.versions.at("pytorch_version"), "2.11.0+cu130");
  EXPECT_EQ(r.workload.steps, 5);
  EXPECT_EQ(r.stages.size(), source["stages"].size());
  for (const Json& stage : source["stages"]) {
    const StageRecord* got = find_stage(r, stage["name"].get<std::string>());
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(got->wall_ns, std::llround(stage["duration"].get<double>() * 1e9));
    EXPECT_NEAR(static_cast<double>(*got->device_memory.pool_peak_bytes.value),
                stage["peak_memory_mb"].get<double>() * 1048576, 1);
    EXPECT_EQ(got->printed.at("sm_activity"), stage["sm_activity"].dump());
  }
  const Recomputed sums = recompute(r);
  EXPECT_NEAR(sums.unattributed_s, 17.2, 0.05);
  EXPECT_NEAR(sums.whole_run_sm_percent, 30.58, 0.01);
  std::vector<std::string> codes;
  for (const Finding& f : r.imported->findings) codes.push_back(f.code + "/" + f.where);
  EXPECT_THAT(codes, ::testing::IsSupersetOf({"load_missing/", "unattributed_time/Total_Execution",
                                              "zero_for_absent/tensor activity", "zero_for_absent/Sys Mem"}));
  EXPECT_EQ(find_stage(r, "Step_1_Inference")->counters.tensor_active.mean_percent, std::nullopt);
}

TEST(OriginalJson, ComparesWithTheSeedsCards) {
  const std::vector<RunRecord> seed = import_file(std::string(WAN_FIXTURES) + "/units/seed_report.md");
  const RunRecord h100 = import_file(kH100, {.case_name = "01_Speed_Preview_480p", .gpu_name = ""})[0];
  const RunRecord* l40s = nullptr;
  for (const RunRecord& r : seed) {
    if (r.system.gpus[0].name == "L40S" && r.run_case.name == h100.run_case.name) l40s = &r;
  }
  ASSERT_NE(l40s, nullptr);
  const CaseSummary a = summarise(group_runs({l40s})[0]), b = summarise(group_runs({&h100})[0]);
  const Comparison c = compare_cases(a, b);
  ASSERT_TRUE(c.comparable()) << c.refusals[0];
  EXPECT_NEAR(c.split->gpu, (62.86 + 45.60) / (26.519 + 13.708), 0.01);
  EXPECT_THAT(c.workload.unknown, ::testing::Contains(::testing::Field(&FieldDifference::field, "width")));
}

Json small_report() {
  return Json::parse(R"({"system_info": {"gpu_info": {"name": "NVIDIA L40S", "total_memory_gb": 44.4}},
    "total_duration_sec": 10.0, "stages": [
    {"stage": "Step_0_Inference", "duration_sec": 9.0, "sm_activity": 90.0, "compute_load": 810.0, "peak_memory_mb": 1024},
    {"stage": "Total_Execution", "duration_sec": 10.0, "sm_activity": 81.0, "compute_load": 810.0, "peak_memory_mb": 1024}]})");
}

TEST(OriginalJson, ReadsTheOlderSpelling) {
  const RunRecord r = read_original_json(small_report().dump(), "old.json");
  EXPECT_EQ(find_stage(r, "Step_0_Inference")->wall_ns, 9'000'000'000);
  EXPECT_EQ(recompute(r).leaf_load, 810);
  EXPECT_EQ(r.run_case.name, "old");
  EXPECT_EQ(total_stage(r)->wall_ns, 10'000'000'000);
}

std::string refusal(const std::string& text) {
  try {
    read_original_json(text, "x.json");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(OriginalJson, RefusesWhatItCannotUse) {
  const auto with = [](auto change) {
    Json json = small_report();
    change(json);
    return refusal(json.dump());
  };
  EXPECT_THAT(refusal("{\"stages\": "), HasSubstr("x.json: not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("stages"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("deep"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0].erase("stage"); }), HasSubstr("stages[0]"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0].erase("duration_sec"); }), HasSubstr("duration"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0]["duration_sec"] = -1; }), HasSubstr("0 to 1e9"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0]["duration_sec"] = 1e300; }), HasSubstr("finite"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0]["sm_activity"] = "high"; }), HasSubstr("sm_activity"));
  EXPECT_THAT(with([](Json& j) { j["stages"][1]["stage"] = "Step_0_Inference"; }), HasSubstr("only once"));
  EXPECT_THAT(with([](Json& j) { j["stages"] = Json::array(); }), HasSubstr("at least one stage"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0]["peak_memory_mb"] = 1e12; }), HasSubstr("GiB of the card's memory"));
  EXPECT_THAT(with([](Json& j) { j["stages"][0]["system_memory_peak_gb"] = 1e12; }), HasSubstr("found 1e+12"));
  EXPECT_THAT(with([](Json& j) {
                const Json stage = j["stages"][0];
                for (int i = 1; i < 6; ++i) {
                  j["stages"].push_back(stage);
                  j["stages"].back()["stage"] = "Step_" + std::to_string(i) + "_Inference";
                  j["stages"].back()["duration_sec"] = 1e9;
                }
              }),
              HasSubstr("expected 0 to 4e+09 seconds"));
}

std::string markdown_refusal(const std::string& text) {
  try {
    read_seed_markdown(text, "x.md");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(SeedMarkdown, RefusesDamagedReportsByLine) {
  const std::string head = "## L40S\n#### Case: a\n##### Stage Breakdown\n| Stage | Time (s) |\n| :--- | :--- |\n";
  EXPECT_EQ(markdown_refusal(head + "| T5_Encoding | 1.00 |\n"), "");
  EXPECT_THAT(markdown_refusal(""), HasSubstr("found none"));
  EXPECT_THAT(markdown_refusal(head), HasSubstr("expected a stage table"));
  EXPECT_THAT(markdown_refusal(head + "| T5_Encoding | fast |\n"), HasSubstr("x.md:6: column 'Time (s)'"));
  EXPECT_THAT(markdown_refusal(head + "| T5_Encoding | 1.00 | 2 |\n"), HasSubstr("expected 2 cells, found 3"));
  EXPECT_THAT(markdown_refusal(head + "| T5_Encoding | nan |\n"), HasSubstr("found 'nan'"));
  EXPECT_THAT(markdown_refusal(head + "| T5_Encoding | 1000000000000 |\n"), HasSubstr("expected 0 to 1e+09 seconds"));
  EXPECT_THAT(markdown_refusal(head + "| T5_Encoding | 1.00\n"), HasSubstr("ends in '|'"));
  EXPECT_THAT(markdown_refusal(head + "| A | 1.0 |\n| A | 1.0 |\n"), HasSubstr("occurs twice"));
  EXPECT_THAT(markdown_refusal(std::string(5000, 'x')), HasSubstr("at most 4096"));
  EXPECT_THAT(markdown_refusal("##### Stage Breakdown\n"), HasSubstr("#### Case:"));
}

TEST(SeedMarkdown, SurvivesEveryTruncation) {
  const std::string text = read_text(std::string(WAN_FIXTURES) + "/units/seed_report.md");
  int read = 0;
  for (size_t cut = 0; cut < text.size(); cut += 97) {
    try {
      std::vector<RunRecord> records = read_seed_markdown(text.substr(0, cut), "cut.md");
      add_findings(records);
      ++read;
    } catch (const Error&) {  // refusing is fine; anything else is not
    }
  }
  EXPECT_GT(read, 0);
}

TEST(Parse, TakesOnlyWholeFiniteNumbers) {
  EXPECT_EQ(parse_number(" 12.50 "), 12.5);
  EXPECT_EQ(parse_number("1000000000000"), 1e12);
  for (const char* bad : {"", "12x", "-1", "nan", "inf", "1e400", "0x10", "1 2", "1000000000001"})
    EXPECT_FALSE(parse_number(bad)) << bad;
  EXPECT_EQ(leading_number("**2.34x**"), 2.34);
}

}  // namespace
}  // namespace wan
