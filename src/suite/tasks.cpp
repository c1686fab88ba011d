#include "suite/tasks.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/flags.h"
#include "base/split.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTitles = "index\tscope\trepeat\tvideos\tkey\tcase";
constexpr size_t kColumns = 6;
constexpr int64_t kMostRepeat = 100'000;

std::optional<Task> parse_task(const std::string& line) {
  const std::vector<std::string_view> cells = split(line, '\t');
  if (cells.size() != kColumns) return std::nullopt;
  const std::string key(cells[4]), name(cells[5]);
  const auto index = checked_number<int64_t>(cells[0], {0, int64_t{kMostTasks} - 1}),
             repeat = checked_number<int64_t>(cells[2], {0, kMostRepeat}),
             videos = checked_number<int64_t>(cells[3], {1, kMostRepeat});
  const bool cold = cells[1] == to_string(RunScope::kCold), warm = cells[1] == to_string(RunScope::kWarm);
  if (!index || !repeat || !videos || (!cold && !warm)) return std::nullopt;
  if (file_word(key) != key || file_word(name) != name) return std::nullopt;
  return Task{*index, key, warm ? RunScope::kWarm : RunScope::kCold, *repeat, *videos, name};
}

void add(std::vector<Task>& tasks, const PlannedCase& planned, RunScope scope, int64_t repeat, int64_t videos) {
  const auto same = [&](const Task& task) {
    return task.key == planned.key && task.scope == scope && task.repeat == repeat;
  };
  const auto known = std::find_if(tasks.begin(), tasks.end(), same);
  if (known != tasks.end()) {
    known->videos = std::max(known->videos, videos);
    return;
  }
  require(tasks.size() < kMostTasks,
          fmt::format("more than {} tasks: ask for fewer repeats, or choose cases with {}", kMostTasks, flags::kCase),
          ErrorKind::kUsage);
  tasks.push_back(
      {static_cast<int64_t>(tasks.size()), planned.key, scope, repeat, videos, file_word(planned.details.name)});
}

}  // namespace

std::vector<Task> plan_tasks(const std::vector<PlannedCase>& plan, const Repetition& repetition,
                             std::vector<Task> stored) {
  std::vector<Task> tasks = std::move(stored);
  for (int64_t repeat = 0; repeat < repetition.repeats; ++repeat)
    for (const PlannedCase& planned : plan) add(tasks, planned, RunScope::kCold, repeat, 1);
  if (repetition.warm_repeats > 0)
    for (const PlannedCase& planned : plan) add(tasks, planned, RunScope::kWarm, 0, repetition.warm_repeats);
  return tasks;
}

std::string tasks_text(const std::vector<Task>& tasks) {
  std::string text = fmt::format("{}\n", kTitles);
  for (const Task& task : tasks)
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", task.index, to_string(task.scope), task.repeat, task.videos,
                        task.key, task.case_name);
  return text;
}

std::vector<Task> read_tasks(const std::string& text, const std::string& file) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  require(line == kTitles, fmt::format("{}: expected the titles of a list of tasks in line 1", file),
          ErrorKind::kInput);
  std::vector<Task> tasks;
  while (std::getline(lines, line)) {
    const std::optional<Task> task = parse_task(line);
    require(task && task->index == static_cast<int64_t>(tasks.size()),
            fmt::format("{}: line {} is no task: expected index {}, cold or warm, repeat, videos, key and case", file,
                        tasks.size() + 2, tasks.size()),
            ErrorKind::kInput);
    tasks.push_back(*task);
  }
  return tasks;
}

Repetition repetition_of(const Task& task, const Repetition& asked, std::optional<int> warmups) {
  Repetition own = asked;
  const bool warm = task.scope == RunScope::kWarm;
  // Node, page cache and the card's heat are new to each task: a cold one has a warm-up, a warm process has its own.
  own.warmups = warm ? 0 : warmups.value_or(1);
  own.first_repeat = warm ? 0 : static_cast<int>(task.repeat);
  own.repeats = warm ? 0 : static_cast<int>(task.repeat) + 1;
  own.warm_repeats = warm ? static_cast<int>(task.videos) : 0;
  return own;
}

fs::path tasks_file(const fs::path& output) { return output / "slurm" / "tasks.tsv"; }

fs::path task_folder(const fs::path& output, const Task& task) { return output / "tasks" / std::to_string(task.index); }

std::vector<int64_t> missing_repeats(const Task& task, const std::vector<StoredRecord>& records) {
  std::vector<int64_t> missing;
  for (int64_t repeat = task.repeat; repeat < task.repeat + task.videos; ++repeat) {
    const bool is_there = std::any_of(records.begin(), records.end(), [&](const StoredRecord& stored) {
      const RunRecord& run = stored.record;
      return run.run_case.key == task.key && run.run_case.repeat == repeat && run.workload.scope == task.scope &&
             !run.run_case.warmup && run.status != RunStatus::kInterrupted;
    });
    if (!is_there) missing.push_back(repeat);
  }
  return missing;
}

}  // namespace wan::suite
