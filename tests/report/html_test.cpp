// The page's data block equals the estimates, and text of strangers stays text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "analysis/repeat_command.h"
#include "analysis/report_view.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/gzip.h"
#include "html_records.h"
#include "import/import.h"
#include "report/assets.h"
#include "report/escape.h"
#include "report/html.h"
#include "report/imported.h"
#include "report/markdown.h"
#include "results/json.h"
#include "results/redact.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kOpening = "<script type=\"application/json\" id=\"data\">";

const std::vector<CardPeak>& peaks() {
  static const auto kPeaks = load_peaks(std::filesystem::path(WAN_SOURCE_DIR) / "suites" / "peaks.json");
  return kPeaks;
}

const std::vector<CardPrice>& prices() {
  static const auto kPrices = load_prices(std::filesystem::path(WAN_SOURCE_DIR) / "suites" / "prices.json");
  return kPrices;
}

std::vector<const RunRecord*> pointers(const std::vector<RunRecord>& records) {
  std::vector<const RunRecord*> out;
  for (const RunRecord& record : records) out.push_back(&record);
  return out;
}

ReportView view_of(const std::vector<RunRecord>& records) { return report_view(pointers(records), peaks(), prices()); }

Json data_of(const std::vector<RunRecord>& records, const report::HtmlOptions& options = {}) {
  return Json::parse(report::report_data(view_of(records), options));
}

std::vector<RunRecord> all_records() {
  std::vector<RunRecord> records = report_records();
  records.push_back(imported_record());
  return records;
}

