#include "pipeline/step_reuse.h"

#include <array>

#include "model/cost.h"

namespace wan {
namespace {

const char* const kWhat = "reuse between steps";

}  // namespace

StepReuse::StepReuse(Backend& backend, const ModelSet& models, const Plan& plan, int64_t added)
    : backend_(backend), plan_(plan), forwards_(plan.forwards) {
  const int64_t tokens = plan.grid().tokens();
  const size_t branches = plan.uses_negative_prompt() ? 2 : 1;
  const bool is_easy = plan.step_cache.method == StepCache::kEasyCache;
  for (size_t branch = 0; branch < branches; ++branch) {
    if (plan.keeps_residuals())
      residuals_[branch] = backend.allocate(plan.compute, {tokens + added, models.dit.dim}, kWhat);
    if (is_easy) latent_changes_[branch] = backend.allocate(DType::kF32, plan.latent, kWhat);
  }
  if (plan.cfg_gate_step) difference_ = backend.allocate(DType::kF32, plan.latent, kWhat);
  if (is_easy) {
    decider_.emplace(plan.step_cache.settings.threshold);
    host_ = host_tensor(DType::kF32, plan.latent);
  }
  if (plan.takes_magnitudes) magnitudes_.emplace(plan.steps);
  pass_flops_ = dit_cost(models.dit, tokens, added).total();
  ends_flops_ = dit_ends_cost(models.dit, tokens);
  if (count_of(plan.forwards, Forward::kOpen) == 0) account_.planned = plan.passes();
}

TensorView StepReuse::residual(int branch) const {
  const auto is_reused = [&](int step) {
    if (step >= plan_.steps) return false;
    const StepForwards& forwards = forwards_[static_cast<size_t>(step)];
    return (branch == 0 ? forwards.cond : forwards.uncond) == Forward::kReused;
  };
  return plan_.takes_magnitudes || is_reused(step_) || is_reused(step_ + 1) ? kept(branch) : TensorView{};
}

StepForwards StepReuse::begin(int step, TensorView x) {
  step_ = step;
  StepForwards& forwards = forwards_[static_cast<size_t>(step)];
  const bool is_new_expert = step > 0 && plan_.expert_of(step) != plan_.expert_of(step - 1);
  if (magnitudes_ && is_new_expert) magnitudes_->forget();
  if (!decider_) return forwards;
  if (is_new_expert) decider_->forget();
  backend_.copy_bytes(x, host_, Queue::kCompute);
  backend_.synchronize(backend_.record(Queue::kCompute));
  const bool is_reused = decider_->decide(host_, is_open(step));
  for (Forward* forward : {&forwards.cond, &forwards.uncond})
    if (*forward == Forward::kOpen) *forward = is_reused ? Forward::kReused : Forward::kComputed;
  return forwards;
}

void StepReuse::velocity_of(int branch, TensorView x, TensorView velocity) {
  backend_.combine(std::array{Term{1.0f, x}, Term{1.0f, latent_changes_[static_cast<size_t>(branch)]}}, velocity);
}

void StepReuse::computed(int branch, TensorView x, TensorView velocity) {
  if (magnitudes_) magnitudes_->add(backend_, step_, branch, kept(branch));
  if (!decider_) return;
  backend_.combine(std::array{Term{1.0f, velocity}, Term{-1.0f, x}}, latent_changes_[static_cast<size_t>(branch)]);
  if (branch != 0) return;
  backend_.copy_bytes(velocity, host_, Queue::kCompute);
  backend_.synchronize(backend_.record(Queue::kCompute));
  decider_->computed(host_);
}

void StepReuse::keep_difference(TensorView cond, TensorView uncond) {
  if (!difference_.empty()) backend_.combine(std::array{Term{1.0f, cond}, Term{-1.0f, uncond}}, difference_);
}

void StepReuse::guide_by_difference(TensorView cond, float scale) {
  backend_.combine(std::array{Term{1.0f, cond}, Term{scale - 1.0f, difference_}}, cond);
}

double StepReuse::count(int branch, Forward forward) {
  std::string& letters = branch == 0 ? account_.cond : account_.uncond;
  letters += letter_of(forward);
  if (forward == Forward::kNone) return 0;
  double done = 0;
  if (forward == Forward::kComputed) done = pass_flops_;
  if (forward == Forward::kReused && reuses_blocks()) done = ends_flops_;
  ++(forward == Forward::kComputed ? account_.computed : account_.reused);
  account_.flop_computed += done;
  account_.flop_skipped += pass_flops_ - done;
  return done;
}

Forwards StepReuse::account() const { return account_; }

}  // namespace wan
