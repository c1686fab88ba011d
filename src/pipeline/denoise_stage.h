// The denoising loop: Step_i_Loading and Step_i_Inference. Private to pipeline/.
#pragma once

#include <optional>
#include <vector>

#include "pipeline/image_stage.h"
#include "pipeline/stage_context.h"
#include "pipeline/step_previews.h"
#include "pipeline/step_reuse.h"
#include "sampler/sampler.h"

namespace wan {

class DenoiseStage {
 public:
  /// All must outlive this. `text_rows` are the positive prompt's, and the negative one's where a step uses it; `x` is
  /// the latent, F32 [z, T, H, W]: noise in, a video's latent out.
  DenoiseStage(const StageContext& context, const std::vector<Tensor>& text_rows, const Conditioning& conditioning,
               const Tensor& x)
      : context_(context), plan_(context.plan), text_rows_(text_rows), conditioning_(conditioning), x_(x) {}

  /// Returns while the last step may still be in flight on memory of this object.
  void run();
  /// What was computed and what was reused, and the ratios where they were to be taken. After `run`.
  const StepReuse& reuse() const { return *reuse_; }

 private:
  void announce_passes(int from_step);
  void run_step(int step, Sampler& sampler);
  void bring_next_expert(int step);
  void embed_prompts(LoadedExpert& expert, int step);
  /// `call` is 0 for the positive prompt, 1 for the negative one.
  void make_velocity(LoadedExpert& expert, int step, int call, Forward forward);
  void call_dit(LoadedExpert& expert, int step, int call, Dit::Blocks blocks);
  void guide_step(LoadedExpert& expert, int step, Forward uncond);
  /// Whether each branch of a step is computed by ranks of its own.
  bool has_ranks_for_each(const StepForwards& forwards) const;
  void exchange_branches(const StepForwards& forwards);
  void dump_call(const LoadedExpert& expert, int step, int call, Dit::Call& arguments);
  void dump_two_times(const LoadedExpert& expert, int step, const std::string& prefix);
  void report_fills();
  void begin_previews();
  Backend& device() const { return context_.device(); }

  StageContext context_;
  const Plan& plan_;
  const std::vector<Tensor>& text_rows_;
  const Conditioning& conditioning_;
  const Tensor& x_;
  Tensor velocity_positive_, velocity_negative_;
  std::optional<StepReuse> reuse_;
  std::optional<StepPreviews> previews_;
  Tensor arena_block_;
  Arena arena_;
};

}  // namespace wan
