#include "cli/slurm.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/summary.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/subprocess.h"
#include "base/terminal.h"
#include "cli/own_words.h"
#include "cli/report_files.h"
#include "cli/signals.h"
#include "results/folder_lock.h"
#include "results/store.h"
#include "suite/slurm.h"
#include "suite/stored_plan.h"
#include "suite/tasks.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSaid = size_t{16} << 20;

/// What a command of Slurm's said.
struct Said {
  bool ok = false;
  std::string out, problem;  // the problem in one line; empty: ok
};

Said say(const std::vector<std::string>& argv) {
  Said said;
  try {
    SpawnOptions options;
    options.argv = argv;
    Subprocess process(options);
    std::string error;
    bool out_open = true, error_open = true;
    while (out_open || error_open) {
      pollfd streams[] = {{out_open ? process.out().get() : -1, POLLIN, 0},
                          {error_open ? process.err().get() : -1, POLLIN, 0}};
      ::poll(streams, 2, -1);
      out_open = out_open && read_available(process.out(), said.out);
      error_open = error_open && read_available(process.err(), error);
      require(said.out.size() + error.size() <= kMostSaid, fmt::format("{} says more than is read", argv[0]),
              ErrorKind::kRuntime);
    }
    const ExitState end = process.wait();
    said.ok = end.signal == 0 && end.exit_code == 0;
    if (said.ok) return said;
    const std::string line = error.substr(0, std::min<size_t>(error.find('\n'), 300));
    said.problem =
        line.empty() ? fmt::format("{} ended with {}", argv[0], end.signal != 0 ? -end.signal : end.exit_code) : line;
  } catch (const Error& problem) {
    said.problem = problem.what();
  }
  return said;
}

fs::path slurm_folder(const fs::path& output) { return fs::absolute(output) / "slurm"; }
fs::path submissions_file(const fs::path& output) { return slurm_folder(output) / "jobs.tsv"; }

std::vector<suite::Task> stored_tasks(const fs::path& output) {
  const fs::path file = suite::tasks_file(output);
  std::error_code ignored;
  return fs::exists(file, ignored) ? suite::read_tasks(read_text(file), file.string()) : std::vector<suite::Task>{};
}

std::vector<suite::Submission> stored_submissions(const fs::path& output) {
  const fs::path file = submissions_file(output);
  std::error_code ignored;
  return fs::exists(file, ignored) ? suite::read_submissions(read_text(file), file.string())
                                   : std::vector<suite::Submission>{};
}

std::vector<StoredRecord> own_records(const fs::path& output, const suite::Task& task) {
  const fs::path folder = suite::task_folder(output, task) / "records";
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return {};
  return load_collection(folder).records;
}

/// A task that has not made all of its records.
struct Missing {
  suite::Task task;
  std::vector<int64_t> repeats;
  int64_t job = 0;  // of its last submission; 0: it never was
  suite::TaskState state;
  std::string why_no_state;
};

/// States of a job's tasks, by the accounting or, where that is off, by the controller, which forgets them minutes
/// after their end.
struct JobStates {
  std::map<int64_t, suite::TaskState> by_task;
  std::string why_not_all;
};

JobStates states_of(int64_t job) {
  const Said accounting = say(suite::sacct_command(job));
  JobStates states{suite::parse_sacct(accounting.out, job), ""};
  if (!states.by_task.empty()) {
    states.why_not_all = "sacct does not list it";
    return states;
  }
  const Said controller = say(suite::scontrol_command(job));
  states.by_task = suite::parse_scontrol(controller.out, job);
  states.why_not_all = fmt::format("sacct: {}; scontrol: {}", accounting.ok ? "no such job" : accounting.problem,
                                   controller.ok ? "no such task" : controller.problem);
  return states;
}

std::vector<Missing> missing_tasks(const std::vector<suite::Task>& tasks, const fs::path& output) {
  std::vector<Missing> missing;
  for (const suite::Task& task : tasks) {
    std::vector<int64_t> repeats = suite::missing_repeats(task, own_records(output, task));
    if (!repeats.empty()) missing.push_back({task, std::move(repeats), 0, {}, ""});
  }
  std::map<int64_t, int64_t> last_job;
  for (const suite::Submission& one : stored_submissions(output))
    for (const int64_t index : one.indexes) last_job[index] = one.job;
  std::map<int64_t, JobStates> known;
  for (Missing& one : missing) {
    const auto job = last_job.find(one.task.index);
    if (job == last_job.end()) continue;
    one.job = job->second;
    if (!known.contains(one.job)) known.emplace(one.job, states_of(one.job));
    const JobStates& states = known.at(one.job);
    const auto state = states.by_task.find(one.task.index);
    if (state != states.by_task.end())
      one.state = state->second;
    else
      one.why_no_state = states.why_not_all;
  }
  return missing;
}

