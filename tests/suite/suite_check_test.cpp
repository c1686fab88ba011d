// The check of suite files: every fault by file, case and field; and the page about them.
#include "suite/suite_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <type_traits>

#include <fmt/format.h>

#include "base/file.h"
#include "pipeline/request_options.h"
#include "suite/case.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Check : public testing::Test {
 protected:
  SuiteCheck check(const std::string& text, const std::string& name = "s.json") const {
    std::ofstream(folder_ / name) << text;
    return check_suite(folder_ / name);
  }
  /// "1 a steps: must be ..." of each problem, 0 for the suite.
  static std::vector<std::string> texts(const SuiteCheck& check) {
    std::vector<std::string> out;
    for (const SuiteProblem& p : check.problems)
      out.push_back(fmt::format("{} {} {}: {}", p.case_number, p.case_name, p.field, p.message));
    return out;
  }
  std::vector<std::string> of_cases(const std::string& cases, const std::string& more = "") const {
    return texts(check(R"({"schema":"wanbench.suite","format":1,"name":"s","version":"1",)" + more + R"("cases":[)" +
                       cases + "]}"));
  }

  const wan::test::TemporaryFolder folder_;
};

TEST_F(Check, TheSuitesThatComeWithTheProgramHaveNoProblem) {
  for (const char* name : {"quick", "seed", "ti2v-5b", "t2v-a14b", "mlperf-like", "few-steps"}) {
    const SuiteCheck found = check_suite(fmt::format("{}/suites/{}.json", WAN_SOURCE_DIR, name));
    EXPECT_THAT(texts(found), IsEmpty()) << name;
    EXPECT_EQ(found.name, name);
    for (const CheckedCase& each : found.cases) {
      ASSERT_TRUE(each.decided) << name << " " << each.name << " " << each.undecided;
      EXPECT_GT(each.decided->steps, 0);
    }
  }
}

TEST_F(Check, NamesEveryFaultOfACaseByItsField) {
  EXPECT_THAT(
      of_cases(R"({"name":"a","steps":-5,"width":"wide","stepz":3,"colour":1,"output":"x.mp4","solver":"ddim"})"),
      ElementsAre(AllOf(HasSubstr("1 a colour: unknown field; known fields: "), HasSubstr("steps")),
                  "1 a output: is chosen by the run, not by a suite",
                  "1 a solver: must be one of unipc, dpm++, euler, lcm, found \"ddim\"",
                  "1 a steps: must be a whole number from 1 to 1000, found -5",
                  "1 a stepz: unknown field: did you mean steps?",
                  "1 a width: must be a whole number from 1 to 16384, found \"wide\""));
  EXPECT_THAT(of_cases(R"({"steps":5},{"name":"a b"},{"name":"c"},{"name":"c"},7)"),
              ElementsAre("1  name: a case needs one", AllOf(HasSubstr("2 a b name: "), HasSubstr("names files")),
                          "4 c name: another case has the same name", HasSubstr("5  : must be an object")));
  EXPECT_THAT(of_cases(R"({"name":"a","guidance_low":1})", R"("defaults":{"guidance_scale":2},)"),
              ElementsAre(HasSubstr("1 a : guidance is given in two spellings")));
}

TEST_F(Check, NamesFaultsOfTheSuiteOnce) {
  EXPECT_THAT(
      texts(check(R"({"schema":"x","format":2,"version":1,"model":"big","casez":[]})")),
      ElementsAre("0  casez: unknown field: did you mean cases?", HasSubstr("0  schema: must be \"wanbench.suite\""),
                  HasSubstr("0  format: is 2"), HasSubstr("0  version: must be text"), "0  name: a suite needs one",
                  HasSubstr("0  model: 'big' is none of ti2v-5B"), HasSubstr("0  cases: must be a list")));
  EXPECT_THAT(of_cases(R"({"name":"a"},{"name":"b"})", R"("defaults":{"steps":0.5},)"),
              ElementsAre("0  steps: must be a whole number from 1 to 1000, found 0.5"));
  EXPECT_THAT(texts(check("{")), ElementsAre(HasSubstr("not valid JSON")));
  EXPECT_THAT(texts(check("name = \n", "s.toml")), ElementsAre(HasSubstr("line 1")));
  EXPECT_THAT(texts(check_suite(folder_ / "missing.json")), ElementsAre(HasSubstr("No such file")));
  EXPECT_THAT(texts(check("[]")), ElementsAre(HasSubstr("must be an object")));
}