/// The block as a browser would cut it out: from the opening tag to the next closing one.
Json block_of(const std::string& page) {
  const size_t begin = page.find(kOpening) + std::string(kOpening).size();
  return Json::parse(page.substr(begin, page.find("</script", begin) - begin));
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

class Html : public ::testing::Test {
 protected:
  Html() : records_(all_records()), page_(report::html_report(view_of(records_))), data_(data_of(records_)) {}
  const Json& the_case(const std::string& title, const std::string& device) const {
    for (const Json& c : data_["cases"])
      if (c["title"] == title && c["device"] == device) return c;
    throw std::runtime_error("no case " + title);
  }
  std::vector<RunRecord> records_;
  std::string page_;
  Json data_;
};

TEST_F(Html, DataEqualsTheEstimates) {
  const CardPrice price{"H100", 3.0, "USD", "", ""};
  for (const RunGroup& group : group_runs(pointers(records_))) {
    const CaseSummary summary = summarise(group);
    if (!summary.total_s.has()) continue;
    const BuyerNumbers buyer = buyer_numbers(summary, &price);
    const bool warm = summary.example->workload.scope == RunScope::kWarm;
    const Json& head = the_case(group.case_name + (warm ? " (warm)" : ""), group.device)["headline"];
    EXPECT_EQ(head["seconds"]["value"], summary.total_s.median());
    EXPECT_EQ(head["videos_per_hour"]["value"], buyer.videos_per_hour.median());
    EXPECT_EQ(head["energy_wh"]["value"], buyer.energy_wh.median());
    EXPECT_EQ(head["price"]["gpu_hours"], *buyer.gpu_hours);
    ASSERT_EQ(head["parts"].size(), buyer.parts.size());
    for (size_t i = 0; i < buyer.parts.size(); ++i) EXPECT_EQ(head["parts"][i]["seconds"], buyer.parts[i].seconds);
    if (summary.total_s.estimate->interval) {
      EXPECT_EQ(head["seconds"]["low"], summary.total_s.estimate->interval->low);
    } else {
      EXPECT_EQ(head["seconds"]["single"], true);
    }
  }
}

TEST_F(Html, PageHasTheDataWithWhatFoldsShowPacked) {
  const Json page = block_of(page_);
  EXPECT_EQ(page["answer"], data_["answer"]);
  ASSERT_EQ(page["cases"].size(), data_["cases"].size());
  for (size_t i = 0; i < page["cases"].size(); ++i) {
    Json details = Json::object(), plain = data_["cases"][i];
    for (const char* key : {"scopes", "stages", "steps", "timeline", "roofline", "memory", "kernels"}) {
      if (!plain.contains(key)) continue;
      details[key] = plain[key];
      plain.erase(key);
    }
    plain["details"] = details.empty() ? Json(nullptr) : Json(to_base64(gzip(details.dump())));
    EXPECT_EQ(page["cases"][i], plain);
  }
}

TEST_F(Html, AnswerComesFirstAndNamesItsCases) {
  const Json& answer = data_["answer"];
  ASSERT_FALSE(answer["charts"].empty());
  EXPECT_EQ(answer["sentence"], answer["charts"][0]["sentence"]);
  for (const Json& chart : answer["charts"])
    for (const Json& bar : chart["bars"]) {
      const Json& shown = data_["cases"].at(bar["case"].get<size_t>());
      EXPECT_EQ(bar["seconds"], shown["headline"]["seconds"]);
      EXPECT_EQ(bar["energy_wh"], shown["headline"]["energy_wh"]);
      EXPECT_EQ(bar["sureness"], shown["sureness"]);
      const Json& price = shown["headline"]["price"]["per_video"];
      EXPECT_EQ(bar["money"]["value"].is_null(), price.is_null());
      if (price.is_null()) continue;
      EXPECT_DOUBLE_EQ(bar["money"]["value"].get<double>(), price.get<double>());
    }
}

TEST_F(Html, IntervalOfARateIsTheIntervalOfTheTimeTurnedOver) {
  const Json& head = the_case("01_Speed", "NVIDIA H100 80GB HBM3")["headline"];
  EXPECT_LT(head["seconds"]["low"], head["seconds"]["high"]);
  EXPECT_DOUBLE_EQ(head["videos_per_hour"]["low"].get<double>(), 3600 / head["seconds"]["high"].get<double>());
  EXPECT_DOUBLE_EQ(head["videos_per_hour"]["high"].get<double>(), 3600 / head["seconds"]["low"].get<double>());
  EXPECT_LT(head["energy_wh"]["low"], head["energy_wh"]["high"]);
}

TEST_F(Html, PriceComesFromTheTableAndIsAbsentWithReason) {
  // 3 warm runs of 20.15 s scaled 1, 1.004, 0.997, and 0.04 s in no stage: the median run is the first.
  const double seconds = 0.02 + 0.9 + 0.15 + (2.9 + 2.92 + 2.94 + 2.9 + 2.92) + 4.1 + 0.35 + 0.04;
  const Json price = the_case("01_Speed (warm)", "NVIDIA H100 80GB HBM3")["headline"]["price"];
  EXPECT_NEAR(price["per_video"].get<double>(), seconds / 3600 * 2.95, 1e-7);
  const auto no_prices = block_of(report::html_report(report_view(pointers(records_), peaks(), {})));
  EXPECT_TRUE(no_prices["cases"][0]["headline"]["price"]["per_video"].is_null());
  EXPECT_EQ(no_prices["cases"][0]["headline"]["price"]["reason"], "the card is not in the price table");
}

TEST_F(Html, HostileTextIsNeverMarkup) {
  EXPECT_EQ(the_case("01_Speed", "NVIDIA H100 80GB HBM3")["workload"]["prompt"], kHostileText);
  EXPECT_THAT(page_, Not(HasSubstr("<img")));
  EXPECT_THAT(page_, Not(HasSubstr("<!-- ")));
  // Data, library (where embedded) and page script: nothing else opens or closes a script element.
  const size_t scripts = report::chart_library().empty() ? 2 : 3;
  EXPECT_EQ(count(page_, "<script"), scripts);
  EXPECT_EQ(count(page_, "</script"), scripts);
  const size_t begin = page_.find(kOpening);
  EXPECT_EQ(page_.substr(begin, page_.find("</script", begin) - begin).find("\xE2\x80\xA8"), std::string::npos);
}

TEST(ScriptSafe, EscapesAndStaysTheSameJson) {
  const Json text = std::string("</script><!--&\xE2\x80\xA8\xE2\x80\xA9\xE2\x80");
  const std::string json = text.dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string safe = report::script_safe(json);
  EXPECT_EQ(safe.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(Json::parse(safe), Json::parse(json));
}

TEST_F(Html, FetchesNothing) {
  for (const char* part :
       {"src=\"http", "href=\"http", "url(http", "@import", "<link", "fetch(", "XMLHttpRequest", "sourceMappingURL"})
    EXPECT_THAT(page_, Not(HasSubstr(part)));
  EXPECT_THAT(page_, HasSubstr("default-src 'none'"));
}

TEST_F(Html, FailureIsARow) {
  const Json& failed = the_case("02_Large", "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(failed["status"], "oom");
  EXPECT_EQ(failed["fit"]["state"], "out of memory");
  ASSERT_EQ(failed["failures"].size(), 1u);
  EXPECT_EQ(failed["failures"][0]["advice"], "--frames 61 would fit");
  EXPECT_TRUE(failed["headline"]["seconds"]["value"].is_null());
}

TEST_F(Html, ComparisonSeparatesGpuFromHost) {
  ASSERT_EQ(data_["comparisons"].size(), 1u);
  const Json& comparison = data_["comparisons"][0];
  EXPECT_THAT(comparison["sentence"].get<std::string>(), HasSubstr("GPU part"));
  EXPECT_NEAR(comparison["split"]["saved_s"].get<double>(),
              comparison["split"]["saved_gpu_s"].get<double>() + comparison["split"]["saved_host_s"].get<double>(),
              1e-9);
}

TEST_F(Html, SentencesNameTheProgramsWhereTheyDifferAndPutOneProgramsCardsSideBySide) {
  RunRecord here = records_[0], there = records_[0];
  there.system.gpus[0].name = "Another Card";
  there.output = {};
  here.output.file = "video.mp4";
  for (StageRecord& stage : there.stages) {
    stage.wall_ns /= 2;
    if (stage.begin_ns.has()) *stage.begin_ns.value /= 2;
  }
  for (RunRecord* record : {&here, &there}) seal(*record);
  const std::vector<RunRecord> records = {imported_record(), here, there};
  const Json data = data_of(records);
  std::vector<std::string> sentences;
  for (const Json& pair : data["comparisons"]) sentences.push_back(pair["sentence"]);
  ASSERT_EQ(sentences.size(), 2u);
  EXPECT_THAT(sentences[0],
              HasSubstr("wanbench on " + here.system.gpus[0].name + " against " + records[0].engine.name + " on "));
  EXPECT_THAT(sentences[1], HasSubstr("Another Card against " + here.system.gpus[0].name + ": "));
  EXPECT_THAT(sentences[0], Not(HasSubstr("Not the same work: output")));
  EXPECT_THAT(sentences[1], HasSubstr("Not the same work: output none against video."));
}

TEST_F(Html, TheFirstSentenceIsOfTwoProgramsOnOneCardWhateverRanFirst) {
  const RunRecord& here = records_[0];
  RunRecord there = here, original = imported_record();
  there.system.gpus[0].name = "Another Card";
  original.system.gpus = {original.system.gpus[0]};
  original.system.gpus[0].name = here.system.gpus[0].name;
  for (RunRecord* record : {&there, &original}) seal(*record);
  const std::vector<RunRecord> records = {imported_record(), there, original, here};
  const Json data = data_of(records);
  const std::string card = here.system.gpus[0].name, sentence = data["comparisons"][0]["sentence"];
  EXPECT_THAT(sentence, HasSubstr("wanbench on " + card + " against " + original.engine.name + " on " + card));
}

TEST_F(Html, SentencesTellWarmRunsFromColdOnes) {
  const RunRecord* warm = nullptr;
  for (const RunRecord& record : records_)
    if (record.workload.scope == RunScope::kWarm) warm = &record;
  ASSERT_NE(warm, nullptr);
  RunRecord here = *warm, there = *warm;
  there.system.gpus[0].name = "Another Card";
  for (RunRecord* record : {&here, &there}) seal(*record);
  const std::vector<RunRecord> records = {here, there};
  const Json data = data_of(records);
  ASSERT_EQ(data["comparisons"].size(), 1u);
  EXPECT_THAT(data["comparisons"][0]["sentence"].get<std::string>(), ::testing::StartsWith("01_Speed (warm): "));
}

TEST_F(Html, KernelsComeFromTheTracedRunWhichDoesNotCount) {
  const Json& kernels = data_["cases"][0]["kernels"];
  ASSERT_EQ(kernels["views"].size(), 2u);
  EXPECT_EQ(kernels["views"][0]["stages"], "All steps");
  double sum = 0;
  for (const Json& kind : kernels["views"][0]["kinds"]) sum += kind["share"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_EQ(kernels["views"][0]["kernels"].back()["name"], "all others");
  const Json& copies = kernels["views"][0]["kinds"][3];
  EXPECT_EQ(copies["name"], "copies");
  EXPECT_NEAR(copies["seconds"].get<double>(), 0.14, 1e-9);
  EXPECT_NEAR(copies["total_seconds"].get<double>(), 0.9, 1e-9) << "most of it hidden behind other kernels";
  EXPECT_NEAR(kernels["slowdown"].get<double>(), 1.1, 0.01);
  EXPECT_EQ(kernels["missing"], "");
  EXPECT_EQ(data_["cases"][0]["certainty"]["runs_cell"], "3 of 3");
  EXPECT_TRUE(data_["cases"][1]["kernels"].is_null()) << "no warm run was traced";
}

TEST_F(Html, MissingKernelsAreSaidWithTheReasonWhereTheRunKnowsIt) {
  const auto missing = [](const std::vector<RunRecord>& records) {
    return data_of(records)["cases"][0]["kernels"]["missing"].get<std::string>();
  };
  for (RunRecord& record : records_)
    if (record.kernels) record.kernels->lost = 3;
  EXPECT_EQ(missing(records_), "3 kernels are missing.");
  for (RunRecord& record : records_)
    if (record.kernels) record.kernels->missing = "2 without a time, 1 begun outside every stage";
  EXPECT_EQ(missing(records_), "Kernels are missing: 2 without a time, 1 begun outside every stage.");
  EXPECT_THAT(report::markdown_report(view_of(records_)), HasSubstr("missing: 2 without a time, 1 begun"));
}

TEST_F(Html, CardsWithTheirProgramsAreColumnsAndCasesRows) {
  const Json& cards = data_["cards"];
  ASSERT_EQ(cards["machines"].size(), 2u);
  EXPECT_EQ(cards["machines"][0]["imported"], true);
  const Json& total = cards["quantities"][0];
  EXPECT_EQ(total["name"], "Whole video");
  EXPECT_EQ(total["rows"][0]["case"], "01_Speed");
  EXPECT_EQ(total["rows"][0]["cells"][0], "58.34, single run");
  EXPECT_EQ(total["rows"][0]["cells"][1], "26.54 [26.46, 26.65], n = 3");
  const std::vector<RunRecord> one = {records_[0]};
  EXPECT_TRUE(data_of(one)["cards"].is_null()) << "one machine has no other side";
}

TEST_F(Html, CardsSayWhatIsNotCountedNotTheSameOrNotMeasured) {
  RunRecord ours = records_[0], renamed = records_[0], imported = imported_record();
  renamed.run_case.name = "01_Speed_Renamed";
  renamed.run_case.aliases = {"01_Speed"};
  renamed.workload.steps = 9;
  renamed.validity = {{"foreign_gpu_process", "another program", "", true}};
  std::vector<RunRecord> records = {ours, renamed, imported};
  for (RunRecord& record : records) {
    for (StageRecord& stage : record.stages) stage.energy_j = absent<double>("not_measured");
    seal(record);
  }
  const Json cards = data_of(records)["cards"];
  const std::string cell = cards["quantities"][0]["rows"][0]["cells"][1];
  EXPECT_THAT(cell, ::testing::MatchesRegex(
                        "[0-9.]+, single run / [0-9.]+, single run, measured while another program was on the card"));
  for (const Json& quantity : cards["quantities"]) EXPECT_NE(quantity["name"], "Energy") << "nobody measured it";
  records.push_back(records[1]);  // another that does not count
  records.back().run_case.repeat = 1;
  records.back().id.clear();
  seal(records.back());
  const Json again = data_of(records)["cards"];
  EXPECT_THAT(std::string(again["quantities"][0]["rows"][0]["cells"][1]),
              ::testing::MatchesRegex(
                  "[0-9.]+, single run / [0-9.]+, first of 2 runs, measured while another program was on the card"));
  ASSERT_EQ(cards["differences"].size(), 1u);
  EXPECT_THAT(cards["differences"][0].get<std::string>(), HasSubstr("steps is 9"));
  const std::string markdown = report::markdown_report(view_of(records));
  EXPECT_THAT(markdown, HasSubstr("## Cards Side by Side"));
  EXPECT_THAT(markdown, HasSubstr("### Where the work of a row differs\n\n- 01_Speed_Renamed on "));
  EXPECT_THAT(report::markdown_report(view_of({ours})), Not(HasSubstr("Cards Side by Side")));
  EXPECT_THAT(report::markdown_report(view_of({ours, imported})), Not(HasSubstr("Where the work of a row differs")));
}

/// A table of one row, of the hand-made records' video: streamed in 8, packed in 12, all on the card from 32 on.
std::vector<FitRow> fit_rows() {
  FitRow row{"ti2v-5B", 1280, 704, 121, "bf16", uint64_t{9} << 30};
  const auto peak = [](const char* residency, uint64_t gib, const char* recipe = "official") {
    return FitPeak{residency, gib << 30, recipe, ""};
  };
  row.cells[0].predicted = peak("stream", 6);
  row.cells[1].predicted = peak("packed", 11);
  row.cells[1].published = peak("packed", 10, "few-3");
  for (size_t i = 4; i < row.cells.size(); ++i) row.cells[i].predicted = peak("resident", 25);
  return {row};
}

TEST_F(Html, WillItFitSaysWhereTheWeightsAreAndWhatMeasuredIt) {
  const Json fit =
      Json::parse(report::report_data(report_view(pointers(records_), peaks(), prices(), fit_rows())))["fit"];
  EXPECT_EQ(fit["gib"], (Json{8, 12, 16, 24, 32, 48, 80, 141}));
  const Json& row = fit["rows"][0];
  EXPECT_EQ(row["name"], "ti2v-5B 1280×704, 121 frames, bf16");
  EXPECT_EQ(row["asked"], true);
  const Json& cells = row["cells"];
  EXPECT_EQ(cells[0], (Json{{{"place", "streamed"}, {"gib", "6.0"}}}));
  EXPECT_EQ(cells[1], (Json{{{"place", "packed"}, {"gib", "11.0"}},
                            {{"place", "packed"}, {"gib", "10.0"}, {"mark", "○"}, {"note", "few-3"}}}));
  EXPECT_EQ(cells[2], (Json{{{"place", "no"}}}));
  EXPECT_EQ(cells[4], (Json{{{"place", "card"}, {"gib", "23.9"}, {"mark", "●"}}})) << "24500 MiB, all three runs";
}

/// The view with a table of one round whose submitter wants to be markup.
ReportView beside_mlperf(const std::vector<RunRecord>& records) {
  ReportView view = view_of(records);
  MlperfTable table = load_mlperf(std::filesystem::path(WAN_SOURCE_DIR) / "suites" / "mlperf.json");
  table.entries[0].submitter = table.entries[0].weights = table.sources[0].text = kHostileText;
  table.entries[1].offline_per_s.reset();
  view.mlperf = mlperf_view(view.cases, std::move(table));
  return view;
}

TEST(HtmlMlperf, PublishedResultsStandBesideTheSameWorkAsTheyAreStated) {
  const std::vector<RunRecord> records = mlperf_records();
  const ReportView view = beside_mlperf(records);
  const Json mlperf = Json::parse(report::report_data(view))["mlperf"];
  ASSERT_EQ(mlperf["rows"].size(), 15u) << "the case of 81 frames, not that of 77";
  const Json& ours = mlperf["rows"][0];
  EXPECT_EQ(ours["who"], "here: T2V_A14B_720p (warm), wanbench");
  EXPECT_EQ(ours["round"], "unofficial");
  EXPECT_EQ(ours["cards"], "1x NVIDIA H200");
  EXPECT_EQ(ours["precision"], "DiT bf16, VAE fp32");
  EXPECT_EQ(ours["card_seconds"]["value"], view.cases[0].numbers().total_s.median());
  EXPECT_EQ(ours["card_seconds"]["runs"], 3);
  EXPECT_TRUE(ours["queued_card_seconds"]["value"].is_null());
  const Json& published = mlperf["rows"][3];
  EXPECT_EQ(published["who"], "GigaComputing");
  EXPECT_EQ(published["cards"], "8x NVIDIA B300-SXM-270GB");
  EXPECT_EQ(published["precision"], "fp8");
  EXPECT_NEAR(published["card_seconds"]["value"].get<double>(), 144.4, 0.05);
  EXPECT_NEAR(published["per_hour"]["value"].get<double>(), 225.0, 0.1);
  EXPECT_EQ(mlperf["rows"][2]["per_hour"]["reason"], "not submitted");
  EXPECT_THAT(mlperf["notes"][0], HasSubstr("results not verified by MLCommons Association"));
  EXPECT_TRUE(Json::parse(report::report_data(beside_mlperf(report_records())))["mlperf"].is_null());
}

TEST(HtmlMlperf, TextOfTheTableIsNoMarkup) {
  const std::vector<RunRecord> records = mlperf_records();
  const ReportView view = beside_mlperf(records);
  EXPECT_THAT(report::html_report(view), Not(HasSubstr("<img src=x")));
  const std::string markdown = report::markdown_report(view);
  EXPECT_THAT(markdown, HasSubstr("## MLPerf Text-to-Video, Unofficial\n"));
  EXPECT_THAT(markdown, HasSubstr("| here: T2V_A14B_720p (warm), wanbench | unofficial | 1x NVIDIA H200 |"));
  EXPECT_THAT(markdown, AllOf(HasSubstr("script\\>\\<img src=x"), Not(HasSubstr("script><img src=x"))));
  EXPECT_THAT(report::markdown_report(beside_mlperf(report_records())), Not(HasSubstr("MLPerf")));
}

TEST_F(Html, WhatRanOutIsListedWithWhatItWantedAndHad) {
  const ReportView view = view_of(records_);
  const Json fit = Json::parse(report::report_data(view))["fit"];
  ASSERT_EQ(fit["ran_out"].size(), 1u);
  const std::string text = fit["ran_out"][0];
  EXPECT_EQ(text,
            "02_Large, ti2v-5B 3840×2176, 121 frames, by wanbench on NVIDIA H100 80GB HBM3 of 79.18 GiB: ran out in "
            "VAE_Decoding, wanted 87.89 GiB, 10.74 GiB free. --frames 61 would fit");
  const std::string markdown = report::markdown_report(view);
  EXPECT_THAT(markdown, HasSubstr("## Will It Fit\n"));
  EXPECT_THAT(markdown, HasSubstr("- 02_Large, ti2v-5B 3840×2176"));
  EXPECT_THAT(report::markdown_report(view_of({imported_record()})), Not(HasSubstr("## Will It Fit")));
}

TEST_F(Html, ExtremesSayHowSurelyTheyCoverTheMedianAndLongerIntervalsDoNot) {
  const Json seconds = the_case("01_Speed", "NVIDIA H100 80GB HBM3")["headline"]["seconds"];
  EXPECT_EQ(seconds["runs"], 3);
  EXPECT_EQ(seconds["extremes_coverage"], 0.75) << "1 - 2^(1 - 3)";
  std::vector<RunRecord> records;
  for (int64_t repeat = 0; repeat < 7; ++repeat) {
    records.push_back(records_[0]);
    records.back().run_case.repeat = repeat;
    records.back().id.clear();
    for (StageRecord& stage : records.back().stages) stage.wall_ns += stage.wall_ns / 1000 * repeat;
    seal(records.back());
  }
  const Json seven = data_of(records)["cases"][0]["headline"]["seconds"];
  EXPECT_FALSE(seven.contains("extremes_coverage"));
  EXPECT_TRUE(seven.contains("low"));
}

TEST_F(Html, CommandThatRepeatsACaseIsTheAnalysisOwn) {
  const RunGroup group = group_runs(pointers(records_)).front();
  const Json& provenance = the_case("01_Speed", "NVIDIA H100 80GB HBM3")["provenance"];
  EXPECT_EQ(provenance["repeat_command"], repeat_command(summarise(group)));
  EXPECT_THAT(provenance["repeat_command"].get<std::string>(), HasSubstr("--case 01_Speed "));
  EXPECT_EQ(the_case("01_Speed", "L40S")["provenance"]["repeat_command"], "") << "nothing repeats an imported run";
}

TEST_F(Html, StagesOffTheCardHaveNoDeviceTimeAndTheTotalHasTheGpuPart) {
  for (RunRecord& record : records_) {
    for (StageRecord& stage : record.stages)  // how far apart two events were
      if (stage.kind == StageKind::kLeaf) stage.gpu_ns = measured(stage.wall_ns, "cuda_event");
    seal(record);
  }
  const Json c = data_of(records_)["cases"][0];
  const auto& columns = c["stages"]["columns"];
  const auto column =
      std::find_if(columns.begin(), columns.end(), [](const Json& j) { return j["title"] == "On the GPU"; });
  ASSERT_NE(column, columns.end());
  const auto on_gpu = [&](const std::string& name) {
    for (const Json& row : c["stages"]["rows"])
      if (row["name"] == name) return row["cells"][static_cast<size_t>(column - columns.begin())];
    return Json();
  };
  const Json& reasons = c["stages"]["reasons"];
  for (const char* name : {"Model_Initialization", "TI2V_Preprocess", "Step_0_Loading", "Output_Encoding"}) {
    ASSERT_TRUE(on_gpu(name).is_number()) << name << ": the place of a reason";
    EXPECT_EQ(reasons[on_gpu(name).get<size_t>()], "the stage does not compute on the GPU");
  }
  EXPECT_NEAR(on_gpu("Step_0_Inference")[0].get<double>(), 2.9, 1e-6);
  const Json& gpu_part = c["scopes"][4]["value"];
  EXPECT_EQ(on_gpu("Total_Execution").size(), 5u) << "median, runs, low, high, coverage";
  EXPECT_NEAR(on_gpu("Total_Execution")[0].get<double>(), gpu_part["value"].get<double>(), 1e-7);
  EXPECT_EQ(on_gpu("Total_Execution")[1], gpu_part["runs"]);
  EXPECT_NEAR(on_gpu("Total_Execution")[2].get<double>(), gpu_part["low"].get<double>(), 1e-7);
  EXPECT_EQ(on_gpu("Total_Execution")[4], gpu_part["extremes_coverage"]);
  EXPECT_EQ(c["scopes"][4]["name"], "GPU part");
}

TEST_F(Html, PartsOfOneNameInAStageAreOneRowWithTheirSum) {
  report::HtmlOptions options;
  for (RunRecord& record : records_) options.beside.spans[record.id] = sum_up_parts(record.stages);
  const Json shown = data_of(records_, options)["cases"][0];
  const Json& part = shown["stages"]["parts"][3];
  EXPECT_EQ(part["id"], "Step_0_Inference/h2d");
  EXPECT_EQ(part["kind"], "hidden");
  EXPECT_EQ(part["count"], 2);
  EXPECT_NEAR(part["seconds"][0].get<double>(), 0.9 * 2.9, 1e-6) << "0.5 and 0.4 of a step of 2.9 s";
  const Json& timeline = shown["timeline"];
  std::vector<Json> copies;
  for (const Json& span : timeline["spans"])
    if (timeline["stages"][span[1].get<size_t>()]["kind"] == "hidden") copies.push_back(span);
  ASSERT_EQ(copies.size(), 2u) << "drawn one by one";
  EXPECT_EQ(copies[0][2], 1);
  EXPECT_EQ(copies[1][2], 2);
  EXPECT_EQ(copies[0][4], 1'450'000) << "microseconds: half of the step";
  EXPECT_EQ(copies[0][5], uint64_t{500} << 20);
}

TEST_F(Html, RunsAreNumberedWithinTheGroupAndTheTypicalOneIsShown) {
  std::vector<RunRecord> records(records_.begin(), records_.begin() + 3);  // 1, 1.004 and 0.997 of the time
  for (RunRecord& record : records) {
    record.run_case.repeat = 0;  // as of three folders
    seal(record);
  }
  const Json c = data_of(records)["cases"][0];
  std::vector<std::string> names;
  for (const Json& run : c["steps"]) names.push_back(run["run"]);
  EXPECT_THAT(names, ::testing::ElementsAre("run 1", "run 2", "run 3"));
  EXPECT_EQ(c["timeline"]["run"], "run 1") << "its total is the median";
  std::swap(records[0].stages, records[1].stages);
  for (RunRecord& record : records) seal(record);
  EXPECT_EQ(data_of(records)["cases"][0]["timeline"]["run"], "run 2");
}

TEST_F(Html, ComparisonNotesNameTheSidesAndGatherWhatOneSideRecords) {
  RunRecord imported = imported_record();
  imported.workload.dtypes.clear();
  imported.workload.solver.clear();
  seal(imported);
  const std::vector<RunRecord> records = {records_[0], imported};
  const Json comparison = data_of(records)["comparisons"][0];
  const std::string caveats = comparison["caveats"].dump();
  EXPECT_THAT(caveats, HasSubstr("another program on L40S is imported"));
  EXPECT_THAT(caveats, HasSubstr("only wanbench on NVIDIA H100 80GB HBM3 records: dtypes.dit, dtypes.vae, solver"));
  EXPECT_THAT(caveats, Not(HasSubstr("one side only")));
  EXPECT_THAT(caveats, Not(HasSubstr("\"A ")));
  EXPECT_THAT(caveats, Not(HasSubstr("\"B ")));
}

TEST_F(Html, CardsMarkRunsWithoutVideoAndPeaksOfAnAllocator) {
  RunRecord here = records_[0], there = records_[0];
  here.output.size_bytes = measured<uint64_t>(1, "engine");
  there.system.gpus[0].name = "Another Card";
  for (StageRecord& stage : there.stages) stage.device_memory.process_peak_bytes = absent<uint64_t>("not_measured");
  for (RunRecord* record : {&here, &there}) seal(*record);
  std::vector<RunRecord> records = {here, there};
  const auto cells = [&](const std::string& name) {
    const Json data = data_of(records);
    for (const Json& quantity : data["cards"]["quantities"])
      if (quantity["name"] == name) return quantity["rows"][0]["cells"];
    return Json();
  };
  EXPECT_EQ(cells("Whole video"), (Json{"26.54, single run", "26.54, single run (no video)"}));
  EXPECT_EQ(cells("Peak GPU memory"), (Json{"23.93, single run", "23.05, single run (allocator) (no video)"}));
  records[0].output = {};
  seal(records[0]);
  EXPECT_EQ(cells("Whole video"), (Json{"26.54, single run", "26.54, single run"})) << "no run of the row wrote one";
}

TEST_F(Html, ColdAndWarmArePaired) {
  ASSERT_EQ(data_["cold_warm"].size(), 1u);
  EXPECT_NEAR(data_["cold_warm"][0]["extra_s"].get<double>(), 6.4, 1e-6);
}

TEST_F(Html, VideosBesideTheReportAreShownAndNoOthers) {
  const test::TemporaryFolder outer;
  const std::filesystem::path folder = outer / "report";
  std::filesystem::create_directories(folder / "videos");
  write_atomically(folder / "videos" / "a b.mp4", "x");
  write_atomically(outer / "outside.mp4", "x");
  std::vector<RunRecord> records = report_records();
  records[0].output.file = "videos/a b.mp4";
  records[1].output.file = "../outside.mp4";
  records[2].output.file = "videos/missing.mp4";
  report::HtmlOptions options;
  const auto video_of_case = [&] { return data_of(records, options)["cases"][0]["video"]; };
  EXPECT_TRUE(video_of_case().is_null()) << "the report's place is not known";
  options.folder = folder;
  EXPECT_EQ(video_of_case()["path"], (Json{"videos", "a b.mp4"}));
  EXPECT_TRUE(video_of_case()["poster"].is_null()) << "nothing makes stills";
  records[0].output.file = "../outside.mp4";
  EXPECT_TRUE(video_of_case().is_null()) << "neither one outside nor one that is not there";
}

TEST_F(Html, StillOfTheVideoIsInThePageAndLeavesWhenRedacted) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "videos");
  write_atomically(folder / "videos" / "first.mp4", "x");
  write_atomically(folder / "videos" / "second.mp4", "x");
  std::vector<RunRecord> records = report_records();
  records[0].output.file = "videos/first.mp4";
  records[1].output.file = "videos/second.mp4";
  report::HtmlOptions options;
  options.folder = folder;
  std::vector<std::filesystem::path> asked;
  std::string jpeg = "\xff\xd8<img>";
  options.poster = [&](const std::filesystem::path& video) {
    asked.push_back(video);
    return jpeg;
  };
  const auto page_of = [&] { return report::html_report(view_of(records), options); };
  EXPECT_EQ(block_of(page_of())["cases"][0]["video"]["poster"], "data:image/jpeg;base64,/9g8aW1nPg==");
  EXPECT_THAT(asked, ::testing::ElementsAre(folder / "videos" / "first.mp4")) << "one still for a case";
  jpeg.clear();
  EXPECT_TRUE(block_of(page_of())["cases"][0]["video"]["poster"].is_null()) << "the video gave none";
  jpeg = "x";
  asked.clear();
  const Redactor redactor;
  for (RunRecord& record : records) redactor.redact(record);
  EXPECT_THAT(page_of(), Not(HasSubstr("data:image/jpeg")));
  EXPECT_TRUE(asked.empty());
}

TEST_F(Html, SamplesTakeThePlaceOfStageValuesInTheTimeline) {
  const Json& by_stage = the_case("01_Speed", "NVIDIA H100 80GB HBM3")["timeline"];
  EXPECT_TRUE(by_stage["period_ms"].is_null());
  report::HtmlOptions options;
  options.beside.samples = {{records_[0].id, report_samples()}};
  const Json sampled = data_of(records_, options)["cases"][0]["timeline"];
  EXPECT_EQ(sampled["period_ms"], 100);
  ASSERT_EQ(sampled["series"].size(), 2u);
  EXPECT_EQ(sampled["series"][0]["name"], "SM active");
  EXPECT_EQ(sampled["series"][1]["points"][4], (Json{10'400'000, 0, 604.0}));
}

TEST_F(Html, RunsLeadToTheirRecordsBelowThePage) {
  report::HtmlOptions options;
  options.files = {{records_[0].id, "records/a b.run.json"}};
  const auto first_file = [&] {
    const Json data = data_of(records_, options);
    for (const Json& shown : data["cases"])
      for (const Json& run : shown["provenance"]["runs"])
        if (run["id"] == records_[0].id) return run["file"];
    return Json("no such run");
  };
  EXPECT_EQ(first_file(), (Json{"records", "a b.run.json"}));
  for (const char* elsewhere : {"../a.run.json", "/a.run.json"}) {
    options.files[records_[0].id] = elsewhere;
    EXPECT_TRUE(first_file().is_null()) << elsewhere;
  }
}

TEST(Imported, SeedReportIsRegeneratedWithCorrections) {
  const auto records = import_file(std::string(WAN_FIXTURES) + "/units/seed_report.md");
  const auto overviews = report::printed_overviews(pointers(records));
  ASSERT_EQ(overviews.size(), 3u);
  EXPECT_EQ(overviews[0].columns, (std::vector<std::string>{"Case", "Resolution", "L40S Time(s)", "RTX 6000 Time(s)",
                                                            "Speedup (RTX vs L40S)"}));
  EXPECT_EQ(overviews[0].rows[0],
            (std::vector<std::string>{"01_Speed_Preview_480p", "1280*704", "269.38", "114.94", "**2.34x**"}));
  const std::string markdown = report::imported_markdown(pointers(records));
  EXPECT_THAT(markdown, HasSubstr("| VAE_Decoding | 23.74 | 23.54 | 3.4 | 318.29 | 100.0 | 2374 |"));
  EXPECT_THAT(markdown, HasSubstr("| Case | Res | Offload | Time(s) | s/step | Mem(GB) | SM(%) | Load |"));
  // The seed's total load counts Total_Execution twice: 11672 printed, 5804 in its stages.
  EXPECT_THAT(markdown, HasSubstr("double_counted_load | Total Compute Load"));
  const Json data = data_of(records);
  EXPECT_EQ(data["printed_overviews"].size(), 3u);
  EXPECT_EQ(data["cases"].size(), records.size());
}

}  // namespace
}  // namespace wan
