// `wanbench plan`: against the published records, and as people and scripts call it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/enum_names.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/plan_table.h"
#include "cli/planned_card.h"
#include "command_line.h"
#include "pipeline/request_words.h"
#include "pipeline/residency.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path suites() { return fs::path(WAN_SOURCE_DIR) / "suites"; }

std::vector<PublishedCard> published() { return load_published(suites() / "published.json"); }

std::string title_of(const PublishedCard& card, const PublishedVideo& video) {
  return fmt::format("{}: {} {}x{} {} {}", card.device, video.model, video.width, video.height, video.num_frames,
                     video.recipe);
}

/// The plan of a published video with its weights where they were, on a card that has room for everything.
MemoryPlan planned(const PublishedVideo& video, const PublishedPeak& peak) {
  Request request = request_of(video);
  request.text_encoder_device = peak.text_encoder == "cpu" ? "cpu" : "";
  request.stored_as = enum_value<StoredAs>(peak.stored_as);
  request.offload = offload_of(enum_value<Residency>(peak.residency).value());
  const ModelSet models = open_models(request);
  return plan_memory(request, models, make_plan(request, models, Images::kAssumed), HistoryMemory::kApart,
                     {UINT64_MAX / 2, UINT64_MAX / 2});
}

TEST(PublishedVideos, PeaksAreWithinThreePercentOfEveryRecord) {
  size_t peaks = 0;
  for (const PublishedCard& card : published())
    for (const PublishedVideo& video : card.videos)
      for (const PublishedPeak& peak : video.peaks) {
        const auto predicted = static_cast<double>(planned(video, peak).predicted_peak);
        const std::string where =
            title_of(card, video) + " " + peak.residency + ", text on " + peak.text_encoder + ", as " + peak.stored_as;
        EXPECT_LE(std::abs(predicted / static_cast<double>(peak.lowest_bytes) - 1), 0.03) << where;
        EXPECT_LE(std::abs(predicted / static_cast<double>(peak.highest_bytes) - 1), 0.03) << where;
        ++peaks;
      }
  EXPECT_GE(peaks, 18u);
}

TEST(PublishedVideos, StageSecondsAreWithinFivePercentOfTheirCards) {
  for (const PublishedCard& card : published()) {
    const StageFits fits = fit_published(card);
    for (const StageFit* fit : {&fits.text, &fits.image, &fits.step, &fits.decode})
      for (size_t i = 0; i < fit->errors.size(); ++i)
        EXPECT_LE(std::abs(fit->errors[i].value_or(0)), 0.05) << title_of(card, card.videos[i]);
    ASSERT_TRUE(fits.step.is_known() && fits.decode.is_known()) << card.device;
    for (size_t i = 0; i < card.videos.size(); ++i) {
      // What is said of a video that was not measured.
      EXPECT_LE(std::abs(fits.step.left_out[i].value_or(0)), 0.05) << title_of(card, card.videos[i]);
      // No stage: they bound a step from below, and the last steps of a short run fetch less.
      EXPECT_LE(std::abs(fits.copy.errors[i].value_or(0)), 0.1) << title_of(card, card.videos[i]);
    }
  }
}

TEST(PublishedVideos, EveryRecordOfACardIsFoundByTheTableOfPeaks) {
  const auto peaks = load_peaks(suites() / "peaks.json");
  const auto cards = published();
  for (const PublishedCard& card : cards) {
    const CardPeak* peak = find_peak(peaks, card.device);
    ASSERT_NE(peak, nullptr) << card.device;
    EXPECT_EQ(find_published(cards, peaks, *peak), &card);
  }
  const CardPeak* other = find_peak(peaks, "NVIDIA L40S");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(find_published(cards, peaks, *other), nullptr);
}

class PlanCommand : public test::CommandLine {
 protected:
  Json json_of(const std::string& arguments) const {
    const test::Ended ended = run("plan --json " + arguments);
    EXPECT_EQ(ended.code, 0) << ended.output;
    return Json::parse(ended.output);
  }
};

