// Suite files: what they mean, and that everything they must not say is refused by name.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/request_json.h"
#include "suite/case.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

using ::testing::HasSubstr;

std::string suite_text(const std::string& cases, const std::string& more = "") {
  return R"({"schema": "wanbench.suite", "format": 1, "name": "s", "version": "2", )" + more + R"("cases": [)" + cases +
         "]}";
}

std::string refusal(const std::string& text, const char* file = "s.json") {
  try {
    parse_suite(text, file);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    return problem.what();
  }
  return "accepted";
}

TEST(SuiteFile, ReadsEveryFieldAndTakesDefaultsUnderTheCase) {
  const Suite suite = parse_suite(
      suite_text(
          R"({"name": "a", "steps": 7, "aliases": ["b", "c"], "notes": "n", "solver": "dpm++",
                     "precision": "bf16", "offload": "stream", "guidance_high": 3.5, "seed": 18446744073709551615})",
          R"("defaults": {"width": 96, "height": 64, "num_frames": 13, "steps": 5, "shift": 5, "prompt": "p"}, )"),
      "s.json");
  ASSERT_EQ(suite.cases.size(), 1u);
  const Case& c = suite.cases[0];
  EXPECT_EQ(suite.version, "2");
  EXPECT_EQ(c.aliases, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(c.request.width, 96);
  EXPECT_EQ(c.request.steps, 7);
  EXPECT_EQ(c.request.shift, 5.0);
  EXPECT_EQ(c.request.solver, Solver::kDpmPlusPlus);
  EXPECT_EQ(c.request.precision, Precision::kBF16);
  EXPECT_EQ(c.request.offload, Offload::kStream);
  EXPECT_EQ(c.request.guidance_high, 3.5);
  EXPECT_EQ(c.request.seed, UINT64_MAX);
  EXPECT_FALSE(c.request.guidance_low);
}

TEST(SuiteFile, TomlMeansTheSame) {
  const Suite suite = parse_suite(R"(
schema = "wanbench.suite"
format = 1
name = "s"
version = "2"
[defaults]
width = 96
shift = 5
[[cases]]
name = "a"
steps = 7
random_weights = true
)",
                                  "s.toml");
  EXPECT_EQ(suite.cases[0].request.width, 96);
  EXPECT_EQ(suite.cases[0].request.shift, 5.0);
  EXPECT_TRUE(suite.cases[0].request.random_weights);
  EXPECT_THAT(refusal("name = \n", "s.toml"), HasSubstr("s.toml: line 1"));
}

TEST(SuiteFile, NamesTheUnknownField) {
  const std::string message = refusal(suite_text(R"({"name": "a", "guidence_low": 5})"));
  EXPECT_THAT(message, HasSubstr("s.json: case 1 'a'"));
  EXPECT_THAT(message, HasSubstr("unknown field 'guidence_low'"));
  EXPECT_THAT(message, HasSubstr("guidance_low"));
  EXPECT_THAT(refusal(suite_text(R"({"name": "a"})", R"("colour": 1, )")), HasSubstr("unknown field 'colour'"));
}