suite::ScriptFacts script_facts(const SlurmOptions& slurm) {
  suite::ScriptFacts facts;
  facts.words = own_words();
  facts.words.front() = fs::read_symlink("/proc/self/exe").string();
  std::erase(facts.words, "--dry-run");
  facts.words.emplace_back("--yes");
  facts.folder = fs::current_path().string();
  facts.gpus_per_run = slurm.gpus_per_run.value_or(0);
  facts.whole_nodes = !slurm.share_nodes;
  for (const std::string& text : slurm.sbatch) facts.options.push_back(suite::parse_sbatch_option(text));
  return facts;
}

std::vector<std::string> array_command(const fs::path& output, const std::vector<int64_t>& indexes, int64_t at_once) {
  const fs::path folder = slurm_folder(output);
  return {"sbatch",
          "--parsable",
          "--array=" + suite::array_spec(indexes, at_once),
          "--chdir=" + folder.string(),
          "--output=log-%A_%a.txt",
          (folder / "submit.sbatch").string()};
}

std::vector<std::string> collect_command(const fs::path& output, const std::string& job, bool wait) {
  const fs::path folder = slurm_folder(output);
  std::vector<std::string> argv = {"sbatch", "--parsable", "--dependency=afterany:" + job, "--chdir=" + folder.string(),
                                   "--output=collect-%j.txt"};
  if (wait) argv.emplace_back("--wait");
  argv.push_back((folder / "collect.sbatch").string());
  return argv;
}

std::string shell_line(const std::vector<std::string>& argv) {
  std::vector<std::string> words;
  for (const std::string& word : argv) words.push_back(shell_quoted(word));
  return fmt::format("{}", fmt::join(words, " "));
}

/// Line by line: print() shows a line end inside of a value as what it is.
void print_script(const std::vector<std::string>& command, std::string script) {
  print("\n$ {}\n", shell_line(command));
  for (const std::string& line : take_lines(script)) print("{}\n", line);
}

std::vector<int64_t> indexes_to_submit(const std::vector<Missing>& missing) {
  std::vector<int64_t> indexes;
  for (const Missing& one : missing)
    if (!suite::is_still_there(one.state.state)) indexes.push_back(one.task.index);
  return indexes;
}

/// Only what this command asks for: a folder may hold tasks of an earlier one with more repeats.
std::vector<suite::Task> asked_tasks(std::vector<suite::Task> tasks, const std::vector<suite::PlannedCase>& plan,
                                     const suite::Repetition& repetition) {
  std::erase_if(tasks, [&](const suite::Task& task) {
    const bool asked = task.scope == RunScope::kWarm ? repetition.warm_repeats > 0 : task.repeat < repetition.repeats;
    return !asked ||
           std::none_of(plan.begin(), plan.end(), [&](const auto& planned) { return planned.key == task.key; });
  });
  return tasks;
}

void require_whole(const suite::RunOptions& run) {
  require(!run.repetition.until && !run.repetition.warm_until,
          "--launcher slurm needs numbers of repeats: auto decides by runs that are over, and those of an array run at "
          "once",
          ErrorKind::kUsage);
  require(run.fidelity.empty() && run.kernels == suite::WatchKernels::kNo,
          "--launcher slurm runs what is timed: make the runs of --fidelity and --trace-kernels without it",
          ErrorKind::kUsage);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string this_node() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "this node";
}

bool is_lost(const RunRecord& record) { return record.engine.facts.contains(suite::kLostFact); }

std::pair<std::string, int64_t> identity(const RunRecord& record) {
  return {fmt::format("{} {}", record.run_case.key, to_string(record.workload.scope)), record.run_case.repeat};
}

/// Removes the records that earlier collections made, those of `keep` left.
void remove_lost(const fs::path& records, const std::set<fs::path>& keep) {
  std::error_code ignored;
  if (!fs::exists(records, ignored)) return;
  for (const StoredRecord& stored : load_collection(records).records)
    if (is_lost(stored.record) && !keep.contains(stored.file)) fs::remove(stored.file, ignored);
}

}  // namespace

