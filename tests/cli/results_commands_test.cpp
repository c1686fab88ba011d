// The commands over results as scripts see them: every exit code, text that fits 80 columns, errors that name the file
// or the flag, and nothing in a redacted file that was to be left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "../analysis/judged.h"
#include "../analysis/runs.h"
#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "results/store.h"

namespace wan {
namespace {

using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPrompt = "a secret cat";
constexpr const char* kHost = "host-of-ours";

class ResultsCommands : public test::CommandLine {
 protected:
  using Change = std::function<void(RunRecord&)>;

  /// Stores `count` runs of one case with steps of `step_s` seconds and 0.1 % of noise in folder `name`.
  void store(
      const std::string& name, int count, double step_s, const Change& change = [](RunRecord&) {}) const {
    for (int repeat = 0; repeat < count; ++repeat) {
      const double noisy_s = step_s * (1 + 0.001 * (repeat % 3 - 1));
      RunRecord record = synthetic_run({noisy_s, noisy_s, noisy_s, noisy_s}, 0, repeat);
      record.tool.git_commit = name;
      record.workload.prompt = kPrompt;
      record.system.host = kHost;
      record.system.weights_storage = "nfs4 on server:/private";
      record.engine.command = {"/private/program"};
      record.engine.env = {{"PYTHONPATH", "/private/python"}};
      change(record);
      record.id.clear();  // sealed again as it is stored
      store_record(folder_ / name, record);
    }
  }
  void expect(const std::string& arguments, ExitCode code, const testing::Matcher<std::string>& output) const {
    const Ended ended = run(arguments);
    EXPECT_EQ(ended.code, static_cast<int>(code)) << arguments << "\n" << ended.output;
    EXPECT_THAT(ended.output, output) << arguments;
  }
  void expect_80_columns(const std::string& arguments) const {
    std::istringstream lines(run(arguments).output);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << arguments << "\n" << line;
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
};

TEST_F(ResultsCommands, CompareSucceedsWhereNothingFailsAGate) {
  store("a", 5, 1);
  store("same", 5, 1.0005);
  store("slow", 5, 2);
  expect("compare a same", ExitCode::kSuccess, AllOf(Says("SAME"), Says("n=5")));
  expect("compare a same --strict", ExitCode::kSuccess, Says("SAME"));
  expect("compare a slow", ExitCode::kSuccess, Says("SLOWER"));
  expect("compare slow a --fail-if-slower 2", ExitCode::kSuccess, Says("FASTER"));
  expect("compare a slow --fail-if-slower 50", ExitCode::kSuccess, Says("SAME"));
}

TEST_F(ResultsCommands, CompareFailsOnARegression) {
  store("a", 5, 1);
  store("slow", 5, 2);
  expect("compare a slow --fail-if-slower 2", ExitCode::kComparison, Says("SLOWER"));
  expect("compare a slow --fail-if-slower 2 --gate 'Host part'", ExitCode::kSuccess, Says("SLOWER"));
}

TEST_F(ResultsCommands, CompareUnderStrictFailsWithoutAVerdict) {
  store("a", 5, 1);
  store("few", 3, 2);
  expect("compare a few", ExitCode::kSuccess, Says("INCONCLUSIVE"));
  expect("compare a few --strict", ExitCode::kInconclusive, Says("INCONCLUSIVE"));
}

TEST_F(ResultsCommands, CompareRefusesUnlikeWorkloads) {
  store("a", 5, 1);
  store("larger", 5, 1, [](RunRecord& record) { record.workload.width = 1280; });
  store("exact", 5, 1, [](RunRecord& record) { record.workload.precision_class = PrecisionClass::kExact; });
  store("few", 5, 1, [](RunRecord& record) {
    record.workload.recipe = "lightning-4";
    record.workload.steps = 4;
  });
  store("other", 5, 1, [](RunRecord& record) { record.run_case.name = "another"; });
  expect("compare a larger", ExitCode::kNotComparable, AllOf(Says("not comparable"), Says("width")));
  expect("compare a larger --allow-different width", ExitCode::kSuccess, Says("width"));
  expect("compare a few --allow-different steps", ExitCode::kNotComparable, Says("recipe differs"));
  expect("compare a few --allow-different recipe", ExitCode::kNotComparable, Says("fidelity: not measured"));
  expect("compare a exact", ExitCode::kNotComparable, Says("precision"));
  expect("compare a exact --across-precision", ExitCode::kNotComparable, Says("fidelity: not measured"));
}

TEST_F(ResultsCommands, CompareAcrossClassesSaysWhatThePictureBecame) {
  const auto drifts = [](RunRecord& record) { record.workload.precision_class = PrecisionClass::kDrift; };
  const auto is_judged = [&](double velocity) {
    return [=](RunRecord& record) {
      drifts(record);
      record = judged(record, {.velocity = velocity, .reference_sha256 = ""});
    };
  };
  store("a", 5, 2);
  for (const char* name : {"fast", "refuted"}) store(name, 5, 1, drifts);
  store("fast", 1, 1, is_judged(0.03));
  store("refuted", 1, 1, is_judged(0.08));
  expect("compare a fast", ExitCode::kNotComparable, Says("precision_class differs"));
  expect("compare a fast --across-precision", ExitCode::kSuccess,
         AllOf(Says("FASTER"), Says("fidelity: B against A (bf16): 31.5 dB, velocity 3 % off"),
               Says("noise floor: bf16 against fp32 45.1 dB"), Says("n=5")));
  expect("compare fast fast", ExitCode::kSuccess, AllOf(Says("SAME"), Not(Says("fidelity"))));
  expect("compare refuted refuted", ExitCode::kNotComparable, Says("class drift is refuted"));
  expect("compare a refuted --across-precision", ExitCode::kSuccess, Says("class drift is refuted"));
  expect_80_columns("compare a fast --across-precision");
  expect_80_columns("compare a refuted --across-precision");
}

TEST_F(ResultsCommands, CompareNamesAllItFoundAndExitsByTheWorst) {
  const Change other = [](RunRecord& record) {
    record.run_case.name = "another";
    record.workload.seed = 8;
  };
  store("both", 5, 1);
  store("both", 5, 1, other);
  store("one", 5, 1);
  store("slow", 5, 2);
  store("one_slow", 5, 1);
  store("one_slow", 5, 2, other);
  store("one_few", 3, 1);
  store("one_few", 5, 2, other);
  using testing::StartsWith;
  expect("compare both one", ExitCode::kNotComparable, StartsWith("1 pair compared; 1 case missing\n"));
  expect("compare both one --strict", ExitCode::kInconclusive, Says("another: only in both"));
  expect("compare one both --strict", ExitCode::kSuccess, Says("another: only in both"));
  expect("compare both slow --fail-if-slower 2 --strict", ExitCode::kComparison,
         StartsWith("1 pair compared: 1 slower than the limit; 1 case missing\n"));
  expect("compare both one_few --fail-if-slower 2 --strict", ExitCode::kComparison,
         StartsWith("2 pairs compared: 1 slower than the limit, 1 inconclusive\n"));
  expect("compare both one_slow", ExitCode::kSuccess, StartsWith("2 pairs compared\n"));
}

TEST_F(ResultsCommands, CompareLeavesWarmUpsAside) {
  store("a", 4, 1, [](RunRecord& record) { record.output.file = "videos/case.mp4"; });
  store("a", 1, 1, [](RunRecord& record) {  // as `run --repeats` writes them: no video, so another group
    record.run_case.warmup = true;
    record.run_case.repeat = -1;
  });
  expect("compare a a --strict", ExitCode::kSuccess, AllOf(Says("SAME"), Says("n=4")));
}

TEST_F(ResultsCommands, ANumberIsTakenWholeOrNotAtAll) {
  store("a", 4, 1);
  for (const char* limit : {"nan", "inf", "-1", "0x10", "1e999", "2 ", "", "1001", "2%"})
    expect(std::string("compare a a --fail-if-slower '") + limit + "'", ExitCode::kUsage, Says("--fail-if-slower"));
  for (const char* arguments :
       {"compare a a --margin nan", "diff x y --max-relative nan", "history --limit 1e3", "history --limit 0",
        "make-checkpoint --model ti2v-5b --output new --seed -1",
        "make-checkpoint --model ti2v-5b --output new --layers 0", "run --output new --repeats 2x",
        "run --output new --warm-repeats 1001", "run --output new --warmups -1", "run --output new --timeout inf",
        "run --output new --memory-limit nan", "run --output new --host-memory-limit nan",
        "run --output new --gpu-memory-limit nan", "run --output new --cool-down -5", "selftest overhead --limit nan",
        "selftest overhead --pairs 6.5", "tune --tokens 0", "tune --seconds nan"}) {
    const std::string command(arguments);
    const size_t flag = command.rfind("--");
    expect(command, ExitCode::kUsage, Says(command.substr(flag, command.find(' ', flag) - flag)));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new"));
  expect("compare a a --margin 010 --strict", ExitCode::kSuccess, Says("SAME"));
}

TEST_F(ResultsCommands, MakeCheckpointNamesTheFormatsThereAre) {
  const std::string make = "make-checkpoint --model ti2v-5B --output new ";
  for (const char* word : {"official", "diffusers", "comfy", "comfy-fp8", "gguf-q4_k_m", "gguf-q8_0"}) {
    expect("make-checkpoint --help", ExitCode::kSuccess, Says(word));
    expect(make + "--format q4", ExitCode::kUsage, AllOf(Says("--format"), Says("q4"), Says(word)));
  }
  for (const char* format : {"comfy", "comfy-fp8", "gguf-q4_k_m", "gguf-q8_0"})
    expect(make + "--dit-dtype bf16 --format " + format, ExitCode::kUsage,
           AllOf(Says("--dit-dtype bf16"), Says(format), Says("diffusers")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new"));
}

TEST_F(ResultsCommands, NamesOfRecordsDoNotSteerTheTerminal) {
  store("a", 4, 1, [](RunRecord& record) {
    record.run_case.name = "\x1b]0;owned\x07\nfaked row";
    record.system.gpus[0].name = "card\x1b[2J";
  });
  for (const char* arguments : {"compare a a", "history --reindex a", "history"})
    expect(arguments, ExitCode::kSuccess, AllOf(Not(Says("\x1b")), Not(HasSubstr("\nfaked"))));
}

TEST_F(ResultsCommands, AReportReplacesNoLinkAndLooksBeforeItWrites) {
  for (const char* name : {"report.html", "results.csv", "trace.json.gz"}) {
    std::filesystem::remove_all(folder_ / "a");
    store("a", 4, 1);
    write("victim", "precious");
    std::filesystem::create_symlink("../victim", folder_ / "a" / name);
    expect("report a", ExitCode::kUsage, AllOf(Says(name), Says("a link")));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "a" / "report.md")) << name;
    EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "a" / name));
    EXPECT_EQ(read_text(folder_ / "victim"), "precious");
  }
}

TEST_F(ResultsCommands, AFullDiskIsAFailure) {
  store("a", 4, 1);
  for (const char* arguments : {"compare a a", "export a", "--help", "history --reindex a"})
    EXPECT_EQ(run(std::string(arguments) + " > /dev/full").code, static_cast<int>(ExitCode::kFailure)) << arguments;
}

TEST_F(ResultsCommands, APathThatNoFileSystemHasIsBadUsage) {
  store("a", 1, 1);
  const std::string long_name(300, 'x');
  for (const char* command :
       {"report ", "inspect ", "export ", "compare a ", "run --dry-run --output o --checkpoint "}) {
    const Ended ended = run(command + long_name);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << command << ended.output;
    EXPECT_THAT(ended.output, Says("xxx")) << command;
    EXPECT_EQ(ended.output.find("filesystem error"), std::string::npos) << ended.output;
  }
}

TEST_F(ResultsCommands, BadInputNamesTheFileOrTheFlag) {
  store("a", 1, 1);
  std::filesystem::create_directories(folder_ / "empty");
  write("broken.run.json", "{\"schema\": 3");
  write("notes.md", "# Notes\n");
  const std::tuple<const char*, const char*> cases[] = {
      {"compare a", "two paths"},
      {"compare a missing", "missing"},
      {"compare a empty", "empty"},
      {"compare a a --gate Nonsense", "--gate"},
      {"compare a a --fail-if-slower -3", "--fail-if-slower"},
      {"compare a --by gpu", "--by gpu"},
      {"compare a --by nothing", "--by"},
      {"export missing", "missing"},
      {"export broken.run.json", "broken.run.json"},
      {"export a --format xml", "--format"},
      {"export a --output /proc/none/x.csv", "/proc/none"},
      {"history", "--reindex"},
      {"history --index broken.run.json", "broken.run.json"},
      {"history --reindex missing", "--reindex"},
      {"history --limit 0", "--limit"},
      {"import missing.md", "missing.md"},
      {"import notes.md", "notes.md: expected a report of the Python original"},
      {"report missing", "missing"},
      {"report empty", "empty"},
      {"run --warm-repeats many --output x", "--warm-repeats"},
      {"run --warm-up-steps 2 --output x", "--warm-up-steps goes with --warm-repeats"},
      {"run --engine command --command true --warm-repeats 2 --warm-up-steps 2 --output x",
       "goes with --engine native"},
      {"run --repeats 0 --output x", "--repeats 0"},
      {"run --max-seconds 3 --output x", "--max-seconds"},
  };
  for (const auto& [arguments, named] : cases) {
    const Ended ended = run(arguments);
    EXPECT_TRUE(ended.code == static_cast<int>(ExitCode::kUsage) ||
                std::string(arguments).find("/proc") != std::string::npos)
        << arguments << " ended with " << ended.code << "\n"
        << ended.output;
    EXPECT_NE(ended.code, 0) << arguments;
    EXPECT_THAT(ended.output, Says(named)) << arguments;
  }
}

TEST_F(ResultsCommands, HistoryListsAndFilters) {
  store("a", 2, 1);
  store("b", 1, 1, [](RunRecord& record) { record.run_case.name = "03_5B_Performance_Mode"; });
  write("a/torn.run.json", "{\"schema\":");
  expect("history --reindex a b", ExitCode::kSuccess,
         AllOf(Says("torn.run.json"), Says("3 runs indexed"), Says("NVIDIA H100 80GB HBM3")));
  expect("history --case 5B_Perf", ExitCode::kSuccess,
         AllOf(Says("03_5B_Performance_Mode"), Says("commit b"), Not(Says("commit a"))));
  expect("history --commit a --limit 1", ExitCode::kSuccess, Not(Says("commit b")));
}

TEST_F(ResultsCommands, TextFitsEightyColumns) {
  const auto long_names = [](RunRecord& record) {
    record.run_case.name = "03_5B_Performance_Mode";
    record.engine.name = "an engine with a long name";
  };
  store("a", 5, 1234.5, long_names);
  store("b", 5, 1300.5, long_names);
  store("c", 1, 1300.5, long_names);
  run("history --reindex a");
  expect_80_columns("compare a b");
  expect_80_columns("compare a c");
  expect_80_columns("history");
}

TEST_F(ResultsCommands, ExportWritesTablesAndRecords) {
  store("a", 1, 1);
  expect("export a", ExitCode::kSuccess, AllOf(Says("wall_ns"), Says("Step_0_Inference")));
  expect("export a --format json --output all.json", ExitCode::kSuccess, "");
  EXPECT_THAT(read_text(folder_ / "all.json"), AllOf(Says(kPrompt), Says(kHost), Says("/private")));
}

TEST_F(ResultsCommands, RedactedFilesLeaveOutHostPathsAndPrompts) {
  store("a", 1, 1, [](RunRecord& record) {
    record.status = RunStatus::kCrash;
    record.error = ErrorFacts{};
    record.error->message = "cannot read /private/weights";
    record.error->stderr_tail = "in /private/program";
    record.output.file = "private/video.mp4";
    record.engine.facts = {{"checkpoint", "/private/weights"}};
  });
  const auto nothing_private = AllOf(Not(Says(kPrompt)), Not(Says(kHost)), Not(Says("private")));
  expect("export a --redact --format json", ExitCode::kSuccess, nothing_private);
  expect("export a --redact --format csv", ExitCode::kSuccess, nothing_private);
  EXPECT_EQ(run("report a").code, 0);
  EXPECT_THAT(read_text(folder_ / "a/report.md"), Says(kPrompt));
  EXPECT_THAT(read_text(folder_ / "a/report.html"), Says(kPrompt));
  EXPECT_EQ(run("report a --redact").code, 0);
  for (const char* name : {"report.md", "report.html", "results.csv", "trace.json"})
    EXPECT_THAT(read_text(folder_ / "a" / name), AllOf(Not(Says(kPrompt)), Not(Says(kHost)), Not(Says("/private"))))
        << name;
}

TEST_F(ResultsCommands, ImportedReportsCanBeCompared) {
  const std::string seed = std::string(WAN_FIXTURES) + "/units/seed_report.md";
  expect("import " + seed + " --output seed", ExitCode::kSuccess,
         AllOf(Says("10 records, 2 cards, 7 cases"), Says("10x double_counted_load: Total Compute Load: the"),
               Says("11546 %·s"), Says("--findings")));
  expect("compare seed --by gpu --case 01_Speed_Preview_480p", ExitCode::kSuccess, Says("1.8668"));
}

TEST_F(ResultsCommands, ImportShowsEachKindOfFindingOnceOrAll) {
  std::filesystem::copy_file(std::string(WAN_FIXTURES) + "/units/seed_report.md", folder_ / "seed.md");
  const auto lines = [&](const std::string& arguments) {
    const std::string output = run("import seed.md" + arguments).output;
    return std::count(output.begin(), output.end(), '\n');
  };
  EXPECT_LT(lines(""), 60);
  EXPECT_GT(lines(" --findings"), 150);
  expect("import seed.md --findings", ExitCode::kSuccess, Says("double_counted_load: Total Compute Load"));
  expect_80_columns("import seed.md");
  expect_80_columns("import seed.md --findings");
}

const std::string kImports = std::string(WAN_SOURCE_DIR) + "/tests/import/data/";

TEST_F(ResultsCommands, ImportsOfOtherProgramsCountTheirCards) {
  std::filesystem::copy_file(kImports + "mlperf_summary.csv", folder_ / "summary.csv");
  expect("import summary.csv --output mlperf", ExitCode::kSuccess,
         AllOf(Says("4 records, 3 cards, 2 cases"), Says("percentile_90"), Says("inverse_of_rate")));
  expect_80_columns("import summary.csv");
  expect("compare mlperf --by gpu", ExitCode::kNotComparable, AllOf(Says("8x NVIDIA H200"), Says("72x NVIDIA GB200")));
  expect("history --reindex mlperf", ExitCode::kSuccess, Says("8x NVIDIA H200"));
  expect("export mlperf", ExitCode::kSuccess, Says(",8x NVIDIA H200,"));
  EXPECT_EQ(run("report mlperf").code, 0);
  EXPECT_THAT(read_text(folder_ / "mlperf/report.md"), Says("72x NVIDIA GB200"));
}

TEST_F(ResultsCommands, ImportOfAFolderTakesTheReportsInIt) {
  std::filesystem::create_directories(folder_ / "sessions/20261005093000");
  std::filesystem::copy_file(kImports + "comfy_results.json", folder_ / "sessions/20261005093000/results.json");
  write("sessions/20261005093000/jobs.json", R"({"jobs": []})");
  write("sessions/damaged.json", R"({"medianJobDurationSeconds": )");
  expect("import sessions --output comfy", ExitCode::kSuccess,
         AllOf(Says("results.json: 1 record, 1 card, 1 case"), Says("left out: damaged.json"), Not(Says("jobs.json")),
               Not(Says("secret"))));
  expect("import comfy", ExitCode::kUsage,
         AllOf(Says("comfy: expected reports that can be imported"), Not(Says("left out"))));
}

TEST_F(ResultsCommands, RecordsAreFoundInAFolderAndInItsRecords) {
  store("flat", 2, 1);
  store("nested/records", 2, 1);
  for (const char* folder : {"flat", "nested"}) {
    const std::string name(folder);
    expect("export " + name, ExitCode::kSuccess, Says("Step_0_Inference"));
    expect("history --reindex " + name, ExitCode::kSuccess, Says("2 runs indexed"));
    expect("report " + name, ExitCode::kSuccess, Says("report.html"));
    EXPECT_TRUE(std::filesystem::exists(folder_ / folder / "results.csv"));
  }
  expect("compare flat nested", ExitCode::kSuccess, Says("n=2"));
}

TEST_F(ResultsCommands, HiddenRowsOfATableComeOnRequest) {
  store("a", 1, 1, [](RunRecord& record) {
    StageRecord copy = record.stages[1];
    copy.id = copy.name = "a_copy";
    copy.kind = StageKind::kHidden;
    record.stages.push_back(copy);
  });
  expect("export a", ExitCode::kSuccess, AllOf(Says("Step_0_Inference"), Not(Says("a_copy"))));
  expect("export a --all-rows", ExitCode::kSuccess, Says("a_copy"));
  EXPECT_EQ(run("report a").code, 0);
  EXPECT_THAT(read_text(folder_ / "a/results.csv"), Not(Says("a_copy")));
  EXPECT_EQ(run("report a --all-rows").code, 0);
  EXPECT_THAT(read_text(folder_ / "a/results.csv"), Says("a_copy"));
}

TEST_F(ResultsCommands, CompareWritesAPageOfTheTwoSides) {
  store("a", 5, 1);
  store("b", 5, 2);
  store("other", 5, 2, [](RunRecord& record) { record.run_case.name = "left_out"; });
  const std::string text = run("compare a b").output;
  const Ended ended = run("compare a b --html page.html --fail-if-slower 2");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kComparison)) << ended.output;
  const std::string page = read_text(folder_ / "page.html");
  EXPECT_THAT(page, AllOf(Says("</html>"), Says("\"arm\":\"a\""), Says("\"arm\":\"b\""), Not(Says("left_out"))));
  expect("compare a b --html again.html", ExitCode::kSuccess, text);
  expect("compare a other --case left_out --html none.html", ExitCode::kNotComparable, Says("only in"));
}

