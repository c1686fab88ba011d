// `generate` as people and scripts use it: names, what is there already, many prompts, the lines and the document at
// the end.
#include <poll.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "command_line.h"
#include "io/video_tags.h"
#include "io/video_writer.h"
#include "pipeline/video_metadata.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::CommandLine;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

class Generate : public CommandLine {
 protected:
  void SetUp() override {
    if (!can_write_video()) GTEST_SKIP() << "built without FFmpeg";
  }
  std::string small(const std::string& more) const {
    return "generate --device cpu --checkpoint " + checkpoint() + " --size 32x32 --num-frames 5 --steps 1 " + more;
  }
  /// Exit code 2, before any work, and nothing is left behind.
  void expect_refused(const std::string& arguments, const testing::Matcher<std::string>& message) const {
    const size_t before = files();
    const Ended ended = run(arguments);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << arguments << "\n" << ended.output;
    EXPECT_THAT(ended.output, AllOf(message, Not(Says("memory_plan")))) << arguments;
    EXPECT_EQ(files(), before) << arguments;
  }
  /// Standard output goes to the file `out`; what is said on standard error is returned.
  Ended run_apart(const std::string& arguments) const {
    return run(arguments + " >out 2>err; code=$?; cat err; exit $code #");
  }
  void write(const std::string& name, const std::string& text) const { write_atomically(folder_ / name, text); }
  std::string text(const std::string& name) const { return read_text(folder_ / name); }
  bool there(const std::string& name) const { return fs::exists(folder_ / name); }
  VideoMetadata metadata(const std::string& name) const {
    return video_metadata_from_json(read_video_tags(folder_ / name).comment, name);
  }
};

TEST_F(Generate, WritesOnlyWhatTheNameSays) {
  expect_refused(small("--prompt x --output x.gif"),
                 AllOf(Says("x.gif"), Says(".mp4"), Says("--frames"), Says("ffmpeg -i VIDEO.mp4")));
  for (const char* name : {"x.webm", "x", "x.avi"})
    expect_refused(small(std::string("--prompt x --output ") + name), AllOf(Says(".mp4"), Says("--frames")));
}

TEST_F(Generate, AnUnnamedVideoIsNamedAfterItsPrompt) {
  const Ended first = run(small("--prompt 'A Cat, running'"));
  ASSERT_EQ(first.code, 0) << first.output;
  EXPECT_THAT(first.output, HasSubstr("seed 42: a-cat-running-42.mp4\n"));
  EXPECT_TRUE(there("a-cat-running-42.mp4"));
  EXPECT_THAT(run(small("--prompt 'A Cat, running'")).output, Says("a-cat-running-42-2.mp4"));
  EXPECT_TRUE(there("a-cat-running-42-2.mp4"));
  ASSERT_EQ(run(small("--prompt x --seed 1 --output new/")).code, 0);
  EXPECT_TRUE(there("new/x-1.mp4"));
}

TEST_F(Generate, NothingIsNamedWhereAnotherOutputOrNoneIsWanted) {
  ASSERT_EQ(run(small("--prompt x --discard")).code, 0);
  EXPECT_EQ(files(), 0u);
  ASSERT_EQ(run(small("--prompt x --frames f")).code, 0);
  ASSERT_EQ(run(small("--prompt x --dump d.safetensors")).code, 0);
  EXPECT_EQ(files(), 2u);
}

TEST_F(Generate, WhatIsThereIsKeptUnlessForced) {
  write("v.mp4", "precious");
  write("d.safetensors", "precious");
  fs::create_directories(folder_ / "f");
  write("f/frame_00000.png", "precious");
  write("f/frame_00099.png", "precious");
  for (const char* output : {"--output v.mp4", "--dump d.safetensors", "--frames f"})
    expect_refused(small(std::string("--prompt x ") + output), Says("--force"));
  EXPECT_EQ(text("v.mp4") + text("d.safetensors") + text("f/frame_00000.png"), "preciouspreciousprecious");
  const Ended forced = run(small("--prompt x --force --output v.mp4 --dump d.safetensors --frames f"));
  ASSERT_EQ(forced.code, 0) << forced.output;
  for (const char* name : {"v.mp4", "d.safetensors", "f/frame_00000.png"}) EXPECT_NE(text(name), "precious") << name;
  EXPECT_FALSE(there("f/frame_00099.png")) << "a frame of the earlier video among those of the new one";
}

