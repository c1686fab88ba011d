// Published MLPerf results: the table that comes with the program, what a foreign one may hold, and which cases stand
// beside it.
#include "analysis/mlperf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "analysis/report_view.h"
#include "base/error.h"
#include "base/file.h"
#include "runs.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::filesystem::path kFile = std::filesystem::path(WAN_SOURCE_DIR) / "suites" / "mlperf.json";

const MlperfEntry& entry_of(const MlperfTable& table, const std::string& round, const std::string& submitter,
                            int64_t cards) {
  for (const MlperfEntry& entry : table.entries)
    if (entry.round == round && entry.submitter == submitter && entry.cards == cards) return entry;
  throw std::runtime_error("no entry of " + submitter);
}

TEST(Mlperf, TheTableHasTheClosedEntriesAsPublished) {
  const MlperfTable table = load_mlperf(kFile);
  EXPECT_EQ(table.benchmark, "wan-2.2-t2v-a14b");
  EXPECT_EQ(table.division, "closed");
  EXPECT_EQ(table.entries.size(), 14u) << "7 of each round";
  ASSERT_EQ(table.sources.size(), 2u);
  for (const MlperfSource& source : table.sources) EXPECT_THAT(source.text, HasSubstr("github.com/"));
  const MlperfEntry& krai = entry_of(table, "v6.0", "Krai", 8);
  EXPECT_EQ(krai.card, "NVIDIA H200-SXM-141GB");
  EXPECT_EQ(krai.weights, "bfloat16");
  EXPECT_NEAR(*single_stream_card_seconds(krai), 8 * 57.401991155, 1e-6);
  EXPECT_NEAR(*offline_card_seconds(krai), 8 / 0.0181337, 1e-6) << "441 card-seconds";
  const MlperfEntry& rack = entry_of(table, "v6.1", "NVIDIA", 72);
  EXPECT_NEAR(*offline_card_seconds(rack), 145.1, 0.1);
  EXPECT_NEAR(*single_stream_card_seconds(rack), 412.7, 0.1);
}

TEST(Mlperf, ASuiteComesWithTheProgramWhoseCasesDoTheWorkOfTheTable) {
  const MlperfWorkload work = load_mlperf(kFile).workload;
  const Json suite = Json::parse(read_text(std::filesystem::path(WAN_SOURCE_DIR) / "suites" / "mlperf-like.json"));
  const Json& defaults = suite["defaults"];
  EXPECT_EQ(defaults["model"], work.model);
  EXPECT_EQ(defaults["width"], work.width);
  EXPECT_EQ(defaults["height"], work.height);
  EXPECT_EQ(defaults["num_frames"], work.num_frames);
  EXPECT_EQ(defaults["steps"], work.steps);
  EXPECT_EQ(defaults["guidance_scale"], work.guidance_scale);
  EXPECT_EQ(defaults["guidance_scale_2"], work.guidance_scale_2);
}

class MlperfFiles : public testing::Test {
 protected:
  using Change = std::function<void(Json& table, Json& entry)>;

