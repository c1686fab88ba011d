// `vbench`: which video has which name, and what is refused without a folder being left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../analysis/runs.h"
#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "io/video_tags.h"
#include "io/video_writer.h"
#include "results/store.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::ElementsAre;
using testing::Not;
using Json = nlohmann::json;

class Vbench : public test::CommandLine {
 protected:
  void SetUp() override {
    if (!can_write_video()) GTEST_SKIP() << "built without FFmpeg";
    if (!comment_.is_null()) return;
    const Ended made = run(small_video("--output made.mp4"));
    ASSERT_EQ(made.code, 0) << made.output;
    comment_ = Json::parse(read_video_tags(folder_ / "made.mp4").comment);
    fs::remove(folder_ / "made.mp4");
  }
  /// A video of one frame that says it is of that prompt and seed.
  void video(const std::string& file, const std::string& prompt, int seed, const std::string& frames = "") const {
    Json comment = comment_;
    comment["request"]["prompt"] = prompt;
    comment["request"]["seed"] = seed;
    if (!frames.empty()) comment["video"]["frames_sha256"] = std::string(64, frames[0]);
    write(file, comment.dump());
  }
  void write(const std::string& file, const std::string& comment) const {
    fs::create_directories((folder_ / file).parent_path());
    VideoSettings settings;
    settings.width = settings.height = 32;
    VideoWriter writer(folder_ / file, settings);
    writer.write(std::vector<uint8_t>(size_t{32} * 32 * 3));
    if (!comment.empty()) writer.set_tag("comment", comment);
    writer.finish();
  }
  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_ / folder)) all.push_back(entry.path().filename());
    std::ranges::sort(all);
    return all;
  }
  /// Is refused, and leaves nothing.
  void refused(const std::string& arguments, const testing::Matcher<std::string>& output) const {
    const size_t before = files();
    const Ended ended = run("vbench " + arguments);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << ended.output;
    EXPECT_THAT(ended.output, output);
    EXPECT_EQ(files(), before) << "something is left";
  }

  static inline Json comment_;
};

TEST_F(Vbench, NumbersTheSamplesOfAPromptByTheirSeeds) {
  video("in/x.mp4", "a cat", 9);
  video("in/y.mp4", "a cat", 3);
  video("in/deeper/1.mp4", "a dog, 5 %; \"running\"", 6);
  video("2.mp4", "a dog, 5 %; \"running\"", 7);
  write_atomically(folder_ / "in" / "notes.txt", "no video");
  fs::create_directory(folder_ / "out");
  const Ended ended = run("vbench in 2.mp4 in/x.mp4 --output out");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, Says("out: 4 videos, 2 of each of 2 prompts"));
  EXPECT_THAT(names("out"), ElementsAre("a cat-0.mp4", "a cat-1.mp4", "a dog, 5 %; \"running\"-0.mp4",
                                        "a dog, 5 %; \"running\"-1.mp4"));
  EXPECT_EQ(read_text(folder_ / "out" / "a cat-0.mp4"), read_text(folder_ / "in" / "y.mp4"));
  EXPECT_EQ(read_text(folder_ / "out" / "a dog, 5 %; \"running\"-1.mp4"), read_text(folder_ / "2.mp4"));
  EXPECT_EQ(fs::hard_link_count(folder_ / "2.mp4"), 2u) << "no second copy where the file system has links";
  EXPECT_EQ(files(), 3u) << "in, out and 2.mp4";
}

TEST_F(Vbench, AListSaysWhichPromptsThereMustBe) {
  video("in/1.mp4", "a cat", 1);
  video("in/2.mp4", "a dog", 1);
  write_atomically(folder_ / "list.txt", "a dog\n\n# others\na dog\n");
  const Ended ended = run("vbench in --prompts list.txt --output out");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, AllOf(Says("out: 1 video, 1 of each of 1 prompt"),
                                  Says("left out, since their prompts are not in the list: 1")));
  EXPECT_THAT(names("out"), ElementsAre("a dog-0.mp4"));
  write_atomically(folder_ / "list.txt", "a cat\na ship\na dog\na raft\n");
  refused("in --prompts list.txt --output again",
          Says("2 of 4 prompts of the list have no video: list.txt:2 \"a ship\", list.txt:4 \"a raft\""));
}

