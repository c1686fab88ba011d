// Noise levels of a denoising run: which sigma the solver is at before each step, and which timestep the model is told.
// Flow matching: x_sigma = (1 - sigma) x0 + sigma noise. Leaves out the update rules (sampler.h) and the schedules of
// distilled models (few_steps.h).
#pragma once

#include <string>
#include <vector>

namespace wan {

struct Schedule {
  std::vector<float> sigmas;      // steps + 1 values, decreasing; the last is 0
  std::vector<double> timesteps;  // steps values: what the model receives; whole numbers in the official schedules
  float noise_scale = 1;          // the starting noise is multiplied by it

  int steps() const { return static_cast<int>(timesteps.size()); }
};

inline constexpr int kMaxSteps = 1000;  // the models know 1000 timesteps; more steps would repeat them throughout

/// Sigmas from 0.999 shifted down to 0, for UniPC; timesteps trunc(1000 sigma). `shift` > 0 moves steps towards high
/// noise: s -> shift s / (1 + (shift - 1) s). Bit-equal to the official schedule. The official scheduler cannot run
/// when the first two timesteps coincide (shift 12: from 92 steps on); here a step is known by its index, so such a
/// schedule works like any other. Throws Error(kUsage) unless 1 <= steps <= kMaxSteps, shift is finite and positive,
/// and the noise falls in every step. Source: Wan2.2 wan/utils/fm_solvers_unipc.py,
/// FlowUniPCMultistepScheduler.set_timesteps.
Schedule unipc_schedule(int steps, double shift);

/// As above from exactly 1, for the other solvers. Source: wan/utils/fm_solvers.py, get_sampling_sigmas and
/// retrieve_timesteps.
Schedule dpmpp_schedule(int steps, double shift);

/// Throws Error(kUsage) unless the sigmas are finite and fall in every step. `what` begins the message: "shift 5".
void require_falling(const Schedule& schedule, const std::string& what);

/// lambda(sigma) = ln(1 - sigma) - ln(sigma): half the log signal-to-noise ratio, in float32 as the official solvers
/// compute it; -inf at sigma 1 and +inf at sigma 0.
float half_log_snr(float sigma);

}  // namespace wan
