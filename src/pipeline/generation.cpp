// The order of the stages, and those that are short: models, noise, closing the outputs.
#include "pipeline/generation.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/machine.h"
#include "io/pth.h"
#include "model/weight_scheme.h"
#include "pipeline/expected_time.h"
#include "pipeline/measured_curve.h"
#include "pipeline/video_info.h"
#include "sampler/latent_noise.h"

namespace wan {
namespace {

/// The latent of a file that torch saved without a name, which has an axis of one video in front as a rule; nullptr
/// where the file is none such.
const StoredTensor* lone_latent(const TensorFile& file) {
  return file.format() == "pth" && file.tensors().size() == 1 ? file.find(kLoneTensor) : nullptr;
}

/// The same values without the axis.
bool has_shape(const Shape& stored, const Shape& wanted) {
  if (stored == wanted) return true;
  if (stored.rank() != wanted.rank() + 1 || stored[0] != 1) return false;
  for (int i = 0; i < wanted.rank(); ++i)
    if (stored[i + 1] != wanted[i]) return false;
  return true;
}

/// A clip's starting noise: a file's `noise` or `clipK.noise`, or its only tensor, or torch's CUDA stream of the fixed
/// card, for each clip begun anew with the next seed, or gone on with; rounded where the official program rounds it.
Tensor starting_noise(const Request& request, const Plan& plan, int clip) {
  if (request.initial_latent.empty()) {
    Tensor noise = host_tensor(DType::kF32, plan.latent);
    const int number = std::max(clip, 0);
    const bool draws_on = plan.variant->clips.draws_on;
    draw_latent(plan.seed + static_cast<uint64_t>(draws_on ? 0 : number), draws_on ? number : 0, plan.recipe->draws,
                noise);
    if (plan.variant->clips.draws_bf16)
      std::transform(noise->as<float>(), noise->as<float>() + noise->count(), noise->as<float>(), round_to_bf16);
    return noise;
  }
  const TensorFile file = TensorFile::open(request.initial_latent);
  std::string name = clip < 0 ? "noise" : fmt::format("clip{}.noise", clip);
  constexpr const char* kPrecise = "fp32.";  // of a reference's file, which has other runs beside it
  if (clip >= 0 && file.find(name) == nullptr && file.find(kPrecise + name) != nullptr) name = kPrecise + name;
  const StoredTensor* const alone = clip < 0 ? lone_latent(file) : nullptr;
  const StoredTensor& stored = alone != nullptr ? *alone : file.at(name);
  require(stored.shape == plan.latent || (alone != nullptr && has_shape(stored.shape, plan.latent)),
          fmt::format("{}: {} has shape {}, this request needs {}", request.initial_latent.string(), stored.name,
                      stored.shape.text(), plan.latent.text()));
  Tensor noise = host_tensor(DType::kF32, plan.latent);
  decode(file, {name, stored.shape, WeightScheme::kPlain, &stored}, 0, stored.shape.count(), noise->as<float>());
  return noise;
}

/// Whether weights that live so serve a request as well as what a fresh plan would choose.
bool allows(Offload offload, Residency residency) {
  switch (offload) {
    case Offload::kAuto: return true;
    case Offload::kNone: return residency == Residency::kResident;
    case Offload::kPacked: return residency == Residency::kPacked;
    case Offload::kStream: return residency != Residency::kResident && residency != Residency::kPacked;
    case Offload::kPackedStream: return residency == Residency::kPackedStream;
    case Offload::kMapped: return residency == Residency::kMapped;
  }
  return false;
}

}  // namespace

Generation::Generation(const Request& request, const CallOptions& call, std::unique_ptr<Models>& models,
                       PromptCache& prompts, Communicator* all)
    : request_(request),
      call_(call),
      observer_(call.observer != nullptr && (all == nullptr || all->rank() == 0) ? *call.observer : nobody_),
      models_(models),
      prompts_(prompts),
      all_(all) {}

Generation::~Generation() {
  // After an error work may still be in flight on memory that goes away now.
  if (models_ && models_->backend) quiesce(*models_->backend);
}

Outcome Generation::run() {
  try {
    return run_stages();
  } catch (const OutOfMemory& problem) {
    if (models_ && models_->backend) models_->backend->synchronize();
    throw explained(problem);
  }
}

Expectation Generation::expect() {
  ModelSet set = open_models(request_);
  plan_ = make_plan(request_, set);
  reuse_or_make_models(std::move(set));
  Models& m = *models_;
  settle(plan_, *m.backend, m.text_device(), m.memory);
  Expectation expectation;
  expectation.width = plan_.width;
  expectation.height = plan_.height;
  expectation.num_frames = plan_.num_frames;
  expectation.steps = plan_.steps;
  expectation.recipe = plan_.recipe->name;
  expectation.device_kind = m.backend->info().kind;
  const bool shares_memory = plan_.device == "cpu";
  expectation.peak_bytes = m.memory.predicted_peak * static_cast<uint64_t>(shares_memory ? plan_.parallel.ranks() : 1);
  expectation.product_rate = measure_product_rate(*m.backend, m.set.dit, plan_.compute, plan_.grid().tokens());
  expectation.time = expected_time(work_of(m.set, plan_), expectation.product_rate, shares_of(expectation.device_kind));
  return expectation;
}

/// The same facts with the stage they happened in and the setting that would need less.
OutOfMemory Generation::explained(const OutOfMemory& problem) const {
  std::string advice = problem.advice();
  if (advice.empty() && models_ && models_->backend && models_->memory.dit_residency == Residency::kResident &&
      plan_.device != "cpu") {
    Request streamed = request_;
    streamed.offload = Offload::kStream;
    streamed.gpu_memory_limit.reset();  // what it needs, whether that is allowed or not
    const MemoryPlan plan = plan_memory(streamed, models_->set, plan_,
                                        models_->backend->history_memory(plan_.vae_compute), {UINT64_MAX, UINT64_MAX});
    advice = fmt::format("--offload stream needs about {:.1f} GiB in all",
                         static_cast<double>(plan.predicted_peak) / (1 << 30));
  } else if (advice.empty()) {
    advice = "ask for fewer frames or a smaller size";
    if (models_ && is_streamed(models_->memory.dit_residency) && models_->set.checkpoint)
      advice += "; where it is the host's memory, --offload mapped holds no weights there";
  }
  const std::string where = clock_ ? stage_name(clock_->stage(), plan_.variant->task) + ", " : "";
  return {where + problem.what_for(), problem.requested_bytes(), problem.free_bytes(), advice};
}

Outcome Generation::run_stages() {
  load();
  clips_ = make_clip_source(plan_);
  conditioning_.clips = clips_.get();
  if (clips_) encode_text();
  if (clips_) clips_->begin_video(stages());
  for (int clip = 0; clip < plan_.clips; ++clip) {
    begin_clip(clips_ ? clip : -1);
    preprocess();
    if (text_ || (clip == 0 && !is_first_rank())) encode_text();
    if (clips_)
      clips_->begin_clip(stages());
    else if (plan_.from_image)
      conditioning_ = encode_image(stages(), x_);
    denoise_.emplace(stages(), text_rows_, conditioning_, x_);
    denoise_->run();
    const Forwards forwards = denoise_->reuse().account();
    forwards_ = clip == 0 ? forwards : forwards_ + forwards;
    if (const MagnitudeRecorder* magnitudes = denoise_->reuse().magnitudes()) ratios_ = magnitudes->ratios();
    if (!ranks_ || ranks_->has_columns()) decode();
  }
  if (!is_first_rank()) {
    models_->backend->synchronize();
    return {};
  }
  begin_clip(-1);
  return finish();
}

void Generation::encode_text() {
  if (is_first_rank())
    text_rows_ = text_->encode();
  else
    stages().enter(StageRole::kTextEncoding);
  text_.reset();
  models_->start_expert(plan_.expert_of(0));
  if (ranks_) share_text_rows();
}

/// Rank 0's rows become everybody's.
void Generation::share_text_rows() {
  text_rows_.resize(plan_.uses_negative_prompt() ? 2 : 1);
  for (Tensor& rows : text_rows_) {
    std::array<int64_t, 2> shape{};
    if (is_first_rank()) shape = {rows->shape[0], rows->shape[1]};
    ranks_->all.broadcast_host(std::as_writable_bytes(std::span(shape)), 0, "broadcast of the text's shape");
    if (!is_first_rank()) rows = host_tensor(DType::kF32, {shape[0], shape[1]});
    ranks_->all.broadcast_host({static_cast<std::byte*>(rows->data), rows->bytes()}, 0, "broadcast of the text");
  }
}

/// The ranks decode the same pieces: rank 0's, where a plan that looked at the free memory at another time has others.
void Generation::share_vae_pieces() {
  MemoryPlan& memory = models_->memory;
  std::array<int64_t, 4> pieces{memory.vae_chunk, memory.vae_slice, memory.vae_passes_histories ? 1 : 0,
                                static_cast<int64_t>(memory.vae_arena)};
  ranks_->all.broadcast_host(std::as_writable_bytes(std::span(pieces)), 0, "broadcast of the VAE's pieces");
  memory.vae_chunk = pieces[0];
  memory.vae_slice = pieces[1];
  memory.vae_passes_histories = pieces[2] != 0;
  memory.vae_arena = static_cast<uint64_t>(pieces[3]);
}

void Generation::begin_clip(int clip) {
  clip_ = clip;
  dump_->begin_clip(clip);
}

void Generation::reuse_or_make_models(ModelSet set) {
  BackendOptions options;
  options.device = plan_.device;
  options.tuning_table = request_.tuning_table.string();
  options.gpu_memory_limit = request_.gpu_memory_limit;
  // Ranks on the CPU share its cores and its memory.
  const int ranks = plan_.parallel.ranks();
  if (ranks > 1) options.cpu_threads = std::max(1, allowed_cores() / ranks);
  if (models_ && models_->backend) {
    // What the models hold already is not free any more: they stay where they are if the request allows it.
    Request again = request_;
    if (allows(request_.offload, models_->memory.dit_residency))
      again.offload = offload_of(models_->memory.dit_residency);
    again.gpu_memory_limit.reset();  // judged below: where it no longer fits, other models may
    constexpr uint64_t kHeldAlready = UINT64_MAX;
    const HistoryMemory history = models_->backend->history_memory(plan_.vae_compute);
    MemoryPlan same = plan_memory(again, set, plan_, history, {kHeldAlready, kHeldAlready});
    same.host_free = models_->memory.host_free;  // as it was when that was decided
    same.room = models_->memory.room;
    const bool is_allowed = !request_.gpu_memory_limit || same.predicted_peak <= request_.gpu_memory_limit->bytes;
    if (is_allowed && models_->key == models_key(request_, plan_, same)) {
      models_->memory = same;
      return;
    }
  }
  models_.reset();  // its memory is free before the new models ask for theirs
  models_ = std::make_unique<Models>();
  models_->backend = make_backend(options);
  if (plan_.text_encoder_device != plan_.device)
    models_->text_backend = make_backend({plan_.text_encoder_device, 0, {}});
  MemoryLimits limits = memory_limits(*models_->backend);
  if (plan_.device == "cpu" && ranks > 1)
    for (uint64_t* bytes : {&limits.device_free, &limits.device_total, &limits.host_free, &limits.host_total})
      *bytes /= static_cast<uint64_t>(ranks);
  models_->memory = plan_memory(request_, set, plan_, models_->backend->history_memory(plan_.vae_compute), limits);
  models_->key = models_key(request_, plan_, models_->memory);
  models_->set = std::move(set);
  models_->make_experts(plan_);
}

StageContext Generation::stages() {
  return {request_,
          plan_,
          *models_,
          observer_,
          *clock_,
          *dump_,
          *replay_,
          call_.stop,
          is_first_rank() ? call_.preview : nullptr,
          ranks_ ? &*ranks_ : nullptr,
          clip_};
}

void Generation::load() {
  if (all_ != nullptr) all_->enter_stage("Model_Initialization");
  if (request_.gpu_memory_limit) observer_.on_fact(flags::kGpuMemoryLimitFact, request_.gpu_memory_limit->text());
  ModelSet set = open_models(request_);
  plan_ = make_plan(request_, set);
  const bool is_described = !request_.output.empty() || !call_.consumers.empty();
  if (is_described && !request_.no_metadata) {
    image_ = input_file(request_.image);
    last_image_ = input_file(request_.last_image);
    initial_latent_ = input_file(request_.initial_latent);
    audio_ = input_file(request_.audio);
    pose_video_ = input_file(request_.pose_video);
    animate_inputs_ = input_file(request_.animate_inputs);
  }
  if (is_first_rank()) sink_ = std::make_unique<FrameSink>(request_, plan_, call_.consumers);
  clock_ = std::make_unique<StageClock>(observer_, plan_.steps, call_.start_ns > 0 ? call_.start_ns : monotonic_ns());
  reuse_or_make_models(std::move(set));
  Models& m = *models_;
  clock_->attach(*m.backend);
  settle(plan_, *m.backend, m.text_device(), m.memory);
  if (all_ != nullptr) {
    ranks_.emplace(*all_, plan_.parallel, plan_.vae_ranks());
    share_vae_pieces();
  }
  observer_.on_plan(plan_);
  observer_.on_fact("libraries", m.backend->info().libraries);
  observer_.on_fact("memory_plan", m.memory.text());
  for (size_t i = 0; i < plan_.loras.size(); ++i)
    observer_.on_fact(fmt::format("lora_{}", i + 1), text_of(plan_.loras[i]));
  if (const std::string& remark = plan_.step_cache.curve_remark; !remark.empty())
    observer_.on_fact(flags::kOtherCurveFact, remark);
  if (plan_.vae_ranks() < plan_.parallel.ranks())
    observer_.on_fact("vae_ranks", fmt::format("{} of {}: the latent has no more columns", plan_.vae_ranks(),
                                               plan_.parallel.ranks()));
  dump_ = std::make_unique<Dump>(*m.backend, request_, plan_.grid(), plan_.steps);
  replay_ = std::make_unique<Replay>(*m.backend, request_, plan_);
  if (is_first_rank()) {
    text_ = std::make_unique<TextStage>(stages(), prompts_);
    text_->start();
  }
  if (request_.overlap == Overlap::kOff) {
    for (size_t i = 0; i < m.experts.size(); ++i) m.start_expert(i);
    for (const LoadedExpert& expert : m.experts)
      for (LayerStore* store : expert.layer_stores()) store->wait_until_loaded();
    if (!ranks_ || ranks_->has_columns()) m.load_vae(plan_);
  }
}

void Generation::preprocess() {
  stages().enter(StageRole::kPreprocess);
  const Tensor noise = starting_noise(request_, plan_, clip_);
  Backend& device = *models_->backend;
  if (x_.empty()) x_ = device.allocate(DType::kF32, plan_.latent, "latent");
  device.upload(noise, x_);
  dump_->add("noise", noise);
  if (const float scale = plan_.schedule.noise_scale; scale != 1.0f) device.combine(std::array{Term{scale, x_}}, x_);
}

void Generation::decode() {
  stages().enter(StageRole::kVaeDecoding);
  Models& m = *models_;
  m.backend->synchronize();
  denoise_.reset();
  if (is_streamed(m.memory.dit_residency) && !dump_->is_on())
    for (const LoadedExpert& expert : m.experts)
      for (LayerStore* store : expert.layer_stores()) store->release_slots();
  m.forget_prompts();
  decode_.emplace(stages(), sink_.get(), clips_ ? clips_->decoding(stages(), x_) : DecodeTask{x_});
  decode_->run();
  decode_.reset();
  if (clips_) clips_->end_clip(stages());
}

std::string Generation::metadata(const std::string& frames_sha256) const {
  if (request_.no_metadata) return {};
  VideoMetadata metadata = video_metadata(request_, plan_, image_, last_image_, initial_latent_, frames_sha256);
  metadata.audio = audio_;
  metadata.pose_video = pose_video_;
  metadata.animate_inputs = animate_inputs_;
  return to_json(metadata);
}

Outcome Generation::finish() {
  clock_->enter({StageRole::kOutputEncoding});
  Outcome outcome;
  outcome.task = plan_.variant->task;
  outcome.width = plan_.width;
  outcome.height = plan_.height;
  outcome.num_frames = plan_.num_frames;
  outcome.fps = plan_.fps;
  outcome.steps = plan_.steps;
  outcome.video_sha256 = sink_->finish([this](const std::string& frames_sha256) { return metadata(frames_sha256); });
  outcome.replayed = replay_->steps();
  outcome.forwards = forwards_;
  dump_->write();
  if (!request_.curve.empty()) write_atomically(request_.curve, to_json(measured_curve(plan_, ratios_)));
  clock_->finish();
  observer_.on_fact("video_sha256", outcome.video_sha256);
  if (!request_.output.empty()) observer_.on_fact("video_preset", video_preset(plan_.device, allowed_cores()));
  return outcome;
}

}  // namespace wan