TEST(SuiteFile, RefusesWrongTypesWordsAndNames) {
  EXPECT_THAT(refusal(suite_text(R"({"name": "a", "steps": "5"})")), HasSubstr("'steps' must be a whole number"));
  EXPECT_THAT(refusal(suite_text(R"({"name": "a", "steps": 5.5})")), HasSubstr("'steps' must be a whole number"));
  EXPECT_THAT(refusal(suite_text(R"({"name": "a", "seed": -1})")), HasSubstr("'seed' must be"));
  EXPECT_THAT(refusal(suite_text(R"({"name": "a", "solver": "ddim"})")), HasSubstr("one of unipc, dpm++, euler"));
  for (const char* size : {"0", "-1", "\"12 GiB\"", "\"12KiB\"", "\"\"", "true", "1e300"})
    EXPECT_THAT(refusal(suite_text(fmt::format(R"({{"name": "a", "gpu_memory_limit": {}}})", size))),
                HasSubstr("'gpu_memory_limit' must be an amount of memory"))
        << size;
  for (const char* name : {"../a", ".a", "a/b", "a b", "a\\n", "a\\u001b[2J", "a|b", "a;b", "$(a)", "\u00e9"})
    EXPECT_THAT(refusal(suite_text(fmt::format(R"({{"name": "{}"}})", name))), HasSubstr("names files")) << name;
  EXPECT_THAT(refusal(suite_text(R"({"steps": 5})")), HasSubstr("needs a 'name'"));
  EXPECT_THAT(refusal(suite_text(R"({"name": "a"}, {"name": "a"})")), HasSubstr("two cases are named 'a'"));
  EXPECT_THAT(refusal(suite_text(R"({"name": "a", "output": "x.mp4"})")), HasSubstr("chosen by the run"));
  EXPECT_THAT(refusal(suite_text("")), HasSubstr("'cases' must be a list"));
  EXPECT_THAT(refusal(R"({"schema": "other", "format": 1, "name": "s", "cases": [{"name": "a"}]})"),
              HasSubstr("wanbench.suite"));
  EXPECT_THAT(refusal(R"({"schema": "wanbench.suite", "format": 2, "name": "s", "cases": [{"name": "a"}]})"),
              HasSubstr("this program reads 1"));
  EXPECT_THAT(refusal("{"), HasSubstr("s.json"));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be an object"));
}

