// Solvers of the flow equation: from the model's velocity at one noise level to the sample at the next.
// Coefficients are computed on the host; the backend only combines tensors. Guidance is applied before (guidance.h).
#pragma once

#include <memory>

#include "backend/backend.h"
#include "base/solver.h"
#include "sampler/schedule.h"
#include "tensor/tensor.h"

namespace wan {

/// Where a solver that adds noise takes it from.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  /// Fills `out`, F32 contiguous on the backend, with the standard normals of step `i`.
  virtual void draw(int i, TensorView out) = 0;
};

/// One run through a schedule. Keeps its history on the backend, allocated at construction; `step` allocates nothing
/// there. With two experts one sampler serves both: its history crosses the switch.
class Sampler {
 public:
  virtual ~Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  const Schedule& schedule() const { return schedule_; }

  /// Advances `x` in place from schedule().sigmas[i] to sigmas[i + 1].
  ///   velocity   the model's noise - x0 at x, F32 contiguous, the sampler's shape; not changed.    x   likewise.
  /// Steps run in order from 0; 0 starts a new run. Throws Error on another order, shape, dtype or layout.
  void step(int i, TensorView velocity, TensorView x);

 protected:
  Sampler(const Schedule& schedule, const Shape& shape, Backend& backend);
  virtual void advance(int i, TensorView velocity, TensorView x) = 0;
  Tensor history(const char* what) const { return backend_.allocate(DType::kF32, shape_, what); }
  int steps() const { return schedule_.steps(); }
  float sigma(int i) const { return schedule_.sigmas[static_cast<size_t>(i)]; }

  Backend& backend_;

 private:
  Schedule schedule_;
  Shape shape_;
  int next_ = 0;
};

/// A sampler for samples of `shape`. `schedule` is unipc_schedule's for kUniPC and dpmpp_schedule's for the others, but
/// any decreasing one from at most 1 down to 0 works. `noise` is kLcm's alone and must outlive the sampler: it draws
/// for every step but the last. Throws Error on an empty or malformed schedule and for kLcm without noise, OutOfMemory.
std::unique_ptr<Sampler> make_sampler(Solver solver, const Schedule& schedule, const Shape& shape, Backend& backend,
                                      NoiseSource* noise = nullptr);

/// The schedule `solver` officially runs on.
Schedule make_schedule(Solver solver, int steps, double shift);

}  // namespace wan