TEST_F(Vbench, APromptThatIsNoNameIsRefusedByItsVideo) {
  video("v.mp4", "a cat/dog", 1);
  refused("v.mp4 --output out",
          AllOf(Says("v.mp4: its prompt \"a cat/dog\" has a '/' at byte 5"), Says("PROMPT-N.mp4")));
  video("v.mp4", std::string("a\0cat", 5), 1);
  refused("v.mp4 --output out", Says("v.mp4: "));
  video("v.mp4", "a\ncat", 1);
  refused("v.mp4 --output out", Says("a control character at byte 1"));
  video("v.mp4", std::string(250, 'x'), 1);  // and "-0.mp4"
  refused("v.mp4 --output out",
          AllOf(Says("v.mp4: its prompt"), Says("a name of 256 bytes; a file's has 255 at most")));
  video("v.mp4", std::string(249, 'x'), 1);
  EXPECT_EQ(run("vbench v.mp4 --output out").code, 0);
}

TEST_F(Vbench, TwoVideosOfOnePromptAndSeedAreNamedUnlessTheyShowTheSame) {
  video("1.mp4", "a cat", 1, "a");
  video("2.mp4", "a cat", 1, "b");
  refused("1.mp4 2.mp4 --output out", Says("1.mp4 and 2.mp4 are both of the prompt \"a cat\" and the seed 1"));
  video("2.mp4", "a cat", 1, "a");
  const Ended ended = run("vbench 1.mp4 2.mp4 --output out");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output,
              Says("left out, since their frames are those of others of their prompt and seed: 1 (2.mp4)"));
  EXPECT_THAT(names("out"), ElementsAre("a cat-0.mp4"));
}

TEST_F(Vbench, EachPromptHasAsManyVideosAndFiveAtMost) {
  for (int seed = 0; seed < 5; ++seed) video("in/c" + std::to_string(seed) + ".mp4", "a cat", seed);
  video("in/d.mp4", "a dog", 1);
  refused("in --output out", Says("1 of 2 prompts have fewer videos than the 5 of others: \"a dog\" (1)"));
  fs::remove(folder_ / "in" / "d.mp4");
  EXPECT_EQ(run("vbench in --output out").code, 0);
  video("in/c5.mp4", "a cat", 5);
  refused("in --output again", Says("6 videos are of the prompt \"a cat\", the last one in/c5.mp4: VBench reads 5"));
}

TEST_F(Vbench, AVideoThatSaysNothingIsWhatItsRecordSays) {
  write("in/1.mp4", "");
  refused("in --output out", Says("in/1.mp4: neither the file nor a record beside it says what it shows"));
  RunRecord record = synthetic_run({1, 1});
  record.workload.prompt = "a cat";
  record.workload.seed = 4;
  record.output.file = "1.mp4";
  store_record(folder_ / "in", record);
  video("in/2.mp4", "a cat", 2);
  const Ended ended = run("vbench in --output out");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_EQ(read_text(folder_ / "out" / "a cat-1.mp4"), read_text(folder_ / "in" / "1.mp4"));
}

TEST_F(Vbench, WhatIsNoVideoAndWhatIsThereAlreadyIsNamed) {
  fs::create_directory(folder_ / "empty");
  refused("empty --output out", Says("empty: expected a folder with mp4 files, found none"));
  refused("none.mp4 --output out", Says("none.mp4"));
  write_atomically(folder_ / "text.mp4", "text");
  refused("text.mp4 --output out", Says("text.mp4"));
  write("broken.mp4", R"({"schema": "another"})");
  refused("broken.mp4 --output out", Says("broken.mp4: its comment"));
  video("empty/v.mp4", "", 1);
  refused("empty --output out", Says("v.mp4: was made without a prompt"));
  video("empty/v.mp4", "a cat", 1);
  refused("empty --output empty", Says("is there already: name a folder that is new or empty"));
  refused("empty --output text.mp4", Says("is there already"));
  refused("empty --output none/deeper/../../empty", Says("is there already"));
}

}  // namespace
}  // namespace wan