TEST_F(Generate, ARandomSeedIsSaidAndRecorded) {
  const Ended ended = run(small("--prompt x --seed random --output v.mp4"));
  ASSERT_EQ(ended.code, 0) << ended.output;
  const uint64_t seed = metadata("v.mp4").request.seed;
  EXPECT_THAT(ended.output, Says("seed: " + std::to_string(seed)));
  EXPECT_THAT(ended.output, Says("seed " + std::to_string(seed) + ": v.mp4"));
  write("s.json", R"({"schema":"wanbench.suite","format":1,"name":"s","version":"1","cases":[
      {"name":"c","prompt":"x","seed":"random"}]})");
  expect_refused("run --suite s.json --output r", Says("'seed' must be a whole number"));
}

TEST_F(Generate, TheVideoSaysWhatItWasMadeOf) {
  const Ended ended = run(small("--prompt 'a cat' --negative-prompt fog --seed 7 --output v.mp4"));
  ASSERT_EQ(ended.code, 0) << ended.output;
  const VideoMetadata said = metadata("v.mp4");
  EXPECT_EQ(said.request.prompt, "a cat");
  EXPECT_EQ(said.request.negative_prompt, "fog");
  EXPECT_EQ(said.request.seed, 7u);
  EXPECT_EQ(said.request.steps, 1);
  EXPECT_EQ(said.request.precision, Precision::kF32);
  EXPECT_EQ(said.weights, identify_weights(checkpoint()));
  EXPECT_FALSE(said.device_name.empty());
  EXPECT_THAT(ended.output, Says("frames' sha256 " + said.frames_sha256));
  EXPECT_THAT(text("v.mp4"), AllOf(Not(Says(folder_.path().string())), Not(Says(checkpoint()))));
  ASSERT_EQ(run(small("--prompt 'a cat' --output n.mp4 --no-metadata")).code, 0);
  EXPECT_EQ(read_video_tags(folder_ / "n.mp4").comment, "");
  EXPECT_EQ(read_video_tags(folder_ / "n.mp4").description, "");
  EXPECT_THAT(text("n.mp4"), AllOf(Not(Says("a cat")), Not(Says("wanbench"))));
}

TEST_F(Generate, EveryPromptWithEverySeedByOneEngine) {
  write("p.txt", "# two\na red star\n\n{\"prompt\": \"A Cat\", \"num_frames\": 1}\n");
  const Ended ended = run(small("--prompts p.txt --seeds 1,2 --output out/"));
  ASSERT_EQ(ended.code, 0) << ended.output;
  for (const char* name : {"01-a-red-star-1", "02-a-red-star-2", "03-a-cat-1", "04-a-cat-2"}) {
    EXPECT_TRUE(there("out/" + std::string(name) + ".mp4")) << name;
    EXPECT_THAT(ended.output, Says("out/" + std::string(name) + ".mp4")) << "a line each";
  }
  EXPECT_THAT(ended.output, AllOf(Says("[1/4] "), Says("[4/4] "), Says("p.txt:4")));
  EXPECT_EQ(metadata("out/03-a-cat-1.mp4").num_frames, 1);
  ASSERT_EQ(run(small("--prompt 'a red star' --seed 2 --output alone.mp4")).code, 0);
  EXPECT_EQ(metadata("alone.mp4").frames_sha256, metadata("out/02-a-red-star-2.mp4").frames_sha256)
      << "a warm engine makes the same video";
  expect_refused(small("--prompts p.txt --seeds 1,2 --output out/"), AllOf(Says("p.txt:2"), Says("--force")));
}

