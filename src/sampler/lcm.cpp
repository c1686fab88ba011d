// The step of consistency models: to the predicted x0, then back up to the next level with fresh noise. Samplers call
// it LCM, multistep consistency or DMD. Sources: Song et al. 2023, "Consistency Models", algorithm 1; FastVideo
// pipelines/stages/denoising.py, DmdDenoisingStage; TurboDiffusion inference/wan2.2_i2v_infer.py (without --ode).
#include <array>

#include "sampler/solvers.h"

namespace wan {
namespace {

class LcmSampler final : public Sampler {
 public:
  LcmSampler(const Schedule& schedule, const Shape& shape, Backend& backend, NoiseSource& noise)
      : Sampler(schedule, shape, backend), source_(noise) {
    if (steps() > 1) noise_ = history("fresh noise");
  }

 private:
  void advance(int i, TensorView velocity, TensorView x) override {
    backend_.combine(std::array{Term{1.0f, x}, Term{-sigma(i), velocity}}, x);
    // TurboDiffusion draws in the last step too, and multiplies by 0.
    if (i == steps() - 1) return;
    source_.draw(i, noise_);
    backend_.combine(std::array{Term{1.0f - sigma(i + 1), x}, Term{sigma(i + 1), noise_}}, x);
  }

  NoiseSource& source_;
  Tensor noise_;
};

}  // namespace

std::unique_ptr<Sampler> make_lcm(const Schedule& schedule, const Shape& shape, Backend& backend, NoiseSource& noise) {
  return std::make_unique<LcmSampler>(schedule, shape, backend, noise);
}

}  // namespace wan
