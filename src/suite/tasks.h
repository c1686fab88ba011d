// A suite cut into tasks that run apart from each other, each a process of `wanbench run` with a folder of its own: a
// case's cold repeat behind its warm-up, or the process of its warm videos. The list is a file that submitter, task and
// collector share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "results/store.h"
#include "suite/plan.h"
#include "suite/schedule.h"

namespace wan::suite {

struct Task {
  int64_t index = 0;  // its place in the list, and its folder's name
  std::string key;    // of its case
  RunScope scope = RunScope::kCold;
  int64_t repeat = 0;     // the first one
  int64_t videos = 1;     // that count: 1 of a cold task
  std::string case_name;  // for people; what is no letter, digit, '-' or '_' is a '_'
  bool operator==(const Task&) const = default;
};

/// More are refused, written or read.
inline constexpr size_t kMostTasks = 10000;

/// One for each case and cold repeat, repeats round the cases, then one for each case's warm videos. Those of `stored`
/// keep their index, new ones come behind them; a stored warm one with fewer videos gets those that are asked.
/// Throws Error(kUsage) above kMostTasks.
std::vector<Task> plan_tasks(const std::vector<PlannedCase>& plan, const Repetition& repetition,
                             std::vector<Task> stored = {});

/// Tab-separated, with a line of titles.
std::string tasks_text(const std::vector<Task>& tasks);

/// Throws Error(kInput) naming the file and the line for anything else than tasks_text writes, an index out of order
/// among it.
std::vector<Task> read_tasks(const std::string& text, const std::string& file);

/// What is run of a task, in place of all repeats.
Repetition repetition_of(const Task& task, const Repetition& asked, std::optional<int> warmups);

/// OUT/slurm/tasks.tsv, and a task's own results folder in OUT/tasks.
std::filesystem::path tasks_file(const std::filesystem::path& output);
std::filesystem::path task_folder(const std::filesystem::path& output, const Task& task);

/// Repeats of the task that none of the records, which are its folder's own, says the end of: a run that was
/// interrupted is made again.
std::vector<int64_t> missing_repeats(const Task& task, const std::vector<StoredRecord>& records);

}  // namespace wan::suite
