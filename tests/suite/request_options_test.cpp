// Every option of the table through a suite in JSON and TOML, to the child process, into the workload and into an
// external command; and keys of cases, which no change of spelling may change.
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../pipeline/option_samples.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/subprocess.h"
#include "pipeline/request_json.h"
#include "suite/command.h"
#include "suite/engine_process.h"
#include "suite/plan.h"
#include "suite/requested_workload.h"
#include "suite/runner.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::wan::test::option_samples;
using ::wan::test::OptionSample;
namespace fs = std::filesystem;

constexpr const char* kHead = R"("schema": "wanbench.suite", "format": 1, "name": "s", "version": "1")";

bool is_output(const OptionSample& sample) { return sample.also == Also::kDump || sample.also == Also::kVideoFile; }

std::string case_in_json(const Request& request) {
  nlohmann::json json = nlohmann::json::parse(request_json(request));
  json["name"] = "a";
  return fmt::format("{{{}, \"cases\": [{}]}}", kHead, json.dump());
}

/// TOML writes strings, numbers and truth values as JSON does.
std::string case_in_toml(const Request& request) {
  std::string text =
      "schema = \"wanbench.suite\"\nformat = 1\nname = \"s\"\nversion = \"1\"\n[[cases]]\nname = \"a\"\n";
  const nlohmann::json json = nlohmann::json::parse(request_json(request));
  for (const auto& [key, value] : json.items()) text += fmt::format("{} = {}\n", key, value.dump());
  return text;
}

std::string refusal(const std::string& text, const char* file) {
  try {
    parse_suite(text, file);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    return problem.what();
  }
  return "accepted";
}

TEST(RequestOptions, GoThroughSuites) {
  for (const OptionSample& sample : option_samples()) {
    if (is_output(sample) && sample.text != "false") {  // that says nothing
      EXPECT_THAT(refusal(case_in_json(sample.request), "s.json"),
                  HasSubstr("'" + sample.key + "' is chosen by the run"));
      continue;
    }
    EXPECT_EQ(parse_suite(case_in_json(sample.request), "s.json").cases[0].request, sample.request) << sample.key;
    if (sample.request.seed > INT64_MAX) continue;  // TOML's whole numbers have 64 bits with a sign
    EXPECT_EQ(parse_suite(case_in_toml(sample.request), "s.toml").cases[0].request, sample.request)
        << case_in_toml(sample.request);
  }
}

TEST(RequestOptions, RefuseInSuitesWhatTheyCannotHold) {
  for (const wan::test::Refused& refused : wan::test::refused_numbers()) {
    const std::string json =
        fmt::format(R"({{{}, "cases": [{{"name": "a", "{}": {}}}]}})", kHead, refused.key, refused.number);
    EXPECT_THAT(refusal(json, "s.json"), HasSubstr("s.json")) << json;
    const std::string toml = fmt::format(
        "schema = \"wanbench.suite\"\nformat = 1\nname = \"s\"\nversion = \"1\"\n"
        "[[cases]]\nname = \"a\"\n{} = {}\n",
        refused.key, refused.number);
    EXPECT_THAT(refusal(toml, "s.toml"), HasSubstr("s.toml")) << toml;
  }
  const std::string not_finite =
      "schema = \"wanbench.suite\"\nformat = 1\nname = \"s\"\nversion = \"1\"\n"
      "[[cases]]\nname = \"a\"\nshift = inf\n";
  EXPECT_THAT(refusal(not_finite, "s.toml"), HasSubstr("'shift' must be a number from 0.01 to 1000"));
}

