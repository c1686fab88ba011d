#include "analysis/fidelity_chart.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan {
namespace {

bool made_frames(const CaseView& shown, const std::string& sha256) {
  const auto& runs = shown.summary.selection.used;
  return !sha256.empty() &&
         std::any_of(runs.begin(), runs.end(), [&](const RunRecord* run) { return run->output.sha256 == sha256; });
}

/// Whether both made their videos on one card with one program, first of a process or not alike.
bool same_machine(const CaseView& a, const CaseView& b) {
  return a.summary.group.device == b.summary.group.device && a.summary.group.engine == b.summary.group.engine &&
         a.example().workload.scope == b.example().workload.scope;
}

bool same_size(const CaseView& a, const CaseView& b) {
  const Workload &x = a.example().workload, &y = b.example().workload;
  return x.width == y.width && x.height == y.height && x.num_frames == y.num_frames;
}

bool is_reference_of(const CaseView& shown, const FidelityView& view) {
  const FidelityComparison& comparison = view.comparison();
  if (made_frames(shown, comparison.reference_sha256)) return true;
  return shown.summary.group.case_name == comparison.reference &&
         shown.example().workload.precision_class == comparison.reference_class;
}

/// A point as it stands before the frontier is known.
FidelityPoint point_of(const CaseView& shown, const FidelityView* view) {
  FidelityPoint point{&shown, view, shown.summary.total_s.median(), view == nullptr || view->comparison().identical,
                      {},     {}};
  for (const FidelityMeasure& measure : fidelity_measures())
    point.values.push_back(point.is_identical ? std::nullopt : measure.of(view->comparison()));
  return point;
}

/// The larger, the nearer to the reference; nothing: not measured.
std::optional<double> nearness(const FidelityPoint& point, size_t measure) {
  if (point.is_identical) return HUGE_VAL;
  const std::optional<double>& value = point.values[measure];
  if (!value) return std::nullopt;
  return fidelity_measures()[measure].more_is_better ? *value : -*value;
}

void find_frontiers(std::vector<FidelityPoint>& points) {
  for (size_t m = 0; m < fidelity_measures().size(); ++m)
    for (FidelityPoint& point : points) {
      const std::optional<double> own = nearness(point, m);
      const bool is_beaten = std::any_of(points.begin(), points.end(), [&](const FidelityPoint& other) {
        const std::optional<double> its = nearness(other, m);
        return own && its && other.seconds <= point.seconds && *its >= *own &&
               (other.seconds < point.seconds || *its > *own);
      });
      point.on_frontier.push_back(own && !is_beaten);
    }
}

std::string name_of(const CaseView& shown, const std::string& reference) {
  const Workload& work = shown.example().workload;
  std::string name = fmt::format("against {}, {}", reference, shown.summary.group.device);
  if (work.scope != RunScope::kUnknown) name += fmt::format(", {}", to_string(work.scope));
  if (work.width && work.height) name += fmt::format(", {}x{}", *work.width, *work.height);
  if (work.num_frames) name += fmt::format(", {} frames", *work.num_frames);
  return name;
}

bool counts(const CaseView& shown) { return shown.has_result() && !shown.failed; }

/// A case is in a chart once, with its newest measurement against the chart's reference.
bool belongs(const FidelityChart& chart, const CaseView& shown, const FidelityView& view) {
  const FidelityPoint& first = chart.points.front();
  return same_machine(*first.shown, shown) && same_size(*first.shown, shown) && same_reference(*first.view, view) &&
         std::none_of(chart.points.begin(), chart.points.end(),
                      [&](const FidelityPoint& point) { return point.shown == &shown; });
}

void add_reference(FidelityChart& chart, const std::deque<CaseView>& cases) {
  const FidelityPoint first = chart.points.front();
  for (const CaseView& shown : cases) {
    const bool is_there = std::any_of(chart.points.begin(), chart.points.end(),
                                      [&](const FidelityPoint& point) { return point.shown == &shown; });
    if (is_there || !counts(shown) || !same_machine(*first.shown, shown) || !same_size(*first.shown, shown)) continue;
    if (is_reference_of(shown, *first.view)) chart.points.push_back(point_of(shown, nullptr));
  }
}

bool is_mixed(const std::deque<CaseView>& cases) {
  std::set<PrecisionClass> classes;
  std::set<std::string> recipes;
  for (const CaseView& shown : cases) {
    const Workload& work = shown.example().workload;
    if (work.precision_class == PrecisionClass::kUnknown) continue;  // imported: it says neither
    classes.insert(work.precision_class);
    recipes.insert(work.recipe.empty() ? "official" : work.recipe);
  }
  return classes.size() > 1 || recipes.size() > 1;
}

FidelityCell cell_of(const CaseView& shown, const std::deque<CaseView>& cases) {
  FidelityCell cell;
  std::vector<std::string> texts, floors;
  for (const FidelityView& view : shown.fidelity) {
    texts.push_back(measured_text(view));
    floors.push_back(noise_floor_text(view.record()));
  }
  cell.text = fmt::format("{}", fmt::join(texts, "; "));
  cell.floor = fmt::format("{}", fmt::join(floors, "; "));
  if (!cell.text.empty()) return cell;
  cell.why_none = why_no_fidelity(shown.summary.group);
  const auto is_against_it = [&](const CaseView& other) {
    return same_machine(shown, other) &&
           std::any_of(other.fidelity.begin(), other.fidelity.end(),
                       [&](const FidelityView& view) { return is_reference_of(shown, view); });
  };
  const auto other = std::find_if(cases.begin(), cases.end(), is_against_it);
  if (other != cases.end()) cell.why_none = fmt::format("it is the reference of {}", other->summary.group.case_name);
  return cell;
}

}  // namespace

std::vector<FidelityChart> fidelity_charts(const std::deque<CaseView>& cases) {
  constexpr size_t kFewest = 2;
  std::vector<FidelityChart> charts;
  for (const CaseView& shown : cases) {
    if (!counts(shown)) continue;
    for (const FidelityView& view : shown.fidelity) {
      auto found = std::find_if(charts.begin(), charts.end(),
                                [&](const FidelityChart& chart) { return belongs(chart, shown, view); });
      if (found == charts.end()) {
        const std::string reference = reference_text(view.comparison());
        found = charts.insert(charts.end(), FidelityChart{name_of(shown, reference), reference, {}});
      }
      found->points.push_back(point_of(shown, &view));
    }
  }
  std::erase_if(charts, [](const FidelityChart& chart) { return chart.points.size() < kFewest; });
  for (FidelityChart& chart : charts) {
    add_reference(chart, cases);
    find_frontiers(chart.points);
    std::stable_sort(chart.points.begin(), chart.points.end(),
                     [](const FidelityPoint& a, const FidelityPoint& b) { return a.seconds < b.seconds; });
  }
  return charts;
}

void add_fidelity_cells(std::deque<CaseView>& cases) {
  const bool any_measured =
      std::any_of(cases.begin(), cases.end(), [](const CaseView& c) { return !c.summary.group.judged.empty(); });
  if (!any_measured && !is_mixed(cases)) return;
  for (CaseView& shown : cases) shown.fidelity_cell = cell_of(shown, cases);
}

}  // namespace wan
