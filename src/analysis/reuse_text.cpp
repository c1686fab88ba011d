#include "analysis/reuse_text.h"

#include <fmt/format.h>

namespace wan {
namespace {

const ForwardCounts* reused(const RunRecord& run) {
  return run.forwards.has() && run.forwards.value->reused > 0 ? &*run.forwards.value : nullptr;
}

std::string against_plan(const ForwardCounts& forwards) {
  if (!forwards.planned.has()) return "decided while it ran";
  if (*forwards.planned.value == forwards.computed) return "as planned";
  return fmt::format("{} were planned", *forwards.planned.value);
}

}  // namespace

std::string reuse_text(const RunRecord& run) {
  const ForwardCounts* forwards = reused(run);
  if (forwards == nullptr) return "";
  const double all = forwards->flop_computed + forwards->flop_skipped;
  std::string text = fmt::format("{} of {} forwards computed, {}", forwards->computed,
                                 forwards->computed + forwards->reused, against_plan(*forwards));
  if (all > 0) text += fmt::format("; {:.1f} % of the operations left out", 100 * forwards->flop_skipped / all);
  return text;
}

std::string reuse_letters(const RunRecord& run) {
  const ForwardCounts* forwards = reused(run);
  if (forwards == nullptr) return "";
  std::string text = "positive " + forwards->cond;
  if (!forwards->uncond.empty()) text += ", negative " + forwards->uncond;
  return text + " (a step a letter: C computed, r reused, g guidance's difference reused, - none)";
}

}  // namespace wan
