// Files of prompts: every line is a request, or refused by file and line.
#include "cli/prompts_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../pipeline/option_samples.h"
#include "base/error.h"
#include "base/file.h"
#include "pipeline/request_json.h"
#include "temporary_folder.h"

namespace wan::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class PromptsFile : public testing::Test {
 protected:
  std::vector<PlannedVideo> read(const std::string& text, const Request& base = {}) const {
    write_atomically(file_, text);
    return read_prompts(file_, base);
  }
  std::string refusal(const std::string& text) const {
    try {
      read(text);
    } catch (const Error& problem) {
      return problem.what();
    }
    return "accepted";
  }
  const test::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "p.txt";
};

TEST_F(PromptsFile, ALineIsAPromptOrAnObjectOfOptions) {
  Request base;
  base.steps = 9;
  base.seed = 5;
  const auto videos =
      read("\xEF\xBB\xBF# comment\r\n\r\n  a red star \r\n{\"prompt\": \"a cat\", \"seed\": 7, \"steps\": 3}\n\t\nlast",
           base);
  ASSERT_EQ(videos.size(), 3u);
  EXPECT_EQ(videos[0].where, file_.string() + ":3");
  EXPECT_EQ(videos[0].request.prompt, "a red star");
  EXPECT_EQ(videos[0].request.steps, 9);
  EXPECT_EQ(videos[0].request.seed, 5u);
  EXPECT_FALSE(videos[0].has_own_seed);
  EXPECT_EQ(videos[1].where, file_.string() + ":4");
  EXPECT_EQ(videos[1].request.prompt, "a cat");
  EXPECT_EQ(videos[1].request.steps, 3);
  EXPECT_EQ(videos[1].request.seed, 7u);
  EXPECT_TRUE(videos[1].has_own_seed);
  EXPECT_EQ(videos[2].request.prompt, "last");
}

TEST_F(PromptsFile, ALineTakesEveryOptionButOutputs) {
  size_t taken = 0, refused = 0;
  for (test::OptionSample sample : test::option_samples()) {
    if (sample.text == "false") continue;
    const bool is_output = sample.also == Also::kDump || sample.also == Also::kVideoFile;
    if (sample.key != "prompt") sample.request.prompt = "x";
    const std::string line = request_json(sample.request);
    if (is_output) {
      EXPECT_THAT(refusal(line), AllOf(StartsWith(file_.string() + ":1: "), HasSubstr("'" + sample.key + "'"))) << line;
      ++refused;
    } else {
      EXPECT_EQ(read(line).at(0).request, sample.request) << line;
      ++taken;
    }
  }
  EXPECT_GT(taken, 50u);
  EXPECT_GE(refused, 4u);
}

TEST_F(PromptsFile, PathsAreTakenFromTheFilesFolder) {
  Request base;
  base.checkpoint = "weights";
  const Request request =
      read(R"({"prompt": "x", "image": "first.png", "initial_latent": "/a/b"})", base).at(0).request;
  EXPECT_EQ(request.image, folder_ / "first.png");
  EXPECT_EQ(request.initial_latent, "/a/b");
  EXPECT_EQ(request.checkpoint, "weights") << "the command line's own stays where it is";
}

TEST_F(PromptsFile, RefusesByFileAndLine) {
  const std::string at = file_.string() + ":2: ";
  const auto second = [&](const std::string& line) { return refusal("good\n" + line + "\n"); };
  EXPECT_THAT(second(R"({"prompt": "x", "steps": 1001})"),
              AllOf(StartsWith(at), HasSubstr("from 1 to 1000, found 1001")));
  EXPECT_THAT(second(R"({"prompt": "x", "stepz": 1})"),
              AllOf(StartsWith(at), HasSubstr("unknown field 'stepz'; known")));
  EXPECT_THAT(second(R"({"prompt": "x", "seed": "random"})"), AllOf(StartsWith(at), HasSubstr("'seed' must be")));
  EXPECT_THAT(second(R"({"steps": 3})"), AllOf(StartsWith(at), HasSubstr("a line needs a prompt")));
  EXPECT_THAT(second(R"({"prompt": "x")"), StartsWith(at));
  EXPECT_THAT(second("bad \xff byte"), AllOf(StartsWith(at), HasSubstr("UTF-8")));
  EXPECT_THAT(second(std::string(kMostPromptLine + 1, 'x')), AllOf(StartsWith(at), HasSubstr("65536 at most")));
  EXPECT_THAT(refusal("\n# only\n"), HasSubstr("found none"));
  EXPECT_THAT(refusal(std::string(kMostPromptBytes + 1, 'x')), HasSubstr("more than the 16777216"));
  std::string many;
  for (size_t i = 0; i <= kMostVideos; ++i) many += "x\n";
  EXPECT_THAT(refusal(many), HasSubstr("1000 at most"));
  EXPECT_THROW(read_prompts(folder_ / "none", {}), Error);
}

TEST_F(PromptsFile, EverySeedOfEveryPrompt) {
  const auto all = with_seeds(read("a\nb\n"), {1, 2, 3});
  std::vector<std::string> names;
  for (const PlannedVideo& video : all) names.push_back(video.request.prompt + std::to_string(video.request.seed));
  EXPECT_THAT(names, testing::ElementsAre("a1", "a2", "a3", "b1", "b2", "b3"));
  EXPECT_EQ(with_seeds(all, {}).size(), 6u);
  EXPECT_THROW(with_seeds(read(R"({"prompt": "x", "seed": 1})"), {1}), Error);
  EXPECT_THROW(with_seeds(all, std::vector<uint64_t>(kMostVideos, 1)), Error);
}

}  // namespace
}  // namespace wan::cli
