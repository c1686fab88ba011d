// `wanbench ablate`: one lever at a time against a case, by the engine itself.
#include <filesystem>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "results/store.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Ablate : public test::CommandLine {
 protected:
  Ablate() {
    write_atomically(folder_ / "s.json", R"({"schema": "wanbench.suite", "format": 1, "name": "s", "version": "1",
      "defaults": {"prompt": "a cat", "width": 96, "height": 64, "num_frames": 5, "steps": 12, "device": "cpu",
                   "checkpoint": ")" + checkpoint() +
                                             R"("}, "cases": [{"name": "video"}, {"name": "other", "seed": 1}]})");
  }
  Ended ablate(const std::string& more) const { return run("ablate video --suite s.json --cool-down 0 " + more); }
  /// How often each arm was made and compared. What is compared are the timed runs: no times of another stand there.
  std::map<std::string, int> records() const {
    std::map<std::string, int> counts;
    for (const StoredRecord& stored : load_collection(folder_ / "a").records) {
      EXPECT_EQ(stored.record.stages.empty(), stored.record.fidelity.has_value()) << stored.record.run_case.name;
      ++counts[stored.record.run_case.name + (stored.record.fidelity ? " compared" : "")];
    }
    return counts;
  }
};

TEST_F(Ablate, SetsOneLeverAtATimeAgainstTheDefaultsOneRun) {
  const Ended ended = ablate("--output a --no-video --levers easycache,magcache,cfg-gate-0.5,residency");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kSuccess)) << ended.output;
  EXPECT_THAT(ended.output,
              AllOf(Says("ablation of video"), Says("the default"), Says(": PSNR "),
                    Says("--cfg-gate 0.5; forwards as planned"),
                    Says("not run: --step-cache magcache: no curve comes with the program"),
                    Says("not run: on a CPU the weights are where they are computed"), Says("one run a side")));
  const std::map<std::string, int> once{
      {"default", 1}, {"easycache", 1}, {"easycache compared", 1}, {"cfg-gate-0.5", 1}, {"cfg-gate-0.5 compared", 1}};
  EXPECT_EQ(records(), once) << "the default is made once, and no arm twice";
  EXPECT_FALSE(fs::exists(folder_ / "a" / "kept")) << "frames go once they are compared";
  EXPECT_THAT(read_text(folder_ / "a" / "report.md"),
              AllOf(HasSubstr("## Ablation: video"), HasSubstr("cfg-gate-0.5")));
  EXPECT_THAT(read_text(folder_ / "a" / "report.html"), HasSubstr(R"("ablations":[{)"));

  const Ended again =
      ablate("--output a --no-video --levers easycache,magcache,cfg-gate-0.5,residency --resume --json");
  EXPECT_EQ(again.code, static_cast<int>(ExitCode::kSuccess)) << again.output;
  EXPECT_EQ(records(), once) << "nothing is missing, so nothing is run";
  const auto document = nlohmann::json::parse(again.output.substr(again.output.find("{\n")));
  EXPECT_EQ(document["schema"]["name"], "wanbench.ablation");
  const auto& gate = document["arms"].back()["arm"] == "offload" ? document["arms"][document["arms"].size() - 2]
                                                                 : document["arms"].back();
  EXPECT_EQ(gate["arm"], "cfg-gate-0.5");
  EXPECT_EQ(gate["forwards"]["value"]["reused"], 6);
  EXPECT_GT(gate["fidelity"]["value"]["psnr"]["value"], 10);
  EXPECT_EQ(gate["fidelity"]["value"]["reference"], "default");
}

TEST_F(Ablate, ADryRunSaysEachArmWhatItComputesAndWhatItWillTake) {
  const Ended ended = ablate("--dry-run --levers step-cache,cfg-gate");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kSuccess)) << ended.output;
  EXPECT_THAT(ended.output, AllOf(Says("default 24/24"), Says("cfg-gate-0.5 18/24"), Says("easycache ?/24"),
                                  Says("magcache - not run"), Says("in all about")));
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(Ablate, WhatDoesNotFitTheTimeIsListedAsNotRun) {
  const Ended ended = ablate("--output a --no-video --levers cfg-gate-0.5 --time-limit 0.001");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kSuccess)) << ended.output;
  EXPECT_THAT(ended.output, Says("not run: 0.0 s of the time limit are left"));
  EXPECT_EQ(records(), (std::map<std::string, int>{{"default", 1}}));
}

TEST_F(Ablate, RefusesBeforeTheFirstRun) {
  const auto refused = [&](const std::string& arguments, const std::string& words) {
    const Ended ended = run("ablate " + arguments);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << arguments << "\n" << ended.output;
    EXPECT_THAT(ended.output, Says(words)) << arguments;
  };
  refused("third --suite s.json --output a", "it has video, other");
  refused("video --suite s.json", "--output DIR is needed");
  refused("video --suite s.json --output a --levers speed", "--levers speed: expected levers or arms");
  refused("video --suite s.json --output a --repeats 0", "--repeats: '0' is not");
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

}  // namespace
}  // namespace wan
