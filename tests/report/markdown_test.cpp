// The Markdown report of hand-made records: the seed's headings, dashes with reasons, failures as rows.
#include "report/markdown.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/file.h"
#include "html_records.h"
#include "import/import.h"
#include "report/format.h"
#include "results/json.h"

namespace wan::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kSecond = 1'000'000'000;

StageRecord stage(const std::string& name, int64_t begin_ns, int64_t wall_ns, int64_t index = -1) {
  StageRecord result;
  result.id = result.name = name;
  result.role = stage_from_name(name).role;
  result.parent = "Total_Execution";
  result.index = index;
  result.wall_ns = wall_ns;
  result.begin_ns = measured(begin_ns, "clock");
  result.cpu_core_ns = measured(wall_ns, "proc");
  result.host_memory.process_peak_bytes = measured<uint64_t>(3ull << 30, "proc");
  result.host_memory.system_used_peak_bytes = measured<uint64_t>(9ull << 30, "proc");
  return result;
}

RunRecord cpu_run(int64_t repeat = 0) {
  RunRecord run;
  run.created_utc = "2026-11-24T12:00:00.000Z";
  run.tool = {"0.1.0", "abcdef", false, "GNU 12", ""};
  run.workload.task = "ti2v";
  run.workload.width = 96;
  run.workload.height = 64;
  run.workload.num_frames = 13;
  run.workload.steps = 2;
  run.workload.precision_class = PrecisionClass::kExact;
  run.workload.offload = "auto";
  run.workload.prompt = "a cat | a dog";
  run.run_case = {"quick", "1", "01_Speed", {"old_480p"}, repeat, "", false};
  run.engine.name = "wanbench";
  run.engine.device = "cpu";
  run.system.host = "box";
  run.system.cpu_model = "A CPU";
  run.system.cores_allowed = measured<int64_t>(2, "proc");
  run.stages = {stage("Model_Initialization", 0, 2 * kSecond), stage("T5_Encoding", 2 * kSecond, kSecond / 2),
                stage("Step_0_Inference", 5 * kSecond / 2, 3 * kSecond, 0),
                stage("Step_1_Inference", 11 * kSecond / 2, 2 * kSecond, 1),
                stage("VAE_Decoding", 15 * kSecond / 2, 2 * kSecond)};
  run.stages[1].cpu_core_ns = absent<int64_t>("below_resolution");
  StageRecord total = stage("Total_Execution", 0, 10 * kSecond);
  total.kind = StageKind::kParent;
  total.parent.clear();
  run.stages.push_back(total);
  seal(run);
  return run;
}

std::string report_of(const std::vector<RunRecord>& runs) {
  std::vector<const RunRecord*> pointers;
  for (const RunRecord& run : runs) pointers.push_back(&run);
  return markdown_report(report_view(pointers, {}, {}));
}

TEST(Markdown, NamesEveryCommitThatMadeTheRuns) {
  std::vector<RunRecord> runs{cpu_run(), cpu_run(), cpu_run()};
  for (size_t i = 0; i < runs.size(); ++i) runs[i].id = std::to_string(i);
  runs[2].tool.git_commit = "123456789abcdef";
  runs[2].tool.git_dirty = true;
  EXPECT_THAT(report_of(runs), HasSubstr("commits 123456789abc (changed, 1 run), abcdef"));
  EXPECT_THAT(report_of(runs), HasSubstr("(2 runs)"));
}

TEST(Markdown, KeepsTheHeadingsOfTheSeedReport) {
  const std::string text = report_of({cpu_run()});
  for (const char* heading :
       {"# Wan2.2 Benchmark Report", "## Performance Summary: ", "# Detailed Reports", "### Detailed Breakdown",
        "#### Case: 01_Speed", "- **Total Duration**: 10.00 s", "##### Stage Breakdown", "##### Inference Statistics",
        "- **Avg Time per Step**: 2.000 s", "##### Performance Analysis", "**Resource Usage Overview:**"})
    EXPECT_THAT(text, HasSubstr(heading));
  EXPECT_THAT(text, HasSubstr("| Step_0_Inference | 3.000 | 30.0 | 50.0 | 1.000 | 3.00 | 9.00 |"));
  EXPECT_THAT(text, HasSubstr("| Unattributed | 0.500 | 5.0 |"));
  EXPECT_THAT(text, HasSubstr("| Total_Execution | 10.00 |"));
  EXPECT_THAT(text, HasSubstr("- **Also called**: old_480p"));
  EXPECT_THAT(text, HasSubstr("commit abcdef"));
  EXPECT_THAT(text, HasSubstr("single run"));
}