TEST_F(Check, AsksTheRowOfTheModel) {
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","width":100,"height":64,"num_frames":6,"boundary":0.5,
                           "guidance_scale_2":3,"device":"cpu","precision":"bf16"})"),
              ElementsAre(AllOf(HasSubstr("1 a width, height: "), HasSubstr("multiples of 32")),
                          AllOf(HasSubstr("1 a num_frames: "), HasSubstr("4n+1")),
                          AllOf(HasSubstr("1 a guidance: "), HasSubstr("two experts")),
                          AllOf(HasSubstr("1 a boundary: "), HasSubstr("two experts")),
                          AllOf(HasSubstr("1 a device, precision: "), HasSubstr("bf16"))));
  EXPECT_THAT(
      of_cases(R"({"name":"a","model":"t2v-A14B","width":112,"height":64,"boundary":0.5,"guidance_scale_2":3})"),
      IsEmpty());
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","device":"cpu","gpu_memory_limit":12})"),
              ElementsAre(AllOf(HasSubstr("1 a gpu_memory_limit: "), HasSubstr("12GiB"))));
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","gpu_memory_limit":"12GiB"})"), IsEmpty());
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","recipe":"lightning-4"},
                          {"name":"b","model":"t2v-A14B","recipe":"lightx2v-4","steps":5},
                          {"name":"c","model":"t2v-A14B","split_step":41},
                          {"name":"d","model":"t2v-A14B","split_step":3,"boundary":0.5},
                          {"name":"e","model":"t2v-A14B","steps":50,"split_step":45},
                          {"name":"f","model":"t2v-A14B","recipe":"20-step-split","steps":8,"boundary":0.9})"),
              ElementsAre(HasSubstr("1 a recipe, steps, shift, solver, split_step: --recipe lightning-4 is for"),
                          HasSubstr("--steps 5: the recipe lightx2v-4"), HasSubstr("--split-step 41"),
                          HasSubstr("leave one out")));
  EXPECT_THAT(of_cases(R"({"name":"a","width":112,"height":64})", R"("model":"ti2v-5B",)"),
              ElementsAre(HasSubstr("multiples of 32")))
      << "the suite's, where a case names none";
  EXPECT_THAT(of_cases(R"({"name":"a","model":"i2v-A14B"})"), ElementsAre(HasSubstr("1 a image: ")));
  EXPECT_THAT(of_cases(R"({"name":"a","random_weights":true})"), ElementsAre(HasSubstr("1 a model: ")));
}

TEST_F(Check, SaysWhatItDidNotCheck) {
  const SuiteCheck found = check(R"({"schema":"wanbench.suite","format":1,"name":"s",
      "cases":[{"name":"a","width":33},{"name":"b","model":"another"},{"name":"c","steps":"x"}]})");
  EXPECT_EQ(found.cases[0].undecided, "no_model_named");
  EXPECT_EQ(found.cases[1].undecided, "not_a_model_of_this_program");
  EXPECT_EQ(found.cases[2].undecided, "has_problems");
  EXPECT_EQ(found.problems.size(), 1u);
}

TEST_F(Check, LooksForTheFilesBesideTheSuite) {
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","image":"none.png","num_frames":6,"checkpoint":"elsewhere"})"),
              ElementsAre(AllOf(HasSubstr("1 a image: there is no file "), HasSubstr("none.png")),
                          HasSubstr("1 a num_frames: ")));
  std::ofstream(folder_ / "broken.png") << "no picture";
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","image":"broken.png"})"),
              ElementsAre(AllOf(HasSubstr("1 a image: "), HasSubstr("broken.png"))));
}

TEST_F(Check, LooksForLorasAndLeavesToTheRunWhetherTheyFit) {
  std::ofstream(folder_ / "style.safetensors") << "of whatever size";
  EXPECT_THAT(
      of_cases(R"({"name":"a","model":"t2v-A14B","lora":["style.safetensors=0.7"],"lora_low":["style.safetensors"]},
                          {"name":"b","lora":["style.safetensors"]})"),
      IsEmpty());
  EXPECT_THAT(of_cases(R"({"name":"a","lora":["none.safetensors"]}, {"name":"b","lora_high":["style.safetensors=nan"]},
                          {"name":"c","lora":[""]}, {"name":"d","lora_low":["style.safetensors=101"]},
                          {"name":"e","model":"ti2v-5B","lora":["style.safetensors","/dev/zero"]})"),
              ElementsAre(AllOf(HasSubstr("1 a lora: there is no file "), HasSubstr("none.safetensors")),
                          HasSubstr("2 b lora_high: "), AllOf(HasSubstr("3 c lora: "), HasSubstr("an empty text")),
                          AllOf(HasSubstr("4 d lora_low: "), HasSubstr("from -100 to 100")),
                          AllOf(HasSubstr("5 e lora: "), HasSubstr("/dev/zero"))));
}