TEST_F(ResultsCommands, ComparesPageReplacesNoLinkAndIsWholeOrAbsent) {
  store("a", 3, 1);
  write("victim", "precious");
  std::filesystem::create_symlink("victim", folder_ / "page.html");
  expect("compare a a --html page.html", ExitCode::kUsage, AllOf(Says("page.html"), Says("a link")));
  EXPECT_EQ(read_text(folder_ / "victim"), "precious");
  expect("compare a missing --html new.html", ExitCode::kUsage, Says("missing"));
  expect("compare a b --html page.run.json", ExitCode::kUsage, Says("a name in .html, so that it replaces no record"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new.html"));
}

TEST_F(ResultsCommands, ACaseThatRunsOutOfMemoryIsARowAndTheSuiteGoesOn) {
  if (WAN_SANITIZED) GTEST_SKIP() << "AddressSanitizer asks for more address space than any limit leaves";
  write("suite.json", R"({"schema": "wanbench.suite", "format": 1, "name": "two", "version": "1",
    "defaults": {"steps": 1, "num_frames": 5, "prompt": "x"},
    "cases": [{"name": "large", "width": 1280, "height": 1280, "num_frames": 81},
              {"name": "small", "width": 96, "height": 64}]})");
  const Ended ended = run("run --yes --suite suite.json --device cpu --memory-limit 0.5 --no-video --output results");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kFailure)) << ended.output;
  EXPECT_THAT(ended.output, Says("1 ok, 1 not ok"));
  const std::string report = read_text(folder_ / "results/report.md");
  EXPECT_THAT(report, AllOf(Says("| large | 1280\\*1280 | 81 | 1 | exact | oom |"), Says("out of memory")));
  EXPECT_THAT(report, Says("| small | 96\\*64 | 5 | 1 | exact | "));
}