TEST_F(Generate, AllOfAFileIsCheckedBeforeTheFirstVideo) {
  write("p.txt", "good\n{\"prompt\": \"x\", \"num_frames\": 6}\n");
  expect_refused(small("--prompts p.txt --output out/"), AllOf(Says("p.txt:2: "), Says("4n+1")));
  write("p.txt", "good\n{\"prompt\": \"x\", \"image\": \"none.png\"}\n");
  expect_refused(small("--prompts p.txt --output out/"), AllOf(Says("p.txt:2: "), Says("none.png")));
  write("p.txt", "good\n");
  expect_refused(small("--prompts p.txt --output one.mp4"), AllOf(Says("one.mp4"), Says("one/")));
  expect_refused(small("--prompts p.txt --dump d"), Says("--dump"));
  expect_refused(small("--prompts p.txt --prompt x"), Says("--prompt"));
  expect_refused(small("--prompt x --seeds 1,2 --seed 3"), Says("--seed"));
  expect_refused(small("--prompt x --seeds 1,,2"), AllOf(Says("--seeds '1,,2'"), Says("as 1,2,3; found ''")));
  expect_refused(small("--prompt x --seeds 1,2,1"), Says("1 is there twice"));
  expect_refused(small("--prompts none.txt"), Says("none.txt"));
  expect_refused(small("--prompts p.txt --trace-kernels"), Says("--trace-kernels"));
}

/// The second's noise is there when it is checked and of another shape when it is read.
TEST_F(Generate, AFailedVideoDoesNotLoseTheOthers) {
  write("bad.safetensors", "no tensors");
  write("p.txt", "first\n{\"prompt\": \"second\", \"initial_latent\": \"bad.safetensors\"}\nthird\n");
  const Ended ended = run(small("--prompts p.txt --output out/"));
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kFailure)) << ended.output;
  EXPECT_TRUE(there("out/01-first-42.mp4"));
  EXPECT_FALSE(there("out/02-second-42.mp4"));
  EXPECT_TRUE(there("out/03-third-42.mp4"));
  EXPECT_THAT(ended.output, AllOf(Says("error: out/02-second-42.mp4 (p.txt:2): "),
                                  Says("1 of 3 videos were not made: out/02-second-42.mp4 (p.txt:2)")));
}

