// The order of operations is the sources': numpy's and torch's linspace in float64, the rest in float32 but for the
// tangents, which are float64 throughout.
#include "sampler/few_steps.h"

#include <array>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "tensor/dtype.h"

namespace wan {
namespace {

constexpr float kTimesteps = 1000.0f;

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

void require_shift(double shift) {
  require_usage(std::isfinite(shift) && shift > 0,
                fmt::format("shift must be a finite number above 0, found {}", shift));
}

float shifted(float base, double shift) {
  const auto k = static_cast<float>(shift);
  return k * base / (1.0f + static_cast<float>(shift - 1.0) * base);
}

Schedule finished(Schedule schedule, const std::string& what) {
  schedule.sigmas.push_back(0.0f);
  require_falling(schedule, what);
  return schedule;
}

void add(Schedule& schedule, float sigma) {
  schedule.sigmas.push_back(sigma);
  schedule.timesteps.push_back(static_cast<double>(sigma * kTimesteps));
}

void require_list(std::span<const int> list) {
  require_usage(!list.empty(), "a list of timesteps has at least one");
  for (int timestep : list)
    require_usage(timestep >= 1 && timestep <= kMaxSteps,
                  fmt::format("timestep {}: expected 1 to {}", timestep, kMaxSteps));
}

}  // namespace

Schedule even_schedule(int steps, double shift) {
  require_usage(steps >= 1 && steps <= kMaxSteps,
                fmt::format("steps must be between 1 and {}, found {}", kMaxSteps, steps));
  require_shift(shift);
  Schedule schedule;
  const double increment = -1000.0 / steps;
  for (int i = 0; i < steps; ++i)
    add(schedule, shifted(static_cast<float>(i * increment + 1000.0) / kTimesteps, shift));
  return finished(std::move(schedule), fmt::format("shift {}", shift));
}

Schedule list_schedule(std::span<const int> list, double shift) {
  require_list(list);
  require_shift(shift);
  Schedule schedule;
  constexpr double kIncrement = -1.0 / 1000;
  for (int timestep : list) add(schedule, shifted(static_cast<float>((1000 - timestep) * kIncrement + 1.0), shift));
  return finished(std::move(schedule), fmt::format("shift {}", shift));
}

Schedule nearest_schedule(std::span<const int> list, double shift) {
  require_list(list);
  require_shift(shift);
  Schedule schedule;
  for (int timestep : list) {
    float sigma = 0, off = INFINITY;
    for (int entry = 1000; entry >= 1; --entry) {
      const float candidate = shifted(static_cast<float>(entry) / kTimesteps, shift);
      const float distance = std::abs(candidate * kTimesteps - static_cast<float>(timestep));
      if (!(distance < off)) continue;
      sigma = candidate;
      off = distance;
    }
    schedule.sigmas.push_back(sigma);
    schedule.timesteps.push_back(timestep);
  }
  return finished(std::move(schedule), fmt::format("shift {} and timesteps {}", shift, fmt::join(list, ", ")));
}

Schedule tangent_schedule(int steps, double sigma_max) {
  require_usage(steps >= 1 && steps <= kMostTangentSteps,
                fmt::format("steps must be between 1 and {}, found {}", kMostTangentSteps, steps));
  require_usage(std::isfinite(sigma_max) && sigma_max > std::tan(1.5),
                fmt::format("the largest sigma must be above {:.1f}, found {}", std::tan(1.5), sigma_max));
  const std::array<double, kMostTangentSteps> angles{std::atan(sigma_max), 1.5, 1.4, 1.0};
  Schedule schedule;
  for (int i = 0; i < steps; ++i) {
    const double angle = angles[static_cast<size_t>(i)];
    const auto sigma = static_cast<float>(std::sin(angle) / (std::cos(angle) + std::sin(angle)));
    schedule.sigmas.push_back(sigma);
    schedule.timesteps.push_back(round_to_bf16(sigma * kTimesteps));
  }
  schedule.noise_scale = schedule.sigmas.front();
  return finished(std::move(schedule), fmt::format("a largest sigma of {}", sigma_max));
}

}  // namespace wan
