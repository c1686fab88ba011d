// `wanbench compare`: arms of runs against the first one, with verdicts and exit codes a script can gate on.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>

#include "analysis/compare.h"
#include "cli/collections.h"
#include "cli/columns.h"
#include "cli/commands.h"

namespace wan::cli {
namespace {

struct CompareArguments {
  std::vector<std::string> paths;
  std::string by, case_name, gate = "Total";
  double margin_percent = 1;
  double fail_if_slower_percent = -1;  // below 0: no gate
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

/// The summary of `arm` that answers `base`: the same case and scope; or the only one there is.
const CaseSummary* counterpart(const CaseSummary& base, const std::vector<CaseSummary>& arm, bool alone) {
  const CaseSummary* found = nullptr;
  for (const CaseSummary& candidate : arm) {
    if (candidate.example == nullptr || !names_case(*candidate.example, base.group.case_name)) continue;
    if (candidate.example->workload.scope != base.example->workload.scope) continue;
    if (found != nullptr) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("case '{}' is there more than once in one arm ({} and {}); choose with --by, --case, or "
                              "other paths",
                              base.group.case_name, found->group.device, candidate.group.device));
    }
    found = &candidate;
  }
  return found == nullptr && alone && arm.size() == 1 ? &arm.front() : found;
}

std::string interval_text(const std::optional<Interval>& interval, int decimals) {
  if (!interval) return "-";
  return fmt::format("[{:.{}f}, {:.{}f}]", interval->low, decimals, interval->high, decimals);
}

void print_ratio(const std::string& name, const std::string& a, const std::string& b, const RatioTest& test) {
  const std::string ratio = fmt::format("{:.{}f}", test.ratio, test.ratio < 100 ? 4 : 0);  // fits its column
  fmt::print("  {:<17}{:>10}{:>10}{:>8}  {:>16}  {}\n", name, a, b, ratio, interval_text(test.interval, 4),
             to_string(test.verdict));
}

void print_row(const ComparedRow& row) {
  print_ratio(row.name, fmt::format("{:.3f}", row.a.median), fmt::format("{:.3f}", row.b.median), row.time);
  if (row.cycles) print_ratio("  in cycles", "", "", *row.cycles);
  if (row.clock_explains) fmt::print("{}", wrapped("clock: the gap is not there in cycles", 4));
}

/// The interval of each arm's median and from how many runs, and why there is no verdict.
void print_arms(const ComparedRow& row) {
  const auto arm = [](const Estimate& e) {
    return e.interval ? fmt::format("{} n={}", interval_text(e.interval, 3), e.runs) : "1 run";
  };
  const std::string why = row.time.reason.empty() ? "" : ": " + row.time.reason;
  fmt::print("{}", wrapped(fmt::format("A {}, B {}{}", arm(row.a), arm(row.b), why), 4));
}

std::string described(const CaseSummary& summary, const std::string& label) {
  if (summary.example == nullptr) return label;
  const RunRecord& r = *summary.example;
  return fmt::format("{}: {} on {}, {}, precision {}, commit {}", label, summary.group.engine, summary.group.device,
                     to_string(r.workload.scope), to_string(r.workload.precision_class),
                     r.tool.git_commit.empty() ? "-" : r.tool.git_commit);
}

void print_comparison(const Comparison& c, const std::string& label_a, const std::string& label_b) {
  fmt::print("{}\n{}{}", c.case_name, wrapped("A " + described(*c.a, label_a), 2),
             wrapped("B " + described(*c.b, label_b), 2));
  for (const std::string& refusal : c.refusals) fmt::print("{}", wrapped("not comparable: " + refusal, 2));
  if (!c.comparable()) return;
  fmt::print("  {:<17}{:>10}{:>10}{:>8}  {:>16}  {}\n", "seconds", "A", "B", "B/A", "95 % interval", "B is");
  for (const ComparedRow& row : c.scopes) {
    print_row(row);
    print_arms(row);
  }
  for (const ComparedRow& row : c.stages) print_row(row);
  if (c.split && c.split->gpu != 1) {
    const std::string split = fmt::format(
        "speedup of B: {:.2f}x in all, {:.2f}x in the GPU part, {:.2f}x in the host part; {}", c.split->total,
        c.split->gpu, c.split->host, savings_text(*c.split, [](double value) { return fmt::format("{:.2f}", value); }));
    fmt::print("{}", wrapped(split, 2));
  }
  for (const Caveat& caveat : c.caveats) fmt::print("{}", wrapped("note: " + caveat_text(caveat, "A", "B"), 2));
  for (const FieldDifference& field : c.workload.unknown)
    fmt::print(
        "{}",
        wrapped(fmt::format("note: {} is recorded on one side only: {} against {}", field.field, field.a, field.b), 2));
}

/// What the whole comparison amounts to: not comparable before regression before inconclusive.
class Outcome {
 public:
  void take(const Comparison& c, const CompareArguments& arguments) {
    if (!c.comparable()) {
      incomparable_ = true;
      return;
    }
    ++compared_;
    const auto row =
        std::find_if(c.scopes.begin(), c.scopes.end(), [&](const ComparedRow& r) { return r.name == arguments.gate; });
    if (row == c.scopes.end()) {
      inconclusive_ = true;
      fmt::print("  gate: no '{}' in these runs\n", arguments.gate);
      return;
    }
    slower_ = slower_ || (arguments.fail_if_slower_percent >= 0 && row->time.verdict == Verdict::kSlower);
    inconclusive_ = inconclusive_ || row->time.verdict == Verdict::kInconclusive;
  }
  ExitCode code(bool strict) const {
    if (incomparable_ || compared_ == 0) return ExitCode::kNotComparable;
    if (slower_) return ExitCode::kComparison;
    return strict && inconclusive_ ? ExitCode::kInconclusive : ExitCode::kSuccess;
  }

