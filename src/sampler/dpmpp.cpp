// DPM-Solver++ 2M (midpoint), first order at both ends. Sources: Lu et al. 2022, "DPM-Solver++", algorithm 2;
// Wan2.2 wan/utils/fm_solvers.py, FlowDPMSolverMultistepScheduler.
#include <array>
#include <cmath>
#include <utility>

#include "sampler/solvers.h"

namespace wan {
namespace {

// next = sample * x + now * m + before * m_prev.
struct Coefficients {
  float sample = 0, now = 0, before = 0;
};

// Infinite lambdas only occur at sigma 1 (the first step, and the second one's
// look back at it) and at sigma 0 (the last step); each has a finite limit, written out below.
Coefficients coefficients(const Schedule& schedule, int i) {
  const auto sigma = [&](int j) { return schedule.sigmas[static_cast<size_t>(j)]; };
  if (i == schedule.steps() - 1) return {0.0f, 1.0f, 0.0f};  // h = inf, sigma 0: next is the prediction itself
  const float alpha = 1.0f - sigma(i + 1);
  if (sigma(i) == 1.0f) return {sigma(i + 1), alpha, 0.0f};  // h = inf: exp(-h) - 1 = -1
  const float h = half_log_snr(sigma(i + 1)) - half_log_snr(sigma(i));
  const float weight = -alpha * (std::exp(-h) - 1.0f);
  Coefficients c{sigma(i + 1) / sigma(i), weight, 0.0f};
  if (i == 0 || sigma(i - 1) == 1.0f) return c;  // the step before has lambda -inf: its share vanishes
  const float ratio = (half_log_snr(sigma(i)) - half_log_snr(sigma(i - 1))) / h;
  const float slope = 0.5f * weight / ratio;
  c.now += slope;
  c.before = -slope;
  return c;
}

class DpmppSampler final : public Sampler {
 public:
  DpmppSampler(const Schedule& schedule, const Shape& shape, Backend& backend)
      : Sampler(schedule, shape, backend), now_(history("dpm++ prediction")), before_(history("dpm++ prediction")) {}

 private:
  void advance(int i, TensorView velocity, TensorView x) override {
    std::swap(now_, before_);
    backend_.combine(std::array{Term{1.0f, x}, Term{-sigma(i), velocity}}, now_);
    const Coefficients c = coefficients(schedule(), i);
    if (c.sample == 0.0f) {
      backend_.copy(now_, x);
    } else if (c.before == 0.0f) {
      backend_.combine(std::array{Term{c.sample, x}, Term{c.now, now_}}, x);
    } else {
      backend_.combine(std::array{Term{c.sample, x}, Term{c.now, now_}, Term{c.before, before_}}, x);
    }
  }

  Tensor now_, before_;  // x0 predictions of this step and the one before
};

}  // namespace

std::unique_ptr<Sampler> make_dpmpp(const Schedule& schedule, const Shape& shape, Backend& backend) {
  return std::make_unique<DpmppSampler>(schedule, shape, backend);
}

}  // namespace wan
