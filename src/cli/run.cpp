// `wanbench run`: a suite on this machine, each case in a process of its own, and the report of what was measured.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/build_info.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/expected.h"
#include "cli/numbers.h"
#include "cli/replicas.h"
#include "cli/report_files.h"
#include "cli/signals.h"
#include "cli/slurm.h"
#include "cli/suite_options.h"
#include "cli/terminal.h"
#include "io/video_writer.h"
#include "measure/gpu.h"
#include "measure/stopping.h"
#include "pipeline/decisions.h"
#include "pipeline/engine.h"
#include "pipeline/recipe_names.h"
#include "pipeline/request_words.h"
#include "suite/command.h"
#include "suite/plan.h"
#include "suite/progress.h"
#include "suite/range_stages.h"
#include "suite/runner.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAutoRepeats = "auto";
constexpr const char* kSlurm = "slurm";  // word of --launcher
constexpr Bounds<int> kRepeats{0, 1000};

struct RunCommand : SuiteOptions {
  fs::path patterns, overhead;
  suite::RunOptions run;
  std::string engine = "native", command, repeats = "1", warm_repeats = "0", order = "interleaved",
              page_cache = "as-is";
  double max_seconds = 0;
  std::optional<int> warmups;
  std::optional<int64_t> replicas;
  std::string launcher = "local";
  SlurmOptions slurm;
  std::string fidelity;
  bool no_noise_floor = false;
  std::string counters = "auto";
  double memory_limit_gib = 0;
  bool yes = false, allow_too_large = false;
  bool dry_run = false, resume = false, allow_other_build = false, no_video = false, trace_kernels = false,
       trace_all = false, no_python_shim = false;
};

