// Curves: those that come with the program, what is written and read back, and texts of strangers.
#include "pipeline/cache_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/error.h"
#include "model/variant.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

CacheCurve example() {
  CacheCurve curve;
  curve.model = "ti2v-256x4";
  curve.shift = 5;
  curve.low_noise_from_step = 2;
  curve.settings = {0.06, 2, 0.25};
  curve.experts = {std::string(expert_name(NoiseRange::kLow))};
  curve.ratios = {{std::nullopt, 0.99, std::nullopt, 1.01}, {std::nullopt, 0.98, std::nullopt, 1.5}};
  curve.source = {{"device", "a \"card\"\n"}, {"program", "wanbench"}};
  return curve;
}

std::string refusal(const std::string& text) {
  try {
    cache_curve_from_json(text, "c.json");
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    EXPECT_THAT(problem.what(), testing::StartsWith("c.json"));
    return problem.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = to_json(example());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(CacheCurve, EveryPublishedModelHasOneWithItsSource) {
  EXPECT_EQ(builtin_curves().size(), 4u);
  for (const Variant& variant : variants())
    for (const bool from_image : {false, true}) {
      if (variant.makes_clips()) continue;  // those reuse nothing yet
      const bool is_possible =
          from_image ? variant.image.presence != Presence::kNever : variant.image.presence != Presence::kRequired;
      const std::optional<CacheCurve> curve = builtin_curve(variant.name, from_image);
      ASSERT_EQ(curve.has_value(), is_possible) << variant.name;
      if (!curve) continue;
      EXPECT_EQ(curve->ratios.steps(), static_cast<size_t>(variant.defaults.steps));
      EXPECT_EQ(curve->shift, variant.defaults.shift);
      std::string source;
      for (const auto& [key, value] : curve->source) source += key + " " + value + "\n";
      EXPECT_THAT(source, AllOf(HasSubstr("licence Apache-2.0"), HasSubstr("commit df81cb181776"),
                                HasSubstr("repository https://github.com/Zehong-Ma/MagCache")));
    }
  EXPECT_FALSE(builtin_curve("ti2v-256x4", false).has_value());
}

TEST(CacheCurve, IsReadBackAsItWasWritten) {
  CacheCurve expected = example();
  const CacheCurve read = cache_curve_from_json(to_json(expected), "c.json");
  EXPECT_EQ(read.sha256.size(), 64u);
  expected.sha256 = read.sha256;
  EXPECT_EQ(read, expected);
  expected.low_noise_from_step.reset();
  expected.shift.reset();
  expected.experts.clear();
  expected.sha256 = cache_curve_from_json(to_json(expected), "c.json").sha256;
  EXPECT_EQ(cache_curve_from_json(to_json(expected), "c.json"), expected);
}

TEST(CacheCurve, TextsOfStrangersAreRefusedByField) {
  EXPECT_THAT(refusal("{}"), HasSubstr("field 'schema' is missing"));
  EXPECT_THAT(refusal(replaced("wanbench.cache_curve", "wanbench.run")),
              HasSubstr("'wanbench.run', expected wanbench.cache_curve"));
  EXPECT_THAT(refusal(replaced("\"major\": 1", "\"major\": 2")), HasSubstr("version 2"));
  EXPECT_THAT(refusal(replaced("\"steps\": 4", "\"steps\": 3")), HasSubstr("field 'cond' must be a list of 3 ratios"));
  EXPECT_THAT(refusal(replaced("\"steps\": 4", "\"steps\": 1000000")), HasSubstr("'steps'"));
  EXPECT_THAT(refusal(replaced("\"steps\": 4", "\"steps\": 1")), HasSubstr("'steps'"));
  EXPECT_THAT(refusal(replaced("0.99000", "\"0.99\"")),
              AllOf(HasSubstr("ratio 2 of 'cond'"), HasSubstr("found \"0.99\"")));
  EXPECT_THAT(refusal(replaced("0.99000", "1e9")), HasSubstr("ratio 2 of 'cond'"));
  EXPECT_THAT(refusal(replaced("0.99000", "-0.5")), HasSubstr("ratio 2 of 'cond'"));
  EXPECT_THAT(refusal(replaced("\"threshold\": 0.06", "\"threshold\": -1")), HasSubstr("'threshold'"));
  EXPECT_THAT(refusal(replaced("\"max_skips\": 2, ", "")), HasSubstr("field 'max_skips' is missing"));
  EXPECT_THAT(refusal(replaced("low_noise\"]", "middle\"]")), HasSubstr("'experts' names 'middle'"));
  EXPECT_THAT(refusal(replaced("\"wanbench\"\n", "7\n")), HasSubstr("field 'program' must be a text"));
  EXPECT_THAT(refusal("[1"), HasSubstr("c.json"));
  EXPECT_THAT(refusal(std::string(2 << 20, ' ')), HasSubstr("at most are read"));
}

TEST(CacheCurve, KeysOfANewerMinorVersionAreIgnored) {
  const CacheCurve read = cache_curve_from_json(replaced("\"minor\": 0", "\"minor\": 1, \"note\": 1"), "c.json");
  EXPECT_EQ(read.model, "ti2v-256x4");
}

}  // namespace
}  // namespace wan
