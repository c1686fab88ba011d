// results.json of Comfy Desktop's Performance Tests: the median of a session, what it is on, and what stays private.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "import/import.h"
#include "results/device_name.h"
#include "results/json.h"

namespace wan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const std::string kResults = std::string(WAN_SOURCE_DIR) + "/tests/import/data/comfy_results.json";

Json results() { return Json::parse(read_text(kResults)); }

RunRecord read(const Json& json, const ImportOptions& options = {}) {
  return read_comfy_results(json.dump(), "results.json", options);
}

const Finding* finding(const RunRecord& record, const std::string& code) {
  for (const Finding& found : record.imported->findings)
    if (found.code == code) return &found;
  return nullptr;
}

TEST(ComfyResults, ReadsTheMedianOfASession) {
  const std::vector<RunRecord> records = import_file(kResults);
  ASSERT_EQ(records.size(), 1u);
  const RunRecord& record = records[0];
  EXPECT_EQ(record.imported->format, "comfy-performance-test");
  EXPECT_EQ(record.run_case.name, "wan22_i2v_4_steps");
  EXPECT_EQ(record.created_utc, "2026-10-05T09:30:00.000Z");
  EXPECT_EQ(total_stage(record)->wall_ns, 71'500'000'000);
  EXPECT_EQ(record.imported->printed.at("slowestJobDurationSeconds"), "74.25");
  ASSERT_EQ(record.validity.size(), 1u);
  EXPECT_EQ(record.validity[0].detail,
            "the seconds are the median of 5 runs: fastest 70.5, mean 71.75, slowest 74.25 s");
  EXPECT_FALSE(record.validity[0].excludes);
  EXPECT_EQ(finding(record, "failed_runs")->printed, 1);
  EXPECT_NE(finding(record, "outputs_reused"), nullptr);
  EXPECT_EQ(record.workload.steps, std::nullopt);
  EXPECT_EQ(to_json(record_from_json(to_json(record), "memory")), to_json(record));
}

TEST(ComfyResults, NamesTheCardThatComputed) {
  const RunRecord record = read(results());
  EXPECT_EQ(device_name(record), "NVIDIA GeForce RTX 4090");
  EXPECT_EQ(record.system.gpus[0].memory_bytes.value, uint64_t{24564} << 20);
  EXPECT_EQ(record.system.gpus[0].driver, "581.29");
  EXPECT_EQ(record.system.ram_bytes.value, uint64_t{65461} << 20);
  EXPECT_EQ(record.engine.versions.at("pytorchVersion"), "2.10.0+cu130");
  EXPECT_EQ(record.engine.versions.contains("xformersVersion"), false);
  EXPECT_EQ(device_name(read(results(), {.case_name = "a case", .gpu_name = "A Card"})), "A Card");
  Json on_cpu = results();
  on_cpu["hardware"] = {{"deviceType", "cpu"}, {"deviceName", nullptr}};
  EXPECT_EQ(device_name(read(on_cpu)), "Example CPU");
  Json unsaid = results();
  unsaid["hardware"] = nullptr;
  EXPECT_EQ(device_name(read(unsaid)), "Virtual Display");
  EXPECT_NE(finding(read(unsaid), "card_not_recorded"), nullptr);
  EXPECT_EQ(read(unsaid).system.gpus[0].memory_bytes.reason, "not_in_source");
}

TEST(ComfyResults, LeavesOutWhatTheUserCallsThings) {
  const std::string record = to_json(import_file(kResults)[0]);
  EXPECT_THAT(record, Not(HasSubstr("secret")));
}

TEST(ComfyResults, ASessionOfFailuresIsOne) {
  Json failed = results();
  for (const char* key : {"fastest", "slowest", "average", "median"})
    failed[std::string(key) + "JobDurationSeconds"] = nullptr;
  failed["measuredJobCount"] = 0;
  failed["failedRunCount"] = 3;
  const RunRecord record = read(failed);
  EXPECT_EQ(record.status, RunStatus::kCrash);
  EXPECT_EQ(total_stage(record), nullptr);
  EXPECT_EQ(record.error->message, "no measured run succeeded, 3 failed");
}

TEST(ComfyResults, FindsStatisticsThatCannotBe) {
  Json odd = results();
  odd["averageJobDurationSeconds"] = 80;
  ASSERT_NE(finding(read(odd), "aggregate_mismatch"), nullptr);
  EXPECT_EQ(finding(read(odd), "aggregate_mismatch")->where, "mean");
  EXPECT_EQ(finding(read(results()), "aggregate_mismatch"), nullptr);
}

TEST(ComfyResults, RefusesWhatItCannotUse) {
  const auto refusal = [](const auto& change) -> std::string {
    Json json = results();
    change(json);
    try {
      read(json);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal([](Json&) {}), "");
  EXPECT_THAT(refusal([](Json& j) { j.erase("workflowName"); }),
              HasSubstr("results.json: workflowName: expected a text"));
  EXPECT_THAT(refusal([](Json& j) { j["workflowName"] = std::string(5000, 'x'); }), HasSubstr("at most 1000"));
  EXPECT_THAT(refusal([](Json& j) { j["createdAt"] = "yesterday"; }), HasSubstr("a time in UTC"));
  EXPECT_THAT(refusal([](Json& j) { j["medianJobDurationSeconds"] = nullptr; }), HasSubstr("medianJobDurationSeconds"));
  EXPECT_THAT(refusal([](Json& j) { j["medianJobDurationSeconds"] = 0; }), HasSubstr("more than 0"));
  EXPECT_THAT(refusal([](Json& j) { j["slowestJobDurationSeconds"] = 1e12; }), HasSubstr("0 to 1"));
  EXPECT_THAT(refusal([](Json& j) { j["measuredJobCount"] = 2.5; }), HasSubstr("measuredJobCount"));
  EXPECT_THAT(refusal([](Json& j) { j["hardware"] = 3; }), HasSubstr("hardware: expected an object"));
  EXPECT_THAT(refusal([](Json& j) { j["hardware"]["vramMb"] = -1; }), HasSubstr("vramMb"));
  EXPECT_THROW(read_comfy_results("[]", "x", {}), Error);
}

TEST(ImportFile, TellsFormatsApartByContent) {
  EXPECT_EQ(format_of(read_text(kResults)), ImportFormat::kComfyResults);
  EXPECT_EQ(format_of("\n {\"stages\": []}"), ImportFormat::kOriginalJson);
  EXPECT_EQ(format_of("Organization,Model,MlperfModel,Scenario\n"), ImportFormat::kMlperfSummary);
  EXPECT_EQ(format_of("# Report\n#### Case: a\n"), ImportFormat::kSeedMarkdown);
  for (const char* text : {"", "  \n", "{}", "[]", "a,b\n1,2\n", "MlperfModel", "# Notes about MlperfModel\n"})
    EXPECT_EQ(format_of(text), ImportFormat::kNone) << text;
}

}  // namespace
}  // namespace wan