TEST_F(PlanCommand, SaysPeaksResidencyAndSecondsOfACardThatIsNotHere) {
  const Json document = json_of("--model t2v-A14B --size 832x480 --card h200");
  EXPECT_EQ(document["schema"]["name"], "wanbench.plan");
  const Json& video = document["videos"][0];
  EXPECT_EQ(video["residency"], "resident");
  EXPECT_TRUE(video["fits"]["value"].get<bool>());
  ASSERT_EQ(video["memory"].size(), 3u);
  uint64_t largest = 0;
  for (const Json& stage : video["memory"]) {
    uint64_t sum = 0;
    for (const auto& [key, value] : stage.items())
      if (key.ends_with("_bytes") && key != "total_bytes") sum += value.get<uint64_t>();
    EXPECT_EQ(sum, stage["total_bytes"]);
    largest = std::max(largest, sum);
  }
  EXPECT_EQ(video["peak_device_bytes"], largest);
  // Published: 4.8 s a step.
  for (const Json& stage : video["seconds"])
    if (stage["stage"] == "step") {
      EXPECT_NEAR(stage["seconds"]["value"].get<double>(), 4.8, 0.24);
    }
  EXPECT_FALSE(document["card"]["fits"]["value"].empty());
}

// Two clips: all that is known, of the text once and of each clip its steps and its decoding. Steps as measured on two
// H200 (docs/results/h200-clips.md), within five in a hundred.
TEST_F(PlanCommand, CountsEveryClipOfAVideo) {
  for (const auto& [model, measured_s] : {std::pair{"s2v-14B", 13.66}, {"animate-14B", 9.06}}) {
    const Json video = json_of(fmt::format("--model {} --card h200", model))["videos"][0];
    std::map<std::string, double> known;
    for (const Json& stage : video["seconds"])
      if (stage["seconds"]["value"].is_number()) known[stage["stage"]] = stage["seconds"]["value"];
    ASSERT_TRUE(known.contains("step") && known.contains("vae_decoding") && known.contains("text_encoding")) << model;
    ASSERT_EQ(known.size(), 3u) << model;
    const double a_clip = video["steps"].get<double>() * known["step"] + known["vae_decoding"];
    EXPECT_NEAR(video["known_seconds"]["value"].get<double>(), known["text_encoding"] + 2 * a_clip, 0.01) << model;
    EXPECT_NEAR(known["step"], measured_s, 0.05 * measured_s) << model;
  }
}

TEST_F(PlanCommand, StreamsUnderALimitAndSaysWhatWouldFitWhereNothingDoes) {
  const Json streamed = json_of("--model t2v-A14B --size 832x480 --card h200 --gpu-memory-limit 12GiB")["videos"][0];
  EXPECT_EQ(streamed["residency"], "stream");
  EXPECT_LE(streamed["peak_device_bytes"], uint64_t{12} << 30);
  const Json refused = json_of("--model t2v-A14B --size 1280x720 --card h200 --gpu-memory-limit 12")["videos"][0];
  EXPECT_FALSE(refused["fits"]["value"].get<bool>());
  EXPECT_NE(refused["fits"]["reason"].get<std::string>().find("the largest that fits"), std::string::npos);
  EXPECT_GT(refused["peak_device_bytes"], uint64_t{12} << 30);
}

TEST_F(PlanCommand, HasADashAndTheReasonForACardWithoutRecords) {
  const test::Ended ended = run("plan --model ti2v-5B --card 'rtx pro'");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_NE(ended.output.find("no published record is of this card"), std::string::npos) << ended.output;
  const Json video = json_of("--model ti2v-5B --card l40s")["videos"][0];
  for (const Json& stage : video["seconds"]) {
    EXPECT_TRUE(stage["seconds"]["value"].is_null());
    EXPECT_NE(stage["seconds"]["reason"], "");
  }
}

