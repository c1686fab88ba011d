// What is said to Slurm and what it answers: scripts, array specifications, and states of tasks. Text only; the
// commands themselves are run by cli/slurm.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "suite/tasks.h"

namespace wan::suite {

/// An option of sbatch that is passed on: "partition=gpu", or "exclusive" alone.
struct SbatchOption {
  std::string name, value;
};

/// Throws Error(kUsage) for a name that is not among those that may be passed on, and for a value with anything else
/// than letters, digits and _.,:=+@%/*[]()&|- in it: it becomes a line of a script.
SbatchOption parse_sbatch_option(const std::string& text);

struct ScriptFacts {
  std::vector<std::string> words;     // of this command; the program's name first
  std::string folder;                 // where it was given: relative paths are meant from there
  int64_t gpus_per_run = 0;           // cards of a task; 0: none is asked for
  bool whole_nodes = true;            // no other job, nor a second task, on a task's node
  std::vector<SbatchOption> options;  // lines behind ours; gres and exclusive take our own one's place
};

/// The script of the array, each task of which runs `words` with --slurm-task and its index.
/// Throws Error(kUsage) for a word that no script can hold: with a line feed or carriage return, or too long.
std::string task_script(const ScriptFacts& facts);

/// Of the job behind the array, which runs `words` with --collect. It takes of the options what says where and for
/// whom it runs.
std::string collect_script(const ScriptFacts& facts);

/// "0-3,7%2": the indexes, in order, and how many at once; 0: no limit.
std::string array_spec(const std::vector<int64_t>& indexes, int64_t at_once);

/// The number in what `sbatch --parsable` says: "123", "123;cluster". Throws Error(kRuntime) quoting anything else.
int64_t parse_job(const std::string& said);

/// One array that was submitted.
struct Submission {
  int64_t job = 0;
  std::vector<int64_t> indexes;
};
std::string submissions_text(const std::vector<Submission>& submissions);
/// Throws Error(kInput) naming the file and the line.
std::vector<Submission> read_submissions(const std::string& text, const std::string& file);

/// What Slurm knows of a task.
struct TaskState {
  std::string state;      // NODE_FAIL, CANCELLED, ...; empty: nobody knows
  std::string node;       // empty: none, or not known
  std::string exit_code;  // "1:0", code and signal; empty: not known
  std::string source;     // sacct, scontrol
};

/// By task, of `sacct --parsable2 --noheader --format=JobID,State,ExitCode,NodeList`. Of one job; other lines and
/// what is no state are passed over.
std::map<int64_t, TaskState> parse_sacct(const std::string& said, int64_t job);
/// The arguments of sacct that parse_sacct reads the answer to.
std::vector<std::string> sacct_command(int64_t job);

/// By task, of `scontrol --oneliner show job`.
std::map<int64_t, TaskState> parse_scontrol(const std::string& said, int64_t job);
std::vector<std::string> scontrol_command(int64_t job);

/// Whether a task of that state has still to come or runs.
bool is_still_there(std::string_view state);

/// How a run ended whose task left no record: out of memory and time limit by the state; a node that failed, a
/// cancelled job and one that nobody knows of are interrupted; others crashed.
RunStatus status_of_lost(std::string_view state);

/// A task that left no record.
struct LostTask {
  Task task;
  int64_t job = 0;
  TaskState state;
  std::string why_no_state;  // where state.state is empty
};

/// The engine's facts by which such a record is known.
inline constexpr const char* kLostFact = "slurm_lost";
inline constexpr const char* kJobFact = "slurm_job";

/// Of one of its repeats: it has no times, and says what Slurm says.
RunRecord lost_record(const LostTask& lost, int64_t repeat, const PlannedCase& planned, const RunContext& context);

}  // namespace wan::suite