TEST_F(Check, AsksTheRowForALastImage) {
  std::filesystem::copy_file(WAN_FIXTURES "/mini-i2v-moe/input.png", folder_ / "first.png");
  EXPECT_THAT(of_cases(R"({"name":"a","model":"i2v-A14B","image":"first.png","last_image":"first.png"})"), IsEmpty());
  EXPECT_THAT(of_cases(R"({"name":"a","model":"ti2v-5B","image":"first.png","last_image":"first.png"},
                          {"name":"b","model":"i2v-A14B","last_image":"first.png"},
                          {"name":"c","model":"i2v-A14B","image":"first.png","last_image":"first.png","num_frames":1},
                          {"name":"d","model":"i2v-A14B","image":"first.png","last_image":"none.png"},
                          {"name":"e","model":"i2v-A14B","image":"none.png","last_image":"first.png"})"),
              ElementsAre(HasSubstr("1 a image: --last-image: ti2v-5B takes no last frame"),
                          HasSubstr("2 b image: --last-image is the last frame"),
                          HasSubstr("3 c num_frames: --num-frames 1: the first and the last"),
                          HasSubstr("4 d last_image: there is no file "), HasSubstr("5 e image: there is no file ")));
}

TEST_F(Check, IsBounded) {
  std::string cases;
  for (int i = 0; i < 1500; ++i) cases += fmt::format("{}{{\"name\":\"n{}\",\"steps\":-1}}", i == 0 ? "" : ",", i);
  EXPECT_EQ(of_cases(cases).size(), kMostProblems);
  const auto longest = of_cases(R"({"name":"a","steps":")" + std::string(100000, 'x') + "\"}");
  ASSERT_EQ(longest.size(), 1u);
  EXPECT_LT(longest[0].size(), 1000u);
}

/// The page's part about suites.
std::string page() {
  const std::string text = read_text(WAN_SOURCE_DIR "/docs/formats.md");
  const size_t begin = text.find("## Suite: ");
  return text.substr(begin, text.find("\n## ", begin) - begin);
}

/// The row of the table in which `key` is the name of a field; empty where there is none.
std::string row_of(const std::string& key) {
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("| `") && line.substr(0, line.find(" | ")).find("`" + key + "`") != std::string::npos)
      return line;
  return {};
}

TEST(SuitePage, ItsExampleIsRead) {
  const std::string text = page(), fence = "```toml\n";
  const size_t begin = text.find(fence) + fence.size();
  const std::string example = text.substr(begin, text.find("```", begin) - begin);
  const Suite suite = parse_suite(example, "example.toml");
  EXPECT_EQ(suite.model, "ti2v-5B");
  ASSERT_EQ(suite.cases.size(), 2u);
  EXPECT_EQ(suite.cases[0].request.steps, 5);
  EXPECT_EQ(suite.cases[1].request.guidance_scale_2, 3.0);
  const wan::test::TemporaryFolder folder;
  std::ofstream(folder / "example.toml") << example;
  const SuiteCheck found = check_suite(folder / "example.toml");
  EXPECT_TRUE(found.problems.empty()) << problem_text("", found.problems.front());
  EXPECT_TRUE(found.cases[0].decided && found.cases[1].decided);
}

struct HasRow {
  template <class T, class Limit>
  void operator()(const Option& option, const T&, const Limit& limit) const {
    if (option.is_output()) return;
    const std::string row = row_of(std::string(option.key));
    EXPECT_FALSE(row.empty()) << option.key;
    if constexpr (NamedEnum<T>) {
      for (const auto& word : enum_words<T>()) EXPECT_THAT(row, HasSubstr(fmt::format("`{}`", word))) << option.key;
    } else if constexpr (requires { limit.least; }) {
      EXPECT_THAT(row, HasSubstr(describe(limit))) << option.key;
    }
  }
};

TEST(SuitePage, HasEveryOptionWithItsBoundsAndWords) {
  const Request request;
  request_options(HasRow{}, request);
  for (const char* field : {"schema", "format", "name", "version", "model", "notes", "defaults", "cases"})
    EXPECT_FALSE(row_of(field).empty()) << field;
  for (const std::string& model : model_names()) EXPECT_THAT(row_of("model"), HasSubstr(model));
}

}  // namespace
}  // namespace wan::suite
