#include "suite/slurm.h"

#include <algorithm>
#include <array>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked_number.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/split.h"
#include "base/subprocess.h"

namespace wan::suite {
namespace {

constexpr size_t kMostValue = 200;       // characters of an option's value
constexpr size_t kMostScript = 1 << 20;  // sbatch's own limit is 4 MiB (MaxScriptSize)
constexpr size_t kMostLine = 1 << 16;

struct KnownOption {
  std::string_view name;
  bool of_collection;  // says where and for whom, not what with
};
constexpr std::array kKnown = {
    KnownOption{"account", true},        KnownOption{"partition", true},      KnownOption{"qos", true},
    KnownOption{"reservation", true},    KnownOption{"comment", true},        KnownOption{"wckey", true},
    KnownOption{"nice", true},           KnownOption{"time", false},          KnownOption{"constraint", false},
    KnownOption{"cpus-per-task", false}, KnownOption{"mem", false},           KnownOption{"mem-per-cpu", false},
    KnownOption{"gres", false},          KnownOption{"gpus-per-node", false}, KnownOption{"nodelist", false},
    KnownOption{"exclude", false},       KnownOption{"exclusive", false},     KnownOption{"licenses", false},
    KnownOption{"begin", false},         KnownOption{"tmp", false},           KnownOption{"hint", false},
    KnownOption{"switches", false},      KnownOption{"core-spec", false},
};

const KnownOption* known_option(std::string_view name) {
  const auto found = std::find_if(kKnown.begin(), kKnown.end(), [&](const KnownOption& o) { return o.name == name; });
  return found == kKnown.end() ? nullptr : &*found;
}

bool is_plain(char c) {
  constexpr std::string_view kMarks = "_.,:=+@%/*[]()&|-";
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || kMarks.find(c) != std::string_view::npos;
}

bool has_option(const std::vector<SbatchOption>& options, std::string_view name) {
  return std::any_of(options.begin(), options.end(), [&](const SbatchOption& option) { return option.name == name; });
}

std::string line_of(const SbatchOption& option) {
  return fmt::format("#SBATCH --{}{}{}\n", option.name, option.value.empty() ? "" : "=", option.value);
}

constexpr const char* kHead =
    "#!/bin/sh\n"
    "#SBATCH --job-name={}\n"
    "#SBATCH --nodes=1\n"
    "#SBATCH --ntasks=1\n"
    "#SBATCH --no-requeue\n";

std::string command_lines(const ScriptFacts& facts, std::string_view last) {
  std::string text;
  for (const std::string& word : facts.words) {
    require(word.find_first_of(std::string_view("\n\r\0", 3)) == std::string::npos,
            fmt::format("a word of the command line has a line end in it, which no script of Slurm's is to hold: {}",
                        word.substr(0, 40)),
            ErrorKind::kUsage);
    text += shell_quoted(word) + " ";
  }
  require(facts.folder.find_first_of("\n\r") == std::string::npos,
          "the name of the working folder has a line end in it, which no script of Slurm's is to hold",
          ErrorKind::kUsage);
  text = fmt::format("cd -- {} || exit 1\nexec {}{}\n", shell_quoted(facts.folder), text, last);
  require(text.size() <= kMostScript, "the command line is too long for a script of Slurm's", ErrorKind::kUsage);
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    if (line.size() <= kMostLine) lines.push_back(std::move(line));
  return lines;
}

std::optional<int64_t> number_of(std::string_view text) { return checked_number<int64_t>(text, {0}); }

/// Of "0-3,7,9-10%2", the part behind % left out; nothing where it is anything else.
std::optional<std::vector<int64_t>> parse_indexes(std::string_view text) {
  text = text.substr(0, text.find('%'));
  std::vector<int64_t> indexes;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const size_t dash = part.find('-');
    const auto first = number_of(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= int64_t{kMostTasks}) return std::nullopt;
    for (int64_t i = *first; i <= *last; ++i) indexes.push_back(i);
    if (indexes.size() > kMostTasks) return std::nullopt;
  }
  return indexes.empty() ? std::nullopt : std::optional(indexes);
}

/// "CANCELLED by 1000" is CANCELLED; nothing of what is no state's name.
std::string state_word(std::string_view text) {
  constexpr size_t kMostState = 40;
  const std::string word(text.substr(0, text.find_first_of(" +")));
  const bool plain = !word.empty() && word.size() <= kMostState &&
                     word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
  return plain ? word : "";
}

/// What is no name of nodes is left out: it is shown.
std::string node_word(std::string_view text) {
  const bool plain = text.size() <= kMostValue && std::all_of(text.begin(), text.end(), is_plain);
  return plain && text != "(null)" ? std::string(text) : "";
}

std::string code_word(std::string_view text) {
  return text.size() <= 16 && text.find_first_not_of("0123456789:") == std::string_view::npos ? std::string(text) : "";
}

/// Value of " Key=value " in a line of scontrol's, empty where it has none.
std::string_view value_in(std::string_view line, std::string_view key) {
  for (size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
    const size_t equals = at + key.size();
    const bool whole = (at == 0 || line[at - 1] == ' ') && equals < line.size() && line[equals] == '=';
    if (!whole) continue;
    const std::string_view rest = line.substr(equals + 1);
    return rest.substr(0, rest.find(' '));
  }
  return {};
}

}  // namespace