TEST_F(ResultsCommands, ALimitOfGpuMemoryIsRefusedWhereNothingKeepsToIt) {
  expect("run --suite nowhere --engine command --command 'true {prompt}' --gpu-memory-limit 12GiB --output new",
         ExitCode::kUsage, AllOf(Says("--gpu-memory-limit"), Says("{gpu_memory_limit}")));
  expect(
      "run --suite nowhere --engine command --command 'true {gpu_memory_limit}' --gpu-memory-limit 12GiB --output new",
      ExitCode::kUsage, Says("nowhere"));
  expect("run --device cpu --gpu-memory-limit 12GiB --output new", ExitCode::kUsage,
         AllOf(Says("--gpu-memory-limit 12GiB"), Says("--host-memory-limit")));
  expect("generate --device cpu --gpu-memory-limit 12GiB --prompt x --discard", ExitCode::kUsage,
         AllOf(Says("--gpu-memory-limit 12GiB"), Says("--host-memory-limit")));
}

TEST_F(ResultsCommands, WhatDoesNotFitALimitIsRefusedBeforeWork) {
  write("suite.json", R"({"schema": "wanbench.suite", "format": 1, "name": "s", "version": "1",
    "defaults": {"random_weights": true, "model": "ti2v-5B", "prompt": "x", "device": "cuda:0"},
    "cases": [{"name": "fits", "gpu_memory_limit": "40GiB"}, {"name": "large", "gpu_memory_limit": "4GiB"}]})");
  expect("run --suite suite.json --dry-run --output new", ExitCode::kUsage,
         AllOf(Says("case large"), Says("--gpu-memory-limit"), Says("(4.00 GiB) free")));
}