std::string slurm_device(const SlurmOptions& slurm, const std::string& asked) {
  require(!asked.empty() || slurm.gpus_per_run,
          "--launcher slurm does not guess from this machine what the nodes have: say --gpus-per-run 1, or 0 for runs "
          "on their CPUs",
          ErrorKind::kUsage);
  const bool on_cards = asked.empty() ? *slurm.gpus_per_run > 0 : asked != "cpu";
  require(
      asked.empty() || asked == "cpu" || asked == "cuda:0",
      fmt::format("{} {}: a task has the cards that Slurm gives it, of which cuda is the first", flags::kDevice, asked),
      ErrorKind::kUsage);
  require(!on_cards || slurm.gpus_per_run.value_or(1) > 0,
          fmt::format("{} {} needs a card: say --gpus-per-run 1", flags::kDevice, asked), ErrorKind::kUsage);
  return on_cards ? "cuda:0" : "cpu";
}

void take_task(const SlurmOptions& slurm, std::optional<int> warmups, std::vector<suite::PlannedCase>& plan,
               suite::RunOptions& run) {
  const fs::path output = run.output;
  const fs::path file = suite::tasks_file(output);
  const std::vector<suite::Task> tasks = suite::read_tasks(read_text(file), file.string());
  require(*slurm.task >= 0 && *slurm.task < static_cast<int64_t>(tasks.size()),
          fmt::format("--slurm-task {}: {} has {} tasks", *slurm.task, file.string(), tasks.size()), ErrorKind::kUsage);
  const suite::Task& task = tasks[static_cast<size_t>(*slurm.task)];
  std::erase_if(plan, [&](const suite::PlannedCase& planned) { return planned.key != task.key; });
  require(!plan.empty(),
          fmt::format("task {}, case {}: on {} the suite, the weights or the settings are others than where it was "
                      "submitted: all nodes must see the same files",
                      task.index, task.case_name, this_node()),
          ErrorKind::kUsage);
  const suite::StoredPlan stored = suite::read_plan(read_text(output / "plan.json"));
  require(stored.program == run.program_sha256 || run.other_build == suite::OtherBuild::kAllow,
          fmt::format("task {}: the program on {} ({}) is another build than the one that submitted it ({})",
                      task.index, this_node(), run.program_sha256.substr(0, 12), stored.program.substr(0, 12)),
          ErrorKind::kUsage);
  run.repetition = suite::repetition_of(task, run.repetition, warmups);
  run.output = suite::task_folder(output, task);
  run.if_stored = suite::IfStored::kResume;  // the same task, submitted again
  run.facts["launcher"] = "slurm";
  const std::string job = environment("SLURM_ARRAY_JOB_ID");
  if (!job.empty()) run.facts[suite::kJobFact] = fmt::format("{}_{}", job, task.index);
  if (slurm.share_nodes) run.facts[kCompanyFact] = "other jobs and tasks may be on its node (--share-nodes)";
}

void print_slurm_scripts(const SlurmOptions& slurm, const std::vector<suite::PlannedCase>& plan,
                         const suite::RunOptions& run) {
  require_whole(run);
  const suite::ScriptFacts facts = script_facts(slurm);
  const auto tasks =
      asked_tasks(suite::plan_tasks(plan, run.repetition, stored_tasks(run.output)), plan, run.repetition);
  const std::vector<int64_t> indexes = indexes_to_submit(missing_tasks(tasks, run.output));
  if (indexes.empty()) {
    print("nothing is missing\n");
    return;
  }
  print_script(array_command(run.output, indexes, slurm.nodes_at_once), suite::task_script(facts));
  print_script(collect_command(run.output, "JOB", slurm.wait), suite::collect_script(facts));
}

