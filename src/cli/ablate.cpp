// `wanbench ablate`: one case as it is, and the same with one lever at a time set otherwise.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/threads.h"
#include "cli/ablate_result.h"
#include "cli/commands.h"
#include "cli/expected.h"
#include "cli/numbers.h"
#include "cli/report_files.h"
#include "cli/signals.h"
#include "cli/suite_options.h"
#include "cli/terminal.h"
#include "cli/video_plan.h"
#include "io/video_writer.h"
#include "pipeline/engine.h"
#include "results/store.h"
#include "suite/ablation.h"
#include "suite/ablation_budget.h"
#include "suite/progress.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr Bounds<int> kRepeats{1, 100};
constexpr const char* kKept = "kept";  // folder of frames that are still to be compared

struct AblateCommand : SuiteOptions {
  std::string case_name;
  suite::AblationOptions ablation;
  suite::RunOptions run;
  double time_limit_s = 0;
  Wording wording = Wording::kText;
  bool dry_run = false, resume = false, allow_other_build = false, no_video = false, yes = false;
};

/// What arms take on the device of the case, before any of them runs. No card is opened.
class Expecting {
 public:
  Expecting(const Request& request, const measure::GpuSet& gpus, const std::string& visible) {
    if (request.device == "cpu") return;
    const measure::Gpu* gpu = measure::find_gpu(gpus, request.device, visible);
    if (gpu == nullptr) return;
    try {
      card_ = planned_card(gpu->facts().name, request.gpu_memory_limit);
    } catch (const Error& unknown) {
      log::info(fmt::format("no times are expected: {}", unknown.what()));
    }
  }

  double seconds_on_cpu(const Request& request) {
    if (!engine_) engine_ = std::make_unique<Engine>();
    return engine_->expect(request).time.total_s();
  }

  /// Nothing on a CPU, and of a card that the tables do not have.
  std::optional<VideoPlan> on_card(const std::string& name, const Request& request) const {
    return card_ ? std::optional(plan_video(name, request, *card_)) : std::nullopt;
  }

 private:
  std::optional<PlannedCard> card_;
  std::unique_ptr<Engine> engine_;
};

/// Fills in what the arm takes; one that this machine could never hold is not run.
void expect_arm(AblationArm& arm, const Request& request, Expecting& expecting) {
  try {
    if (request.device == "cpu") {
      arm.expected_s = expecting.seconds_on_cpu(request);
      return;
    }
    const std::optional<VideoPlan> video = expecting.on_card(arm.name, request);
    if (!video) return;
    arm.expected_s = video->seconds();
    if (!video->fits()) arm.why_not_run = video->refusal;
  } catch (const OutOfMemory& problem) {
    arm.why_not_run = problem.what();
  }
}

/// Everything that is read and decided before the first run.
struct Prepared {
  Ablation ablation;
  suite::Suite suite;
  std::vector<suite::PlannedCase> plan;
};

Prepared prepare(AblateCommand& options, const measure::GpuSet& gpus) {
  const EndOnSignal end("interrupted; nothing was run");
  understand(options, gpus);
  use_own_engine(options.run);
  if (!options.ablation.cache_curve.empty()) options.ablation.cache_curve = fs::absolute(options.ablation.cache_curve);
  options.plan.only = {options.case_name};
  const suite::Suite given = suite::read_suite(options.suite);
  const std::vector<suite::PlannedCase> base = suite::plan_cases(given, options.plan);
  require(base.size() == 1,
          fmt::format("CASE {}: the suite '{}' has {} cases of that name: give one's own", options.case_name,
                      given.name, base.size()),
          ErrorKind::kUsage);
  const Request& request = base.front().details.request;
  Expecting expecting(request, gpus, options.run.cuda_visible_devices);
  if (const auto video = expecting.on_card(options.case_name, request)) {
    require(video->fits(), fmt::format("case {}: {}", options.case_name, video->refusal), ErrorKind::kUsage);
    options.ablation.residency = video->memory.dit_residency;
  }
  options.run.facts = {{kAblatedCaseFact, base.front().details.name}, {kAblatedSuiteFact, given.name}};
  suite::PlannedAblation planned = suite::plan_ablation(base.front(), options.ablation);
  for (AblationArm& arm : planned.ablation.arms) {
    auto& cases = planned.suite.cases;
    const auto found =
        std::find_if(cases.begin(), cases.end(), [&](const suite::Case& one) { return one.name == arm.name; });
    if (found == cases.end()) continue;
    expect_arm(arm, found->request, expecting);
    if (!arm.why_not_run.empty()) cases.erase(found);
  }
  const AblationArm& itself = planned.ablation.arms.front();
  require(itself.why_not_run.empty(), fmt::format("case {}: {}", options.case_name, itself.why_not_run),
          ErrorKind::kUsage);
  options.plan.only.clear();
  auto plan = suite::plan_cases(planned.suite, options.plan);
  return {std::move(planned.ablation), std::move(planned.suite), std::move(plan)};
}