TEST_F(ResultsCommands, StepsOfTwoExpertsSayWhoseTheyAreAndTheTraceMarksTheChange) {
  write("suite.json", R"({"schema": "wanbench.suite", "format": 1, "name": "one", "version": "1",
    "cases": [{"name": "moe", "steps": 5, "num_frames": 5, "prompt": "x", "width": 64, "height": 64}]})");
  const Ended ended = run("run --suite suite.json --device cpu --no-video --output results --checkpoint " +
                          std::string(WAN_FIXTURES) + "/mini-t2v-moe");
  ASSERT_EQ(ended.code, 0) << ended.output;
  const std::vector<StoredRecord> records = load_collection(folder_ / "results").records;
  ASSERT_EQ(records.size(), 1u);
  std::set<std::string> experts;
  for (const StageRecord& stage : records[0].record.stages)
    if (stage.name.starts_with("Step_")) experts.insert(stage.expert);
  EXPECT_THAT(experts, ::testing::ElementsAre("high_noise", "low_noise"));
  EXPECT_THAT(read_text(folder_ / "results/trace.json"), Says("xpert swap"));
}

TEST_F(ResultsCommands, AVideoCarriesWhatItWasMadeOf) {
  const Ended ended = run("generate --device cpu --checkpoint " + checkpoint() +
                          " --prompt 'a red fox' --size 96x64 --num-frames 5 --steps 1 --seed 4711 --output v.mp4");
  if (ended.output.find("without mp4") != std::string::npos) GTEST_SKIP() << ended.output;
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(read_text(folder_ / "v.mp4"),
              AllOf(Says("a red fox"), Says("\"seed\":4711"), Says("\"steps\":1"), Says("\"version\":\"0.")));
}

TEST_F(ResultsCommands, AReportHoldsAStillOfWhatWasGenerated) {
  write("suite.json", R"({"schema": "wanbench.suite", "format": 1, "name": "one", "version": "1",
    "cases": [{"name": "small", "steps": 1, "num_frames": 5, "prompt": "x", "width": 96, "height": 64}]})");
  const Ended ended = run("run --suite suite.json --device cpu --output results");
  if (ended.output.find("without mp4") != std::string::npos) GTEST_SKIP() << ended.output;
  ASSERT_EQ(ended.code, 0) << ended.output;
  constexpr const char* kStill = "data:image/jpeg;base64,/9j/";  // a JPEG's first bytes
  EXPECT_THAT(read_text(folder_ / "results/report.html"), Says(kStill));
  expect("report results --redact", ExitCode::kSuccess, Says("report.html"));
  EXPECT_THAT(read_text(folder_ / "results/report.html"), Not(Says("data:image/jpeg")));
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "results/videos"))
    write_atomically(entry.path(), "cut short");
  expect("report results", ExitCode::kSuccess, Says("shows no still of a video"));
}

}  // namespace
}  // namespace wan