TEST(SuiteFile, ABareLimitIsInGiB) {
  const auto bytes = [](const char* size) {
    return parse_suite(suite_text(fmt::format(R"({{"name": "a", "gpu_memory_limit": {}}})", size)), "s.json")
        .cases[0]
        .request.gpu_memory_limit.value_or(MemorySize{})
        .bytes;
  };
  EXPECT_EQ(bytes("12"), uint64_t{12} << 30);
  EXPECT_EQ(bytes("7.5"), uint64_t{15} << 29);
  EXPECT_EQ(bytes("\"12\""), uint64_t{12} << 30);
  EXPECT_EQ(bytes("\"16GB\""), 16'000'000'000u);
}

TEST(SuiteFile, NamesTheFileWhateverTypesItHas) {
  for (const char* text :
       {R"({"schema":"wanbench.suite","format":1,"name":"x","cases":[{"name":5}]})", R"([])", R"("text")", R"(null)",
        R"({)", R"({"schema":5})", R"({"schema":"wanbench.suite","format":"1"})",
        R"({"schema":"wanbench.suite","format":1,"name":["x"],"cases":[{"name":"a"}]})",
        R"({"schema":"wanbench.suite","format":1,"name":"x","cases":{"name":"a"}})",
        R"({"schema":"wanbench.suite","format":1,"name":"x","cases":[{"name":null}]})",
        R"({"schema":"wanbench.suite","format":1,"name":"x","cases":["a"]})",
        R"({"schema":"wanbench.suite","format":1,"name":"x","cases":[{"name":"a","aliases":[1]}]})",
        R"({"schema":"wanbench.suite","format":1,"name":"x","defaults":7,"cases":[{"name":"a"}]})",
        R"({"schema":"wanbench.suite","format":1,"name":"x","cases":[{"name":"a","steps":{}}]})"}) {
    EXPECT_THAT(refusal(text), HasSubstr("s.json")) << text;
    EXPECT_THAT(refusal(text), testing::Not(HasSubstr("json.exception"))) << text;
  }
  EXPECT_THAT(refusal(suite_text(R"({"name": 5})")), HasSubstr("case 1: field 'name' must be text, found 5"));
}

TEST(SuiteFile, TheSuitesThatComeWithTheProgramAreRead) {
  const Suite quick = read_suite(WAN_SOURCE_DIR "/suites/quick.json");
  ASSERT_EQ(quick.cases.size(), 3u);
  EXPECT_EQ(quick.cases[0].request.steps, 20);
  EXPECT_EQ(quick.cases[1].request.steps, 10);
  for (const Case& each : quick.cases) EXPECT_FALSE(each.request.prompt.empty()) << each.name;
  EXPECT_TRUE(std::filesystem::is_regular_file(quick.cases[2].request.image));
  const Suite seed = read_suite(WAN_SOURCE_DIR "/suites/seed.json");
  EXPECT_EQ(seed.cases[0].aliases[0], "01_Speed_Preview_480p");
  // 03 repeats 02; 03_5B differs by its offload alone.
  EXPECT_EQ(request_json(seed.cases[1].request), request_json(seed.cases[2].request));
  EXPECT_NE(request_json(seed.cases[2].request), request_json(seed.cases[3].request));
  std::vector<std::string> aliases;
  for (const Case& details : seed.cases) aliases.insert(aliases.end(), details.aliases.begin(), details.aliases.end());
  EXPECT_THAT(aliases,
              testing::ElementsAre("01_Speed_Preview_480p", "01_5B_Speed_Preview_704p", "02_Efficiency_Mode_720p",
                                   "02_5B_Efficiency_Mode_704p", "03_Performance_Mode_720p",
                                   "03_5B_Performance_Mode_704p", "04_14B_Speed_Preview_480p"));
  EXPECT_EQ(seed.cases.back().request.model, "t2v-A14B");
  EXPECT_EQ(seed.cases.back().request.offload, Offload::kStream);
  EXPECT_EQ(seed.cases.back().request.width, 832);
  const Suite mlperf = read_suite(WAN_SOURCE_DIR "/suites/mlperf-like.json");
  EXPECT_EQ(mlperf.cases[0].request.steps, 20);
  EXPECT_EQ(mlperf.cases[0].request.guidance_scale, 4.0);
  EXPECT_EQ(mlperf.cases[0].request.guidance_scale_2, 3.0);
  ASSERT_EQ(mlperf.cases.size(), 2u);
  EXPECT_EQ(mlperf.cases[0].request.vae_precision, Precision::kF32);
  EXPECT_FALSE(mlperf.cases[1].request.vae_precision);
  for (const Case& each : mlperf.cases) {
    EXPECT_EQ(each.request.shift, 3.0) << "of the diffusers checkpoint, not the official code's 12";
    EXPECT_EQ(each.request.seed, 42u);
    EXPECT_THAT(each.name, HasSubstr("unofficial"));
    EXPECT_THAT(each.request.negative_prompt, HasSubstr("vivid colors, overexposed, static"));
  }
  const Suite few = read_suite(WAN_SOURCE_DIR "/suites/few-steps.json");
  ASSERT_EQ(few.cases.size(), 3u);
  for (const Case& each : few.cases) EXPECT_FALSE(each.request.recipe.empty()) << each.name;
  EXPECT_TRUE(std::filesystem::is_regular_file(few.cases[1].request.image));
}

TEST(SuiteFile, LorasAreSeenFromItsFolder) {
  const wan::test::TemporaryFolder folder;
  write_atomically(folder / "s.json", suite_text(R"({"name": "a", "lora": ["style=0.5", "/elsewhere/a=-1"],
                                                   "lora_low": ["below/b"]})"));
  const Request request = read_suite(folder / "s.json").cases.at(0).request;
  EXPECT_EQ(request.lora, (std::vector<std::string>{(folder / "style=0.5").string(), "/elsewhere/a=-1"}));
  EXPECT_EQ(request.lora_low, std::vector<std::string>{(folder / "below/b").string()});
  EXPECT_THAT(refusal(suite_text(R"({"name": "a", "lora": "style"})")), HasSubstr("'lora' must be a list of texts"));
}

}  // namespace
}  // namespace wan::suite