TEST(RequestOptions, RefuseBothSpellingsOfGuidanceInOneCase) {
  const auto with = [](const char* defaults, const char* fields) {
    return refusal(fmt::format(R"({{{}, "defaults": {{{}}}, "cases": [{{"name": "a"{}}}]}})", kHead, defaults, fields),
                   "s.json");
  };
  EXPECT_EQ(with("", R"(, "guidance_scale": 5, "guidance_scale_2": 4)"), "accepted");
  EXPECT_EQ(with(R"("guidance_low": 5)", R"(, "guidance_high": 4)"), "accepted");
  EXPECT_THAT(with("", R"(, "guidance_scale": 5, "guidance_low": 4)"),
              HasSubstr("s.json: case 1 'a': guidance is given in two spellings: use guidance_scale"));
  EXPECT_THAT(with(R"("guidance_low": 5)", R"(, "guidance_scale_2": 4)"), HasSubstr("a suite's defaults count"));
}

TEST(RequestOptions, ReachTheChildProcess) {
  for (const OptionSample& sample : option_samples()) {
    const auto words = engine_arguments(sample.request, {}, WatchKernels::kNo, SampleCounters::kNo);
    const auto flag = std::find(words.begin(), words.end(), "--request");
    ASSERT_LT(flag + 1, words.end());
    EXPECT_EQ(request_from_json(*(flag + 1)), sample.request) << sample.key;
  }
}

TEST(RequestOptions, AWarmUpHasFewerStepsOnceItIsTold) {
  const auto words = engine_arguments(Request{}, {3, 2}, WatchKernels::kNo, SampleCounters::kNo);
  const auto flag = std::find(words.begin(), words.end(), "--warm-up-steps");
  ASSERT_LT(flag + 1, words.end());
  EXPECT_EQ(*(flag + 1), "2");
  Request request;
  EXPECT_EQ(warm_up(request, 2).steps, 2);  // of the model's default number
  request.steps = 20;
  request.split_step = 7;
  EXPECT_EQ(warm_up(request, 2).steps, 2);
  EXPECT_EQ(warm_up(request, 2).split_step, 1);  // both experts run
  EXPECT_EQ(warm_up(request, 20), request);
  request.recipe = "lightning-4";
  EXPECT_EQ(warm_up(request, 2), request);
}

TEST(RequestOptions, StandInTheWorkloadIfTheyDecideTheWork) {
  const Workload of_nothing = requested_workload(Request{});
  size_t seen = 0;
  std::map<std::string, Workload> last;
  for (const OptionSample& sample : option_samples()) {
    const bool decides =
        sample.also == Also::kWork || sample.also == Also::kWorkAndVideo || sample.also == Also::kConditioning;
    if (!decides) {
      const bool by_older_names = sample.key.starts_with("guidance_scale");  // see below
      EXPECT_EQ(requested_workload(sample.request) != of_nothing, by_older_names) << sample.key;
      continue;
    }
    ++seen;
    if (sample.text.starts_with("/")) {  // a file, whose digest is wanted
      EXPECT_THROW(requested_workload(sample.request), Error) << sample.key;
      continue;
    }
    const Workload work = requested_workload(sample.request);
    const bool says_nothing = with_recipe_named(sample.request) == with_recipe_named(Request{});
    EXPECT_EQ(work == of_nothing, says_nothing) << sample.key << " " << sample.text;
    EXPECT_TRUE(last[sample.key] != work) << sample.key << " " << sample.text;
    last[sample.key] = work;
  }
  EXPECT_GE(seen, 16u);
}

TEST(RequestedWorkload, TakesDigestsOfFilesAndTheFirstNamesOfGuidance) {
  const wan::test::TemporaryFolder folder;
  const fs::path file = folder / "image";
  write_atomically(file, "pixels");
  Request request;
  const fs::path other = folder / "last";
  write_atomically(other, "other pixels");
  request.image = request.initial_latent = file;
  request.last_image = other;
  request.guidance_scale = 6;
  EXPECT_EQ(requested_workload(request).image_sha256, sha256_hex("pixels"));
  EXPECT_EQ(requested_workload(request).last_image_sha256, sha256_hex("other pixels"));
  EXPECT_EQ(requested_workload(request).initial_latent_sha256, sha256_hex("pixels"));
  EXPECT_EQ(requested_workload(request).guidance_low, 6.0);
  EXPECT_FALSE(requested_workload(request).guidance_high);
  request.guidance_scale_2 = 5;
  EXPECT_EQ(requested_workload(request).guidance_low, 5.0);
  EXPECT_EQ(requested_workload(request).guidance_high, 6.0);
  EXPECT_EQ(requested_workload(request).seed, 42u);
  EXPECT_EQ(requested_workload(request).solver, "unipc");
  EXPECT_FALSE(requested_workload(request).steps);
}

