#include "pipeline/denoise_stage.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "base/flags.h"
#include "sampler/guidance.h"
#include "sampler/latent_noise.h"

namespace wan {
namespace {

/// What a solver adds, drawn on the host after the starting noise while the device computes.
class FreshNoise final : public NoiseSource {
 public:
  explicit FreshNoise(const StageContext& context)
      : context_(context), host_(host_tensor(DType::kF32, context.plan.latent)) {}

  void draw(int i, TensorView out) override {
    const Plan& plan = context_.plan;
    draw_latent(plan.seed, i + 1, plan.recipe->draws, host_);
    context_.dump.add(fmt::format("step{}.noise", i), host_);
    context_.device().upload(host_, out);
  }

 private:
  const StageContext& context_;
  Tensor host_;
};

}  // namespace

void DenoiseStage::run() {
  Models& m = context_.models;
  velocity_positive_ = device().allocate(DType::kF32, plan_.latent, "velocity");
  if (plan_.uses_negative_prompt()) velocity_negative_ = device().allocate(DType::kF32, plan_.latent, "velocity");
  std::optional<FreshNoise> noise;
  if (plan_.solver == Solver::kLcm) noise.emplace(context_);
  const auto sampler = make_sampler(plan_.solver, plan_.schedule, plan_.latent, device(), noise ? &*noise : nullptr);
  std::vector<TokenPosition> behind;
  if (conditioning_.clips != nullptr) behind = conditioning_.clips->positions();
  reuse_.emplace(device(), m.set, plan_, std::ssize(behind));
  arena_block_ = device().allocate(DType::kU8, {static_cast<int64_t>(m.memory.dit_arena)}, "DiT activations");
  arena_ = Arena(arena_block_);
  m.forget_prompts();
  announce_passes(0);
  const std::vector<float> timesteps(plan_.schedule.timesteps.begin(), plan_.schedule.timesteps.end());
  context_.dump.add_of_all_clips("timesteps", timesteps);
  context_.dump.add_of_all_clips("sigmas", plan_.schedule.sigmas);
  for (int step = 0; step < plan_.steps; ++step) {
    run_step(step, *sampler);
    // A step that was queued ahead would be computed whatever comes. The price is the host's way back, once a step.
    context_.clock.await_mark();
  }
  if (previews_) previews_->hand_over();
}

/// Where the device has no room for them there are none: a video is worth more than a look at it.
void DenoiseStage::begin_previews() {
  if (context_.preview == nullptr) return;
  load_vae(context_);
  try {
    previews_.emplace(context_);
  } catch (const OutOfMemory& problem) {
    context_.observer.on_fact("no_previews", problem.what());
  }
}

/// So that no expert's store fetches layers after its last pass.
void DenoiseStage::announce_passes(int from_step) {
  Models& m = context_.models;
  if (m.memory.dit_residency == Residency::kResident) return;
  std::vector<StepForwards> own = reuse_->forwards();
  for (StepForwards& forwards : own)
    if (has_ranks_for_each(forwards)) forwards.uncond = Forward::kNone;
  for (size_t e = 0; e < m.experts.size(); ++e)
    for (LayerStore* store : m.experts[e].layer_stores()) store->expect_passes(plan_.passes_of(e, own, from_step));
}

void DenoiseStage::run_step(int step, Sampler& sampler) {
  Models& m = context_.models;
  LoadedExpert& expert = m.experts[plan_.expert_of(step)];
  context_.enter(StageRole::kStepInference, step);
  // The DiT is still on its way and the device idle: the VAE comes now, when its small kernels wait for nobody.
  if (step == 0 && plan_.device != "cpu") load_vae(context_);
  if (step == 0) begin_previews();
  if (!expert.dit || expert.positive.embedded.empty()) embed_prompts(expert, step);
  context_.replay.feed(step, x_);
  const StepForwards forwards = reuse_->begin(step, x_);
  if (plan_.forwards[static_cast<size_t>(step)] != forwards) announce_passes(step);
  context_.dump.add(fmt::format("step{}.sample_in", step), x_);
  // Between a step's calls where there are two; before the only one, but for that of the first step, with which the
  // first expert has all its weights.
  const bool has_ranks = has_ranks_for_each(forwards);
  const bool is_only_call = has_ranks || forwards.uncond == Forward::kNone || forwards.uncond == Forward::kGated;
  const bool before_call = is_only_call && step > 0;
  if (before_call) bring_next_expert(step);
  const int branch = has_ranks ? context_.ranks->branch : 0;
  make_velocity(expert, step, branch, branch == 0 ? forwards.cond : forwards.uncond);
  context_.clock.mark(branch == 0 ? "cond" : "uncond");
  if (!before_call) bring_next_expert(step);
  if (has_ranks) exchange_branches(forwards);
  guide_step(expert, step, forwards.uncond);
  context_.dump.add(fmt::format("step{}.noise_pred", step), velocity_positive_);
  context_.replay.judge(step, velocity_positive_);
  if (previews_) previews_->take(step, x_, velocity_positive_);
  sampler.step(step, velocity_positive_, x_);
  context_.dump.add(fmt::format("step{}.sample_out", step), x_);  // as the sampler leaves it
  conditioning_.impose_first_frame(device(), x_);
  context_.clock.mark("solver");
  for (LayerStore* store : expert.layer_stores()) {
    context_.clock.add_waits(store->take_waits());
    context_.clock.add_copies(store->take_copies());
  }
  report_fills();
  report_memory(context_, nullptr, arena_block_->bytes());
}

/// The second expert's weights load, with all threads, once the first one has its own. Its first layers reach the card
/// while the first one computes its last step.
void DenoiseStage::bring_next_expert(int step) {
  Models& m = context_.models;
  const size_t index = plan_.expert_of(step);
  if (const size_t last = plan_.expert_of(plan_.steps - 1); last != index) m.start_expert(last);
  if (step + 1 < plan_.steps && plan_.expert_of(step + 1) != index)
    for (LayerStore* store : m.experts[plan_.expert_of(step + 1)].layer_stores()) store->prefetch();
}

void DenoiseStage::embed_prompts(LoadedExpert& expert, int step) {
  const TensorView stem = expert.stem->acquire(0);
  expert.stem->release(0);
  context_.clock.add_waits(expert.stem->take_waits());
  Models& m = context_.models;
  require(!plan_.quantization.attends() || m.backend->has_attention8(),
          fmt::format("{}: this card has no attention in 8 bits (Hopper cards have): name what else is in 8 bits, {} "
                      "qkv,o,cross,ffn",
                      m.backend->info().name, flags::kQuantize),
          ErrorKind::kUsage);
  expert.dit = std::make_unique<Dit>(*m.backend, m.set.dit, plan_.compute, stem, plan_.quantization,
                                     context_.ranks != nullptr ? context_.ranks->tokens.get() : nullptr);
  ClipSource* clips = conditioning_.clips;
  if (clips != nullptr) clips->embed(context_, expert);
  expert.dit->set_grid(plan_.grid(), Dit::Tables::kFilled,
                       clips != nullptr ? clips->positions() : std::vector<TokenPosition>{});
  Dump& dump = context_.dump;
  expert.positive = expert.dit->embed_text(text_rows_[0], dump.takes_blocks_of(step) ? &dump.call(0) : nullptr);
  if (plan_.is_guided(step)) expert.negative = expert.dit->embed_text(text_rows_[1]);
  std::vector<double> timesteps{0.0};  // row 0: the fixed first frame of image-to-video
  timesteps.insert(timesteps.end(), plan_.schedule.timesteps.begin(), plan_.schedule.timesteps.end());
  expert.times = expert.dit->embed_times(timesteps);
}

bool DenoiseStage::has_ranks_for_each(const StepForwards& forwards) const {
  return context_.ranks != nullptr && context_.ranks->branches && forwards.cond == Forward::kComputed &&
         forwards.uncond == Forward::kComputed;
}

/// The other branch's velocity, from a rank that has its share of the same tokens.
void DenoiseStage::exchange_branches(const StepForwards& forwards) {
  const auto own = static_cast<size_t>(context_.ranks->branch);
  const int other = own == 0 ? 1 : 0;
  context_.clock.add_flops(reuse_->count(other, other == 0 ? forwards.cond : forwards.uncond));
  const std::array<TensorView, 2> both{velocity_positive_, velocity_negative_};
  context_.ranks->branches->all_gather(both[own], both, "all_gather of the branches");
  context_.clock.mark("exchange");
}

/// The negative prompt's part in the step.
void DenoiseStage::guide_step(LoadedExpert& expert, int step, Forward uncond) {
  if (uncond == Forward::kNone || uncond == Forward::kGated) context_.clock.add_flops(reuse_->count(1, uncond));
  if (uncond == Forward::kNone) return;
  const auto scale = static_cast<float>(plan_.guidance_of(step));
  if (uncond == Forward::kGated) return reuse_->guide_by_difference(velocity_positive_, scale);
  if (!has_ranks_for_each({Forward::kComputed, uncond})) {
    make_velocity(expert, step, 1, uncond);
    context_.clock.mark("uncond");
  }
  reuse_->keep_difference(velocity_positive_, velocity_negative_);
  guide(device(), velocity_positive_, velocity_negative_, scale, velocity_positive_);
}

void DenoiseStage::make_velocity(LoadedExpert& expert, int step, int call, Forward forward) {
  const Tensor& velocity = call == 0 ? velocity_positive_ : velocity_negative_;
  context_.clock.add_flops(reuse_->count(call, forward));
  const bool is_computed = forward == Forward::kComputed;
  if (is_computed || reuse_->reuses_blocks())
    call_dit(expert, step, call, is_computed ? Dit::Blocks::kComputed : Dit::Blocks::kReused);
  else
    reuse_->velocity_of(call, x_, velocity);
  if (is_computed) reuse_->computed(call, x_, velocity);
}

void DenoiseStage::call_dit(LoadedExpert& expert, int step, int call, Dit::Blocks blocks) {
  const Tensor& velocity = call == 0 ? velocity_positive_ : velocity_negative_;
  TensorView input = x_;
  ClipSource* clips = conditioning_.clips;
  const TensorView joined = clips != nullptr ? clips->model_input() : conditioning_.model_input.view();
  if (!joined.empty()) {
    device().copy(x_, joined.slice(0, 0, plan_.latent[0]));
    input = joined;
  }
  TextContext& text = call == 0 ? expert.positive : expert.negative;
  const bool has_clean_tokens = clips != nullptr ? !clips->positions().empty() : !conditioning_.first_frame.empty();
  const int first_frame_row = has_clean_tokens ? 0 : -1;
  Dit::Call arguments{input, step + 1, first_frame_row, &expert.times, &text, nullptr, reuse_->residual(call), blocks};
  arguments.is_whole = !plan_.quantization.takes_step(step, plan_.steps);
  if (clips != nullptr) arguments.extension = &clips->extension(call);
  const bool dumping = context_.dump.takes_blocks_of(step);
  if (dumping) dump_call(expert, step, call, arguments);
  expert.dit->forward(arguments, *expert.blocks, arena_, velocity);
  if (dumping) context_.dump.add(fmt::format("dit.call{}.out", call), velocity);
}

/// What goes into a call; of the first one its modules' outputs follow.
void DenoiseStage::dump_call(const LoadedExpert& expert, int step, int call, Dit::Call& arguments) {
  Dump& dump = context_.dump;
  Probe& probe = dump.call(call);
  const std::string prefix = fmt::format("dit.call{}.", call);
  const double t = expert.times.timesteps[static_cast<size_t>(step) + 1];
  const PatchGrid grid = plan_.grid();
  if (plan_.variant->first_frame_is_latent()) {  // the official model is told a timestep for each token
    std::vector<float> per_token(static_cast<size_t>(grid.tokens()), static_cast<float>(t));
    if (arguments.first_frame_row >= 0) std::fill_n(per_token.begin(), grid.rows * grid.columns, 0.0f);
    dump.add(prefix + "t", host_tensor(per_token, {1, grid.tokens()}));
  } else {
    dump.add(prefix + "t", host_tensor(std::vector<float>{static_cast<float>(t)}, {1}));
  }
  dump.add(prefix + "x", conditioning_.clips != nullptr ? x_.view() : arguments.latent);
  dump.add(prefix + "context", text_rows_[static_cast<size_t>(call)]);
  if (conditioning_.clips != nullptr) conditioning_.clips->dump_call(context_, call);
  if (call != 0) return;
  arguments.probe = &probe;
  if (conditioning_.clips != nullptr && arguments.first_frame_row >= 0) return dump_two_times(expert, step, prefix);
  if (conditioning_.clips != nullptr) {
    dump.add(prefix + "time_embedding", expert.times.e.view().slice(0, step + 1, step + 2));
    return dump.add(prefix + "time_projection", expert.times.e0.view().slice(0, step + 1, step + 2));
  }
  dump.add_per_token("time_embedding", expert.times.e, step + 1, arguments.first_frame_row);
  dump.add_per_token("time_projection", expert.times.e0, step + 1, arguments.first_frame_row);
}

/// Where tokens behind the latent's have a timestep of their own, 0: what the model makes of both, and of positions.
void DenoiseStage::dump_two_times(const LoadedExpert& expert, int step, const std::string& prefix) {
  Dump& dump = context_.dump;
  const auto both = [&](TensorView table) {
    const int64_t width = table.shape[1];
    Tensor rows = device().allocate(DType::kF32, {2, width}, "dumped times");
    device().copy(table.at(step + 1), rows.view().at(0));
    device().copy(table.at(0), rows.view().at(1));
    return rows;
  };
  const Tensor e = both(expert.times.e), e0 = both(expert.times.e0);
  const int64_t d = e->shape[1];
  dump.add(prefix + "time_embedding", e);
  dump.add(prefix + "time_projection", e0);
  dump.add(prefix + "modulation_e0", e0.view().reshape({1, 2, e0->shape[1] / d, d}).permute({0, 2, 1, 3}));
  dump.add(prefix + "rope_cos", expert.dit->rope_cos());
  dump.add(prefix + "rope_sin", expert.dit->rope_sin());
}

/// Page-locking and filling host memory for streamed weights happens beside the stages and may end in any of them.
void DenoiseStage::report_fills() {
  for (const LoadedExpert& expert : context_.models.experts)
    for (LayerStore* store : expert.layer_stores()) {
      const std::optional<HostInterval> fill = store->take_fill();
      if (!fill) continue;
      StageSpan span;
      span.stage = context_.clock.stage();
      span.component = "page_lock_and_fill";
      span.hidden = true;
      span.begin_ns = fill->begin_ns;
      span.end_ns = fill->end_ns;
      span.bytes = fill->bytes;
      context_.observer.on_span(span);
    }
}

}  // namespace wan
