// `repeat`: the same frames from what an mp4 says of itself, and what is said where something is another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "command_line.h"
#include "io/image.h"
#include "io/video_tags.h"
#include "io/video_writer.h"

namespace wan {
namespace {

using test::Says;

namespace fs = std::filesystem;
using test::CommandLine;
using test::Ended;
using testing::AllOf;
using testing::Not;
using Json = nlohmann::json;

class Repeat : public CommandLine {
 protected:
  void SetUp() override {
    if (!can_write_video()) GTEST_SKIP() << "built without FFmpeg";
  }
  std::string small(const std::string& more) const {
    return "generate --device cpu --size 32x32 --num-frames 5 --steps 1 --seed 7 --prompt 'a cat' --output v.mp4 " +
           more;
  }
  void make(const std::string& more) const {
    const Ended ended = run(small(more));
    ASSERT_EQ(ended.code, 0) << ended.output;
  }
  Json comment() const { return Json::parse(read_video_tags(folder_ / "v.mp4").comment); }
  /// An mp4 of one frame that says `text` of itself.
  void write_video(const std::string& name, const std::string& text) const {
    VideoSettings settings;
    settings.width = settings.height = 32;
    VideoWriter writer(folder_ / name, settings);
    writer.write(std::vector<uint8_t>(size_t{32} * 32 * 3));
    writer.set_tag("comment", text);
    writer.finish();
  }
  void expect(const std::string& arguments, ExitCode code, const testing::Matcher<std::string>& output) const {
    const Ended ended = run("repeat --device cpu " + arguments);
    EXPECT_EQ(ended.code, static_cast<int>(code)) << arguments << "\n" << ended.output;
    EXPECT_THAT(ended.output, output) << arguments;
  }
};

TEST_F(Repeat, MakesTheSameFrames) {
  make("--checkpoint " + checkpoint());
  const std::string sha = comment()["video"]["frames_sha256"];
  expect("v.mp4 --checkpoint " + checkpoint(), ExitCode::kSuccess,
         AllOf(Says("same frames, SHA-256 " + sha), Not(Says("was"))));
  EXPECT_EQ(files(), 1u) << "nothing is written unless asked for";
  expect("v.mp4 --quiet --output again.mp4 --checkpoint " + checkpoint(), ExitCode::kSuccess,
         "wrote again.mp4\nsame frames, SHA-256 " + sha + "\n");
  EXPECT_EQ(read_text(folder_ / "again.mp4"), read_text(folder_ / "v.mp4")) << "to the byte";
  expect("v.mp4 --output again.mp4 --checkpoint " + checkpoint(), ExitCode::kUsage, Says("--force"));
}

TEST_F(Repeat, MakesTheSameFramesByAnotherNumberOfRanks) {
  make("--checkpoint " + checkpoint() + " --gpus 2");
  const std::string sha = comment()["video"]["frames_sha256"];
  for (const char* ranks : {"", " --gpus 2 --parallel cfg=2 --comm-timeout 100"})
    expect("v.mp4 --checkpoint " + checkpoint() + ranks, ExitCode::kSuccess,
           AllOf(Says("same frames, SHA-256 " + sha), Not(Says("was"))));
  expect("v.mp4 --gpus 3 --checkpoint " + checkpoint(), ExitCode::kUsage, Says("--gpus 3"));
}

TEST_F(Repeat, SamplesAsTheVideoWas) {
  const Ended made = run(
      "generate --device cpu --size 32x32 --num-frames 5 --seed 7 --prompt 'a cat' --output v.mp4 --recipe fastwan-3 "
      "--shift 8 --checkpoint " +
      checkpoint());
  ASSERT_EQ(made.code, 0) << made.output;
  EXPECT_THAT(made.output, AllOf(Says("(fastwan-3: 3 steps of "), Says("seed 7, recipe fastwan-3: v.mp4")));
  const Json request = comment()["request"];
  EXPECT_EQ(request["recipe"], "fastwan-3");
  EXPECT_EQ(request["steps"], 3);
  EXPECT_EQ(request["shift"], 8);
  EXPECT_EQ(request["solver"], "lcm");
  expect("v.mp4 --checkpoint " + checkpoint(), ExitCode::kSuccess, Says("same frames"));
  Json official = comment();
  official["request"]["recipe"] = "official";
  write_video("official.mp4", official.dump());
  expect("official.mp4 --checkpoint " + checkpoint(), ExitCode::kComparison, Says("other frames"));
  official["request"]["recipe"] = "lightning-4";
  write_video("foreign.mp4", official.dump());
  expect("foreign.mp4 --checkpoint " + checkpoint(), ExitCode::kUsage, Says("--recipe lightning-4 is for"));
}

TEST_F(Repeat, TakesTheProgramsOwnWeightsWhereTheyAreTheOnes) {
  make("--checkpoint " WAN_BINARY_DIR "/share/wanbench/checkpoint");
  expect("v.mp4", ExitCode::kSuccess, Says("same frames"));
}

TEST_F(Repeat, SaysWhichWeightsItWants) {
  make("--checkpoint " + checkpoint());
  expect("v.mp4", ExitCode::kUsage, AllOf(Says("--checkpoint"), Says("Wan2.2_VAE.pth"), Says("size+head+tail")));
}

TEST_F(Repeat, NamesWhatDiffersAndThenTheFrames) {
  make("--checkpoint " + checkpoint());
  Json json = comment();
  const std::string sha = json["video"]["frames_sha256"];
  json["tool"]["version"] = "0.0.9";
  json["device"]["name"] = "Another \x1b[31m card";
  json["model"]["weights"][0]["digest"] = sha256_hex("x");
  write_video("same.mp4", json.dump());
  expect("same.mp4 --checkpoint " + checkpoint(), ExitCode::kSuccess,
         AllOf(Says("was wanbench 0.0.9"), Says("was Another \\x1b[31m card"), Says("weights: now "),
               Says("same frames")));
  json["request"]["seed"] = 8;
  write_video("other.mp4", json.dump());
  expect("other.mp4 --checkpoint " + checkpoint(), ExitCode::kComparison,
         AllOf(Says("other frames: SHA-256 "), Says("it was: SHA-256 " + sha)));
}

TEST_F(Repeat, AsksForTheImageAndComparesIt) {
  std::vector<uint8_t> rgb(size_t{32} * 32 * 3, 128);
  write_png(folder_ / "first.png", 32, 32, rgb);
  make("--image first.png --checkpoint " + checkpoint());
  const std::string weights = " --checkpoint " + checkpoint();
  expect("v.mp4" + weights, ExitCode::kUsage, AllOf(Says("'first.png'"), Says("--image")));
  fs::rename(folder_ / "first.png", folder_ / "moved.png");
  expect("v.mp4 --image moved.png" + weights, ExitCode::kSuccess, Says("same frames"));
  rgb[0] = 0;
  write_png(folder_ / "other.png", 32, 32, rgb);
  expect("v.mp4 --image other.png" + weights, ExitCode::kComparison,
         AllOf(Says("--image: now SHA-256 "), Says("other frames")));
  expect("v.mp4 --image moved.png --initial-latent moved.png" + weights, ExitCode::kUsage,
         Says("made without such a file"));
}

TEST_F(Repeat, AsksForTheLastImageToo) {
  write_png(folder_ / "first.png", 32, 32, std::vector<uint8_t>(size_t{32} * 32 * 3, 128));
  make("--image first.png --checkpoint " + checkpoint());
  Json json = comment();
  EXPECT_FALSE(json["files"].contains("last_image"));
  json["files"]["last_image"] = {{"name", "end.png"}, {"sha256", sha256_hex("x")}};
  write_video("both.mp4", json.dump());
  const std::string weights = " --checkpoint " + checkpoint();
  expect("both.mp4 --image first.png" + weights, ExitCode::kUsage, AllOf(Says("'end.png'"), Says("--last-image")));
  expect("v.mp4 --image first.png --last-image first.png" + weights, ExitCode::kUsage,
         Says("made without such a file"));
}

TEST_F(Repeat, AVideoThatDoesNotSayIsNamedForWhatItIs) {
  make("--no-metadata --checkpoint " + checkpoint());
  expect("v.mp4", ExitCode::kUsage, AllOf(Says("v.mp4: says nothing of how it was made"), Says("--no-metadata")));
  write_video("film.mp4", "holidays");
  expect("film.mp4", ExitCode::kUsage, Says("film.mp4: its comment"));
  write_video("old.mp4", R"({"generator": "wanbench 0.1.0", "seed": "42"})");
  expect("old.mp4", ExitCode::kUsage, Says("an earlier version or another program"));
  write_atomically(folder_ / "text.mp4", "no video at all");
  expect("text.mp4", ExitCode::kUsage, Says("text.mp4: cannot read it as mp4"));
  expect("none.mp4", ExitCode::kUsage, Says("no such file"));
}

TEST_F(Repeat, AStrangersVideoCannotChooseFilesOrSizes) {
  make("--checkpoint " + checkpoint());
  Json json = comment();
  json["request"]["output"] = "stolen.mp4";
  write_video("bad.mp4", json.dump());
  expect("bad.mp4 --checkpoint " + checkpoint(), ExitCode::kUsage, Says("unknown field 'output'"));
  json = comment();
  json["request"]["width"] = 1 << 20;
  write_video("large.mp4", json.dump());
  expect("large.mp4 --checkpoint " + checkpoint(), ExitCode::kUsage, Says("'width' must be"));
  EXPECT_FALSE(fs::exists(folder_ / "stolen.mp4"));
}

}  // namespace
}  // namespace wan
