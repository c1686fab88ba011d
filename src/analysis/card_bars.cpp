#include "analysis/card_bars.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "analysis/workload_diff.h"

namespace wan {
namespace {

/// The first case of a cell that counts and says all that others of its row say.
const CaseView* shown_of(const std::vector<CardEntry>& cell) {
  for (const CardEntry& entry : cell)
    if (!entry.without_video && !entry.shown->failed && entry.shown->on_gpu && entry.shown->has_result())
      return entry.shown;
  return nullptr;
}

bool is_same_work(const CaseView& a, const CaseView& b) {
  return compare_workloads(a.example(), b.example()).different.empty();
}

std::vector<const CaseView*> cases_of(const CardsView& cards, const CardRowView& row, const std::string& engine) {
  std::vector<const CaseView*> out;
  for (size_t i = 0; i < cards.machines.size(); ++i) {
    const Machine& machine = cards.machines[i];
    if (machine.kind == EngineKind::kImported || machine.engine != engine) continue;
    const CaseView* shown = shown_of(row.cells[i]);
    if (shown != nullptr && (out.empty() || is_same_work(*out.front(), *shown))) out.push_back(shown);
  }
  return out;
}

/// Cards, and runs of the least measured one.
std::tuple<size_t, size_t> weight_of(const std::vector<const CaseView*>& cases) {
  if (cases.empty()) return {0, 0};
  const auto least =
      std::min_element(cases.begin(), cases.end(), [](auto* a, auto* b) { return a->counted < b->counted; });
  return {cases.size(), (*least)->counted};
}

}  // namespace

std::optional<CardBars> card_bars(const ReportView& view) {
  std::set<std::string> engines;
  for (const Machine& machine : view.cards.machines) engines.insert(machine.engine);
  std::vector<const CaseView*> best;
  for (const CardRowView& row : view.cards.rows)
    for (const std::string& engine : engines) {
      const std::vector<const CaseView*> cases = cases_of(view.cards, row, engine);
      if (weight_of(cases) > weight_of(best)) best = cases;
    }
  if (best.size() < 2) return std::nullopt;
  std::stable_sort(best.begin(), best.end(), [](const CaseView* a, const CaseView* b) {
    return a->summary.total_s.median() < b->summary.total_s.median();
  });
  return CardBars{best};
}

}  // namespace wan
