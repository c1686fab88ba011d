// `wanbench compare`: arms of runs against the first one, with verdicts and exit codes a script can gate on.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "analysis/compare.h"
#include "analysis/gate.h"
#include "base/terminal.h"
#include "cli/collections.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/numbers.h"

namespace wan::cli {
namespace {

struct CompareArguments {
  std::vector<std::string> paths;
  std::string by, case_name, gate = "Total";
  double margin_percent = 1;
  std::optional<double> fail_if_slower_percent;  // absent: no gate
  bool strict = false;
  CompareOptions options;
};

struct Arm {
  std::string label;
  std::vector<const RunRecord*> runs;
};

/// What --by splits on.
std::string arm_key(const RunRecord& r, const std::string& by) {
  if (by == "gpu") return r.system.gpus.empty() ? r.system.cpu_model : r.system.gpus[0].name;
  if (by == "engine") return r.engine.name;
  if (by == "commit") return r.tool.git_commit + (r.tool.git_dirty ? "+" : "");
  if (by == "case") return r.run_case.name;
  return r.run_case.arm;
}

std::vector<Arm> split_by(const std::vector<StoredRecord>& records, const std::string& by) {
  std::vector<Arm> arms;
  for (const StoredRecord& stored : records) {
    const std::string key = arm_key(stored.record, by);
    auto found = std::find_if(arms.begin(), arms.end(), [&](const Arm& arm) { return arm.label == key; });
    if (found == arms.end()) found = arms.insert(arms.end(), Arm{key, {}});
    found->runs.push_back(&stored.record);
  }
  return arms;
}

bool names_case(const RunRecord& r, const std::string& name) {
  const auto& aliases = r.run_case.aliases;
  return r.run_case.name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end();
}

std::vector<CaseSummary> summaries(const Arm& arm, const std::string& case_name) {
  std::vector<const RunRecord*> runs;
  for (const RunRecord* run : arm.runs) {
    if (case_name.empty() || names_case(*run, case_name)) runs.push_back(run);
  }
  std::vector<CaseSummary> out;
  for (const RunGroup& group : group_runs(runs)) out.push_back(summarise(group));
  return out;
}

/// Whether two groups of one case were run in the same circumstances: what a script means by the same case.
bool same_circumstances(const CaseSummary& a, const CaseSummary& b) {
  return a.example->workload.page_cache == b.example->workload.page_cache && a.group.output == b.group.output &&
         a.group.execution.value == b.group.execution.value;
}

/// The summaries of a case with one scope in an arm: those that have a run that counts, or all where none has. A
/// default run's warm-ups write no video and are a group of their own that never counts.
std::vector<const CaseSummary*> candidates(const CaseSummary& base, const std::vector<CaseSummary>& arm) {
  std::vector<const CaseSummary*> all, counted;
  for (const CaseSummary& candidate : arm) {
    if (candidate.example == nullptr || !names_case(*candidate.example, base.group.case_name)) continue;
    if (candidate.example->workload.scope != base.example->workload.scope) continue;
    all.push_back(&candidate);
    if (!candidate.selection.used.empty()) counted.push_back(&candidate);
  }
  return counted.empty() ? all : counted;
}

/// The summary of `arm` that answers `base`: the same case, scope and, where there are several, circumstances; or the
/// only one there is.
const CaseSummary* counterpart(const CaseSummary& base, const std::vector<CaseSummary>& arm, bool alone) {
  std::vector<const CaseSummary*> found = candidates(base, arm);
  if (found.size() > 1) {
    std::vector<const CaseSummary*> alike;
    std::copy_if(found.begin(), found.end(), std::back_inserter(alike),
                 [&](const CaseSummary* other) { return same_circumstances(base, *other); });
    if (!alike.empty()) found = alike;
  }
  if (found.size() > 1) {
    throw Error(ErrorKind::kUsage,
                fmt::format("case '{}' is there more than once in one arm ({} and {}); choose with --by, --case, or "
                            "other paths",
                            base.group.case_name, found[0]->group.device, found[1]->group.device));
  }
  if (!found.empty()) return found.front();
  return alone && arm.size() == 1 ? &arm.front() : nullptr;
}

/// Whether the summary is left to another of the same case in its arm: no run of it counts, and of the other some do.
bool stands_aside(const CaseSummary& summary, const std::vector<CaseSummary>& arm) {
  if (!summary.selection.used.empty()) return false;
  const auto shown = candidates(summary, arm);
  return std::find(shown.begin(), shown.end(), &summary) == shown.end();
}

std::string interval_text(const std::optional<Interval>& interval, int decimals) {
  if (!interval) return "-";
  return fmt::format("[{:.{}f}, {:.{}f}]", interval->low, decimals, interval->high, decimals);
}

void print_ratio(const std::string& name, const std::string& a, const std::string& b, const RatioTest& test) {
  const std::string ratio = fmt::format("{:.{}f}", test.ratio, test.ratio < 100 ? 4 : 0);  // fits its column
  print("  {:<17}{:>10}{:>10}{:>8}  {:>16}  {}\n", name, a, b, ratio, interval_text(test.interval, 4),
        to_string(test.verdict));
}

void print_row(const ComparedRow& row) {
  print_ratio(row.name, fmt::format("{:.3f}", row.a.median), fmt::format("{:.3f}", row.b.median), row.time);
  if (row.cycles) print_ratio("  in cycles", "", "", *row.cycles);
  if (row.clock_explains) print("{}", wrapped("clock: the gap is not there in cycles", 4));
}

/// The interval of each arm's median and from how many runs, and why there is no verdict.
void print_arms(const ComparedRow& row) {
  const auto arm = [](const Estimate& e) {
    return e.interval ? fmt::format("{} n={}", interval_text(e.interval, 3), e.runs) : "1 run";
  };
  const std::string why = row.time.reason.empty() ? "" : ": " + row.time.reason;
  print("{}", wrapped(fmt::format("A {}, B {}{}", arm(row.a), arm(row.b), why), 4));
}

std::string described(const CaseSummary& summary, const std::string& label) {
  if (summary.example == nullptr) return label;
  const RunRecord& r = *summary.example;
  return fmt::format("{}: {} on {}, {}, precision {}, commit {}", label, summary.group.engine, summary.group.device,
                     to_string(r.workload.scope), to_string(r.workload.precision_class),
                     r.tool.git_commit.empty() ? "-" : r.tool.git_commit);
}

void print_comparison(const Comparison& c, const std::string& label_a, const std::string& label_b) {
  print("{}\n{}{}", c.case_name, wrapped("A " + described(*c.a, label_a), 2),
        wrapped("B " + described(*c.b, label_b), 2));
  for (const std::string& refusal : c.refusals) print("{}", wrapped("not comparable: " + refusal, 2));
  if (!c.comparable()) return;
  print("  {:<17}{:>10}{:>10}{:>8}  {:>16}  {}\n", "seconds", "A", "B", "B/A", "95 % interval", "B is");
  for (const ComparedRow& row : c.scopes) {
    print_row(row);
    print_arms(row);
  }
  for (const ComparedRow& row : c.stages) print_row(row);
  if (c.split && c.split->gpu != 1) {
    const std::string split = fmt::format(
        "speedup of B: {:.2f}x in all, {:.2f}x in the GPU part, {:.2f}x in the host part; {}", c.split->total,
        c.split->gpu, c.split->host, savings_text(*c.split, [](double value) { return fmt::format("{:.2f}", value); }));
    print("{}", wrapped(split, 2));
  }
  for (const Caveat& caveat : c.caveats) print("{}", wrapped("note: " + caveat_text(caveat, "A", "B"), 2));
  for (const FieldDifference& field : c.workload.unknown)
    print(
        "{}",
        wrapped(fmt::format("note: {} is recorded on one side only: {} against {}", field.field, field.a, field.b), 2));
}

/// What two arms have in common, and what only one of them has.
struct ArmComparison {
  const Arm* base = nullptr;
  const Arm* other = nullptr;
  std::vector<CaseSummary> a, b;
  std::vector<Comparison> pairs;  // point into a and b
  std::vector<std::string> only_in_a, only_in_b;
};

std::vector<CaseSummary> shown(const Arm& arm, const std::string& case_name) {
  std::vector<CaseSummary> all = summaries(arm, case_name), out;
  for (const CaseSummary& summary : all)
    if (summary.example != nullptr && !stands_aside(summary, all)) out.push_back(summary);
  return out;
}

ArmComparison compare_arms(const Arm& base, const Arm& other, const CompareArguments& arguments) {
  ArmComparison out{&base, &other, shown(base, arguments.case_name), shown(other, arguments.case_name), {}, {}, {}};
  std::set<const CaseSummary*> answered;
  for (const CaseSummary& summary : out.a) {
    counterpart(summary, out.a, false);  // refuses a case that A itself holds twice
    const CaseSummary* match = counterpart(summary, out.b, out.a.size() == 1);
    answered.insert(match);
    if (match == nullptr)
      out.only_in_a.push_back(summary.group.case_name);
    else
      out.pairs.push_back(compare_cases(summary, *match, arguments.options));
  }
  for (const CaseSummary& summary : out.b)
    if (!answered.contains(&summary)) out.only_in_b.push_back(summary.group.case_name);
  return out;
}

void print_arms(const ArmComparison& arms, const std::string& gate) {
  for (const std::string& name : arms.only_in_a)
    print("{}", wrapped(fmt::format("{}: only in {}", name, arms.base->label), 0));
  for (const std::string& name : arms.only_in_b)
    print("{}", wrapped(fmt::format("{}: only in {}", name, arms.other->label), 0));
  for (const Comparison& pair : arms.pairs) {
    print_comparison(pair, arms.base->label, arms.other->label);
    const auto is_gate = [&](const ComparedRow& row) { return row.name == gate; };
    if (pair.comparable() && std::none_of(pair.scopes.begin(), pair.scopes.end(), is_gate))
      print("  gate: no '{}' in these runs\n", gate);
  }
  const auto mean = geometric_mean_ratio(arms.pairs);
  if (mean && arms.pairs.size() > 1 && arms.pairs.size() == arms.a.size() && arms.a.size() == arms.b.size())
    print("geometric mean of B/A over {} cases: {:.4f}\n", arms.pairs.size(), *mean);
}

/// Prints what all the arms amount to first, then each pair.
ExitCode conclude(const std::vector<ArmComparison>& compared, const CompareArguments& arguments) {
  GateCounts counts;
  const bool has_limit = arguments.fail_if_slower_percent.has_value();
  for (const ArmComparison& arms : compared) {
    counts.missing += static_cast<int>(arms.only_in_a.size());
    for (const Comparison& pair : arms.pairs) count(counts, pair, arguments.gate, has_limit);
  }
  print("{}", wrapped(gate_text(counts), 0));
  for (const ArmComparison& arms : compared) print_arms(arms, arguments.gate);
  return gate_code(counts, arguments.strict);
}

ExitCode run_compare(CompareArguments arguments) {
  arguments.options.margin = arguments.fail_if_slower_percent.value_or(arguments.margin_percent) / 100;
  std::vector<std::vector<StoredRecord>> loaded;
  std::vector<Arm> arms;
  if (!arguments.by.empty()) {
    loaded.push_back(load_records(arguments.paths));
    arms = split_by(loaded.back(), arguments.by);
  } else {
    loaded.reserve(arguments.paths.size());  // arms point into the records
    for (const std::string& path : arguments.paths) {
      loaded.push_back(load_records({path}));
      arms.push_back({path, pointers(loaded.back())});
    }
  }
  if (arms.size() < 2) {
    throw Error(ErrorKind::kUsage, arguments.by.empty()
                                       ? "compare needs two paths, or one path and --by"
                                       : fmt::format("--by {}: expected two values or more, found only "
                                                     "'{}'",
                                                     arguments.by, arms.empty() ? "" : arms[0].label));
  }
  std::vector<ArmComparison> compared;
  for (size_t i = 1; i < arms.size(); ++i) compared.push_back(compare_arms(arms[0], arms[i], arguments));
  return conclude(compared, arguments);
}

}  // namespace

void add_compare_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = app.add_subcommand("compare", "Compare results: medians, intervals and a verdict per stage");
  command->add_option("RESULTS", arguments->paths, "record files or results folders; the first is A, the base")
      ->required();
  command->add_option("--by", arguments->by, "split the records into arms by this instead of by path")
      ->check(CLI::IsMember({"gpu", "engine", "commit", "arm", "case"}));
  command->add_option("--case", arguments->case_name, "only this case (name or alias)");
  add_number(*command, "--margin", arguments->margin_percent, Bounds<double>{0, 50},
             "percent within which a difference does not matter");
  add_number(*command, "--fail-if-slower", arguments->fail_if_slower_percent, kPercent,
             "exit with 3 when B is slower by more than this percent; also sets the margin");
  command->add_option("--gate", arguments->gate, "the row that decides the exit code")
      ->capture_default_str()
      ->check(CLI::IsMember({"Total", "Warm total", "Steady step", "GPU part", "Host part"}));
  command->add_flag("--strict", arguments->strict,
                    "exit with 4 when the gate's verdict is inconclusive or a case is missing");
  command->add_option("--allow-different", arguments->options.allowed_fields,
                      "workload fields that may differ, for example steps or offload; '*' for any");
  command->add_flag("--across-precision", arguments->options.across_precision,
                    "compare runs of different precision classes, and say so");
  command->footer(
      "Exit codes, the first that holds: 3 a pair is slower than --fail-if-slower, 4 under --strict a pair is "
      "inconclusive or a case of A is missing, 5 a case is missing or not comparable, 0 otherwise.");
  command->callback([arguments, &result] { result = run_compare(*arguments); });
}

}  // namespace wan::cli
