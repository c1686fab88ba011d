#include "results/fidelity.h"

#include <algorithm>

namespace wan {

const StepDistance* worst_replayed(const FidelityComparison& comparison) {
  const auto distance = [](const StepDistance& step) { return step.relative_l2.value.value_or(-1); };
  const auto worst =
      std::max_element(comparison.replayed.begin(), comparison.replayed.end(),
                       [&](const StepDistance& a, const StepDistance& b) { return distance(a) < distance(b); });
  return worst == comparison.replayed.end() || !worst->relative_l2.has() ? nullptr : &*worst;
}

const FidelityScore* find_score(const FidelityComparison& comparison, std::string_view metric) {
  const auto found = std::find_if(comparison.scores.begin(), comparison.scores.end(),
                                  [&](const FidelityScore& score) { return score.metric == metric; });
  return found == comparison.scores.end() ? nullptr : &*found;
}

}  // namespace wan