void print_plan(const suite::Suite& suite, const std::vector<suite::PlannedCase>& plan, const RunCommand& options) {
  print("suite {} version {}: {} cases, {} cold and {} warm repeats each, {}\n", suite.name, suite.version, plan.size(),
        options.repeats, options.warm_repeats, options.order);
  for (const suite::PlannedCase& planned : plan) {
    const Workload& work = planned.workload;
    print("{}  {}x{}, {} frames, {} steps, {}{}, device {}, {}\n", planned.details.name, work.width.value_or(0),
          work.height.value_or(0), work.num_frames.value_or(0), work.steps.value_or(0), work.solver,
          is_official(work.recipe) ? "" : ", recipe " + work.recipe, planned.details.request.device,
          to_string(work.precision_class));
    if (!planned.details.notes.empty()) print("    {}\n", planned.details.notes);
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void understand_repetition(RunCommand& options) {
  suite::Repetition& repetition = options.run.repetition;
  const bool automatic = options.repeats == kAutoRepeats, warm_automatic = options.warm_repeats == kAutoRepeats;
  const measure::StoppingRule rule{.max_seconds = options.max_seconds};
  if (automatic) repetition.until = rule;
  if (warm_automatic) repetition.warm_until = rule;
  require(automatic || warm_automatic || options.max_seconds == 0,
          "--max-seconds goes with --repeats auto or --warm-repeats auto", ErrorKind::kUsage);
  if (!automatic) repetition.repeats = number(options.repeats, flags::kRepeats, kRepeats);
  if (!warm_automatic) repetition.warm_repeats = number(options.warm_repeats, flags::kWarmRepeats, kRepeats);
  require(repetition.warm_up_steps == 0 || warm_automatic || repetition.warm_repeats > 0,
          fmt::format("{} goes with {}: a cold run has no warm-up in its process", flags::kWarmUpSteps,
                      flags::kWarmRepeats),
          ErrorKind::kUsage);
  require(repetition.warm_up_steps == 0 || options.engine == "native",
          fmt::format("{} goes with --engine native: a command makes its own videos", flags::kWarmUpSteps),
          ErrorKind::kUsage);
  require(automatic || warm_automatic || repetition.repeats + repetition.warm_repeats > 0,
          "--repeats 0 needs --warm-repeats: else there is nothing to run", ErrorKind::kUsage);
  const bool repeated = automatic || repetition.repeats > 1;
  repetition.warmups = options.warmups.value_or(repeated ? 1 : 0);
  repetition.order = options.order == "grouped" ? suite::RunOrder::kGrouped : suite::RunOrder::kInterleaved;
}

/// The library that says an external program's NVTX ranges: beside the program in the build tree, among the
/// libraries once installed. NVTX takes one tool a process, so another one is refused here instead of being replaced.
void find_injection(suite::RunOptions& run) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  const char* kLibrary = "libwanbench_nvtx.so";
  std::error_code ignored;
  for (const fs::path& file : {program / kLibrary, (program / installed_libraries() / kLibrary).lexically_normal()})
    if (run.injection_library.empty() && fs::exists(file, ignored)) run.injection_library = file;
  if (run.injection_library.empty()) run.why_no_injection = fmt::format("{} does not come with this build", kLibrary);
  const std::string set = environment(suite::kInjectionVariable);
  require(run.injection_library.empty() || set.empty() || fs::equivalent(set, run.injection_library, ignored),
          fmt::format("{} is set to {}: NVTX takes one tool a process, unset it to measure by ranges",
                      suite::kInjectionVariable, set),
          ErrorKind::kUsage);
}

void understand(RunCommand& options, const measure::GpuSet& gpus) {
  understand(static_cast<SuiteOptions&>(options), gpus);
  suite::PlanOptions& plan = options.plan;
  if (options.launcher == kSlurm) plan.default_device = slurm_device(options.slurm, plan.device);
  if (options.launcher == kSlurm && !options.slurm.gpus_per_run)
    options.slurm.gpus_per_run = plan.default_device == "cpu" ? 0 : 1;
  require((options.engine == "command") == !options.command.empty(),
          "--engine command and --command go together: name the program to measure with --command", ErrorKind::kUsage);
  if (!options.command.empty()) plan.command = {"sh", "-c", options.command};
  const bool is_passed_on = options.command.find("{gpu_memory_limit}") != std::string::npos ||
                            options.command.find(suite::variable_of("gpu_memory_limit")) != std::string::npos;
  require(!plan.gpu_memory_limit || plan.command.empty() || is_passed_on,
          fmt::format("{} bounds this program's engine: another program keeps to what it is told, so pass it on in "
                      "--command as {{gpu_memory_limit}}, or leave it out",
                      flags::kGpuMemoryLimit),
          ErrorKind::kUsage);

  suite::RunOptions& run = options.run;
  understand_repetition(options);
  if (options.page_cache == flags::kHotPageCache) plan.page_cache = suite::PageCacheSetting::kHot;
  if (options.page_cache == flags::kEvictPageCache) plan.page_cache = suite::PageCacheSetting::kEvict;
  run.command = plan.command;
  const bool traced = options.trace_kernels || options.trace_all;
  require(!traced || plan.command.empty(), "--trace-kernels and --trace-all watch the native engine only",
          ErrorKind::kUsage);
  if (traced) run.kernels = options.trace_all ? suite::WatchKernels::kAll : suite::WatchKernels::kYes;
  if (!options.command.empty()) find_injection(run);
  if (!options.command.empty() && !options.no_python_shim) {
    const std::string set = environment("PYTHONPATH");
    run.python_path = python_shim().string() + (set.empty() ? "" : ":" + set);
  }
  if (!options.patterns.empty())
    run.patterns = suite::parse_patterns(read_text(options.patterns), options.patterns.string());
  use_own_engine(run);
  if (!options.overhead.empty())
    run.overhead = overhead_from_json(read_text(options.overhead), options.overhead.string());
  run.counters = measure::parse_counters(options.counters);
  run.memory_limit_bytes = static_cast<uint64_t>(options.memory_limit_gib * 1024 * 1024 * 1024);
  run.other_build = options.allow_other_build ? suite::OtherBuild::kAllow : suite::OtherBuild::kRefuse;
  run.if_stored = options.resume ? suite::IfStored::kResume : suite::IfStored::kRefuse;
  run.video = options.no_video || !can_write_video() ? suite::WriteVideo::kNo : suite::WriteVideo::kYes;
}

ExitCode conclude(const suite::SuiteOutcome& outcome, const RunCommand& options) {
  if (outcome.second_signal) _exit(128 + outcome.stop_signal);
  if (!outcome.records.empty() && !options.slurm.task) {  // of tasks there is one report, made behind them all
    const EndOnSignal end(fmt::format("interrupted; all runs are kept, `wanbench report {}` writes their report",
                                      options.run.output.string()));
    for (const fs::path& file : write_reports(options.run.output)) print("wrote {}\n", file.string());
  }
  print("{} ok, {} not ok, {} already there\n", outcome.ok, outcome.not_ok, outcome.skipped);
  return exit_code_of(outcome, options.run.output);
}

/// Of one case, those that count for nothing included; of a stopping rule the least there may be.
int64_t videos_a_case(const RunCommand& options) {
  constexpr int64_t kVideosOfFidelity = 3;  // the test's, the reference's, and the test's from the reference's latents
  const suite::Repetition& repetition = options.run.repetition;
  const int64_t cold = repetition.until ? repetition.until->min_runs : repetition.repeats;
  const int64_t warm = repetition.warm_until ? repetition.warm_until->min_runs : repetition.warm_repeats;
  return repetition.warmups + cold + (warm > 0 ? warm + 1 : 0) + (options.fidelity.empty() ? 0 : kVideosOfFidelity);
}

/// What is found out of each case's fidelity, after all runs that are timed.
void plan_judging(const std::vector<suite::PlannedCase>& plan, RunCommand& options) {
  if (options.fidelity.empty()) return;
  const auto floor = options.no_noise_floor ? suite::NoiseFloor::kNo : suite::NoiseFloor::kYes;
  suite::FidelityPlan judging =
      suite::plan_fidelity(plan, {options.fidelity, floor, options.run.output, options.plan.command});
  for (const std::string& note : judging.notes) log::info(note);
  options.run.fidelity = std::move(judging.cases);
}

void print_judging(const suite::RunOptions& run) {
  for (const suite::PlannedFidelity& judged : run.fidelity) {
    const suite::FidelityTask& task = judged.task;
    print("{}  fidelity against {}{}\n", judged.planned->details.name, task.pair.reference.name,
          task.floor.empty() ? "" : ", and the noise floor");
  }
}

/// Whether only the submitting is done here.
bool is_for_other_machines(const RunCommand& options) { return options.launcher == kSlurm && !options.slurm.task; }

/// What the cases will take. Throws OutOfMemory for one that this machine could never hold: on a card by the plan
/// alone, since only the processes of the runs may open it.
std::vector<ExpectedVideos> expect_cases(const std::vector<suite::PlannedCase>& plan, const RunCommand& options,
                                         const measure::GpuSet& gpus) {
  std::vector<ExpectedVideos> expected;
  for (const suite::PlannedCase& planned : plan) {
    const Request& request = planned.details.request;
    try {
      if (request.device == "cpu") {
        if (is_for_other_machines(options)) continue;  // each task says for itself
        expected.push_back({planned.details.name, Engine().expect(request), videos_a_case(options)});
        continue;
      }
      const measure::Gpu* gpu = is_for_other_machines(options)
                                    ? nullptr
                                    : measure::find_gpu(gpus, request.device, options.run.cuda_visible_devices);
      const std::optional<uint64_t> card = gpu != nullptr ? gpu->facts().memory_bytes : std::nullopt;
      if (card || request.gpu_memory_limit) require_fits_card(request, card.value_or(UINT64_MAX));
    } catch (const OutOfMemory& problem) {
      const std::string text = fmt::format("case {}: {}", planned.details.name, problem.what());
      require(options.allow_too_large,
              text + "\nchoose others with --case, or keep it as a result with --allow-too-large", ErrorKind::kUsage);
      log::warning(text);
    }
  }
  return expected;
}

/// Everything that is read and seen before the first run.
std::vector<suite::PlannedCase> prepare(RunCommand& options, const measure::GpuSet& gpus, suite::Suite& suite) {
  const EndOnSignal end("interrupted; nothing was run");
  understand(options, gpus);
  suite = suite::read_suite(options.suite);
  for (const std::string& line : suite::leave_out_other_models(suite, options.plan)) log::info(line);
  require(!suite.cases.empty(), fmt::format("{}: no case is left to run", options.suite.string()), ErrorKind::kUsage);
  auto plan = suite::plan_cases(suite, options.plan);
  std::error_code ignored;
  const bool is_quick = fs::equivalent(options.suite, default_suite(), ignored);
  const bool is_small = std::any_of(plan.begin(), plan.end(), [&](const suite::PlannedCase& planned) {
    return planned.details.request.checkpoint == default_checkpoint();
  });
  if (is_small && !is_quick && options.plan.command.empty())
    log::info(fmt::format("no {}: the small model that comes with the program makes what names no weights",
                          flags::kCheckpoint));
  if (!options.plan.command.empty()) return plan;
  const std::vector<ExpectedVideos> expected = expect_cases(plan, options, gpus);
  tell_expected(expected);
  const StopSource nobody;  // a signal ends the process here
  const bool agreed = options.yes || options.dry_run;
  require_agreement(expected, agreed ? Agreement::kGiven : Agreement::kAsk, nobody);
  return plan;
}

bool is_slurm_asked(const RunCommand& options) {
  const SlurmOptions& slurm = options.slurm;
  return slurm.nodes_at_once > 0 || slurm.gpus_per_run || !slurm.sbatch.empty() || slurm.share_nodes || slurm.wait ||
         slurm.collect || slurm.task;
}

ExitCode run_command(RunCommand options) {
  require(options.launcher == kSlurm || !is_slurm_asked(options),
          "--nodes-at-once, --gpus-per-run, --sbatch-option, --share-nodes, --wait, --collect and --slurm-task go with "
          "--launcher slurm",
          ErrorKind::kUsage);
  require(options.launcher != kSlurm || !options.replicas, "--replicas is of this machine: leave it out with slurm",
          ErrorKind::kUsage);
  if (options.slurm.task) options.yes = true;
  if (options.replicas && !options.dry_run) {
    const std::string& device = options.plan.device;
    return run_replicas(
        replica_devices(*options.replicas, device.empty() ? std::vector<std::string>{} : std::vector{device}),
        options.run.output);
  }
  const measure::GpuSet gpus = measure::open_gpus();
  suite::Suite suite;
  auto plan = prepare(options, gpus, suite);
  if (options.slurm.task) take_task(options.slurm, options.warmups, plan, options.run);
  plan_judging(plan, options);
  if (options.dry_run) {
    print_plan(suite, plan, options);
    print_judging(options.run);
    if (options.launcher == kSlurm) print_slurm_scripts(options.slurm, plan, options.run);
    return ExitCode::kSuccess;
  }
  if (options.slurm.collect) return collect_from_slurm(suite, plan, options.run);
  if (is_for_other_machines(options)) return submit_to_slurm(options.slurm, suite, plan, options.run);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  suite::ProgressDisplay display(
      terminal ? suite::DisplayStyle::kTerminal : suite::DisplayStyle::kLines,
      [](std::string_view text) { fmt::print(stderr, "{}", text); }, terminal_width());
  return conclude(suite::run_suite(suite, plan, options.run, gpus, display), options);
}

void add_case_options(CLI::App& command, RunCommand& o) {
  add_suite_options(command, o);
  command.add_option(flags::kCase, o.plan.only, "only this case, by name or alias; may be given again")
      ->type_name("NAME");
  command.add_option("--engine", o.engine, "native, or command: any external program")
      ->check(CLI::IsMember({"native", "command"}))
      ->capture_default_str();
  command
      .add_option(
          "--command", o.command,
          "shell command of the external program; {prompt}, {width}, {steps}, {output} ... outside of quotes stand for "
          "the case's values, \"$WANBENCH_PROMPT\" ... inside double quotes")
      ->type_name("TEXT");
  command.add_flag("--no-python-shim", o.no_python_shim,
                   "leave PYTHONPATH alone; else the stages of the official Wan2.2 program are marked by a shim that "
                   "its Python finds there");
  command
      .add_option("--patterns", o.patterns, "JSON list of {match, stage}: log lines of the command that begin a stage")
      ->type_name("FILE");
}

void add_slurm_options(CLI::App& command, RunCommand& o) {
  CLI::Option* launcher =
      command
          .add_option("--launcher", o.launcher,
                      "local: here; slurm: an array, one task for each case and repeat behind a warm-up of its own, "
                      "given to sbatch here, and behind it a job that writes the report (docs/cluster.md)")
          ->check(CLI::IsMember({"local", kSlurm}))
          ->capture_default_str();
  add_number(command, "--nodes-at-once", o.slurm.nodes_at_once, Bounds<int64_t>{0, 10000},
             "with slurm: tasks that run at once; 0: as many as there are nodes for")
      ->type_name("K")
      ->needs(launcher);
  add_number(command, "--gpus-per-run", o.slurm.gpus_per_run, Bounds<int64_t>{0, 64},
             "with slurm: cards that each task asks for (--gres=gpu:N); 0: it runs on the CPU")
      ->type_name("N")
      ->needs(launcher);
  command
      .add_option("--sbatch-option", o.slurm.sbatch,
                  "with slurm: an option of sbatch for all tasks, as partition=gpu, account=NAME or time=00:30:00; may "
                  "be given again")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->needs(launcher);
  command
      .add_flag("--share-nodes", o.slurm.share_nodes,
                "with slurm: let a node have other jobs, and several tasks, beside a task; else each has a node to "
                "itself")
      ->needs(launcher);
  command.add_flag("--wait", o.slurm.wait, "with slurm: end only when the report is written")->needs(launcher);
  command
      .add_flag("--collect", o.slurm.collect,
                "with slurm: submit nothing; make records for tasks that left none, and the report")
      ->needs(launcher);
  add_number(command, "--slurm-task", o.slurm.task, Bounds<int64_t>{0, 9999},
             "with slurm: the task of OUT/slurm/tasks.tsv to run; its script says it")
      ->type_name("INDEX")
      ->needs(launcher);
}

void add_run_options(CLI::App& command, RunCommand& o) {
  command.add_option(flags::kOutput, o.run.output, "folder for records, videos and report; must be new or empty")
      ->required()
      ->type_name("DIR");
  add_number(command, "--replicas", o.replicas, Bounds<int64_t>{1, 64},
             "the same run so many times at once, a card each, in folders of their own, and the videos an hour of all; "
             "--warm-repeats 5 is a good length")
      ->type_name("N");
  add_slurm_options(command, o);
  CLI::Option* resume =
      command.add_flag("--resume", o.resume, "go on with the run in --output: only what is missing is run");
  command
      .add_flag("--allow-other-build", o.allow_other_build,
                "resume a run that another build of this program began; the report says that its runs are mixed")
      ->needs(resume);
  command
      .add_option(
          flags::kRepeats, o.repeats,
          "cold runs of each case, each in a new process; auto: 5 to 15, until half the 95 % interval of the "
          "median is within 1 % (steady step), 2 % (warm total) and 5 % (initialization, text encoding on the CPU)")
      ->type_name("N|auto")
      ->capture_default_str();
  add_number(command, "--max-seconds", o.max_seconds, kSecondsOrNone,
             "with auto: a case is repeated no more once its cold runs, or its warm videos, took this long; 0: no "
             "limit")
      ->type_name("S");
  command.add_option("--order", o.order, "interleaved: repeats go round the cases; grouped: one case after the other")
      ->check(CLI::IsMember({"interleaved", "grouped"}))
      ->capture_default_str();
  command
      .add_option(flags::kWarmRepeats, o.warm_repeats,
                  "videos made one after another in one process, after one that does not count; auto: 5 to 15, five in "
                  "a process, by the rule of --repeats auto")
      ->type_name("N|auto")
      ->capture_default_str();
  add_number(command, flags::kWarmUpSteps, o.run.repetition.warm_up_steps, Bounds<int>{2, 1000},
             "denoising steps of the video before the warm ones, of cases without a recipe; default: as many as they "
             "have");
  add_number(command, flags::kWarmups, o.warmups, Bounds<int>{0, 100},
             "cold runs before the first that count for nothing; default: 1 if repeated, else 0");
  command
      .add_option(flags::kPageCache, o.page_cache,
                  "the weight files before each cold run: hot, read through unless in memory; evict, dropped from the "
                  "page cache (no root needed); as-is, left alone and recorded as unknown")
      ->check(CLI::IsMember({"as-is", flags::kHotPageCache, flags::kEvictPageCache}))
      ->capture_default_str();
  add_number(command, "--cool-down", o.run.cool_down.value, kSecondsOrNone,
             "longest wait before a run until the card is at most 3 C above the first one's start, seconds; 0: none")
      ->type_name("S");
  command
      .add_option(
          "--counters", o.counters,
          "where SM, tensor and DRAM activity come from: cupti (windows of 10 ms, from inside the engine), gpm "
          "(100 ms, Hopper and newer), dcgm (100 ms, from a running host engine), none; each falls to the next where "
          "it is refused; auto: the best that is known not to slow a step, gpm")
      ->check(CLI::IsMember(measure::counter_names()))
      ->capture_default_str();
  command
      .add_option("--overhead", o.overhead,
                  "result of `selftest overhead` on this machine, quoted by every record of the same card and counters")
      ->type_name("FILE");
  add_number(command, "--timeout", o.run.timeout.value, kSecondsOrNone, "limit of one video, seconds; 0: none")
      ->type_name("S");
  // The first name is the older one, which says less.
  add_number(command, std::string("--memory-limit,") + flags::kHostMemoryLimit, o.memory_limit_gib,
             Bounds<double>{0, 1e6}, "private host memory a case may have, GiB; 0: no limit")
      ->type_name("GIB");
  CLI::Option* fidelity =
      command
          .add_option(flags::kFidelity, o.fidelity,
                      "after all others, each case's video once more, and the same of a reference: fp32, bf16 (the "
                      "case's own request in that precision) or the name of a case of this run; how far the picture, "
                      "the latents and each step's velocity are from it stands in a record and in the report")
          ->type_name("ARM");
  command
      .add_flag("--no-noise-floor", o.no_noise_floor,
                "leave out what stands beside it on a card: bf16 against fp32, which takes as long as fp32 does, and "
                "bf16 with other kernels")
      ->needs(fidelity);
  command.add_flag(flags::kNoVideo, o.no_video, "measure without writing mp4 files");
  command.add_flag(flags::kTraceKernels, o.trace_kernels,
                   "after all others, one more run of each case on a card with every kernel watched (CUPTI): the "
                   "report shows where the time goes, trace.json each kernel of one step; its times do not count");
  command.add_flag("--trace-all", o.trace_all,
                   "as --trace-kernels, with each kernel of the whole run in trace.json, which grows by about 1 MB a "
                   "step and 6 MB for the decoder");
  command.add_flag("--yes", o.yes, "go on without asking where a CPU will take more than 10 minutes");
  command.add_flag("--allow-too-large", o.allow_too_large,
                   "run cases, too, that this machine's memory could never hold: out of memory is their result");
  command.add_flag("--dry-run", o.dry_run, "check everything and say what would run");
}

}  // namespace

void add_run_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<RunCommand>();
  CLI::App* command = app.add_subcommand("run", "Run a benchmark suite and report it");
  add_case_options(*command, *options);
  add_run_options(*command, *options);
  command->callback([options, &result] { result = run_command(*options); });
}

}  // namespace wan::cli