SbatchOption parse_sbatch_option(const std::string& text) {
  const size_t dashes = text.starts_with("--") ? 2 : 0, equals = text.find('=');
  SbatchOption option{text.substr(dashes, equals == std::string::npos ? equals : equals - dashes),
                      equals == std::string::npos ? "" : text.substr(equals + 1)};
  if (known_option(option.name) == nullptr) {
    std::vector<std::string> names;
    for (const KnownOption& known : kKnown) names.emplace_back(known.name);
    throw Error(ErrorKind::kUsage, fmt::format("--sbatch-option {}: expected one of {}, with =VALUE",
                                               text.substr(0, kMostValue), fmt::join(names, ", ")));
  }
  const bool plain =
      option.value.size() <= kMostValue && std::all_of(option.value.begin(), option.value.end(), is_plain);
  require(
      plain && (equals == std::string::npos || !option.value.empty()),
      fmt::format("--sbatch-option {}: its value is to have at most {} letters, digits and _.,:=+@%/*[]()&|- , since "
                  "it becomes a line of a script",
                  option.name, kMostValue),
      ErrorKind::kUsage);
  require(equals != std::string::npos || option.name == "exclusive",
          fmt::format("--sbatch-option {0}: expected {0}=VALUE", option.name), ErrorKind::kUsage);
  return option;
}

std::string task_script(const ScriptFacts& facts) {
  std::string text = fmt::format(fmt::runtime(kHead), "wanbench");
  if (facts.whole_nodes && !has_option(facts.options, "exclusive")) text += "#SBATCH --exclusive\n";
  const bool says_cards = has_option(facts.options, "gres") || has_option(facts.options, "gpus-per-node");
  if (facts.gpus_per_run > 0 && !says_cards) text += fmt::format("#SBATCH --gres=gpu:{}\n", facts.gpus_per_run);
  for (const SbatchOption& option : facts.options) text += line_of(option);
  return text + command_lines(facts, R"(--slurm-task "${SLURM_ARRAY_TASK_ID:?is set by sbatch --array}")");
}

std::string collect_script(const ScriptFacts& facts) {
  std::string text = fmt::format(fmt::runtime(kHead), "wanbench-collect");
  for (const SbatchOption& option : facts.options)
    if (known_option(option.name)->of_collection) text += line_of(option);
  return text + command_lines(facts, "--collect");
}