 private:
  bool incomparable_ = false, slower_ = false, inconclusive_ = false;
  int compared_ = 0;
};

void compare_arms(const Arm& base, const Arm& other, const CompareArguments& arguments, Outcome& outcome) {
  const std::vector<CaseSummary> a = summaries(base, arguments.case_name), b = summaries(other, arguments.case_name);
  std::vector<Comparison> done;
  for (const CaseSummary& summary : a) {
    if (summary.example == nullptr) continue;
    counterpart(summary, a, false);  // refuses a case that A itself holds twice
    const CaseSummary* match = counterpart(summary, b, a.size() == 1);
    if (match == nullptr) {
      fmt::print("{}: only in {}\n", summary.group.case_name, base.label);
      continue;
    }
    done.push_back(compare_cases(summary, *match, arguments.options));
    print_comparison(done.back(), base.label, other.label);
    outcome.take(done.back(), arguments);
  }
  const auto mean = geometric_mean_ratio(done);
  if (mean && done.size() > 1 && done.size() == a.size() && a.size() == b.size()) {
    fmt::print("geometric mean of B/A over {} cases: {:.4f}\n", done.size(), *mean);
  }
}

ExitCode run_compare(CompareArguments arguments) {
  arguments.options.margin =
      (arguments.fail_if_slower_percent >= 0 ? arguments.fail_if_slower_percent : arguments.margin_percent) / 100;
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
  Outcome outcome;
  for (size_t i = 1; i < arms.size(); ++i) compare_arms(arms[0], arms[i], arguments, outcome);
  return outcome.code(arguments.strict);
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
  command->add_option("--margin", arguments->margin_percent, "percent within which a difference does not matter")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 50.0));
  command
      ->add_option("--fail-if-slower", arguments->fail_if_slower_percent,
                   "exit with 3 when B is slower by more than this percent; also sets the margin")
      ->check(CLI::Range(0.0, 1000.0));
  command->add_option("--gate", arguments->gate, "the row that decides the exit code")
      ->capture_default_str()
      ->check(CLI::IsMember({"Total", "Warm total", "Steady step", "GPU part", "Host part"}));
  command->add_flag("--strict", arguments->strict, "exit with 4 when the gate's verdict is inconclusive");
  command->add_option("--allow-different", arguments->options.allowed_fields,
                      "workload fields that may differ, for example steps or offload; '*' for any");
  command->add_flag("--across-precision", arguments->options.across_precision,
                    "compare runs of different precision classes, and say so");
  command->footer(
      "Exit codes: 0 compared, 3 slower than --fail-if-slower, 4 inconclusive under --strict, 5 not comparable.");
  command->callback([arguments, &result] { result = run_compare(*arguments); });
}

}  // namespace wan::cli
