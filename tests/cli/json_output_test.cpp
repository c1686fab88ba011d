// --json of the commands that have it: one document on standard output, with the facts of the text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "../analysis/judged.h"
#include "../analysis/runs.h"
#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "results/store.h"

namespace wan {
namespace {

using nlohmann::json;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Each stream to a file of its own, and the command's exit code.
constexpr const char* kApart = " --json >document 2>messages; exit $?";

class JsonOutput : public test::CommandLine {
 protected:
  void store(const std::string& name, int count, double step_s, const std::string& commit = "abc") const {
    for (int repeat = 0; repeat < count; ++repeat) {
      const double noisy_s = step_s * (1 + 0.001 * (repeat % 3 - 1));
      RunRecord record = synthetic_run({noisy_s, noisy_s, noisy_s, noisy_s}, 0, repeat);
      record.tool.git_commit = commit;
      record.id.clear();  // sealed again as it is stored
      store_record(folder_ / name, record);
    }
  }
  /// Standard output alone, which must be one document in ASCII of this schema.
  json document(const std::string& arguments, const std::string& schema, ExitCode code = ExitCode::kSuccess) const {
    const Ended ended = run(arguments + kApart);
    EXPECT_EQ(ended.code, static_cast<int>(code)) << arguments << "\n" << ended.output;
    EXPECT_EQ(read_text(folder_ / "messages"), "") << arguments;
    const std::string text = read_text(folder_ / "document");
    for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << arguments;
    const json found = json::parse(text, nullptr, false);
    EXPECT_FALSE(found.is_discarded()) << text;
    if (found.is_discarded()) return json::object();
    EXPECT_TRUE(text.starts_with("{\n \"schema\"")) << "what it is stands first";
    const int minor = schema == "wanbench.inspect" ? 2 : schema == "wanbench.compare" ? 1 : 0;
    EXPECT_EQ(found.at("schema"), json({{"name", schema}, {"major", 1}, {"minor", minor}}));
    expect_reasons(found, arguments);
    return found;
  }
  /// A null stands beside its reason.
  static void expect_reasons(const json& value, const std::string& where) {
    if (value.is_object() && value.contains("value") && value.at("value").is_null()) {
      EXPECT_TRUE(value.contains("reason")) << where;
      EXPECT_FALSE(value.value("reason", std::string()).empty()) << where;
      return;
    }
    if (!value.is_structured()) return;
    for (const auto& [key, member] : value.items()) expect_reasons(member, where + "." + key);
  }
};

TEST_F(JsonOutput, InspectHasTheFactsOfItsText) {
  const json found = document("inspect " + checkpoint(), "wanbench.inspect");
  EXPECT_EQ(found["task"], "ti2v");
  EXPECT_EQ(found["layout"], "official");
  EXPECT_THAT(found["generate"].get<std::string>(), Says("wanbench generate --checkpoint "));
  EXPECT_THAT(found["components"][0]["evidence"].get<std::string>(), Says("a DiT, with official names"));
  EXPECT_EQ(found["model"], "ti2v-256x2");
  EXPECT_EQ(found["dit"]["width"], 256);
  EXPECT_EQ(found["dit"]["layers"], 2);
  ASSERT_EQ(found["components"].size(), 3u);
  EXPECT_EQ(found["components"][0]["component"], "dit");
  EXPECT_GT(found["components"][0]["parameters"], 0);
  double percent = 0;
  for (const auto& [type, share] : found["components"][0]["stored_percent"].items()) percent += share.get<double>();
  EXPECT_NEAR(percent, 100, 1e-6);
  EXPECT_EQ(found["licence"], json({{"value", nullptr}, {"reason", "no_readme"}}));
  const std::string text = run("inspect " + checkpoint()).output;
  EXPECT_THAT(text, Says(std::to_string(found["components"][0]["parameters"].get<int64_t>())));
  EXPECT_THAT(text, Says("width " + std::to_string(found["text_encoder"]["width"].get<int64_t>())));
}

TEST_F(JsonOutput, InspectEscapesWhatACardSays) {
  std::filesystem::copy(checkpoint(), folder_ / "carded", std::filesystem::copy_options::recursive);
  write_atomically(folder_ / "carded/README.md", "---\nlicense: mit\x1b[2J\n---\n\u202eback\xff");
  const json found = document("inspect carded", "wanbench.inspect");
  EXPECT_EQ(found["licence"]["value"], "mit\x1b[2J");
  EXPECT_THAT(found["model_card"]["value"].get<std::string>(), Says("back"));
}

TEST_F(JsonOutput, DoctorHasTheFactsOfItsText) {
  const json found = document("doctor", "wanbench.doctor");
  const json memory = found["machine"]["memory"]["value"];
  EXPECT_GT(memory["total_bytes"], 0);
  EXPECT_GE(memory["total_bytes"], memory["used_bytes"]);
  EXPECT_TRUE(found["host_measurements"]["cpu_time"]["value"].is_boolean());
  EXPECT_TRUE(found["cards"].is_array());
  EXPECT_EQ(found["gpu"]["visible_to_nvml"]["value"], found["cards"].size());
  EXPECT_EQ(found["gpu"]["usable"]["value"].get<bool>(), !found["gpu"]["usable"].contains("reason"));
  EXPECT_TRUE(std::filesystem::exists(found["data"]["quick_suite"]["value"].get<std::string>()));
  const std::string text = run("doctor").output;
  EXPECT_THAT(text, Says(found["machine"]["kernel"]["value"].get<std::string>()));
}

TEST_F(JsonOutput, CompareHasTheFactsOfItsText) {
  store("a", 5, 1);
  store("slow", 5, 2, "\x1b]0;x");
  const json found = document("compare a slow --fail-if-slower 2", "wanbench.compare", ExitCode::kComparison);
  EXPECT_EQ(found["gate"]["row"], "Total");
  EXPECT_EQ(found["gate"]["fail_if_slower_percent"]["value"], 2.0);
  EXPECT_EQ(found["gate"]["slower"], 1);
  EXPECT_EQ(found["gate"]["exit_code"], 3);
  ASSERT_EQ(found["arms"].size(), 1u);
  const json arms = found["arms"][0];
  EXPECT_EQ(arms["a"], "a");
  EXPECT_EQ(arms["geometric_mean_ratio"]["value"], nullptr) << "of one case";
  ASSERT_EQ(arms["pairs"].size(), 1u);
  const json pair = arms["pairs"][0];
  EXPECT_EQ(pair["comparable"], true);
  EXPECT_EQ(pair["b"]["commit"]["value"], "\x1b]0;x");
  const json row = pair["rows"][0];
  EXPECT_THAT(row["name"].get<std::string>(), Says("Total"));
  EXPECT_EQ(row["a_s"]["runs"], 5);
  EXPECT_GT(row["b_s"]["median"], row["a_s"]["median"]);
  EXPECT_EQ(row["time"]["verdict"], "SLOWER");
  EXPECT_GT(row["time"]["interval"]["value"]["low"], 1.02);
  EXPECT_FALSE(pair["stages"].empty());
}

TEST_F(JsonOutput, CompareHasTheFidelityOfItsPairs) {
  store("a", 5, 2);
  json pair = document("compare a a", "wanbench.compare", ExitCode::kSuccess)["arms"][0]["pairs"][0];
  EXPECT_EQ(pair["fidelity"]["value"], nullptr);
  EXPECT_EQ(pair["fidelity"]["reason"], "one_class_and_recipe");
  const auto store_drifting = [&](bool is_judged) {
    for (int repeat = 0; repeat < 5; ++repeat) {
      RunRecord record = synthetic_run({1, 1, 1, 1 + 0.001 * repeat}, 0, repeat);
      record.workload.precision_class = PrecisionClass::kDrift;
      if (is_judged) record = judged(record, {.reference_sha256 = ""});
      record.id.clear();
      store_record(folder_ / "fast", record);
    }
  };
  store_drifting(false);
  pair = document("compare a fast --across-precision", "wanbench.compare",
                  ExitCode::kNotComparable)["arms"][0]["pairs"][0];
  EXPECT_EQ(pair["comparable"], false);
  EXPECT_EQ(pair["fidelity"]["value"], json::array()) << "asked for, and not measured";
  store_drifting(true);
  pair = document("compare a fast --across-precision", "wanbench.compare", ExitCode::kSuccess)["arms"][0]["pairs"][0];
  const json measured = pair["fidelity"]["value"].at(0);
  EXPECT_EQ(measured["of"], "b");
  EXPECT_EQ(measured["against_other_side"], true);
  EXPECT_EQ(measured["reference"], "bf16");
  EXPECT_EQ(measured["psnr"]["value"], 31.5);
  EXPECT_EQ(measured["velocity"]["value"], 3.0);
  EXPECT_EQ(measured["noise_floor"][0]["test"], "bf16");
  EXPECT_EQ(pair["class_refuted"]["b"], "");
}

TEST_F(JsonOutput, CompareSaysWhyThereIsNoNumber) {
  store("a", 1, 1);
  store("b", 1, 1);
  const json found = document("compare a b --strict", "wanbench.compare", ExitCode::kInconclusive);
  EXPECT_EQ(found["gate"]["fail_if_slower_percent"]["reason"], "no_limit");
  const json row = found["arms"][0]["pairs"][0]["rows"][0];
  EXPECT_EQ(row["a_s"]["interval"]["reason"], "single_run");
  EXPECT_EQ(row["time"]["verdict"], "INCONCLUSIVE");
  EXPECT_TRUE(row["time"].contains("reason"));
}

TEST_F(JsonOutput, AnErrorLeavesNoDocument) {
  for (const char* arguments : {"inspect missing", "compare a missing"}) {
    const Ended ended = run(arguments + std::string(kApart));
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << arguments;
    EXPECT_EQ(read_text(folder_ / "document"), "") << arguments;
    EXPECT_THAT(read_text(folder_ / "messages"), Says("error: ")) << arguments;
  }
}

TEST_F(JsonOutput, SuiteCheckNamesFileCaseAndField) {
  const std::string head = R"({"schema":"wanbench.suite","format":1,"name":"s","version":"1","cases":[)";
  write_atomically(folder_ / "good.json", head + R"({"name":"a","model":"ti2v-5B","steps":5}]})");
  write_atomically(folder_ / "bad.json", head + R"({"name":"a","steps":-5},{"name":"b\u001b[2J"}]})");
  EXPECT_EQ(run("suite check good.json").code, 0);
  EXPECT_THAT(run("suite check good.json").output,
              AllOf(HasSubstr("good.json: suite s version 1, 1 case, no problem\n"),
                    HasSubstr("  a: ti2v-5B, 1280x704, 121 frames, 5 steps\n")));
  const Ended bad = run("suite check good.json bad.json");
  EXPECT_EQ(bad.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(bad.output, AllOf(HasSubstr("bad.json: suite s version 1, 2 cases, 2 problems\n"),
                                Says("bad.json: case 1 'a': field 'steps': must be a whole number"),
                                Says("bad.json: case 2 'b\\x1b[2J': field 'name'"), Not(Says("\x1b"))));
  EXPECT_EQ(run("suite check missing.json").code, static_cast<int>(ExitCode::kUsage));
  const json found = document("suite check good.json bad.json", "wanbench.suite_check", ExitCode::kUsage);
  ASSERT_EQ(found["files"].size(), 2u);
  EXPECT_EQ(found["files"][0]["cases"][0]["decided"]["value"]["width"], 1280);
  EXPECT_TRUE(found["files"][0]["problems"].empty());
  const json problem = found["files"][1]["problems"][0];
  EXPECT_EQ(problem["case"]["value"], 1);
  EXPECT_EQ(problem["name"]["value"], "a");
  EXPECT_EQ(problem["field"]["value"], "steps");
  EXPECT_EQ(found["files"][1]["cases"][0]["decided"]["reason"], "has_problems");
}

/// The command lines of docs/ci.md that run `wanbench COMMAND`, without the program's path.
std::vector<std::string> lines_of_page(const std::string& command) {
  std::istringstream page(read_text(WAN_SOURCE_DIR "/docs/ci.md"));
  std::vector<std::string> found;
  for (std::string line; std::getline(page, line);) {
    const size_t at = line.find("/wanbench " + command + " ");
    if (at != std::string::npos && line.find('`') == std::string::npos) found.push_back(line.substr(at + 10));
  }
  return found;
}

TEST_F(JsonOutput, TheCiPagesComparisonsGateABuild) {
  store("results-base", 7, 1);
  store("results-new", 7, 1.001);
  const std::vector<std::string> lines = lines_of_page("compare");
  ASSERT_EQ(lines.size(), 3u) << "in a shell, in the workflow, and for the numbers";
  for (const std::string& line : lines) {
    EXPECT_THAT(line, Says("--fail-if-slower 2 --strict"));
    EXPECT_EQ(run(line).code, 0) << line;
  }
  std::filesystem::remove_all(folder_ / "results-new");
  store("results-new", 7, 2);
  EXPECT_EQ(run(lines[0]).code, static_cast<int>(ExitCode::kComparison));
  EXPECT_EQ(run(lines[1]).code, static_cast<int>(ExitCode::kComparison)) << "the step of the workflow fails";
  EXPECT_EQ(json::parse(read_text(folder_ / "compare.json"))["gate"]["exit_code"], 0) << "of the run before";
  EXPECT_EQ(run(lines[2]).code, 0) << "the numbers are kept all the same";
  EXPECT_EQ(json::parse(read_text(folder_ / "compare.json"))["gate"]["exit_code"], 3);
}

TEST_F(JsonOutput, TheCiPagesRunsAreAccepted) {
  std::filesystem::create_directory_symlink(WAN_SOURCE_DIR "/suites", folder_ / "suites");
  std::filesystem::create_directories(folder_ / "base");
  std::filesystem::create_directory_symlink(WAN_SOURCE_DIR "/suites", folder_ / "base/suites");
  const std::vector<std::string> lines = lines_of_page("run");
  ASSERT_EQ(lines.size(), 3u);
  for (const std::string& line : lines) {
    // The page is of a machine with a card: here the memory is too small.
    const Ended ended = run(line + " --dry-run --device cpu --allow-too-large");
    EXPECT_EQ(ended.code, 0) << line << "\n" << ended.output;
    EXPECT_THAT(ended.output, Says("suite ti2v-5b version 1: 4 cases, 7 cold")) << line;
  }
}

}  // namespace
}  // namespace wan