TEST(RequestOptions, StandInExternalCommands) {
  for (const OptionSample& sample : option_samples()) {
    const Case details{"a", {}, "", sample.request};
    const std::vector<std::string> command = {"--x={" + sample.key + "}"};
    if (sample.key == "output") {
      EXPECT_EQ(expand_command(command, details, "v.mp4").argv[0], "--x=v.mp4");
    } else if (is_output(sample)) {
      EXPECT_THROW(expand_command(command, details, "v.mp4"), Error) << sample.key;
    } else {
      EXPECT_EQ(expand_command(command, details, "v.mp4").argv[0], "--x=" + sample.text);
    }
  }
  Case details{"a", {}, "", {}};
  details.request.guidance_low = 5;
  details.request.guidance_high = 6;
  EXPECT_EQ(expand_command({"{guidance_scale} {guidance_scale_2} {guidance_low} {guidance_high}"}, details, "").argv[0],
            "6 5 5 6");
}

/// Makes the keys anew as the file says they were made; paths in a suite are part of its keys, so from its folder.
class Folder {
 public:
  explicit Folder(const fs::path& folder) : before_(fs::current_path()) { fs::current_path(folder); }
  ~Folder() { fs::current_path(before_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

 private:
  fs::path before_;
};

TEST(CaseKeys, AreThoseOfTheFirstVersion) {
  const fs::path source = WAN_SOURCE_DIR;
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> expected;
  std::istringstream lines(read_text(source / "tests/suite/case_keys.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::string file, mode, name, key;
    std::istringstream(line) >> file >> mode >> name >> key;
    expected[{file, mode}][name] = key;
  }
  ASSERT_EQ(expected.size(), 12u);
  for (const auto& [place, keys] : expected) {
    const auto& [file, mode] = place;
    const Folder folder(source / (file == "first_spelling.json" ? "tests/suite" : "suites"));
    PlanOptions how;
    how.default_device = "cpu";
    how.random_weights = mode == "random";
    if (mode == "random") how.model = "ti2v-5B";
    if (mode == "command") how.command = {"true"};
    std::map<std::string, std::string> made;
    for (const PlannedCase& planned : plan_cases(read_suite(file), how)) made[planned.details.name] = planned.key;
    EXPECT_EQ(made, keys) << file << " " << mode;
  }
}

TEST(CaseKeys, DoNotDependOnTheSpellingOfGuidance) {
  const auto key = [](const char* model, auto change) {
    Suite suite{"s", "1", {Case{"a", {}, "", {}}}};
    suite.cases[0].request.model = model;
    change(suite.cases[0].request);
    PlanOptions how;
    how.random_weights = true;
    return plan_cases(suite, how)[0].key;
  };
  const auto by_expert = [](Request& r) { r.guidance_low = 3.0, r.guidance_high = 4.0; };
  const auto by_scale = [](Request& r) { r.guidance_scale = 4.0, r.guidance_scale_2 = 3.0; };
  EXPECT_EQ(key("t2v-A14B", by_expert), key("t2v-A14B", by_scale));
  EXPECT_EQ(key("ti2v-5B", [](Request& r) { r.guidance_low = 6.0; }),
            key("ti2v-5B", [](Request& r) { r.guidance_scale = 6.0; }));
  EXPECT_NE(key("t2v-A14B", [](Request& r) { r.guidance_low = 6.0; }),
            key("t2v-A14B", [](Request& r) { r.guidance_scale_2 = 6.0; }))
      << "one is of both experts, the other of one";
}

}  // namespace
}  // namespace wan::suite
