#include "analysis/report_view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "analysis/workload_diff.h"

namespace wan {
namespace {

bool only_warmups(const RunGroup& group) {
  return std::all_of(group.runs.begin(), group.runs.end(), [](const RunRecord* run) { return run->run_case.warmup; });
}

bool is_native(const CaseView& view) { return view.example().engine.kind == EngineKind::kNative; }

/// Whom a case is set against, among those before it in its row: another program on the same card, the same program on
/// another card (the first such), else the first at all.
std::vector<const CaseView*> others_of(const CaseView& own, const std::vector<const CaseView*>& earlier) {
  const RunGroup& group = own.summary.group;
  std::vector<const CaseView*> others;
  const auto add_first = [&](auto is_meant) {
    const auto found = std::find_if(earlier.begin(), earlier.end(),
                                    [&](const CaseView* other) { return is_meant(other->summary.group); });
    if (found != earlier.end()) others.push_back(*found);
  };
  add_first([&](const RunGroup& other) { return other.device == group.device && other.engine != group.engine; });
  add_first([&](const RunGroup& other) { return other.device != group.device && other.engine == group.engine; });
  if (others.empty() && !earlier.empty()) others.push_back(earlier.front());
  return others;
}

using Pair = std::pair<const CaseView*, const CaseView*>;

/// Pairs that our own engine is part of come first, of them those on one card: these say what the program does.
std::vector<Pair> pairs_of(const std::deque<CaseView>& cases) {
  std::vector<const CaseView*> counted;
  std::vector<const CaseSummary*> summaries;
  for (const CaseView& view : cases) {
    if (!view.has_result() || view.failed) continue;
    counted.push_back(&view);
    summaries.push_back(&view.summary);
  }
  std::vector<Pair> pairs;
  for (const CardRow& row : card_table(summaries).rows) {
    std::vector<const CaseView*> earlier;
    for (const auto& cell : row.cells) {
      if (cell.empty()) continue;
      const CaseView* own = counted[cell.front()];
      for (const CaseView* other : others_of(*own, earlier)) pairs.emplace_back(other, own);
      earlier.push_back(own);
    }
  }
  const auto natives_end = std::stable_partition(
      pairs.begin(), pairs.end(), [](const Pair& pair) { return is_native(*pair.first) || is_native(*pair.second); });
  std::stable_partition(pairs.begin(), natives_end, [](const Pair& pair) {
    return pair.first->summary.group.device == pair.second->summary.group.device;
  });
  return pairs;
}

/// B against A, or A against B where B is the slower one: sentences about savings read better.
Comparison faster_against_slower(const CaseView& a, const CaseView& b) {
  const bool b_is_slower = a.summary.total_s.median() < b.summary.total_s.median();
  return b_is_slower ? compare_freely(b, a) : compare_freely(a, b);
}

bool is_pair(const CaseView& cold, const CaseView& warm) {
  const RunGroup &a = cold.summary.group, &b = warm.summary.group;
  return cold.example().workload.scope == RunScope::kCold && warm.example().workload.scope == RunScope::kWarm &&
         a.case_name == b.case_name && a.device == b.device && a.engine == b.engine && a.arm == b.arm &&
         a.in_company == b.in_company;
}

std::vector<ColdWarm> cold_beside_warm(const std::deque<CaseView>& cases) {
  std::vector<ColdWarm> out;
  for (const CaseView& cold : cases)
    for (const CaseView& warm : cases)
      if (is_pair(cold, warm)) out.push_back({&cold, &warm, cold_extra_s(cold.summary, warm.summary)});
  return out;
}

/// Cases of the row that wrote no video though another of the row did: their totals are of less work.
std::set<size_t> without_video(const std::vector<const CaseView*>& cases, const CardRow& row) {
  std::set<size_t> none;
  bool any_video = false;
  for (const auto& cell : row.cells)
    for (const size_t i : cell) {
      const std::string kind = output_kind(cases[i]->example());
      any_video = any_video || kind == "video";
      if (kind == "none") none.insert(i);
    }
  return any_video ? none : std::set<size_t>{};
}

std::vector<CardEntry> entries_of(const std::vector<const CaseView*>& cases, const std::vector<size_t>& cell,
                                  const std::set<size_t>& silent) {
  std::vector<CardEntry> out;
  for (const size_t i : cell) {
    const CaseView* shown = cases[i];
    // One that does not count is left out where another of its title does; its case's section says why.
    const bool is_replaced = shown->failed && std::any_of(cell.begin(), cell.end(), [&](size_t other) {
                               return !cases[other]->failed && cases[other]->title == shown->title;
                             });
    if (is_replaced) continue;
    CardEntry& entry = out.emplace_back(CardEntry{shown, silent.contains(i), {}});
    for (const CardQuantity& quantity : card_quantities()) entry.values.push_back(quantity.of(shown->numbers()));
  }
  return out;
}

CardsView cards_view(const std::deque<CaseView>& views) {
  std::vector<const CaseView*> cases;
  std::vector<const CaseSummary*> summaries;
  for (const CaseView& view : views) {
    cases.push_back(&view);
    summaries.push_back(&view.numbers());
  }
  CardTable table = card_table(summaries);
  CardsView out;
  out.machines = std::move(table.machines);
  for (CardRow& row : table.rows) {
    CardRowView& shown = out.rows.emplace_back(CardRowView{row.name, {}, std::move(row.differences)});
    const std::set<size_t> silent = without_video(cases, row);
    for (const auto& cell : row.cells) shown.cells.push_back(entries_of(cases, cell, silent));
  }
  for (size_t i = 0; i < card_quantities().size(); ++i) {
    const bool any = std::any_of(summaries.begin(), summaries.end(),
                                 [&](const CaseSummary* s) { return card_quantities()[i].of(*s).has(); });
    if (any) out.quantities.push_back(i);
  }
  return out;
}

}  // namespace

Comparison compare_freely(const CaseView& a, const CaseView& b) {
  CompareOptions options;
  options.allowed_fields = {"*"};
  options.across_precision = true;
  return compare_cases(a.summary, b.summary, options);
}

std::string ReportView::machine_of(const CaseView& shown) const {
  const RunGroup& group = shown.summary.group;
  return several_programs ? group.device + ", " + group.engine : group.device;
}

ReportView report_view(const std::vector<const RunRecord*>& records, const std::vector<CardPeak>& peaks,
                       const std::vector<CardPrice>& prices, const std::vector<FitRow>& fit_rows) {
  ReportView out;
  out.records = records;
  for (const RunGroup& group : group_runs(records)) {
    for (const Exclusion& exclusion : select_valid(group.runs).excluded)
      out.not_counted[exclusion.run->id] = exclusion.reason;
    if (!only_warmups(group)) out.cases.push_back(case_view(group, peaks, prices));
  }
  for (const CaseView& view : out.cases)
    out.several_programs = out.several_programs || view.summary.group.engine != out.cases.front().summary.group.engine;
  for (const auto& [first, second] : pairs_of(out.cases))
    out.pairs.push_back({first->title, faster_against_slower(*first, *second)});
  out.cold_warm = cold_beside_warm(out.cases);
  add_fidelity_cells(out.cases);
  out.fidelity = fidelity_charts(out.cases);
  out.cards = cards_view(out.cases);
  out.fit = fit_view(out.cases, fit_rows);
  return out;
}

}  // namespace wan