TEST(Markdown, LeavesOutGpuColumnsWithoutAGpuAndSaysSo) {
  const std::string text = report_of({cpu_run()});
  EXPECT_THAT(text, Not(HasSubstr("SM Act")));
  EXPECT_THAT(text, Not(HasSubstr("GPU Mem")));
  EXPECT_THAT(text, HasSubstr("GPU columns are left out"));
}

TEST(Markdown, AbsentValuesAreDashesWithTheReasonNeverZero) {
  const std::string text = report_of({cpu_run()});
  EXPECT_THAT(text, HasSubstr("| T5_Encoding | 0.500 | 5.0 | – | – |"));
  EXPECT_THAT(text, HasSubstr("CPU (%): too short for the sampling period"));
}

RunRecord gpu_run(const std::string& name, double scale) {
  RunRecord run = cpu_run();
  run.engine.device = "cuda:0";
  GpuInfo gpu;
  gpu.name = name;
  gpu.uuid = "GPU-" + name;
  gpu.memory_bytes = measured<uint64_t>(80ull << 30, "nvml");
  run.system.gpus = {gpu};
  for (StageRecord& s : run.stages) {
    s.wall_ns = static_cast<int64_t>(double(s.wall_ns) * scale);
    if (s.begin_ns.has()) *s.begin_ns.value = static_cast<int64_t>(double(*s.begin_ns.value) * scale);
    s.device_memory.process_peak_bytes = measured<uint64_t>(30ull << 30, "nvml");
    s.counters.sm_active.mean_percent = 50;
    s.counters.sm_active.source = "nvml_gpm";
    s.counters.dram_active.reason = "not_permitted";
  }
  seal(run);
  return run;
}

TEST(Markdown, ComparesTwoCardsAndSplitsTheSpeedup) {
  const std::string text = report_of({gpu_run("L40S", 1.0), gpu_run("H100", 0.5)});
  EXPECT_THAT(text, HasSubstr("# Wan2.2 Benchmark Report: Multi-GPU Comparison"));
  EXPECT_THAT(text, HasSubstr("## Performance Summary: L40S vs H100"));
  EXPECT_THAT(text, HasSubstr("Speedup (H100 vs L40S)"));
  EXPECT_THAT(text, HasSubstr("**2.00x** (GPU part 2.00x)"));
  EXPECT_THAT(text, HasSubstr("SM Act (%)"));
  EXPECT_THAT(text, HasSubstr("DRAM Act (%): not permitted to this user"));
  EXPECT_THAT(text, HasSubstr("- Peak GPU memory 30.00 GiB of 80.00 GiB: 50.00 GiB (62 %) free"));
}

TEST(Markdown, BeginsWithTheAnswerAndItsBars) {
  const std::string text = report_of({gpu_run("L40S", 1.0), gpu_run("H100", 0.5)});
  const std::string answer = text.substr(0, text.find("## Performance Summary"));
  EXPECT_THAT(answer, HasSubstr("**For this video ("));
  EXPECT_THAT(answer, HasSubstr("too few runs to be sure which is faster"));
  EXPECT_THAT(answer, HasSubstr("The rest of the time is the host's: "));
  EXPECT_THAT(answer, HasSubstr("| Card | Seconds a video | of it on the card |"));
  EXPECT_LT(answer.find("| H100 |"), answer.find("| L40S |")) << "the fastest first";
  EXPECT_THAT(answer, HasSubstr(" | single run | "));
}

TEST(Markdown, TwoProgramsOnOneCardAreTwoColumns) {
  RunRecord a = cpu_run(), b = cpu_run(1);
  b.engine.name = "original";
  b.engine.kind = EngineKind::kImported;
  b.imported = ImportInfo{"report.md", "0123456789abcdef0123", "seed-markdown", {}, {}, {}};
  b.stages.back().wall_ns = 20 * kSecond;
  const std::string text = markdown_report(report_view({&a, &b}, {}, {}));
  EXPECT_THAT(text, HasSubstr("## Performance Summary: A CPU, wanbench vs A CPU, original"));
  EXPECT_THAT(text, HasSubstr("| A CPU | original | imported from report.md, SHA-256 0123456789abcdef |"));
  EXPECT_THAT(text, HasSubstr("### Whole video (s)\n\n| Case | A CPU, original (imported) | A CPU, wanbench |"));
  EXPECT_THAT(text, HasSubstr("| 01_Speed | 20.00, single run | 10.00, single run |"));
}

