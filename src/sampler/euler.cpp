// The Euler step. Not in the official repository; distilled models run on it, and other engines offer it. That of
// consistency models without noise, x0 = x - sigma v and x = x0 + sigma_next v, is the same. Source: Wan2.2-Lightning
// wan/utils/fm_solvers_euler.py; LightX2V models/schedulers/wan/step_distill/scheduler.py.
#include <array>

#include "sampler/solvers.h"

namespace wan {
namespace {

class EulerSampler final : public Sampler {
 public:
  EulerSampler(const Schedule& schedule, const Shape& shape, Backend& backend) : Sampler(schedule, shape, backend) {}

 private:
  void advance(int i, TensorView velocity, TensorView x) override {
    const std::array terms{Term{1.0f, x}, Term{sigma(i + 1) - sigma(i), velocity}};
    backend_.combine(terms, x);
  }
};

}  // namespace

std::unique_ptr<Sampler> make_euler(const Schedule& schedule, const Shape& shape, Backend& backend) {
  return std::make_unique<EulerSampler>(schedule, shape, backend);
}

}  // namespace wan