ExitCode submit_to_slurm(const SlurmOptions& slurm, const suite::Suite& suite,
                         const std::vector<suite::PlannedCase>& plan, const suite::RunOptions& run) {
  require_whole(run);
  const suite::ScriptFacts facts = script_facts(slurm);
  const std::string array = suite::task_script(facts), collect = suite::collect_script(facts);
  suite::claim_folder(suite, plan, run);
  std::optional<FolderLock> lock(std::in_place, run.output);
  const std::vector<suite::Task> all = suite::plan_tasks(plan, run.repetition, stored_tasks(run.output));
  const std::vector<Missing> missing = missing_tasks(asked_tasks(all, plan, run.repetition), run.output);
  const std::vector<int64_t> indexes = indexes_to_submit(missing);
  const size_t there = missing.size() - indexes.size();
  if (there > 0) log::info(fmt::format("{} tasks are still waiting or running, and are left alone", there));
  const fs::path folder = slurm_folder(run.output);
  fs::create_directories(folder);
  write_atomically(suite::tasks_file(run.output), suite::tasks_text(all));
  write_atomically(folder / "submit.sbatch", array);
  write_atomically(folder / "collect.sbatch", collect);
  if (indexes.empty()) {
    print("nothing is missing{}\n", there > 0 ? " that does not wait or run" : "");
    lock.reset();
    return there > 0 ? ExitCode::kSuccess : collect_from_slurm(suite, plan, run);
  }
  const Said said = say(array_command(run.output, indexes, slurm.nodes_at_once));
  require(said.ok,
          fmt::format("sbatch did not take the array of {} tasks: {} (no task was begun; mend that, and give the same "
                      "command with --resume)",
                      indexes.size(), said.problem),
          ErrorKind::kRuntime);
  const int64_t number = suite::parse_job(said.out);
  std::vector<suite::Submission> submissions = stored_submissions(run.output);
  submissions.push_back({number, indexes});
  write_atomically(submissions_file(run.output), suite::submissions_text(submissions));
  lock.reset();  // the collecting job takes it
  print("job {}: {} tasks, logs in {}\n", number, indexes.size(), folder.string());
  const EndOnSignal end(fmt::format("no longer waiting; the tasks go on, and the report will be {}",
                                    (run.output / "report.html").string()));
  if (!slurm.wait) print("report, once they are over: {}\n", (run.output / "report.html").string());
  const Said collected = say(collect_command(run.output, std::to_string(number), slurm.wait));
  // With --wait it is the collecting job's own exit code that sbatch ends with.
  const bool was_taken = collected.ok || (slurm.wait && !collected.out.empty());
  require(was_taken,
          fmt::format("the array runs, but sbatch did not take the job that collects: {} (give the same command with "
                      "--collect once it is over)",
                      collected.problem),
          ErrorKind::kRuntime);
  if (slurm.wait)
    print("over{}: {}\n", collected.ok ? "" : ", and not all runs are ok", (run.output / "report.html").string());
  return collected.ok ? ExitCode::kSuccess : ExitCode::kFailure;
}

ExitCode collect_from_slurm(const suite::Suite& suite, const std::vector<suite::PlannedCase>& plan,
                            const suite::RunOptions& run) {
  const FolderLock lock(run.output);
  const std::vector<suite::Task> tasks = stored_tasks(run.output);
  require(!tasks.empty(), fmt::format("{} holds no run that Slurm was given", run.output.string()), ErrorKind::kUsage);
  suite::RunContext context;
  context.suite = suite.name;
  context.suite_version = suite.version;
  context.protocol = run.command.empty() ? suite::EngineProtocol::kNative : suite::EngineProtocol::kCommand;
  context.program_sha256 = run.program_sha256;
  const fs::path records = run.output / "records";
  std::set<fs::path> made;
  std::set<std::pair<std::string, int64_t>> lost_runs;
  int64_t waiting = 0, ok = 0, not_ok = 0;
  for (const Missing& one : missing_tasks(tasks, run.output)) {
    const auto planned = std::find_if(plan.begin(), plan.end(), [&](const auto& p) { return p.key == one.task.key; });
    if (planned == plan.end() || one.job == 0) continue;
    if (suite::is_still_there(one.state.state)) {
      ++waiting;
      continue;
    }
    for (const int64_t repeat : one.repeats) {
      RunRecord record =
          suite::lost_record({one.task, one.job, one.state, one.why_no_state}, repeat, *planned, context);
      log::warning(fmt::format("{}: {}", one.task.case_name, record.error->message));
      lost_runs.insert(identity(record));
      made.insert(store_record(records, record));
    }
  }
  remove_lost(records, made);
  for (const StoredRecord& stored : load_collection(run.output).records) {
    const RunRecord& record = stored.record;
    if (record.run_case.warmup) continue;
    // A run that was interrupted and one that Slurm says is lost are one.
    if (!is_lost(record) && record.status == RunStatus::kInterrupted && lost_runs.contains(identity(record))) continue;
    ++(record.status == RunStatus::kOk ? ok : not_ok);
  }
  if (waiting > 0) log::info(fmt::format("{} tasks are still waiting or running", waiting));
  require(ok + not_ok > 0, "no task has left a record so far", ErrorKind::kRuntime);
  for (const fs::path& file : write_reports(run.output)) print("wrote {}\n", file.string());
  print("{} ok, {} not ok, {} still waiting or running\n", ok, not_ok, waiting);
  return not_ok == 0 ? ExitCode::kSuccess : ExitCode::kFailure;
}

}  // namespace wan::cli