TEST(Markdown, ATracedRunHasItsKernels) {
  RunRecord a = cpu_run(), b = cpu_run(1);
  b.validity = {{"traced", "watched", "", true}};
  b.kernels = KernelTrace{"cupti_activity",
                          "",
                          3,
                          {{"Step_*",
                            2,
                            5 * kSecond,
                            kSecond,
                            {{KernelKind::kGemm, 7, 4 * kSecond, 4 * kSecond}},
                            {{"nvjet|a", KernelKind::kGemm, 7, 4 * kSecond}},
                            0,
                            0}}};
  const std::string text = markdown_report(report_view({&a, &b}, {}, {}));
  EXPECT_THAT(text, HasSubstr("##### Kernels of Traced Run"));
  EXPECT_THAT(text, HasSubstr("3 kernels are missing."));
  EXPECT_THAT(text, HasSubstr("| GEMM | 4.000 | 80.0 | 4.000 | 7 |"));
  EXPECT_THAT(text, HasSubstr("| gaps | 1.000 | 20.0 | 1.000 |  |"));
  EXPECT_THAT(text, HasSubstr("| `nvjet\\|a` | GEMM | 4.000 | 80.0 | 7 | 571428.6 |"));
  EXPECT_THAT(text, HasSubstr("- **Runs**: 1 of 1"));
  auto& kernels = b.kernels->tables[0].kernels;
  while (kernels.size() < 11)
    kernels.push_back({"k" + std::to_string(kernels.size()), KernelKind::kGemm, 1, kSecond / 100});
  const std::string ten = markdown_report(report_view({&a, &b}, {}, {}));
  EXPECT_THAT(ten, HasSubstr("| `k9` |"));
  EXPECT_THAT(ten, Not(HasSubstr("| `k10` |"))) << "the table has the largest ten";
  b.kernels = KernelTrace{"", "the driver refused", 0, {}};
  EXPECT_THAT(markdown_report(report_view({&a, &b}, {}, {})), HasSubstr("\n\nNone: the driver refused.\n"));
}

TEST(Markdown, WillItFitHasARowAVideoAndAColumnAMemory) {
  RunRecord large = gpu_run("H100", 1);
  large.workload.num_frames = 25;
  RunRecord other = gpu_run("H200", 1);
  for (RunRecord* run : {&large, &other}) {
    run->workload.model = "a|b";
    seal(*run);
  }
  const std::string text = report_of({large, other});
  EXPECT_THAT(text, HasSubstr("\n## Will It Fit\n"));
  EXPECT_THAT(text, HasSubstr("| Memory, GiB | 8 | 12 | 16 | 24 | 32 | 48 | 80 | 141 |"));
  for (const char* frames : {"13", "25"})
    EXPECT_THAT(text, HasSubstr(fmt::format("| a\\|b 96×64, {} frames, bf16 | – | – | – | – | 30.0 card ● |", frames)));
  EXPECT_THAT(report_of({cpu_run()}), Not(HasSubstr("Will It Fit")));
}

TEST(Markdown, AFailedCaseIsARowWithItsFacts) {
  RunRecord run = cpu_run();
  run.status = RunStatus::kOutOfMemory;
  run.error = ErrorFacts{};
  run.error->stage = "VAE_Decoding";
  run.error->message = "out of memory in VAE activations";
  run.error->advice = "fewer frames";
  run.error->requested_bytes = measured<uint64_t>(8ull << 30, "engine");
  run.error->free_bytes = measured<uint64_t>(1ull << 30, "engine");
  const std::string text = report_of({run});
  EXPECT_THAT(text, HasSubstr("| oom |"));
  EXPECT_THAT(text, HasSubstr("- **Failed**: oom: out of memory in VAE activations"));
  EXPECT_THAT(text, HasSubstr("- **In stage**: VAE_Decoding"));
  EXPECT_THAT(text, HasSubstr("- **Asked for**: 8.00 GiB with 1.00 GiB free"));
  EXPECT_THAT(text, HasSubstr("- **What would fit**: fewer frames"));
  EXPECT_THAT(text, HasSubstr("0 of 1"));
}

TEST(Markdown, AFlaggedRunIsShownButNotCounted) {
  RunRecord run = cpu_run();
  run.validity = {{"cpu_interference", "others used 1 core", "", true}};
  const std::string text = report_of({run});
  EXPECT_THAT(text, HasSubstr("10.00 (measured while other programs ran)"));
  EXPECT_THAT(text, HasSubstr("- **Not counted**: repeat 1: flag cpu_interference: others used 1 core"));
  EXPECT_THAT(text, HasSubstr("| Step_0_Inference | 3.000 |"));
  EXPECT_THAT(text, HasSubstr("- **Runs**: 0 of 1 — single run, no interval"));
  EXPECT_THAT(text, HasSubstr("- **Sources**: process memory "));
  EXPECT_THAT(text, HasSubstr("- **What watching costs**: – ("));
  RunRecord second = run;
  second.run_case.repeat = 1;
  EXPECT_THAT(report_of({run, second}), HasSubstr("- **Runs**: 0 of 2 — the first run's numbers, no interval"));
}

