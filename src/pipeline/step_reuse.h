// What of a video's forwards is kept for later steps, where it is kept, and the account of what was computed. Private
// to pipeline/.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/easy_cache.h"
#include "pipeline/magnitudes.h"
#include "pipeline/plan.h"
#include "sampler/forward_schedule.h"

namespace wan {

class StepReuse {
 public:
  /// Allocates what the plan's way of reuse keeps: of the DiT's shapes in the compute type, of latents in F32. Both
  /// must outlive this. `added`: tokens that an extension adds to the latent's.
  StepReuse(Backend& backend, const ModelSet& models, const Plan& plan, int64_t added);

  /// What the step does, decided now where the plan left it open. Once a step, in order, before its forwards; `x` is
  /// the latent, F32 on the device. Waits for the device where it is left open.
  StepForwards begin(int step, TensorView x);
  /// Memory of a branch, 0 of the positive prompt, for Dit::Call::residual of the step that `begin` was told last;
  /// empty where nobody will take what is kept there.
  TensorView residual(int branch) const;
  /// The same memory, whoever will take it.
  TensorView kept(int branch) const { return residuals_[static_cast<size_t>(branch)]; }

  /// Whether a reused forward goes through the DiT's ends, or is made of the latent by `velocity_of`.
  bool reuses_blocks() const { return plan_.step_cache.method == StepCache::kMagCache; }
  void velocity_of(int branch, TensorView x, TensorView velocity);
  /// After a branch's forward was computed from the latent `x`.
  void computed(int branch, TensorView x, TensorView velocity);

  /// Keeps the difference that guidance is about to use, where a later step will take it.
  void keep_difference(TensorView cond, TensorView uncond);
  /// cond += (scale - 1) * the difference: guidance without the negative prompt's forward.
  void guide_by_difference(TensorView cond, float scale);

  /// Adds a forward to the account; returns the operations that were done for it.
  double count(int branch, Forward forward);
  /// As they were decided so far.
  const std::vector<StepForwards>& forwards() const { return forwards_; }
  Forwards account() const;
  const MagnitudeRecorder* magnitudes() const { return magnitudes_ ? &*magnitudes_ : nullptr; }

 private:
  bool is_open(int step) const { return plan_.forwards[static_cast<size_t>(step)].cond == Forward::kOpen; }

  Backend& backend_;
  const Plan& plan_;
  std::vector<StepForwards> forwards_;
  std::array<Tensor, 2> residuals_;       // of the blocks; BF16 in its runs: half the bytes, one more rounding
  std::array<Tensor, 2> latent_changes_;  // EasyCache: velocity less latent
  Tensor difference_;                     // of guidance
  std::optional<EasyCacheDecider> decider_;
  std::optional<MagnitudeRecorder> magnitudes_;
  Tensor host_;  // of a latent
  int step_ = 0;
  Forwards account_;
  double pass_flops_ = 0, ends_flops_ = 0;
};

}  // namespace wan
