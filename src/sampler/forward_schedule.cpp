#include "sampler/forward_schedule.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace wan {
namespace {

/// Steps [begin, end) of one expert.
struct Phase {
  size_t begin = 0, end = 0;
};

std::vector<Phase> phases_of(std::span<const StepFacts> steps) {
  std::vector<Phase> phases;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i == 0 || steps[i].expert != steps[i - 1].expert) phases.push_back({i, i});
    phases.back().end = i + 1;
  }
  return phases;
}

/// The first step of a phase that is not computed for being at its beginning.
size_t first_free(const Phase& phase, double retention) {
  // A share that is a whole number of steps but for its rounding is that number.
  constexpr double kRounding = 1e-9;
  const auto length = static_cast<double>(phase.end - phase.begin);
  const auto kept = static_cast<size_t>(std::ceil(retention * length - kRounding));
  return phase.begin + std::max<size_t>(kept, 1);
}

/// A branch's error since it was computed last.
struct BranchError {
  double ratio = 1, sum = 0;

  /// Takes one more step; false where its ratio is not known.
  bool add(const std::optional<double>& of_step) {
    if (!of_step) return false;
    ratio *= *of_step;
    sum += std::abs(1 - ratio);
    return true;
  }
};

void reuse_in_phase(const Phase& phase, size_t last_step, const MagnitudeRatios& ratios, const ReuseSettings& settings,
                    std::vector<StepForwards>& forwards) {
  BranchError cond, uncond;
  int skipped = 0;
  for (size_t i = first_free(phase, settings.retention); i < phase.end; ++i) {
    StepForwards& step = forwards[i];
    const bool has_uncond = step.uncond == Forward::kComputed;
    const bool is_known = cond.add(ratios.cond[i]) && (!has_uncond || uncond.add(ratios.uncond[i]));
    const double error = has_uncond ? std::max(cond.sum, uncond.sum) : cond.sum;
    if (i < last_step && is_known && error < settings.threshold && skipped < settings.max_skips) {
      step.cond = Forward::kReused;
      if (has_uncond) step.uncond = Forward::kReused;
      ++skipped;
    } else {
      cond = uncond = {};
      skipped = 0;
    }
  }
}

std::vector<std::optional<double>> nearest(const std::vector<std::optional<double>>& values, size_t count) {
  std::vector<std::optional<double>> out;
  if (count == 1) return {values.back()};
  const double scale = static_cast<double>(values.size() - 1) / static_cast<double>(count - 1);
  for (size_t i = 0; i < count; ++i)
    out.push_back(values[static_cast<size_t>(std::nearbyint(static_cast<double>(i) * scale))]);
  return out;
}

template <class Branch>
std::string letters(std::span<const StepForwards> forwards, Branch branch) {
  std::string text;
  for (const StepForwards& step : forwards) text += letter_of(step.*branch);
  return text;
}

}  // namespace

char letter_of(Forward forward) {
  switch (forward) {
    case Forward::kComputed: return 'C';
    case Forward::kReused: return 'r';
    case Forward::kGated: return 'g';
    case Forward::kOpen: return '?';
    case Forward::kNone: break;
  }
  return '-';
}

MagnitudeRatios at_steps(const MagnitudeRatios& ratios, size_t steps) {
  require_op(ratios.steps() > 0 && ratios.uncond.size() == ratios.steps() && steps > 0, "a curve has steps");
  if (ratios.steps() == steps) return ratios;
  return {nearest(ratios.cond, steps), nearest(ratios.uncond, steps)};
}

std::vector<StepForwards> exact_forwards(std::span<const StepFacts> steps) {
  std::vector<StepForwards> forwards;
  for (const StepFacts& step : steps)
    forwards.push_back({Forward::kComputed, step.is_guided ? Forward::kComputed : Forward::kNone});
  return forwards;
}

void gate_guidance(std::span<const StepFacts> steps, int first, std::vector<StepForwards>& forwards) {
  for (const Phase& phase : phases_of(steps)) {
    bool has_difference = false;
    for (size_t i = phase.begin; i < phase.end; ++i) {
      if (!steps[i].is_guided) continue;
      if (has_difference && static_cast<int>(i) >= first) forwards[i].uncond = Forward::kGated;
      has_difference = true;
    }
  }
}

void reuse_by_magnitude(std::span<const StepFacts> steps, const MagnitudeRatios& ratios, const ReuseSettings& settings,
                        std::vector<StepForwards>& forwards) {
  require_op(ratios.steps() == steps.size() && ratios.uncond.size() == steps.size(), "a curve is for other steps");
  for (const Phase& phase : phases_of(steps))
    if (steps[phase.begin].may_reuse) reuse_in_phase(phase, steps.size() - 1, ratios, settings, forwards);
}

void leave_open(std::span<const StepFacts> steps, double retention, std::vector<StepForwards>& forwards) {
  for (const Phase& phase : phases_of(steps)) {
    if (!steps[phase.begin].may_reuse) continue;
    for (size_t i = first_free(phase, retention); i < phase.end && i + 1 < steps.size(); ++i) {
      forwards[i].cond = Forward::kOpen;
      if (forwards[i].uncond == Forward::kComputed) forwards[i].uncond = Forward::kOpen;
    }
  }
}

int count_of(std::span<const StepForwards> forwards, Forward kind) {
  int count = 0;
  for (const StepForwards& step : forwards) count += (step.cond == kind ? 1 : 0) + (step.uncond == kind ? 1 : 0);
  return count;
}

std::string letters_of_cond(std::span<const StepForwards> forwards) { return letters(forwards, &StepForwards::cond); }

std::string letters_of_uncond(std::span<const StepForwards> forwards) {
  return letters(forwards, &StepForwards::uncond);
}

}  // namespace wan