double seconds_in_all(const Ablation& ablation, int repeats) {
  double seconds = 0;
  for (const AblationArm& arm : ablation.arms)
    if (arm.why_not_run.empty()) seconds += repeats * arm.expected_s.value_or(0);
  return seconds;
}

/// A long wait on a processor is agreed to first.
void require_agreed(const AblateCommand& options, const Prepared& prepared) {
  double seconds = seconds_in_all(prepared.ablation, options.run.repetition.repeats);
  if (options.time_limit_s > 0)  // the default is made whatever the limit
    seconds = std::min(seconds, std::max(options.time_limit_s, prepared.ablation.arms.front().expected_s.value_or(0)));
  if (prepared.plan.front().details.request.device != "cpu") return;
  ExpectedVideos all;
  all.expectation.device_kind = "cpu";
  all.expectation.time.denoise_s = seconds;
  const StopSource nobody;  // a signal ends the process here
  require_agreement({all}, options.yes ? Agreement::kGiven : Agreement::kAsk, nobody);
}

void store(const Ablation& ablation, const fs::path& folder) {
  write_atomically(folder / kAblationFile, to_json(ablation));
}

void tell(const AblateCommand& options, const Ablation& ablation) {
  const Collection collection = load_collection(options.run.output, Parts::kSummedUp);
  std::vector<const RunRecord*> records;
  for (const StoredRecord& stored : collection.records) records.push_back(&stored.record);
  AblationTable table;
  fill_ablation_table(table, ablation, records);
  options.wording == Wording::kJson ? print_json(json_of(table)) : print_table(table);
}

ExitCode conclude(const suite::SuiteOutcome& outcome, const AblateCommand& options, Ablation& ablation) {
  if (outcome.second_signal) _exit(128 + outcome.stop_signal);
  for (AblationArm& arm : ablation.arms)
    if (const auto left = outcome.left_out.find(arm.name); left != outcome.left_out.end())
      arm.why_not_run = left->second;
  store(ablation, options.run.output);
  if (!outcome.records.empty()) {
    const EndOnSignal end(fmt::format("interrupted; all runs are kept, `wanbench report {}` writes their report",
                                      options.run.output.string()));
    const std::vector<fs::path> written = write_reports(options.run.output);
    tell(options, ablation);
    if (options.wording == Wording::kText)
      for (const fs::path& file : written) print("wrote {}\n", file.string());
  }
  return exit_code_of(outcome, options.run.output);
}

