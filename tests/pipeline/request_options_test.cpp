// The table of options, and every option through JSON, the checks and the mp4's comment. All are made from the table.
#include "pipeline/request_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "option_samples.h"
#include "pipeline/plan.h"
#include "pipeline/request_json.h"
#include "pipeline/video_info.h"

namespace wan {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& json) {
  try {
    request_from_json(json);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    return problem.what();
  }
  return "accepted";
}

TEST(RequestOptions, HaveNamesOfTheirOwn) {
  std::set<std::string> keys, flags;
  Request request;
  request_options(
      [&](const Option& option, const auto&, const auto&) {
        EXPECT_TRUE(keys.emplace(option.key).second) << option.key;
        EXPECT_EQ(option.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"), std::string::npos);
        if (option.flag.empty()) return;
        EXPECT_TRUE(flags.emplace(option.flag).second) << option.flag;
        EXPECT_TRUE(option.flag.starts_with("--")) << option.flag;
        EXPECT_FALSE(option.help.empty()) << option.flag;
      },
      request);
  EXPECT_GT(keys.size(), 30u);
}

/// A member that the table leaves out would be lost on the way to the child process; it shows as a hole between those
/// that are visited, too large for padding.
TEST(RequestOptions, AreAllMembersOfARequest) {
  struct Place {
    size_t begin, end, alignment;
  };
  const Request request;
  const auto* origin = reinterpret_cast<const char*>(&request);
  std::vector<Place> places;
  request_options(
      [&]<class T>(const Option&, const T& member, const auto&) {
        const auto begin = static_cast<size_t>(reinterpret_cast<const char*>(&member) - origin);
        places.push_back({begin, begin + sizeof(T), alignof(T)});
      },
      request);
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
  places.push_back({sizeof(Request), sizeof(Request), alignof(Request)});
  size_t end = 0;
  for (const Place& place : places) {
    EXPECT_LT(place.begin - end, place.alignment) << "at byte " << end << " of the request";
    end = place.end;
  }
}

TEST(RequestOptions, GoThroughJsonAndBack) {
  for (const test::OptionSample& sample : test::option_samples()) {
    const std::string text = request_json(sample.request);
    EXPECT_EQ(request_from_json(text), sample.request) << text;
    EXPECT_EQ(request_json(request_from_json(text)), text);
    const bool is_left_out = sample.text == "false";
    EXPECT_EQ(text.find("\"" + sample.key + "\":") == std::string::npos, is_left_out) << text;
  }
}

TEST(RequestOptions, LeaveOutOfJsonWhatIsNotGiven) {
  EXPECT_EQ(request_json(Request{}), R"({"dump_level":"stages","offload":"auto","overlap":"on","seed":42})");
  const Request zeros =
      request_from_json(R"({"width": 0, "height": 0, "num_frames": 0, "steps": 0, "vae_chunk": 0, "vae_slice": 0})");
  EXPECT_EQ(zeros, Request{}) << "0 is the model's own";
}

TEST(RequestOptions, RefuseNumbersThatTheyCannotHoldInJson) {
  for (const test::Refused& refused : test::refused_numbers()) {
    const std::string message = refusal(fmt::format(R"({{"{}": {}}})", refused.key, refused.number));
    EXPECT_THAT(message, HasSubstr(refused.number == "1e999" ? "number overflow" : "'" + refused.key + "' must be"))
        << refused.key << " " << refused.number;
  }
  EXPECT_THAT(refusal(R"({"steps": 4294967299})"), HasSubstr("a whole number from 1 to 1000, found 4294967299"));
  EXPECT_THAT(refusal(R"({"width": -32})"), HasSubstr("'width' must be a whole number from 1 to 16384, found -32"));
  EXPECT_THAT(refusal(R"({"seed": 18446744073709551616})"), HasSubstr("'seed' must be"));
  EXPECT_THAT(refusal(R"({"seed": -1})"), HasSubstr("'seed' must be"));
}

template <NamedEnum E>
void takes_choice(E) {}
template <NamedEnum E>
void takes_choice(std::optional<E>) {}

TEST(RequestOptions, RefuseOtherTypesAndWords) {
  size_t choices = 0;
  Request request;
  request_options(
      [&]<class T>(const Option& option, const T&, const auto&) {
        const std::string message = refusal(fmt::format(R"({{"{}": [1]}})", option.key));
        EXPECT_THAT(message, HasSubstr("'" + std::string(option.key) + "' must be")) << option.key;
        if constexpr (requires { takes_choice(T{}); }) {
          EXPECT_THAT(refusal(fmt::format(R"({{"{}": "x"}})", option.key)), HasSubstr("one of ")) << option.key;
          ++choices;
        }
      },
      request);
  EXPECT_GE(choices, 6u);
  EXPECT_THAT(refusal(R"({"prompts": "x"})"),
              HasSubstr("unknown field 'prompts'; known fields: align_sound, animate_inputs, audio, boundary, "));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(refusal("{"), HasSubstr("request: "));
}

TEST(CheckRequest, RefusesWhatNoReaderHasSeen) {
  const auto refused = [](auto change) {
    Request request;
    change(request);
    try {
      check_request(request);
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
      return std::string(problem.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refused([](Request&) {}), "accepted");
  EXPECT_EQ(refused([](Request& r) { r.steps = 1001; }), "--steps 1001: expected a whole number from 1 to 1000");
  EXPECT_THAT(refused([](Request& r) { r.width = -32; }), HasSubstr("--size -32"));
  EXPECT_THAT(refused([](Request& r) { r.height = 16385; }), HasSubstr("height 16385"));
  EXPECT_THAT(refused([](Request& r) { r.shift = 0.0; }), HasSubstr("--shift 0: expected a number from 0.01 to 1000"));
  EXPECT_THAT(refused([](Request& r) { r.boundary = 1.5; }), HasSubstr("--boundary 1.5"));
  EXPECT_THAT(refused([](Request& r) { r.guidance_scale = std::nan(""); }), HasSubstr("--guidance-scale nan"));
  EXPECT_THAT(refused([](Request& r) { r.guidance_scale = r.guidance_high = 1.0; }), HasSubstr("two spellings"));
  EXPECT_THAT(refused([](Request& r) { r.boundary = 0.5, r.split_step = 1; }), HasSubstr("leave one out"));
  for (const test::OptionSample& sample : test::option_samples()) EXPECT_NO_THROW(check_request(sample.request));
}

TEST(VideoInfo, SettingsHoldEveryOptionThatDecidesThePixels) {
  std::set<std::string> seen;
  for (const test::OptionSample& sample : test::option_samples()) {
    if (!sample.in_video) continue;
    if (sample.text == "false" || sample.text == "off") continue;  // not said
    Request request = sample.request;
    if (sample.key.starts_with("cache_")) request.step_cache = StepCache::kMagCache;
    request.random_weights = true;
    if (request.model.empty())
      request.model = sample.key == "boundary" || sample.key == "split_step" ? "t2v-A14B" : "ti2v-5B";
    if (sample.key == "recipe" && sample.text != "fastwan-3") request.model = "t2v-A14B";
    request.device = "cpu";
    const bool is_of_8_bits = sample.key == "quantize" || sample.key.starts_with("whole_");
    if (is_of_8_bits) request.dit_precision = Precision::kInt8;
    if (sample.text == "8bit" || (sample.key == "dit_precision" && sample.text == "fp32")) continue;  // another's word
    if (request.model == "i2v-A14B" || sample.text == "bf16") continue;  // needs an image; not on a CPU
    try {
      const VideoInfo video = video_info(request, make_plan(request, open_models(request)));
      EXPECT_EQ(video.settings.at(sample.key), sample.text) << sample.key;
      seen.insert(sample.key);
    } catch (const Error&) {  // a size that is no multiple
    }
  }
  EXPECT_THAT(seen, testing::IsSupersetOf(
                        {"prompt",         "negative_prompt", "num_frames",      "steps",           "shift",
                         "guidance_low",   "guidance_high",   "boundary",        "solver",          "seed",
                         "recipe",         "split_step",      "precision",       "vae_precision",   "model",
                         "random_weights", "step_cache",      "cache_threshold", "cache_max_skips", "cache_retention",
                         "cfg_gate",       "dit_precision",   "whole_blocks",    "whole_steps"}));
}

TEST(VideoInfo, ThePresetKeepsUpWithTheDecoder) {
  EXPECT_STREQ(video_preset("cpu", 64), "medium");
  EXPECT_STREQ(video_preset("cuda", 2), "superfast");
  EXPECT_STREQ(video_preset("cuda", 7), "superfast");
  EXPECT_STREQ(video_preset("cuda:1", 8), "veryfast");
  Request request;
  request.random_weights = true;
  request.model = "ti2v-5B";
  request.device = "cpu";
  EXPECT_EQ(video_info(request, make_plan(request, open_models(request))).preset, "medium");
}

TEST(VideoInfo, TheCommentHoldsTheModelsOwnDefaults) {
  Request request;
  request.random_weights = true;
  request.model = "t2v-A14B";
  request.device = "cpu";
  request.prompt = "a cat";
  const VideoInfo video = video_info(request, make_plan(request, open_models(request)));
  EXPECT_EQ(video.prompt, "a cat");
  EXPECT_EQ(video.fps, 16);
  std::string keys;
  for (const auto& [key, value] : video.settings) keys += key + " ";
  EXPECT_EQ(keys,
            "boundary generator guidance_high guidance_low height model negative_prompt num_frames precision prompt "
            "random_weights recipe seed shift solver steps task vae_precision width ");
  EXPECT_EQ(video.settings.at("guidance_low"), "3");
  EXPECT_EQ(video.settings.at("guidance_high"), "4");
  EXPECT_EQ(video.settings.at("precision"), "fp32");
  EXPECT_EQ(video.settings.at("task"), "t2v");
}

}  // namespace
}  // namespace wan
