// Schedules in float64, rounded to float32 once at the end, with numpy.linspace's order of operations.
#include "sampler/schedule.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

// The official sigma_max is 1 - 1/1000 kept in a float32 array, so this is 0.9990000128746033.
constexpr double kUniPcSigmaMax = 0.999f;
constexpr double kTimesteps = 1000.0;

[[noreturn]] void refuse(const Schedule& schedule, const std::string& what) {
  const std::vector<float>& sigmas = schedule.sigmas;
  throw Error(ErrorKind::kUsage,
              fmt::format("{} with {} steps makes no schedule: the noise must fall in every step, here it begins "
                          "at {} and the last step begins at {}; the models use shifts from 3 to 12",
                          what, schedule.steps(), sigmas.front(), sigmas[sigmas.size() - 2]));
}

Schedule shifted_schedule(int steps, double shift, double sigma_max) {
  if (steps < 1 || steps > kMaxSteps)
    throw Error(ErrorKind::kUsage, fmt::format("steps must be between 1 and {}, found {}", kMaxSteps, steps));
  if (!std::isfinite(shift) || shift <= 0)
    throw Error(ErrorKind::kUsage, fmt::format("shift must be a finite number above 0, found {}", shift));
  Schedule schedule;
  const double increment = (0.0 - sigma_max) / steps;
  for (int i = 0; i < steps; ++i) {
    const double base = i * increment + sigma_max;
    const double sigma = shift * base / (1.0 + (shift - 1.0) * base);
    schedule.sigmas.push_back(static_cast<float>(sigma));
    schedule.timesteps.push_back(std::trunc(sigma * kTimesteps));
  }
  schedule.sigmas.push_back(0.0f);
  const std::string what = fmt::format("shift {}", shift);
  // An extreme shift rounds UniPC's first sigma to exactly 1.
  if (sigma_max < 1.0 && schedule.sigmas.front() == 1.0f) refuse(schedule, what);
  require_falling(schedule, what);
  return schedule;
}

}  // namespace

void require_falling(const Schedule& schedule, const std::string& what) {
  const std::vector<float>& sigmas = schedule.sigmas;
  bool falls = std::isfinite(sigmas.front());
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) falls = falls && sigmas[i] > sigmas[i + 1];
  if (!falls) refuse(schedule, what);
}

Schedule unipc_schedule(int steps, double shift) { return shifted_schedule(steps, shift, kUniPcSigmaMax); }

Schedule dpmpp_schedule(int steps, double shift) { return shifted_schedule(steps, shift, 1.0); }

float half_log_snr(float sigma) {
  if (sigma >= 1.0f) return -std::numeric_limits<float>::infinity();
  if (sigma <= 0.0f) return std::numeric_limits<float>::infinity();
  return std::log(1.0f - sigma) - std::log(sigma);
}

}  // namespace wan
