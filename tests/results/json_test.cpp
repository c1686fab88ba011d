// Records survive writing and reading, and a file that breaks the rules is refused by name.
#include "results/json.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "example.h"

namespace wan {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::string golden_path(const std::string& version) {
  return std::string(WAN_SOURCE_DIR) + "/tests/results/golden/record_v" + version + ".json";
}

/// Message of the error that reading `json` throws, or "" when it is read.
std::string refusal(const Json& json) {
  try {
    record_from_json(json.dump(), "run.json");
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
}

Json example_json() {
  RunRecord record = example_record();
  seal(record);
  return Json::parse(to_json(record));
}

/// What reading gives back for `record`: absent values carry the default reason the writer adds.
RunRecord round_trip(const RunRecord& record) { return record_from_json(to_json(record), "memory"); }

TEST(RecordJson, KeepsEveryField) {
  RunRecord record = example_record();
  seal(record);
  const RunRecord once = round_trip(record);
  EXPECT_EQ(once, round_trip(once));
  EXPECT_EQ(once.workload, record.workload);
  EXPECT_EQ(once.run_case, record.run_case);
  EXPECT_EQ(once.engine, record.engine);
  EXPECT_EQ(once.tool, record.tool);
  EXPECT_EQ(once.validity, record.validity);
  EXPECT_EQ(once.output.quality, record.output.quality);
  EXPECT_EQ(once.samples, record.samples);
  EXPECT_EQ(once.imported, record.imported);
  EXPECT_EQ(once.kernels, record.kernels);
  EXPECT_EQ(once.error->requested_bytes, record.error->requested_bytes);
  ASSERT_EQ(once.stages.size(), 2u);
  EXPECT_EQ(once.stages[1].counters, record.stages[1].counters);
  EXPECT_EQ(once.stages[1].sm_clock_mhz, record.stages[1].sm_clock_mhz);
  EXPECT_EQ(once.stages[1].device_memory.component_bytes, record.stages[1].device_memory.component_bytes);
  EXPECT_EQ(once.id, record.id);
}

TEST(RecordJson, WritesTheGoldenFileOfThisVersion) {
  const std::string golden = read_text(golden_path(fmt::format("{}.{}", kRecordMajor, kRecordMinor)));
  RunRecord record = example_record();
  seal(record);
  if (to_json(record) != golden) write_atomically(std::string(WAN_BINARY_DIR) + "/record_now.json", to_json(record));
  EXPECT_TRUE(to_json(record) == golden)
      << "the format changed (now in record_now.json of the build folder): see the versioning rule in docs/formats.md";
  EXPECT_TRUE(record_from_json(golden, "golden") == round_trip(record));
}

/// The example as a program of that minor version would have kept it.
RunRecord example_of_minor(int minor) {
  RunRecord record = example_record();
  if (minor < 9 && record.execution.has()) {
    record.execution.value->quantized.reset();
    record.execution.value->ranks = 1;
    record.execution.value->parallel.clear();
  }
  if (minor < 8) record.workload.conditioning.clear();
  if (minor < 7) {
    record.forwards = absent<ForwardCounts>("not_recorded");
    if (record.execution.has()) {
      record.execution.value->step_cache.reset();
      record.execution.value->cfg_gate_from_step.reset();
    }
  }
  if (minor < 6) record.fidelity.reset();
  if (minor < 5 && record.execution.has()) record.execution.value->gpu_memory_limit_bytes.reset();
  if (minor < 4) record.workload.last_image_sha256.clear();
  if (minor < 3) {
    record.workload.recipe = "official";
    record.workload.split_step.reset();
  }
  if (minor < 2) {
    record.execution = absent<Execution>("not_recorded");
    record.predicted_peak_bytes = absent<uint64_t>("not_recorded");
    record.run_case.key.clear();
    record.tool.program_sha256.clear();
    record.clock.gpu_uncertainty_ns = absent<int64_t>("not_recorded");
    record.kernels->missing.clear();
  }
  if (minor < 1) {
    record.kernels.reset();
    record.integrals.clear();
    for (StageRecord& stage : record.stages) stage.hidden_copy_ns = StageRecord{}.hidden_copy_ns;
  }
  return record;
}

TEST(RecordJson, ReadsTheGoldenFilesOfEveryMinorVersion) {
  for (int minor = 0; minor <= kRecordMinor; ++minor) {
    const RunRecord old = record_from_json(read_text(golden_path(fmt::format("1.{}", minor))), "golden");
    RunRecord expected = example_of_minor(minor);
    seal(expected);
    expected.id = old.id;  // covers the whole text, schema included
    EXPECT_TRUE(old == round_trip(expected)) << "minor version " << minor;
    EXPECT_EQ(old.execution.has(), minor >= 2);
    EXPECT_EQ(old.execution.reason, minor < 2 ? "not_recorded" : "");
  }
}

TEST(RecordJson, TakesFieldsOutOfTheFactsOfOlderRecords) {
  Json json = example_json();
  for (const char* key : {"execution", "predicted_peak_bytes"}) json.erase(key);
  json["case"].erase("key");
  json["kernels"].erase("missing");
  json["schema"]["minor"] = 1;
  for (auto& stage : json["stages"]) stage.erase("role");
  json["engine"]["facts"] = {{"case_key", "0123"},
                             {"kernels_missing", "2 without a time"},
                             {"predicted_peak_bytes", "123"},
                             {"libraries", "cuDNN"}};
  const RunRecord old = record_from_json(json.dump(), "old");
  EXPECT_EQ(old.stages[1].role, StageRole::kStepInference) << "by its name";
  EXPECT_EQ(old.run_case.key, "0123");
  EXPECT_EQ(old.kernels->missing, "2 without a time");
  EXPECT_EQ(old.predicted_peak_bytes.value, 123u);
  EXPECT_THAT(old.engine.facts, ::testing::ElementsAre(::testing::Pair("libraries", "cuDNN")));
  json["engine"]["facts"]["predicted_peak_bytes"] = "much";
  EXPECT_FALSE(record_from_json(json.dump(), "old").predicted_peak_bytes.has());
}

TEST(RecordJson, OfOlderRecordsTheRecipeIsTheOfficialOneUnlessTheyAreImported) {
  Json json = example_json();
  json["workload"].erase("recipe");
  json["workload"].erase("split_step");
  json["schema"]["minor"] = 2;
  EXPECT_EQ(record_from_json(json.dump(), "old").workload.recipe, "official");
  json["engine"]["kind"] = "external";
  EXPECT_EQ(record_from_json(json.dump(), "old").workload.recipe, "official");
  json["engine"]["kind"] = "imported";
  EXPECT_EQ(record_from_json(json.dump(), "old").workload.recipe, "");
}

TEST(RecordJson, TheKeyOfAWorkloadKnowsItsRecipeAndIsWhatItWasForTheOfficialOne) {
  RunRecord sealed = example_record();
  seal(sealed);
  Workload work = sealed.workload;
  work.last_image_sha256.clear();
  work.conditioning.clear();
  const std::string few = workload_key(work);
  work.split_step = 1;
  EXPECT_NE(workload_key(work), few);
  work.split_step.reset();
  work.recipe = "official";
  const std::string official = workload_key(work);
  EXPECT_EQ(official, record_from_json(read_text(golden_path("1.2")), "golden").workload_key);
  work.recipe.clear();
  EXPECT_EQ(workload_key(work), official);
  work.recipe = "lightning-4";
  EXPECT_NE(workload_key(work), official);
}

TEST(RecordJson, TheKeyOfAWorkloadKnowsItsLastImageAndIsWhatItWasWithoutOne) {
  RunRecord sealed = example_record();
  seal(sealed);
  Workload work = sealed.workload;
  const std::string both = workload_key(work);
  work.last_image_sha256 = "5679";
  EXPECT_NE(workload_key(work), both);
  work.last_image_sha256.clear();
  work.conditioning.clear();
  EXPECT_NE(workload_key(work), both);
  EXPECT_EQ(workload_key(work), record_from_json(read_text(golden_path("1.3")), "golden").workload_key);
}

TEST(RecordJson, TheKeyOfAWorkloadKnowsWhatElseItIsMadeFromAndIsWhatItWasWithoutThat) {
  RunRecord sealed = example_record();
  seal(sealed);
  Workload work = sealed.workload;
  const std::string spoken = workload_key(work);
  work.conditioning["audio"] = "9abd";
  EXPECT_NE(workload_key(work), spoken);
  work.conditioning.clear();
  EXPECT_NE(workload_key(work), spoken);
  EXPECT_EQ(workload_key(work), record_from_json(read_text(golden_path("1.7")), "golden").workload_key);
}

TEST(RecordJson, TheKeyOfAWorkloadKnowsItsLorasTheirStrengthAndTheirOrder) {
  Workload work = example_record().workload;
  const std::string none = workload_key(work);
  const WeightsFile a{"lora", "a.safetensors", 7, "aa", "size+head+tail", 0.5};
  WeightsFile b{"lora", "b.safetensors", 7, "bb", "size+head+tail", 1};
  const size_t files = work.weights.size();
  const auto with = [&](const std::vector<WeightsFile>& loras) {
    work.weights.resize(files);
    work.weights.insert(work.weights.end(), loras.begin(), loras.end());
    return workload_key(work);
  };
  const std::string one = with({a}), both = with({a, b});
  EXPECT_NE(one, none);
  EXPECT_NE(both, one);
  EXPECT_NE(with({b, a}), both);
  b.strength = 0.9;
  EXPECT_NE(with({a, b}), both);
  b.component = "lora.low_noise";
  b.strength = 1;
  EXPECT_NE(with({a, b}), both);
  EXPECT_EQ(with({}), none);
}

TEST(RecordJson, ExecutionTravelsAlone) {
  const Execution execution = *example_record().execution.value;
  EXPECT_EQ(execution_from_json(execution_to_json(execution), "pipe"), execution);
  EXPECT_THROW(execution_from_json("{\"device\": 1}", "pipe"), Error);
}

TEST(RecordJson, KernelsTravelAlone) {
  const KernelTrace trace = *example_record().kernels;
  EXPECT_EQ(kernels_from_json(kernels_to_json(trace), "pipe"), trace);
  EXPECT_THROW(kernels_from_json("{\"source\": 1}", "pipe"), Error);
}

TEST(RecordJson, AbsentIsNullWithAReasonNeverZero) {
  const Json json = example_json();
  const Json& stage = json["stages"][0];
  EXPECT_TRUE(stage["gpu_ns"]["value"].is_null());
  EXPECT_EQ(stage["gpu_ns"]["reason"], "not_measured");
  EXPECT_EQ(json["stages"][1]["host_memory"]["pinned_peak_bytes"]["reason"], "not_reported");
}

TEST(RecordJson, NotANumberIsWrittenAsNullWithReason) {
  RunRecord record = example_record();
  record.stages[1].power_mean_w = measured(std::nan(""), "nvml");
  const RunRecord back = round_trip(record);
  EXPECT_FALSE(back.stages[1].power_mean_w.has());
  EXPECT_EQ(back.stages[1].power_mean_w.reason, "not_finite");
}

TEST(RecordJson, AcceptsANewerMinorVersionWithUnknownKeys) {
  Json json = example_json();
  json["schema"]["minor"] = kRecordMinor + 7;
  json["stages"][0]["invented_later"] = {1, 2};
  EXPECT_EQ(refusal(json), "");
}

TEST(RecordJson, RefusesANewerMajorVersion) {
  Json json = example_json();
  json["schema"]["major"] = kRecordMajor + 1;
  EXPECT_THAT(refusal(json), HasSubstr("use a newer wanbench"));
}

TEST(RecordJson, NamesTheAbsentKeyAndTheFile) {
  Json json = example_json();
  json["stages"][1].erase("wall_ns");
  EXPECT_THAT(refusal(json), HasSubstr("run.json: required key 'stages[1].wall_ns' is absent"));
}

TEST(RecordJson, EveryKeyIsRequired) {
  // Walks the whole document: taking any key of any object away must be noticed.
  const Json json = example_json();
  const std::set<std::string> added = {// by minor versions
                                       "kernels",
                                       "fidelity",
                                       "forwards",
                                       "integrals",
                                       "execution",
                                       "spans_file",
                                       "predicted_peak_bytes",
                                       "tool.program_sha256",
                                       "case.key",
                                       "workload.recipe",
                                       "workload.split_step",
                                       "workload.last_image_sha256",
                                       "workload.conditioning",
                                       "clock.gpu_uncertainty_ns"};
  int tried = 0;
  for (const auto& [key, value] : json.items()) {
    if (added.contains(key)) continue;
    Json broken = json;
    broken.erase(key);
    EXPECT_NE(refusal(broken), "") << key;
    if (key == "engine" || key == "imported" || !value.is_object()) continue;  // these hold free-form maps
    for (const auto& [inner, unused] : value.items()) {
      if (added.contains(key + "." + inner)) continue;
      broken = json;
      broken[key].erase(inner);
      EXPECT_NE(refusal(broken), "") << key << "." << inner;
      ++tried;
    }
  }
  EXPECT_GT(tried, 50);
}

TEST(RecordJson, RefusesWrongTypesAndUnknownWords) {
  Json json = example_json();
  json["stages"][0]["wall_ns"] = "12";
  EXPECT_THAT(refusal(json), HasSubstr("stages[0].wall_ns': expected a whole number from -2305843009213693952 to "
                                       "2305843009213693952, found \"12\""));
  json = example_json();
  json["stages"][0]["wall_ns"] = 18446744073709551615ull;
  EXPECT_THAT(refusal(json), HasSubstr("a whole number from"));
  json = example_json();
  json["status"] = "fine";
  EXPECT_THAT(refusal(json), HasSubstr("expected one of ok, oom"));
  json = example_json();
  json["workload"]["width"] = 1280.5;
  EXPECT_THAT(refusal(json), HasSubstr("workload.width"));
  EXPECT_THAT(refusal(Json::array()), HasSubstr("expected a wanbench.run file"));
}

/// Reports add up times of any stages: no such sum leaves its type.
TEST(RecordJson, RefusesTimesWhoseSumIsNoTime) {
  Json json = example_json();
  const Json step = json["stages"][1];
  for (int i = 0; i < 3; ++i) json["stages"].push_back(step);
  for (Json& stage : json["stages"]) stage["wall_ns"] = int64_t{1} << 59;
  EXPECT_EQ(refusal(json), "");
  for (Json& stage : json["stages"]) stage["wall_ns"] = int64_t{1} << 61;
  EXPECT_THAT(refusal(json), HasSubstr("run.json: key 'stages': the values of 'wall_ns' add up to more than"));
}

TEST(RecordJson, RefusesTextThatIsNotJson) {
  EXPECT_THROW(record_from_json("{\"schema\": ", "torn.json"), Error);
  EXPECT_THROW(record_from_json("", "empty.json"), Error);
}

TEST(WorkloadKey, ChangesWithEveryDecidingFieldAndOnlyThose) {
  const Workload base = example_record().workload;
  Workload same = base;
  same.prompt = "other spelling, same digest";
  same.weights[0].file = "renamed.safetensors";
  EXPECT_EQ(workload_key(same), workload_key(base));

  Workload other = base;
  other.steps = 6;
  EXPECT_NE(workload_key(other), workload_key(base));
  other = base;
  other.weights[0].digest = "abd";
  EXPECT_NE(workload_key(other), workload_key(base));
  other = base;
  other.dtypes["dit"] = "fp32";
  EXPECT_NE(workload_key(other), workload_key(base));
  other = base;
  other.prompts_sha256 = "x";
  EXPECT_NE(workload_key(other), workload_key(base));
}

}  // namespace
}  // namespace wan