std::string array_spec(const std::vector<int64_t>& indexes, int64_t at_once) {
  std::string text;
  for (size_t i = 0; i < indexes.size();) {
    size_t end = i + 1;
    while (end < indexes.size() && indexes[end] == indexes[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", indexes[i]);
    if (end - i > 1) text += fmt::format("-{}", indexes[end - 1]);
    i = end;
  }
  return at_once > 0 ? fmt::format("{}%{}", text, at_once) : text;
}

int64_t parse_job(const std::string& said) {
  const std::string line = said.substr(0, said.find('\n'));
  const auto job = number_of(std::string_view(line).substr(0, line.find(';')));
  require(job && *job > 0, fmt::format("sbatch --parsable was to say a job's number, it said: {}", line.substr(0, 200)),
          ErrorKind::kRuntime);
  return *job;
}

std::string submissions_text(const std::vector<Submission>& submissions) {
  std::string text = "job\ttasks\n";
  for (const Submission& one : submissions) text += fmt::format("{}\t{}\n", one.job, array_spec(one.indexes, 0));
  return text;
}

std::vector<Submission> read_submissions(const std::string& text, const std::string& file) {
  std::vector<Submission> submissions;
  std::istringstream stream(text);
  std::string line;
  std::getline(stream, line);
  for (int64_t number = 2; std::getline(stream, line); ++number) {
    const size_t tab = line.find('\t');
    const auto job = number_of(std::string_view(line).substr(0, tab));
    const auto indexes =
        tab == std::string::npos ? std::nullopt : parse_indexes(std::string_view(line).substr(tab + 1));
    require(job && indexes, fmt::format("{}: line {} is no submission: expected a job and its tasks", file, number),
            ErrorKind::kInput);
    submissions.push_back({*job, *indexes});
  }
  return submissions;
}

std::vector<std::string> sacct_command(int64_t job) {
  return {"sacct",      "--jobs",  std::to_string(job), "--allocations",
          "--noheader", "--array", "--parsable2",       "--format=JobID,State,ExitCode,NodeList"};
}

std::map<int64_t, TaskState> parse_sacct(const std::string& said, int64_t job) {
  std::map<int64_t, TaskState> states;
  const std::string prefix = std::to_string(job) + "_";
  for (const std::string& line : lines_of(said)) {
    const std::vector<std::string_view> cells = split(line, '|');
    if (cells.size() < 4 || !cells[0].starts_with(prefix)) continue;
    std::string_view tasks = cells[0].substr(prefix.size());
    if (tasks.starts_with('[') && tasks.ends_with(']')) tasks = tasks.substr(1, tasks.size() - 2);  // still waiting
    const auto indexes = parse_indexes(tasks);
    const std::string state = state_word(cells[1]);
    if (!indexes || state.empty()) continue;
    const std::string node = cells[3] == "None assigned" ? "" : node_word(cells[3]);
    for (const int64_t index : *indexes) states[index] = {state, node, code_word(cells[2]), "sacct"};
  }
  return states;
}

std::vector<std::string> scontrol_command(int64_t job) {
  return {"scontrol", "--oneliner", "show", "job", std::to_string(job)};
}

std::map<int64_t, TaskState> parse_scontrol(const std::string& said, int64_t job) {
  std::map<int64_t, TaskState> states;
  for (const std::string& line : lines_of(said)) {
    if (value_in(line, "ArrayJobId") != std::to_string(job)) continue;
    const auto indexes = parse_indexes(value_in(line, "ArrayTaskId"));
    const std::string state = state_word(value_in(line, "JobState"));
    if (!indexes || state.empty()) continue;
    for (const int64_t index : *indexes)
      states[index] = {state, node_word(value_in(line, "NodeList")), code_word(value_in(line, "ExitCode")), "scontrol"};
  }
  return states;
}

bool is_still_there(std::string_view state) {
  constexpr std::array<std::string_view, 12> kThere = {"PENDING",   "RUNNING",   "CONFIGURING",   "COMPLETING",
                                                       "SUSPENDED", "REQUEUED",  "REQUEUED_HOLD", "RESIZING",
                                                       "SIGNALING", "STAGE_OUT", "STOPPED",       "REQUEUE_HOLD"};
  return std::find(kThere.begin(), kThere.end(), state) != kThere.end();
}

RunStatus status_of_lost(std::string_view state) {
  if (state == "OUT_OF_MEMORY") return RunStatus::kOutOfMemory;
  if (state == "TIMEOUT") return RunStatus::kTimeout;
  constexpr std::array<std::string_view, 7> kByOthers = {"",          "NODE_FAIL", "CANCELLED", "PREEMPTED",
                                                         "BOOT_FAIL", "DEADLINE",  "REVOKED"};
  return std::find(kByOthers.begin(), kByOthers.end(), state) != kByOthers.end() ? RunStatus::kInterrupted
                                                                                 : RunStatus::kCrash;
}

RunRecord lost_record(const LostTask& lost, int64_t repeat, const PlannedCase& planned, const RunContext& context) {
  const TaskState& state = lost.state;
  RunRecord record;
  record.created_utc = utc_now();
  record.tool = describe_tool(context.program_sha256);
  record.workload = planned.workload;
  record.workload.scope = lost.task.scope;
  record.run_case = {
      context.suite, context.suite_version, planned.details.name, planned.details.aliases, repeat, "", false,
      planned.key};
  record.engine.name = "wanbench";
  record.engine.kind = context.protocol == EngineProtocol::kNative ? EngineKind::kNative : EngineKind::kExternal;
  record.engine.device = planned.details.request.device;
  const std::string job = fmt::format("{}_{}", lost.job, lost.task.index);
  record.engine.facts = {{"launcher", "slurm"}, {kJobFact, job}, {kLostFact, "the task left no record"}};
  if (state.state.empty()) {
    record.engine.facts["slurm_state_not_known"] = lost.why_no_state;
  } else {
    record.engine.facts["slurm_state"] = state.state;
    record.engine.facts["slurm_state_source"] = state.source;
  }
  if (!state.node.empty()) record.engine.facts["slurm_node"] = state.node;
  if (!state.exit_code.empty()) record.engine.facts["slurm_exit_code"] = state.exit_code;
  const std::string reason = "the run left no record";
  record.execution = absent<Execution>(reason);
  record.predicted_peak_bytes = absent<uint64_t>(reason);
  record.forwards = absent<ForwardCounts>(reason);
  record.system.host = state.node;
  record.system.cores_allowed = record.system.cores_total = record.system.numa_nodes = absent<int64_t>(reason);
  record.system.ram_bytes = record.system.memory_limit_bytes = absent<uint64_t>(reason);
  record.system.cpu_limit_cores = absent<double>(reason);
  record.status = status_of_lost(state.state);
  ErrorFacts error;
  error.message = state.state.empty()
                      ? fmt::format("task {} left no record, and its state is not known: {}", job, lost.why_no_state)
                      : fmt::format("task {}{} ended as {}, says {}, and left no record", job,
                                    state.node.empty() ? "" : " on " + state.node, state.state, state.source);
  error.advice = fmt::format("what it said is in slurm/log-{}.txt; --resume runs it again", job);
  error.requested_bytes = error.free_bytes = absent<uint64_t>(reason);
  error.exit_code = error.signal = absent<int64_t>(reason);
  record.error = error;
  record.overhead_percent = absent<double>(reason);
  record.clock.gpu_residual_ns = record.clock.gpu_uncertainty_ns = absent<int64_t>(reason);
  record.output.size_bytes = absent<uint64_t>("no_file");
  return record;
}

}  // namespace wan::suite