ExitCode run_ablate(AblateCommand options) {
  const int64_t begin_ns = monotonic_ns();
  require(options.dry_run || !options.run.output.empty(),
          fmt::format("{} DIR is needed: where records and the report go", flags::kOutput), ErrorKind::kUsage);
  const measure::GpuSet gpus = measure::open_gpus();
  Prepared prepared = prepare(options, gpus);
  Ablation& ablation = prepared.ablation;
  if (options.dry_run) {
    if (options.wording == Wording::kJson)
      print_json(OrderedJson::parse(to_json(ablation)));
    else
      print_plan(ablation, options.run.repetition.repeats);
    return ExitCode::kSuccess;
  }
  require_agreed(options, prepared);
  suite::RunOptions& run = options.run;
  run.other_build = options.allow_other_build ? suite::OtherBuild::kAllow : suite::OtherBuild::kRefuse;
  run.if_stored = options.resume ? suite::IfStored::kResume : suite::IfStored::kRefuse;
  run.video = options.no_video || !can_write_video() ? suite::WriteVideo::kNo : suite::WriteVideo::kYes;
  run.keep = kKept;
  run.fidelity = suite::judge_arms(prepared.plan, run.output);
  run.leave_out = [&](const suite::Job& job, const std::vector<RunRecord>& so_far) {
    store(ablation, run.output);
    return suite::why_left_out(ablation, job.planned->details.name, so_far, seconds_from_ns(monotonic_ns() - begin_ns),
                               {options.time_limit_s}, worker_threads());
  };
  const bool terminal = isatty(STDERR_FILENO) == 1;
  suite::ProgressDisplay display(
      terminal ? suite::DisplayStyle::kTerminal : suite::DisplayStyle::kLines,
      [](std::string_view text) { fmt::print(stderr, "{}", text); }, terminal_width());
  return conclude(suite::run_suite(prepared.suite, prepared.plan, run, gpus, display), options, ablation);
}

void add_ablation_options(CLI::App& command, AblateCommand& o) {
  command
      .add_option("--levers", o.ablation.levers,
                  fmt::format("only these: levers with all their arms ({}), or arms, as --dry-run names them",
                              fmt::join(suite::lever_names(), ", ")))
      ->type_name("LIST")
      ->delimiter(',');
  command
      .add_option(flags::kCacheCurve, o.ablation.cache_curve,
                  "magcache's curve, of `wanbench calibrate-cache`; default: the one that comes with the program")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  add_number(command, flags::kRepeats, o.run.repetition.repeats, kRepeats,
             "runs of each arm, each in a new process; they go round the arms")
      ->type_name("N");
  add_number(command, "--time-limit", o.time_limit_s, kSecondsOrNone,
             "seconds that all of it may take: an arm that would not end in time is not run, and listed so; 0: no "
             "limit")
      ->type_name("S");
}

void add_ablated_run_options(CLI::App& command, AblateCommand& o) {
  command
      .add_option(flags::kOutput, o.run.output,
                  "folder for records, videos and report; must be new or empty; needed but for --dry-run")
      ->type_name("DIR");
  CLI::Option* resume =
      command.add_flag("--resume", o.resume, "go on with the ablation in --output: only what is missing is run");
  command
      .add_flag("--allow-other-build", o.allow_other_build,
                "resume one that another build of this program began; the report says that its runs are mixed")
      ->needs(resume);
  add_number(command, "--cool-down", o.run.cool_down.value, kSecondsOrNone,
             "longest wait before a run until the card is at most 3 C above the first one's start, seconds; 0: none")
      ->type_name("S");
  add_number(command, "--timeout", o.run.timeout.value, kSecondsOrNone, "limit of one video, seconds; 0: none")
      ->type_name("S");
  command.add_flag(flags::kNoVideo, o.no_video, "measure without writing mp4 files");
  command.add_flag("--yes", o.yes, "go on without asking where a CPU will take more than 10 minutes");
  add_json_flag(command, o.wording);
  command.add_flag("--dry-run", o.dry_run, "check everything and say which arms would run");
}

}  // namespace

void add_ablate_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<AblateCommand>();
  CLI::App* command = app.add_subcommand("ablate", "Find out what each setting gains and costs, one at a time");
  command->add_option("CASE", options->case_name, "case of the suite, by name or alias: the default of all arms")
      ->required();
  add_suite_options(*command, *options);
  add_ablation_options(*command, *options);
  add_ablated_run_options(*command, *options);
  command->footer(
      "The default's run is baseline and reference: each arm's frames and last latent are set against it. Exit codes: "
      "0 all that was run ended well, 1 some run did not.");
  command->callback([options, &result] { result = run_ablate(*options); });
}

}  // namespace wan::cli
