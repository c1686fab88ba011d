// What all solvers share: the checks around a step, and the choice of solver.
#include "sampler/sampler.h"

#include <fmt/format.h>

#include "base/error.h"
#include "sampler/solvers.h"

namespace wan {
namespace {

void require_sample(const TensorView& view, const Shape& shape, const char* name) {
  require_op(view.dtype == DType::kF32 && view.is_contiguous() && view.shape == shape,
             fmt::format("{} must be contiguous F32 {}, found {} {}", name, shape.text(), name_of(view.dtype),
                         view.shape.text()));
}

void require_schedule(const Schedule& schedule) {
  const std::vector<float>& sigmas = schedule.sigmas;
  require_op(schedule.steps() >= 1 && sigmas.size() == schedule.timesteps.size() + 1,
             "a schedule has one more sigma than steps");
  require_op(sigmas.front() <= 1.0f && sigmas.back() == 0.0f, "sigmas go from at most 1 down to 0");
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) require_op(sigmas[i] > sigmas[i + 1], "sigmas must decrease");
}

}  // namespace

Sampler::Sampler(const Schedule& schedule, const Shape& shape, Backend& backend)
    : backend_(backend), schedule_(schedule), shape_(shape) {
  require_schedule(schedule_);
}

void Sampler::step(int i, TensorView velocity, TensorView x) {
  require_op(i < steps() && (i == 0 || i == next_),
             fmt::format("step {} of {} asked for, step {} is next", i, steps(), next_));
  require_sample(velocity, shape_, "velocity");
  require_sample(x, shape_, "x");
  advance(i, velocity, x);
  next_ = i + 1;
}

std::unique_ptr<Sampler> make_sampler(Solver solver, const Schedule& schedule, const Shape& shape, Backend& backend,
                                      NoiseSource* noise) {
  switch (solver) {
    case Solver::kUniPC: return make_unipc(schedule, shape, backend);
    case Solver::kDpmPlusPlus: return make_dpmpp(schedule, shape, backend);
    case Solver::kEuler: return make_euler(schedule, shape, backend);
    case Solver::kLcm:
      require_op(noise != nullptr, "this solver adds noise and needs a source of it");
      return make_lcm(schedule, shape, backend, *noise);
  }
  throw Error("unknown solver");
}

Schedule make_schedule(Solver solver, int steps, double shift) {
  return solver == Solver::kUniPC ? unipc_schedule(steps, shift) : dpmpp_schedule(steps, shift);
}

}  // namespace wan
