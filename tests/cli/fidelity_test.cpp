// `wanbench fidelity` as scripts see it: its two wordings, what it takes for a video, and its refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "../analysis/runs.h"
#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "io/tensor_file.h"
#include "io/video_writer.h"
#include "results/store.h"

namespace wan {
namespace {

using nlohmann::json;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kWidth = 64, kHeight = 48;

class Fidelity : public test::CommandLine {
 protected:
  /// Bytes about mid-grey, other ones for another `seed`.
  static std::vector<uint8_t> picture(uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<uint8_t> rgb(size_t{kWidth} * kHeight * 3);
    for (uint8_t& byte : rgb) byte = static_cast<uint8_t>(120 + random() % 16);
    return rgb;
  }
  void frames(const std::string& name, int count, uint32_t seed) const {
    FrameWriter writer(folder_ / name, kWidth, kHeight);
    for (int i = 0; i < count; ++i) writer.write(picture(seed + static_cast<uint32_t>(i)));
  }
  void mp4(const std::string& name, int count, int fps = 24) const {
    VideoSettings settings;
    settings.width = kWidth;
    settings.height = kHeight;
    settings.fps_numerator = fps;
    VideoWriter writer(folder_ / name, settings);
    for (int i = 0; i < count; ++i) writer.write(picture(static_cast<uint32_t>(i)));
    writer.finish();
  }
  void dump(const std::string& name, float value) const {
    SafetensorsWriter writer(folder_ / name, {{"step0.sample_out", DType::kF32, {2}}});
    const float values[] = {3, value};
    writer.write(std::as_bytes(std::span(values)));
    writer.finish();
  }
  void expect(const std::string& arguments, ExitCode code, const testing::Matcher<std::string>& output) const {
    const Ended ended = run("fidelity " + arguments);
    EXPECT_EQ(ended.code, static_cast<int>(code)) << arguments;
    EXPECT_THAT(ended.output, output) << arguments;
    if (code != ExitCode::kSuccess) return;
    std::istringstream lines(ended.output);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
};

TEST_F(Fidelity, SaysEveryMetricAndWhyOneIsMissing) {
  frames("a", 3, 1);
  frames("b", 3, 50);
  expect("a b --frames", ExitCode::kSuccess,
         AllOf(HasSubstr("64x48, 3 frames\n"), Says("PSNR"), Says(" dB"), Says("FLIP"), Says("smaller than 176 pixels"),
               HasSubstr("  PSNR of frame differences"), Not(Says("codec"))));
  expect("a a", ExitCode::kSuccess, AllOf(Says("identical: every byte"), Says("1.000000")));
}

TEST_F(Fidelity, HasADocumentForScripts) {
  frames("a", 2, 1);
  frames("b", 2, 50);
  dump("a.safetensors", 4);
  dump("b.safetensors", 4.5F);
  const Ended ended = run("fidelity a b --json --frames --latents-a a.safetensors --latents-b b.safetensors");
  ASSERT_EQ(ended.code, 0) << ended.output;
  const json found = json::parse(ended.output);
  EXPECT_EQ(found.at("schema"), json({{"name", "wanbench.fidelity"}, {"major", 1}, {"minor", 0}}));
  EXPECT_EQ(found.at("frames"), 2);
  EXPECT_EQ(found.at("identical"), false);
  EXPECT_EQ(found.at("a").at("includes_codec"), false);
  const json& psnr = found.at("metrics").at("psnr");
  EXPECT_GT(psnr.at("mean").at("value").get<double>(), 25);
  EXPECT_EQ(psnr.at("by_frame").size(), 2u);
  EXPECT_EQ(psnr.at("unit"), "dB");
  const json& ms_ssim = found.at("metrics").at("ms_ssim");
  EXPECT_EQ(ms_ssim.at("mean"), json({{"value", nullptr}, {"reason", "smaller_than_176_pixels"}}));
  EXPECT_EQ(found.at("metrics").at("difference_psnr").at("by_frame")[0].at("reason"), "first_frame");
  EXPECT_NEAR(found.at("latents").at("value")[0].at("relative_l2").at("value").get<double>(), 0.1, 1e-9);
  const json without = json::parse(run("fidelity a a --json").output);
  EXPECT_EQ(without.at("latents").at("reason"), "no_dumps_given");
  EXPECT_EQ(without.at("identical"), true);
  EXPECT_EQ(without.at("metrics").at("psnr").at("mean").at("reason"), "identical");
  EXPECT_FALSE(without.at("metrics").at("psnr").contains("by_frame"));
}

TEST_F(Fidelity, OfAnMp4IsMarked) {
  if (!can_write_video()) GTEST_SKIP() << "built without FFmpeg";
  frames("a", 4, 0);
  mp4("a.mp4", 4);
  expect("a a.mp4", ExitCode::kSuccess, AllOf(Says("includes the codec: B is mp4"), Says("24 a second")));
  const json found = json::parse(run("fidelity a.mp4 a --json").output);
  EXPECT_EQ(found.at("a").at("includes_codec"), true);
  EXPECT_EQ(found.at("b").at("includes_codec"), false);
  EXPECT_EQ(found.at("identical"), false);
  mp4("slow.mp4", 4, 16);
  expect("a.mp4 slow.mp4", ExitCode::kNotComparable, Says("expected 24 frames a second as a.mp4 has, found 16"));
  mp4("long.mp4", 6);
  expect("a.mp4 long.mp4", ExitCode::kNotComparable, Says("long.mp4: expected 4 frames as a.mp4 has, found 6"));
}

TEST_F(Fidelity, TakesTheVideoOfARun) {
  frames("a", 2, 1);
  const auto store = [&](const std::string& folder, const std::string& video) {
    RunRecord record = synthetic_run({1}, 0, 0);
    record.output.file = video;
    record.id.clear();
    return store_record(folder_ / folder, record).string();
  };
  const std::string without = store("none", "");
  expect("a " + without, ExitCode::kUsage, Says("found one that wrote none"));
  if (!can_write_video()) GTEST_SKIP() << "built without FFmpeg";
  const std::string record = store("run", "v.mp4");
  expect("a " + record, ExitCode::kUsage, Says("expected its video v.mp4 beside it"));
  mp4("run/v.mp4", 2);
  expect(record + " run", ExitCode::kSuccess, Says("identical: every byte"));
  store("run/two", "w.mp4");
  mp4("run/two/w.mp4", 2);
  expect("a run", ExitCode::kUsage, AllOf(Says("found 2 videos"), Says(".run.json")));
}

TEST_F(Fidelity, RefusesWhatDoesNotCompare) {
  frames("a", 3, 1);
  frames("b", 2, 1);
  expect("a b", ExitCode::kNotComparable, AllOf(Says("b: expected 3 frames"), Says("found 2 frames")));
  expect("a nothing", ExitCode::kUsage, Says("nothing: expected an mp4 or a folder"));
  expect("a", ExitCode::kUsage, Says("B is required"));
  dump("a.safetensors", 1);
  expect("a a --latents-a a.safetensors", ExitCode::kUsage, Says("--latents-b"));
}

}  // namespace
}  // namespace wan