TEST(Markdown, TheSummaryNamesTheRunsThatCountWhereOthersOfTheirTitleDoNot) {
  RunRecord hot = cpu_run(), unknown = cpu_run();
  hot.workload.page_cache = PageCache::kHot;
  unknown.validity = {{"thermal_slowdown", "half of the steps", "", true}};
  for (StageRecord& stage : unknown.stages)
    if (stage.kind == StageKind::kParent) stage.wall_ns += 5'000'000'000;
  for (RunRecord* run : {&hot, &unknown}) seal(*run);
  const std::string text = report_of({unknown, hot});
  const std::string summary = text.substr(0, text.find("# Detailed Reports"));
  EXPECT_THAT(summary, HasSubstr("| 10.00 |"));
  EXPECT_THAT(summary, Not(HasSubstr("15.00 (measured on a card that slowed down because it was hot)")));
  EXPECT_THAT(text, HasSubstr("15.00 (measured on a card that slowed down because it was hot)"))
      << "in its card's table";
  RunRecord elsewhere = hot;
  elsewhere.system.cpu_model = "Another CPU";
  seal(elsewhere);
  EXPECT_THAT(report_of({unknown, hot, elsewhere}), HasSubstr("| 10.00, single run | 10.00, single run |"));
}

TEST(Markdown, WarmupsAreNoCaseAndAnEmptyReportIsOne) {
  RunRecord run = cpu_run();
  run.run_case.warmup = true;
  EXPECT_THAT(report_of({run}), HasSubstr("No run to report."));
  EXPECT_THAT(report_of({}), HasSubstr("No run to report."));
}

TEST(Format, ShowsMillisecondsWhereTheyMatter) {
  EXPECT_EQ(seconds(0.0123), "0.012");
  EXPECT_EQ(seconds(9.9994), "9.999");
  EXPECT_EQ(seconds(12.345), "12.35");
  EXPECT_EQ(gib(1024.0 * 1024 * 512), "0.500");
  EXPECT_EQ(gib(3.5 * 1024 * 1024 * 1024), "3.50");
}

TEST(Format, TableCellsCannotBreakTheTable) {
  Table table({"a"});
  table.begin_row();
  table.text("x | y\nz");
  EXPECT_EQ(table.markdown(), "| a |\n| :--- |\n| x \\| y z |\n");
}

/// The rows of all Markdown tables, cells without the spaces around them, rules left out.
std::multiset<std::string> table_rows(const std::string& markdown) {
  std::multiset<std::string> rows;
  std::istringstream lines(markdown);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("|") || line.find_first_not_of("|:- \r") == std::string::npos) continue;
    std::string row;
    std::erase(line, '\\');  // what an escape stands before is as it was printed
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '|');) {
      const size_t begin = cell.find_first_not_of(" \r"), end = cell.find_last_not_of(" \r");
      row += (begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1)) + "|";
    }
    rows.insert(row);
  }
  return rows;
}

TEST(Markdown, TheSeedsReportComesBackRowForRow) {
  const std::string path = std::string(WAN_FIXTURES) + "/units/seed_report.md";
  const std::vector<RunRecord> records = import_file(path);
  std::vector<const RunRecord*> pointers;
  for (const RunRecord& record : records) pointers.push_back(&record);
  const std::multiset<std::string> ours = table_rows(markdown_report(report_view(pointers, {}, {})));
  const std::multiset<std::string> original = table_rows(read_text(path));
  EXPECT_EQ(original.size(), 232u);
  for (const std::string& row : original) EXPECT_GE(ours.count(row), 1u) << row;
}

TEST(Markdown, AServerUnderLoadHasASectionOfItsOwnAlsoWithoutRuns) {
  ReportView view;
  view.loads.emplace_back(load_example());
  const std::string report = markdown_report(view);
  EXPECT_THAT(report, HasSubstr("## Serving under Load"));
  EXPECT_THAT(report, HasSubstr("| 1 at once | 12 of 12 |"));
  EXPECT_THAT(report, HasSubstr("refused: 429 queue"));
  EXPECT_THAT(report, HasSubstr("without work the cards take 72 W"));
  EXPECT_THAT(report, HasSubstr("\\<img"));
}

}  // namespace
}  // namespace wan::report
