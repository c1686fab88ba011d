// The lines after a video, of a card and of a processor.
#include "cli/video_result.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/build_info.h"
#include "cli/generate_json.h"
#include "results/stage_names.h"

namespace wan::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

StageRecord step(int index, int64_t wall_ns) {
  StageRecord stage;
  stage.id = stage.name = "Step_" + std::to_string(index) + "_Inference";
  stage.role = StageRole::kStepInference;
  stage.wall_ns = wall_ns;
  return stage;
}

VideoResult on_card() {
  VideoResult made;
  made.request.seed = 42;
  made.request.output = "cat.mp4";
  made.outcome = Outcome{"ti2v", 1280, 704, 161, 24, 5, std::string(64, 'a'), {}, {}};
  VideoCost cost;
  cost.on_card = true;
  cost.decisions.emplace();
  cost.decisions->device_name = "NVIDIA H200";
  cost.decisions->model = "ti2v-5B";
  cost.decisions->computed["dit"] = Precision::kBF16;
  cost.stages = {step(0, 9'000'000'000), step(1, 2'360'000'000), step(2, 2'350'000'000)};
  StageRecord total;
  total.id = total.name = kTotalName;
  total.kind = StageKind::kParent;
  total.wall_ns = 27'400'000'000;
  total.energy_j = measured(1.9 * 3600, "nvml_energy_counter");
  total.device_memory.process_peak_bytes = measured(static_cast<uint64_t>(6.2 * kGiB), "nvml");
  total.host_memory.process_peak_bytes = measured(static_cast<uint64_t>(0.5 * kGiB), "proc");
  cost.stages.push_back(total);
  made.cost = cost;
  return made;
}

VideoResult on_processor() {
  VideoResult made = on_card();
  made.cost->on_card = false;
  made.cost->decisions->device_name = "A CPU | *fast*";
  made.cost->decisions->computed["dit"] = Precision::kF32;
  made.cost->stages.back().energy_j = absent<double>("no driver");
  return made;
}

TEST(Summary, IsFiveLinesOfEightyColumns) {
  for (const VideoResult& made : {on_card(), on_processor()}) {
    std::istringstream lines(summary(made));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 80u) << line;
    EXPECT_EQ(count, 5);
  }
  EXPECT_EQ(summary(on_card()),
            "video   1280x704, 161 frames, 24 fps, seed 42: cat.mp4\n"
            "time    2.36 s a step, 27.4 s in all\n"
            "memory  6.2 GiB of the card's memory at most\n"
            "energy  1.9 Wh\n"
            "frames' sha256 " +
                std::string(64, 'a') + "\n");
  EXPECT_THAT(summary(on_processor()), HasSubstr("memory  0.50 GiB of this machine's memory at most\n"
                                                 "energy  - (a processor's energy is not measured, only a card's)\n"));
}

TEST(Summary, SaysWhyThereIsNoEnergy) {
  VideoResult made = on_card();
  made.cost->stages.back().energy_j = absent<double>("below_resolution");
  EXPECT_THAT(summary(made), HasSubstr("energy  - (the video took less than the second"));
  made.cost->stages.back().energy_j = absent<double>("not_supported");
  EXPECT_THAT(summary(made), HasSubstr("energy  - (not supported by the card)"));
}

TEST(Summary, ANameCannotSteerTheTerminal) {
  VideoResult made = on_card();
  made.request.output = "a\x1b[31m\nb.mp4";
  EXPECT_THAT(summary(made), HasSubstr("a\\x1b[31m\\x0ab.mp4"));
}

TEST(SummaryRow, IsOneRowToPaste) {
  EXPECT_EQ(
      summary_row(on_card()),
      "| NVIDIA H200 | TI2V-5B 1280x704x161, 5 steps, bf16 | 2.36 s/step | 27.4 s | 6.2 GiB | 1.9 Wh | wanbench " +
          build_info().version + " |\n");
  EXPECT_THAT(summary_row(on_processor()), HasSubstr("| A CPU \\| \\*fast\\* | "));
  EXPECT_THAT(summary_row(on_processor()), HasSubstr(" | 0.50 GiB | - | "));
}

TEST(SummaryRow, NamesARecipeThatIsNotTheOfficial) {
  VideoResult made = on_card();
  made.cost->decisions->recipe = "official";
  EXPECT_EQ(summary_row(made), summary_row(on_card()));
  made.cost->decisions->recipe = "fastwan-3";
  EXPECT_THAT(summary_row(made), HasSubstr("5 steps, recipe fastwan-3, bf16"));
  EXPECT_THAT(summary(made), HasSubstr(", recipe fastwan-3: cat.mp4"));
}

TEST(StageTable, AddsUpTheLeaves) {
  EXPECT_THAT(stage_table(on_card()), HasSubstr("Step_1_Inference              2.360\n"));
  EXPECT_THAT(stage_table(on_card()), HasSubstr("sum of stages                13.710\n"));
}

TEST(GenerateJson, HasEveryValueWithItsSourceOrReason) {
  const Json json = Json::parse(generate_json({on_card(), on_processor()}, ExitCode::kSuccess, std::nullopt));
  EXPECT_EQ(json["schema"], Json::parse(R"({"name": "wanbench.generate", "major": 1, "minor": 2})"));
  EXPECT_EQ(json["status"], "ok");
  const Json& card = json["videos"][0];
  EXPECT_EQ(card["energy_j"], Json::parse(R"({"value": 6840.0, "source": "nvml_energy_counter"})"));
  EXPECT_EQ(card["step_ns"]["value"], 2'360'000'000);
  EXPECT_EQ(card["outcome"]["frames_sha256"], std::string(64, 'a'));
  EXPECT_EQ(card["files"]["output"], "cat.mp4");
  EXPECT_EQ(card["files"]["dump"], nullptr);
  EXPECT_EQ(card["request"]["seed"], 42);
  EXPECT_EQ(card["stages"][1]["wall_ns"], 2'360'000'000);
  EXPECT_EQ(card["execution"]["device"], "NVIDIA H200");
  const Json& processor = json["videos"][1];
  EXPECT_EQ(processor["energy_j"], Json::parse(R"({"value": null, "reason": "no driver"})"));
  EXPECT_EQ(processor["device_peak_bytes"], Json::parse(R"({"value": null, "reason": "no_device_memory"})"));
}

TEST(GenerateJson, HasFailuresAndNoOtherBytes) {
  VideoResult failed;
  failed.request.prompt = "bad \xff byte \u202e";
  failed.failure = VideoFailure{ErrorKind::kOutOfMemory, "too large", ExitCode::kFailure};
  const std::string text = generate_json({on_card(), failed}, ExitCode::kFailure, std::nullopt);
  EXPECT_EQ(text.find_first_not_of(
                "\n !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"),
            std::string::npos);
  const Json json = Json::parse(text);
  EXPECT_EQ(json["status"], "failed");
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["error"], Json::parse(R"({"kind": "out_of_memory", "message": "too large"})"));
  EXPECT_EQ(json["videos"][0]["status"], "ok");
  EXPECT_EQ(json["videos"][1]["status"], "failed");
  EXPECT_EQ(json["videos"][1]["outcome"], nullptr);
  EXPECT_EQ(json["videos"][1]["files"]["output"], nullptr);
  EXPECT_EQ(json["videos"][1]["total_ns"]["value"], nullptr) << "absent is not zero";
}

}  // namespace
}  // namespace wan::cli
