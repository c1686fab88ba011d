// The text of `wanbench compare`.
#include <algorithm>

#include <fmt/format.h>

#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/compare_result.h"

namespace wan::cli {
namespace {

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
  for (const ComparedFidelity& fidelity : c.fidelity.measured)
    print("{}", wrapped("fidelity: " + compared_text(fidelity, "A", "B"), 2));
  for (const Caveat& caveat : c.caveats) print("{}", wrapped("note: " + caveat_text(caveat, "A", "B"), 2));
  for (const FieldDifference& field : c.workload.unknown)
    print(
        "{}",
        wrapped(fmt::format("note: {} is recorded on one side only: {} against {}", field.field, field.a, field.b), 2));
}

void print_arms(const ArmComparison& arms, const std::string& gate) {
  for (const std::string& name : arms.only_in_a)
    print("{}", wrapped(fmt::format("{}: only in {}", name, arms.base->label), 0));
  for (const std::string& name : arms.only_in_b)
    print("{}", wrapped(fmt::format("{}: only in {}", name, arms.other->label), 0));
  for (const Comparison& pair : arms.pairs) {
    print_comparison(pair, arms.base->label, arms.other->label);
    if (lacks_gate(pair, gate)) print("  gate: no '{}' in these runs\n", gate);
  }
  if (const auto mean = mean_ratio(arms))
    print("geometric mean of B/A over {} cases: {:.4f}\n", arms.pairs.size(), *mean);
}

}  // namespace

std::optional<double> mean_ratio(const ArmComparison& arms) {
  const size_t pairs = arms.pairs.size();
  if (pairs < 2 || pairs != arms.a.size() || pairs != arms.b.size()) return std::nullopt;
  return geometric_mean_ratio(arms.pairs);
}

bool lacks_gate(const Comparison& pair, const std::string& gate) {
  return pair.comparable() &&
         std::none_of(pair.scopes.begin(), pair.scopes.end(), [&](const ComparedRow& row) { return row.name == gate; });
}

void print_text(const CompareResult& result) {
  print("{}", wrapped(gate_text(result.counts), 0));
  for (const ArmComparison& arms : result.compared) print_arms(arms, result.gate);
}

}  // namespace wan::cli
