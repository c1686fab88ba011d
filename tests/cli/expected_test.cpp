// What the program says before its work, and what it does not begin without being told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/duration.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/expected.h"
#include "command_line.h"

namespace wan::cli {
namespace {

using test::CommandLine;
using test::Says;
using testing::Not;

ExpectedVideos videos(double step_s, int steps, const std::string& device = "cpu") {
  ExpectedVideos one;
  one.expectation.steps = steps;
  one.expectation.time.step_s = step_s;
  one.expectation.time.denoise_s = step_s * steps;
  one.expectation.time.vae_s = 1;
  one.expectation.device_kind = device;
  one.expectation.peak_bytes = uint64_t{3} << 30;
  one.expectation.product_rate = 5e11;
  return one;
}

TEST(Expected, LengthsOfTimeAreReadable) {
  EXPECT_EQ(duration_text(3.21), "3.2 s");
  EXPECT_EQ(duration_text(125), "2:05 min");
  EXPECT_EQ(duration_text(3661), "1:01 h");
  EXPECT_EQ(duration_text(1e300).substr(0, 6), "277777");
}

TEST(Expected, LinesHoldTimeMemoryAndTheirBasis) {
  ExpectedVideos warm = videos(2, 3);
  warm.name = "case";
  warm.expectation.recipe = "fastwan-3";
  warm.videos = 4;
  const auto lines = expectation_lines({videos(2, 60), warm});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "expected: about 2:01 min (60 steps of 2.0 s, VAE 1.0 s), 3.0 GiB of host memory");
  EXPECT_EQ(
      lines[1],
      "case: expected: about 28.0 s for 4 videos (fastwan-3: 3 steps of 2.0 s, VAE 1.0 s), 3.0 GiB of host memory");
  EXPECT_THAT(lines[2], testing::AllOf(Says("0.5 TFLOP/s"), Says("not counted"), Says("memory:")));
}

TEST(Expected, OnlyALongWaitOnTheCpuNeedsAgreement) {
  const StopSource stop;
  EXPECT_NO_THROW(require_agreement({videos(10, 50)}, Agreement::kAsk, stop));
  EXPECT_NO_THROW(require_agreement({videos(1000, 50, "cuda")}, Agreement::kAsk, stop));
  EXPECT_NO_THROW(require_agreement({videos(1000, 50)}, Agreement::kGiven, stop));
  EXPECT_THROW(require_agreement({videos(7, 50), videos(7, 50)}, Agreement::kAsk, stop), Error) << "together";
}

TEST_F(CommandLine, GenerateSaysWhatItWillTake) {
  const auto ended = run(small_video("--discard"));
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, Says("expected: about "));
  EXPECT_THAT(ended.output, Says("GiB of host memory"));
}

TEST_F(CommandLine, ALongComputationOnACpuNeedsYes) {
  const std::string work = "generate --device cpu --checkpoint " + checkpoint() +
                           " --prompt x --size 1280x704 --num-frames 241 --steps 1000 --output v.mp4";
  const auto ended = run(work + " </dev/null");
  EXPECT_EQ(ended.code, 2) << ended.output;
  EXPECT_THAT(ended.output, testing::AllOf(Says("on the CPU"), Says("--yes")));
  EXPECT_THAT(ended.output, Not(Says("step 1/")));
  EXPECT_EQ(files(), 0u);
}

TEST_F(CommandLine, WhatTheMachineCannotHoldIsRefusedEvenWithYes) {
  const auto ended = run("generate --yes --device cpu --checkpoint " + checkpoint() +
                         " --prompt x --size 16384x16384 --num-frames 401 --steps 1 --output v.mp4");
  EXPECT_NE(ended.code, 0);
  EXPECT_THAT(ended.output, testing::AllOf(Says("out of memory"), Says("the largest that fits: ")));
  EXPECT_EQ(files(), 0u);
}

TEST_F(CommandLine, RunChecksItsWholeSuiteBeforeItsFirstCase) {
  const auto suite = [&](const std::string& second) {
    write_atomically(folder_ / "s.json", R"({"schema":"wanbench.suite","format":1,"name":"s","version":"1",
      "defaults":{"prompt":"x","device":"cpu","width":32,"height":32,"num_frames":5,"steps":1},
      "cases":[{"name":"small"},{"name":"second",)" +
                                             second + "}]}");
    return "run --suite s.json --output o --checkpoint " + checkpoint();
  };
  auto ended = run(suite(R"("width":16384,"height":16384,"num_frames":401)") + " --yes");
  EXPECT_EQ(ended.code, 2) << ended.output;
  EXPECT_THAT(ended.output, testing::AllOf(Says("case second: out of memory"), Says("the largest that fits"),
                                           Says("--allow-too-large")));
  ended = run(suite(R"("width":1280,"height":704,"num_frames":241,"steps":1000)") + " </dev/null");
  EXPECT_EQ(ended.code, 2) << ended.output;
  EXPECT_THAT(ended.output, testing::AllOf(Says("second: expected: about "), Says("--yes")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "o"));
  ended = run(suite(R"("width":1280,"height":704,"num_frames":241,"steps":1000)") + " --dry-run </dev/null");
  EXPECT_EQ(ended.code, 0) << "a dry run only says it: " << ended.output;
}

TEST_F(CommandLine, ACaseThatCannotFitMayBeKeptAsAResult) {
  write_atomically(folder_ / "s.json", R"({"schema":"wanbench.suite","format":1,"name":"s","version":"1",
    "cases":[{"name":"large","prompt":"x","device":"cpu","width":16384,"height":16384,"num_frames":401,"steps":1}]})");
  const auto ended = run("run --suite s.json --output o --allow-too-large --yes --checkpoint " + checkpoint());
  EXPECT_EQ(ended.code, 1) << ended.output;
  EXPECT_THAT(ended.output, Says("0 ok, 1 not ok"));
  EXPECT_THAT(ended.output, Says("out of memory"));
}

TEST_F(CommandLine, WithoutACheckpointTheSmallModelMakesItsOwnSizeAndSaysSo) {
  const auto ended = run("generate --device cpu --prompt 'a red circle' --steps 1 --discard");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, Says("no --checkpoint: the small model that comes"));
  EXPECT_THAT(ended.output, Says("128x96, 17 frames"));
  const auto named = run("generate --device cpu --prompt x --model ti2v-5B --discard");
  EXPECT_EQ(named.code, 2) << named.output;
  EXPECT_THAT(named.output, testing::AllOf(Says("--checkpoint"), Says("--weights random")));
  EXPECT_THAT(run("inspect " + std::string(WAN_BINARY_DIR) + "/share/wanbench/checkpoint").output,
              Says("defaults: 128x96, 17 frames at 24 fps, 20 steps, shift 5, guidance 3.5"));
}

TEST_F(CommandLine, AnEmptyPathIsNoPath) {
  for (const char* flag : {"--output", "--checkpoint", "--frames", "--image"}) {
    const auto ended = run(std::string("generate --device cpu --prompt x ") + flag + " ''");
    EXPECT_EQ(ended.code, 2) << flag << ": " << ended.output;
    EXPECT_THAT(ended.output, Says("expected a path"));
  }
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace wan::cli