TEST_F(Generate, ASignalEndsAllVideos) {
  // Minutes of work, so that the signal always comes in the first.
  SpawnOptions spawn;
  spawn.argv = {
      std::string(WAN_BINARY_DIR) + "/wanbench", "generate", "--yes", "--device", "cpu", "--checkpoint", checkpoint()};
  for (const char* word : {"--prompt", "x", "--size", "640x640", "--num-frames", "81", "--steps", "50", "--seeds",
                           "1,2", "--output", "o/"})
    spawn.argv.emplace_back(word);
  spawn.folder = folder_;
  Subprocess child(spawn);
  std::string said;
  while (said.find("step 1/50") == std::string::npos) {
    pollfd wait{child.err().get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    ASSERT_TRUE(read_available(child.err(), said)) << said;
  }
  child.signal_group(SIGTERM);
  EXPECT_EQ(child.wait().exit_code, 143);
  EXPECT_TRUE(fs::is_empty(folder_ / "o"));
}

TEST_F(Generate, EndsWithFiveLinesAndARow) {
  const Ended ended = run(small("--prompt x --output v.mp4 2>/dev/null >out; cat out"));
  std::istringstream lines(text("out"));
  std::vector<std::string> said;
  for (std::string line; std::getline(lines, line);) said.push_back(line);
  ASSERT_EQ(said.size(), 6u) << ended.output;
  for (size_t i = 0; i < 5; ++i) EXPECT_LE(said[i].size(), 80u) << said[i];
  EXPECT_THAT(said[0], testing::StartsWith("video   32x32, 5 frames, 24 fps, seed 42: v.mp4"));
  EXPECT_THAT(said[1], AllOf(Says(" s a step, "), Says(" s in all")));
  EXPECT_THAT(said[2], AllOf(testing::StartsWith("memory  "), Says("GiB")));
  EXPECT_THAT(said[3], testing::StartsWith("energy  - ("));
  EXPECT_THAT(said[4], testing::StartsWith("frames' sha256 "));
  EXPECT_EQ(std::count(said[5].begin(), said[5].end(), '|'), 8) << said[5];
  EXPECT_THAT(said[5], AllOf(Says("32x32x5, 1 step, fp32"), Says(" s/step | "), Says(" | - | ")));
}

TEST_F(Generate, VerboseShowsStagesAndQuietTheNameAlone) {
  EXPECT_THAT(run(small("--prompt x --discard")).output, Not(Says("sum of stages")));
  EXPECT_THAT(run(small("--prompt x --discard --verbose")).output,
              AllOf(Says("Step_0_Inference"), Says("sum of stages")));
  EXPECT_EQ(run(small("--prompt x --quiet --output v.mp4")).output, "v.mp4\n");
  EXPECT_EQ(run(small("--prompt x --quiet --discard")).output, "");
  EXPECT_EQ(run(small("--prompt x --quiet --seeds 1,2")).output, "01-x-1.mp4\n02-x-2.mp4\n");
  EXPECT_THAT(run(small("--prompt x --quiet --output v.gif")).output, testing::StartsWith("error: v.gif"));
  expect_refused(small("--prompt x --quiet --verbose --discard"), Says("--verbose"));
}

TEST_F(Generate, JsonIsOneDocumentOnStandardOutput) {
  const Ended ended = run_apart(small("--prompt 'a cat' --json --output v.mp4"));
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, AllOf(Says("frames' sha256"), Not(Says("\"schema\""))));
  const Json json = Json::parse(text("out"));
  EXPECT_EQ(json["schema"]["name"], "wanbench.generate");
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["exit_code"], 0);
  EXPECT_EQ(json["error"], nullptr);
  ASSERT_EQ(json["videos"].size(), 1u);
  const Json& video = json["videos"][0];
  EXPECT_EQ(video["request"]["prompt"], "a cat");
  EXPECT_EQ(video["outcome"]["frames_sha256"], metadata("v.mp4").frames_sha256);
  EXPECT_EQ(video["files"]["output"], "v.mp4");
  EXPECT_GT(video["total_ns"]["value"], 0);
  EXPECT_GT(video["step_ns"]["value"], 0);
  EXPECT_GT(video["host_peak_bytes"]["value"], 1 << 20);
  EXPECT_EQ(video["energy_j"]["value"], nullptr);
  EXPECT_NE(video["energy_j"]["reason"], "");
  EXPECT_EQ(video["execution"]["computed"]["dit"], "fp32");
  int64_t leaves = 0, total = 0;
  for (const Json& stage : video["stages"]) {
    if (stage["kind"] == "leaf") leaves += stage["wall_ns"].get<int64_t>();
    if (stage["name"] == "Total_Execution") total = stage["wall_ns"];
  }
  EXPECT_EQ(leaves, total) << "leaves tile the whole";
}

TEST_F(Generate, AFailureIsADocumentToo) {
  const auto document = [&](const std::string& arguments, int code) {
    const Ended ended = run_apart(small(arguments + " --json"));
    EXPECT_EQ(ended.code, code) << ended.output;
    EXPECT_THAT(ended.output, Says("error: ")) << "people are told as well";
    return Json::parse(text("out"));
  };
  Json json = document("--prompt x --boundary 0.5 --discard", 2);
  EXPECT_EQ(json["status"], "failed");
  EXPECT_EQ(json["exit_code"], 2);
  EXPECT_EQ(json["error"]["kind"], "usage");
  EXPECT_THAT(json["error"]["message"].get<std::string>(), Says("two experts"));
  EXPECT_EQ(json["videos"][0]["status"], "failed");
  EXPECT_EQ(json["videos"][0]["outcome"], nullptr);
  json = document("--prompt x --output x.gif", 2);
  EXPECT_THAT(json["error"]["message"].get<std::string>(), Says(".mp4"));
  json = document("--prompts none.txt", 2);
  EXPECT_EQ(json["error"]["kind"], "input");
  EXPECT_TRUE(json["videos"].empty());
  write("bad.safetensors", "no tensors");
  write("p.txt", "first\n{\"prompt\": \"second\", \"initial_latent\": \"bad.safetensors\"}\n");
  json = document("--prompts p.txt --discard", 1);
  EXPECT_EQ(json["status"], "failed");
  EXPECT_EQ(json["videos"][0]["status"], "ok");
  EXPECT_EQ(json["videos"][1]["error"]["kind"], "input");
  EXPECT_EQ(json["videos"][1]["source"], "p.txt:2");
}

}  // namespace
}  // namespace wan