TEST_F(PlanCommand, FitsEightyColumns) {
  for (const char* arguments : {"plan --model i2v-A14B --card h200 --verbose", "plan --table", "plan --model ti2v-5B",
                                "plan --model s2v-14B --card h200 --verbose", "plan --model animate-14B --card h200",
                                "plan --suite few-steps.json --card h100 --gpu-memory-limit 16GB --verbose"}) {
    std::string command = arguments;
    if (const size_t at = command.find("few-steps.json"); at != std::string::npos)
      command.replace(at, 0, suites().string() + "/");
    const test::Ended ended = run(command);
    EXPECT_EQ(ended.code, 0) << ended.output;
    std::istringstream lines(ended.output);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(PlanCommand, PlansEveryCaseOfASuite) {
  const Json document = json_of("--suite " + (suites() / "few-steps.json").string() + " --card h200");
  ASSERT_EQ(document["videos"].size(), 3u);
  for (const Json& video : document["videos"]) EXPECT_FALSE(video["name"]["value"].is_null());
}

/// A suite of random weights is planned with the weights that are named.
TEST_F(PlanCommand, TakesACheckpointForASuite) {
  const std::string suite = "--suite " + (suites() / "few-steps.json").string() + " --card h100 ";
  const Json random = json_of(suite)["videos"];
  const test::Ended ended = run("plan --json " + suite + "--checkpoint " + checkpoint());
  // The small model is none of those that the suite names.
  EXPECT_EQ(ended.code, 2) << ended.output;
  EXPECT_NE(ended.output.find("is asked for"), std::string::npos) << ended.output;
  EXPECT_EQ(random.size(), 3u);
}

TEST_F(PlanCommand, PlansACheckpointAlone) {
  const Json document = json_of("--checkpoint " + checkpoint() + " --card h100");
  EXPECT_EQ(document["videos"].size(), 1u);
  EXPECT_LT(document["videos"][0]["peak_device_bytes"], uint64_t{8} << 30);
}

/// What reports read.
Json stored_table() { return Json::parse(read_text(suites() / "memory_table.json")); }

/// The cells of a table's line in Markdown.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream parts(line);
  for (std::string cell; std::getline(parts, cell, '|');) {
    const size_t first = cell.find_first_not_of(' ');
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
  }
  return {cells.begin() + 1, cells.end()};
}

/// As the README writes them: "6.2 s".
std::vector<std::string> readme_cells(const Json& row, const char* key, const char* absent) {
  std::vector<std::string> out;
  for (const Json& cell : row["cells"]) {
    const Json& value = cell[key]["value"];
    if (value.is_null()) {
      out.push_back(absent);
      continue;
    }
    const std::string place = value["residency"];
    const char letter = place == "resident" || place == "packed" ? place[0] : 's';
    out.push_back(fmt::format("{:.1f} {}", value["peak_device_bytes"].get<double>() / (1 << 30), letter));
  }
  return out;
}

bool is_measured_official(const Json& row) {
  return std::ranges::all_of(row["cells"], [](const Json& cell) {
    const Json& value = cell["measured"]["value"];
    return value.is_null() || value["recipe"] == "official";
  });
}

TEST(PlanTable, TheReadmesIsTheOneThatReportsRead) {
  std::istringstream readme(read_text(fs::path(WAN_SOURCE_DIR) / "README.md"));
  std::vector<std::vector<std::string>> lines;
  bool is_within = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("| 81 frames (")) is_within = true;
    if (is_within && !line.starts_with("|")) break;
    if (is_within) lines.push_back(cells_of(line));
  }
  ASSERT_GT(lines.size(), 2u) << "README.md: the table of what fits is gone";
  const Json table = stored_table()["rows"];
  EXPECT_EQ(std::vector(lines[0].begin() + 1, lines[0].end()),
            (std::vector<std::string>{"8", "12", "16", "24", "32", "48", "80", "141"}));
  for (size_t i = 2; i < lines.size(); ++i) {
    const std::string& name = lines[i][0];
    const auto is_this = [&](const Json& row) {
      const std::string title = fmt::format("{} {}x{}, {}", row["model"].get<std::string>(), row["width"].get<int>(),
                                            row["height"].get<int>(), row["stored_as"].get<std::string>());
      return std::ranges::equal(title, name,
                                [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
    };
    const auto row = std::ranges::find_if(table, is_this);
    ASSERT_NE(row, table.end()) << "README.md: no row of the plan's is '" << name << "'";
    EXPECT_EQ(std::vector(lines[i].begin() + 1, lines[i].end()), readme_cells(*row, "predicted", "-")) << name;
    const std::vector<std::string> measured = readme_cells(*row, "measured", "");
    if (std::ranges::all_of(measured, [](const std::string& cell) { return cell.empty(); })) continue;
    ASSERT_LT(++i, lines.size()) << "README.md: what was measured is missing under " << name;
    EXPECT_EQ(lines[i][0].starts_with("measured"), true) << "README.md: what was measured is missing under " << name;
    EXPECT_EQ(lines[i][0] == "measured", is_measured_official(*row)) << name << ": a recipe of few steps is named";
    EXPECT_EQ(std::vector(lines[i].begin() + 1, lines[i].end()), measured) << name;
  }
}

/// Videos that only records have: what is no published model, form or size stays as it was measured.
TEST(PlanTable, PlansTheVideosOfRecordsSoFarAsItCan) {
  const auto own = [](const std::string& model, int64_t width, const std::string& stored) {
    FitRow row{model, width, 704, 161, stored};
    row.is_predicted = false;
    return row;
  };
  std::vector<FitRow> rows{own("ti2v-5B", 1280, "bf16"), own("ti2v-5B", 1280, "Q4_K+Q6_K"),
                           own("of my own", 1280, "bf16"), own("ti2v-5B", 1281, "bf16")};
  predict_own(rows);
  EXPECT_TRUE(rows[0].is_predicted);
  EXPECT_EQ(rows[0].num_frames, 161);
  ASSERT_TRUE(rows[0].cells[0].predicted);
  EXPECT_EQ(rows[0].cells[0].predicted->residency, "stream");
  EXPECT_EQ(rows[0].cells.back().predicted->residency, "resident");
  for (size_t i = 1; i < rows.size(); ++i) {
    EXPECT_FALSE(rows[i].is_predicted) << i;
    for (const FitCell& cell : rows[i].cells) EXPECT_FALSE(cell.predicted) << i;
  }
}

TEST_F(PlanCommand, TheTableTakesNoOptionThatItWouldPassOver) {
  for (const char* option : {"--card h200", "--gpu-memory-limit 12", "--model ti2v-5B", "--suite x.json"}) {
    const test::Ended ended = run(std::string("plan --table ") + option);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << option;
    EXPECT_NE(ended.output.find("leave out --card, --suite, --model and --gpu-memory-limit"), std::string::npos)
        << ended.output;
  }
}

TEST_F(PlanCommand, TheTableMarksWhatWasMeasuredApartAndIsWhatReportsRead) {
  const Json document = json_of("--table");
  EXPECT_EQ(document["schema"]["name"], "wanbench.plan_table");
  size_t measured = 0;
  std::set<std::string> forms;
  for (const Json& row : document["rows"]) {
    ASSERT_EQ(row["cells"].size(), 8u);
    forms.insert(row["stored_as"].get<std::string>());
    for (const Json& cell : row["cells"]) {
      const uint64_t room = cell["memory_gib"].get<uint64_t>() << 30;
      for (const char* key : {"predicted", "measured"}) {
        if (cell[key]["value"].is_null()) {
          EXPECT_NE(cell[key]["reason"], "");
        } else {
          EXPECT_LE(cell[key]["value"]["peak_device_bytes"], room);
        }
      }
      measured += cell["measured"]["value"].is_null() ? 0 : 1;
    }
  }
  EXPECT_GT(measured, 0u);
  EXPECT_EQ(forms, (std::set<std::string>{"bf16", "fp8_scaled", "q4_k_m", "q5_k_m", "q8_0"}));
  const Json stored = stored_table();
  ASSERT_EQ(stored["rows"].size(), document["rows"].size());
  for (size_t i = 0; i < stored["rows"].size(); ++i)
    EXPECT_EQ(stored["rows"][i], document["rows"][i])
        << "suites/memory_table.json, row " << i + 1 << ": run tools/make_memory_table.sh build/wanbench";
}

TEST_F(PlanCommand, RefusesWhatItCannotPlan) {
  const auto fails = [&](const std::string& arguments, const std::string& expected) {
    const test::Ended ended = run("plan " + arguments);
    EXPECT_EQ(ended.code, 2) << ended.output;
    EXPECT_NE(ended.output.find(expected), std::string::npos) << ended.output;
  };
  fails("", "name what to plan");
  fails("--model t2v-A14B --card abacus", "H200");
  fails("--model t2v-A14B --card h200 --gpu-memory-limit little", "--gpu-memory-limit: 'little'");
  fails("--model t2v-A14B --card h200 --size 830x480", "multiples of 16");
}

}  // namespace
}  // namespace wan::cli
