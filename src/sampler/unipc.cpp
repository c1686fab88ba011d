// UniPC of order 2 (variant bh2, predicting x0), corrector on, first order at both ends. Sources: Zhao et al. 2023,
// "UniPC"; Wan2.2 wan/utils/fm_solvers_unipc.py, FlowUniPCMultistepScheduler. Scalars are float32, as there: the
// second-order corrector's weights lose digits to cancellation, and losing the same ones keeps us on the official
// trajectory.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "sampler/solvers.h"

namespace wan {
namespace {

// One exponential-integrator step between noise levels of a schedule: from -> to.
struct Interval {
  float ratio;   // sigma_to / sigma_from
  float h;       // lambda_to - lambda_from; +inf when `to` is 0 or `from` is 1
  float weight;  // -alpha_to expm1(-h): the prediction's weight
};

Interval interval(const Schedule& schedule, int from) {
  const float sigma_from = schedule.sigmas[static_cast<size_t>(from)];
  const float sigma_to = schedule.sigmas[static_cast<size_t>(from) + 1];
  const float h = half_log_snr(sigma_to) - half_log_snr(sigma_from);
  const float growth = std::isinf(h) ? -1.0f : std::expm1(-h);
  return {sigma_to / sigma_from, h, -(1.0f - sigma_to) * growth};
}

// (lambda before `at` - lambda at `at`) / h, negative; -inf when the level before is 1.
float look_back_ratio(const Schedule& schedule, int at, float h) {
  const size_t index = static_cast<size_t>(at);
  return (half_log_snr(schedule.sigmas[index - 1]) - half_log_snr(schedule.sigmas[index])) / h;
}

int order_of(const Schedule& schedule, int i) { return std::min({2, schedule.steps() - i, i + 1}); }

// corrected = sample * x_last + before * m_prev + last * m_last + now * m, from level i - 1 to level i.
struct Corrector {
  float sample = 0, before = 0, last = 0, now = 0;
};

Corrector corrector(const Schedule& schedule, int i) {
  const Interval step = interval(schedule, i - 1);
  if (order_of(schedule, i - 1) == 1) return {step.ratio, 0.0f, 0.5f * step.weight, 0.5f * step.weight};
  const float r = look_back_ratio(schedule, i - 1, step.h);
  const float minus_h = -step.h;
  const float growth = std::expm1(minus_h);
  const float k1 = growth / minus_h - 1.0f;
  const float k2 = k1 / minus_h - 0.5f;
  const float b1 = k1 / growth;
  const float b2 = 2.0f * k2 / growth;
  // [[1, 1], [r, 1]] (rho1, rho2) = (b1, b2)
  const float rho1 = std::isinf(r) ? 0.0f : (b2 - b1) / (r - 1.0f);
  const float rho2 = b1 - rho1;
  const float slope = std::isinf(r) ? 0.0f : rho1 / r;
  return {step.ratio, step.weight * slope, step.weight * (1.0f - slope - rho2), step.weight * rho2};
}

// next = sample * x + now * m + last * m_last, from level i to level i + 1.
struct Predictor {
  float sample = 0, now = 0, last = 0;
};

Predictor predictor(const Schedule& schedule, int i) {
  if (i == schedule.steps() - 1) return {0.0f, 1.0f, 0.0f};  // sigma 0, h = inf, order 1: the prediction itself
  const Interval step = interval(schedule, i);
  if (order_of(schedule, i) == 1) return {step.ratio, step.weight, 0.0f};
  const float slope = 0.5f * step.weight / look_back_ratio(schedule, i, step.h);  // 0 when the level before is 1
  return {step.ratio, step.weight - slope, slope};
}

class UniPcSampler final : public Sampler {
 public:
  UniPcSampler(const Schedule& schedule, const Shape& shape, Backend& backend)
      : Sampler(schedule, shape, backend),
        now_(history("unipc prediction")),
        last_(history("unipc prediction")),
        before_(history("unipc prediction")),
        sample_(history("unipc sample")) {}

 private:
  void advance(int i, TensorView velocity, TensorView x) override {
    std::swap(before_, last_);
    std::swap(last_, now_);
    backend_.combine(std::array{Term{1.0f, x}, Term{-sigma(i), velocity}}, now_);
    if (i == 0) {
      backend_.copy(x, sample_);
    } else {
      correct(i);
    }
    predict(i, x);
  }

  // The incoming sample only made the prediction; the corrected one starts again from the last predictor's sample.
  void correct(int i) {
    const Corrector c = corrector(schedule(), i);
    const std::array terms{Term{c.sample, sample_}, Term{c.last, last_}, Term{c.now, now_}, Term{c.before, before_}};
    backend_.combine(std::span(terms).first(c.before == 0.0f ? 3 : 4), sample_);
  }

  void predict(int i, TensorView x) {
    const Predictor p = predictor(schedule(), i);
    if (p.sample == 0.0f) return backend_.copy(now_, x);
    const std::array terms{Term{p.sample, sample_}, Term{p.now, now_}, Term{p.last, last_}};
    backend_.combine(std::span(terms).first(p.last == 0.0f ? 2 : 3), x);
  }

  Tensor now_, last_, before_;  // x0 predictions of this step, the one before, and the one before that
  Tensor sample_;               // the sample the last predictor started from
};

}  // namespace

std::unique_ptr<Sampler> make_unipc(const Schedule& schedule, const Shape& shape, Backend& backend) {
  return std::make_unique<UniPcSampler>(schedule, shape, backend);
}

}  // namespace wan