  std::string refusal(const Change& change) {
    Json table = Json::parse(read_text(kFile));
    change(table, table["rounds"][0]["entries"][1]);
    write_atomically(folder_ / "m.json", table.dump());
    try {
      load_mlperf(folder_ / "m.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "accepted";
  }

  const test::TemporaryFolder folder_;
};

TEST_F(MlperfFiles, RefusesWhatIsMissingOrMeansNothing) {
  EXPECT_EQ(refusal([](Json&, Json&) {}), "accepted");
  EXPECT_EQ(refusal([](Json&, Json& entry) { entry["offline_per_s"] = nullptr; }), "accepted") << "not submitted";
  const auto of_entry = [&](const char* key, const Json& value) {
    return refusal([&](Json&, Json& entry) { entry[key] = value; });
  };
  EXPECT_THAT(of_entry("cards", 0), AllOf(HasSubstr("m.json: round 1: entry 2"), HasSubstr("'cards'")));
  EXPECT_THAT(of_entry("cards", 1e300), HasSubstr("'cards'"));
  EXPECT_THAT(of_entry("single_stream_s", -1), HasSubstr("'single_stream_s'"));
  EXPECT_THAT(of_entry("offline_per_s", 0), HasSubstr("'offline_per_s'"));
  EXPECT_THAT(of_entry("weights", ""), HasSubstr("'weights' must be a text of 1 to 500 bytes"));
  EXPECT_THAT(of_entry("card", std::string(501, 'x')), HasSubstr("found 501"));
  EXPECT_THAT(of_entry("card", 5), HasSubstr("'card'"));
  EXPECT_THAT(of_entry("acuracy", 70), HasSubstr("acuracy"));
  EXPECT_THAT(refusal([](Json&, Json& entry) { entry.erase("offline_per_s"); }),
              HasSubstr("'offline_per_s' is missing"));
  EXPECT_THAT(refusal([](Json& table, Json&) { table["rounds"] = Json::array(); }), HasSubstr("'rounds'"));
  EXPECT_THAT(refusal([](Json& table, Json&) { table.erase("workload"); }), HasSubstr("'workload' is missing"));
  EXPECT_THAT(refusal([](Json& table, Json&) { table["workload"]["steps"] = 0; }),
              HasSubstr("workload: field 'steps'"));
  EXPECT_THAT(refusal([](Json& table, Json&) { table["schema"]["major"] = 2; }), HasSubstr("wanbench.mlperf"));
  EXPECT_THAT(refusal([](Json& table, Json& entry) {
                Json& entries = table["rounds"][1]["entries"];
                while (entries.size() <= 200) entries.push_back(entry);
              }),
              HasSubstr("'entries' must be a list of 1 to 200 objects"));
  EXPECT_THAT(refusal([](Json& table, Json&) { table = "text"; }),
              AllOf(HasSubstr("m.json"), Not(HasSubstr("json.exception"))));
}

/// 20 steps of 18 s on one H200, warm unless said otherwise: 360 s of steps, 5 more from the prompt to the frames.
RunRecord same_work() {
  RunRecord run = synthetic_run(std::vector<double>(20, 18.0));
  run.workload.task = "t2v";
  run.workload.model = "t2v-A14B";
  run.workload.width = 1280;
  run.workload.height = 720;
  run.workload.num_frames = 81;
  run.workload.guidance_high = 4;
  run.workload.guidance_low = 3;
  run.workload.dtypes = {{"dit", "bf16"}, {"vae", "fp32"}};
  run.workload.scope = RunScope::kWarm;
  run.system.gpus[0].name = "NVIDIA H200";
  return run;
}

MlperfView beside(RunRecord run, ReportView& report) {
  static std::vector<RunRecord> runs;
  seal(run);
  runs = {std::move(run)};
  report = report_view(pointers_to(runs), {}, {});
  return mlperf_view(report.cases, load_mlperf(kFile));
}

TEST(Mlperf, ACaseOfTheSameWorkStandsBesideTheTableInCardSeconds) {
  ReportView report;
  const MlperfView one = beside(same_work(), report);
  ASSERT_EQ(one.cases.size(), 1u);
  EXPECT_EQ(one.cases[0].shown, &report.cases[0]);
  EXPECT_EQ(one.cases[0].precision, "DiT bf16, VAE fp32");
  const double total = report.cases[0].numbers().total_s.median();
  EXPECT_NEAR(one.cases[0].seconds.median(), total, 1e-9);
  EXPECT_NEAR(one.cases[0].card_seconds.median(), total, 1e-9);

  RunRecord eight = same_work();
  eight.system.gpus.assign(8, eight.system.gpus[0]);
  const MlperfView several = beside(eight, report);
  ASSERT_EQ(several.cases.size(), 1u);
  EXPECT_EQ(several.cases[0].cards, 8);
  EXPECT_NEAR(several.cases[0].card_seconds.median(), 8 * total, 1e-9);
}

TEST(Mlperf, LoadingIsLeftOutOfAColdCase) {
  ReportView report;
  RunRecord cold = same_work();
  cold.workload.scope = RunScope::kCold;
  const MlperfView view = beside(cold, report);
  ASSERT_EQ(view.cases.size(), 1u);
  EXPECT_FALSE(view.cases[0].has_output_file);
  EXPECT_NEAR(view.cases[0].seconds.median(), 1 + 20 * 18 + 4, 1e-6) << "text, steps, VAE; not 10 s of loading";
}

TEST(Mlperf, OtherWorkDoesNotStandBesideIt) {
  const std::vector<std::pair<const char*, std::function<void(RunRecord&)>>> others = {
      {"model", [](RunRecord& run) { run.workload.model = "ti2v-5B"; }},
      {"width", [](RunRecord& run) { run.workload.width = 832; }},
      {"height", [](RunRecord& run) { run.workload.height = 704; }},
      {"frames", [](RunRecord& run) { run.workload.num_frames = 77; }},
      {"steps", [](RunRecord& run) { run.workload.steps = 19; }},
      {"no steps", [](RunRecord& run) { run.workload.steps.reset(); }},
      {"guidance", [](RunRecord& run) { run.workload.guidance_low = 1; }},
      {"guidance, other", [](RunRecord& run) { run.workload.guidance_high = 1; }},
      {"reuse", [](RunRecord& run) { run.workload.approximations = {"step cache magcache"}; }},
      {"imported", [](RunRecord& run) { run.engine.kind = EngineKind::kImported; }},
      {"no card", [](RunRecord& run) { run.system.gpus.clear(); }},
      {"failed", [](RunRecord& run) { run.status = RunStatus::kOutOfMemory; }},
      {"doubted",
       [](RunRecord& run) {
         run.validity = {{"foreign_gpu_process", "another", "", true}};
       }},
  };
  for (const auto& [what, change] : others) {
    ReportView report;
    RunRecord run = same_work();
    change(run);
    EXPECT_THAT(beside(run, report).cases, IsEmpty()) << what;
  }
}

}  // namespace
}  // namespace wan
