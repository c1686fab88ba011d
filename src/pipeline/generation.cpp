// The stages before denoising: models, noise, text, image.
#include "pipeline/generation.h"

#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "io/resize.h"
#include "model/cost.h"
#include "model/text_cleaning.h"
#include "model/tokenizer.h"
#include "sampler/noise.h"

namespace wan {
namespace {

/// The starting noise: a file's `noise`, or torch's CUDA stream of the fixed card.
Tensor starting_noise(const Request& request, const Plan& plan) {
  if (request.initial_latent.empty()) {
    Tensor noise = host_tensor(DType::kF32, plan.latent);
    cuda_normal(plan.seed, CudaGrid{}, {noise->as<float>(), static_cast<size_t>(noise->count())});
    return noise;
  }
  const TensorFile file = TensorFile::open(request.initial_latent);
  const char* name = file.find("noise") != nullptr ? "noise" : "noise.cuda_seed42";
  const StoredTensor& stored = file.at(name);
  require(stored.shape == plan.latent,
          fmt::format("{}: {} has shape {}, this request needs {}", request.initial_latent.string(), name,
                      stored.shape.text(), plan.latent.text()));
  Tensor noise = host_tensor(DType::kF32, plan.latent);
  const WeightSource source = WeightSource::from_file(file);
  source.read({name, stored.shape, 0, {}}, 0, stored.shape.count(), DType::kF32, noise->data);
  return noise;
}

/// Whether weights that live so serve a request as well as what a fresh plan would choose.
bool allows(Offload offload, Residency residency) {
  switch (offload) {
    case Offload::kAuto: return true;
    case Offload::kNone: return residency == Residency::kResident;
    case Offload::kStream: return residency != Residency::kResident;
    case Offload::kMapped: return residency == Residency::kMapped;
  }
  return false;
}

Offload offload_of(Residency residency) {
  if (residency == Residency::kResident) return Offload::kNone;
  return residency == Residency::kMapped ? Offload::kMapped : Offload::kStream;
}

}  // namespace

Engine::Generation::Generation(const Request& request, Observer& observer, std::unique_ptr<Models>& models,
                               int64_t start_ns)
    : request_(request), observer_(observer), models_(models), start_ns_(start_ns) {}

Engine::Generation::~Generation() {
  // After an error work may still be in flight on memory that goes away now.
  if (models_ && models_->backend) models_->backend->synchronize();
}

Outcome Engine::Generation::run() {
  try {
    return run_stages();
  } catch (const OutOfMemory& problem) {
    if (models_ && models_->backend) models_->backend->synchronize();
    throw explained(problem);
  }
}

/// The same facts with the stage they happened in and the setting that would need less.
OutOfMemory Engine::Generation::explained(const OutOfMemory& problem) const {
  std::string advice = problem.advice();
  if (advice.empty() && models_ && models_->backend && models_->memory.dit_residency == Residency::kResident &&
      plan_.device != "cpu") {
    Request streamed = request_;
    streamed.offload = Offload::kStream;
    const MemoryPlan plan =
        plan_memory(streamed, models_->set, plan_, *models_->backend, memory_limits(*models_->backend));
    advice = fmt::format("--offload stream needs about {:.1f} GiB in all",
                         static_cast<double>(plan.predicted_peak) / (1 << 30));
  } else if (advice.empty()) {
    advice = "ask for fewer frames or a smaller size";
    if (models_ && models_->memory.dit_residency == Residency::kStream && models_->set.checkpoint)
      advice += "; where it is the host's memory, --offload mapped holds no weights there";
  }
  const std::string where =
      clock_ ? stage_name(clock_->stage(), clock_->index(), std::string(plan_.variant->task)) + ", " : "";
  return {where + problem.what_for(), problem.requested_bytes(), problem.free_bytes(), advice};
}

Outcome Engine::Generation::run_stages() {
  load();
  for (const Stage stage : plan_.variant->stages) run_stage(stage);
  return finish();
}

void Engine::Generation::run_stage(Stage stage) {
  switch (stage) {
    case Stage::kModelInitialization: return;  // over: before it nobody knows the model
    case Stage::kPreprocess: return preprocess();
    case Stage::kTextEncoding: return encode_text();
    case Stage::kVaeEncoding:
      if (plan_.from_image) encode_image();
      return;
    case Stage::kStepLoading: return;  // the clock takes it out of the steps
    case Stage::kStepInference: return denoise();
    case Stage::kVaeDecoding: return decode();
    case Stage::kOutputEncoding: return;  // closes the run, and returns what came out
  }
}

void Engine::Generation::reuse_or_make_models() {
  BackendOptions options;
  options.device = plan_.device;
  options.tuning_table = request_.tuning_table.string();
  if (models_ && models_->backend) {
    // What the models hold already is not free any more: they stay where they are if the request allows it.
    Request again = request_;
    if (allows(request_.offload, models_->memory.dit_residency))
      again.offload = offload_of(models_->memory.dit_residency);
    constexpr uint64_t kHeldAlready = UINT64_MAX;
    MemoryPlan same = plan_memory(again, set_, plan_, *models_->backend, {kHeldAlready, kHeldAlready});
    same.host_free = models_->memory.host_free;  // as it was when that was decided
    if (models_->key == models_key(request_, plan_, same)) {
      models_->memory = same;
      return;
    }
  }
  models_.reset();  // its memory is free before the new models ask for theirs
  models_ = std::make_unique<Models>();
  models_->backend = make_backend(options);
  if (plan_.text_encoder_device != plan_.device)
    models_->text_backend = make_backend({plan_.text_encoder_device, 0, {}});
  models_->memory = plan_memory(request_, set_, plan_, *models_->backend, memory_limits(*models_->backend));
  models_->key = models_key(request_, plan_, models_->memory);
  models_->set = std::move(set_);
  models_->make_experts(plan_);
}

void Engine::Generation::load() {
  set_ = open_models(request_);
  plan_ = make_plan(request_, set_);
  sink_ = std::make_unique<FrameSink>(request_, plan_);
  clock_ = std::make_unique<StageClock>(observer_, plan_.steps, start_ns_);
  reuse_or_make_models();
  Models& m = *models_;
  clock_->attach(*m.backend);
  observer_.on_fact("task", std::string(plan_.variant->task));
  observer_.on_fact("device", m.backend->info().name);
  observer_.on_fact("libraries", m.backend->info().libraries);
  observer_.on_fact("memory_plan", m.memory.text());
  observer_.on_fact("predicted_peak_bytes", std::to_string(m.memory.predicted_peak));
  observer_.on_fact("size", fmt::format("{}x{}", plan_.width, plan_.height));
  if (m.experts.size() > 1) {
    int first_low = 0;
    while (first_low < plan_.steps && plan_.expert_of(first_low) == 0) ++first_low;
    observer_.on_fact("low_noise_from_step", std::to_string(first_low));
  }
  if (!request_.dump.empty()) dump_ = std::make_unique<Dump>(*m.backend);
  text_store_ = m.make_text_store(plan_);
  text_store_->start();
  if (request_.overlap == Overlap::kOff) {
    for (size_t i = 0; i < m.experts.size(); ++i) start_expert(i);
    for (const LoadedExpert& expert : m.experts) expert.blocks->wait_until_loaded();
    m.load_vae(plan_);
  }
}

void Engine::Generation::start_expert(size_t index) {
  LoadedExpert& expert = models_->experts[index];
  if (expert.started) return;  // a warm engine has it already
  expert.started = true;
  expert.stem->start();
  expert.blocks->start();
}

void Engine::Generation::preprocess() {
  clock_->enter(Stage::kPreprocess);
  check_interrupt();
  const Tensor noise = starting_noise(request_, plan_);
  x_ = device().allocate(DType::kF32, plan_.latent, "latent");
  device().upload(noise, x_);
  if (dump_) {
    dump_->set_grid(plan_.grid());
    dump_->add("noise", noise);
  }
}

std::vector<std::vector<int32_t>> Engine::Generation::tokenize() const {
  const Models& m = *models_;
  if (!m.set.checkpoint) {
    // Without a tokenizer: as many tokens as the words would roughly give, ids spread over the vocabulary.
    const auto invent = [&](const std::string& text) {
      std::vector<int32_t> ids;
      for (size_t i = 0; i < std::min<size_t>(511, text.size() / 4 + 1); ++i)
        ids.push_back(
            static_cast<int32_t>((i * 7919 + static_cast<unsigned char>(text.empty() ? 0 : text[i % text.size()])) %
                                 static_cast<size_t>(m.set.text.vocabulary)));
      ids.push_back(1);
      return ids;
    };
    return {invent(plan_.prompt), invent(plan_.negative_prompt)};
  }
  const Tokenizer tokenizer(m.set.checkpoint->tokenizer);
  return {tokenizer.encode(clean_prompt(plan_.prompt)), tokenizer.encode(clean_prompt(plan_.negative_prompt))};
}

void Engine::Generation::encode_text() {
  clock_->enter(Stage::kTextEncoding);
  check_interrupt();
  Models& m = *models_;
  Backend& backend = m.text_device();
  const auto ids = tokenize();
  for (const auto& prompt : ids) clock_->add_flops(text_encoder_cost(m.set.text, static_cast<int64_t>(prompt.size())));
  const DType compute = m.text_backend ? DType::kBF16 : plan_.compute;
  const WeightLayout layout = text_encoder_norm_layout(m.set.text);
  const WeightPart& norm_part = layout.slots().front().parts.front();
  Tensor norm_host = host_tensor(DType::kF32, norm_part.shape);
  m.text_source->read(norm_part, 0, norm_part.shape.count(), DType::kF32, norm_host->data);
  const Tensor norm = backend.allocate(DType::kF32, norm_part.shape, "text encoder weights");
  backend.upload(norm_host, norm);
  text_rows_ = wan::encode_text(backend, m.set.text, compute, *m.text_source, norm, *text_store_, ids);
  if (!m.text_backend) {
    clock_->add_waits(text_store_->take_waits());
    clock_->add_copies(text_store_->take_copies());
  }
  report_memory(Stage::kTextEncoding, -1);
  text_store_.reset();
  start_expert(plan_.expert_of(0));
  if (dump_) {
    dump_->add("text.positive", text_rows_[0]);
    dump_->add("text.negative", text_rows_[1]);
  }
}

void Engine::Generation::embed_prompts(LoadedExpert& expert) {
  const TensorView stem = expert.stem->acquire(0);
  expert.stem->release(0);
  clock_->add_waits(expert.stem->take_waits());
  Models& m = *models_;
  expert.dit = std::make_unique<Dit>(*m.backend, m.set.dit, plan_.compute, stem);
  expert.dit->set_grid(plan_.grid());
  const bool probing = dump_ && request_.dump_level == DumpLevel::kBlocks && &expert == &m.experts[plan_.expert_of(0)];
  if (probing) dump_->set_prefix("dit.call0.");
  expert.positive = expert.dit->embed_text(text_rows_[0], probing ? dump_.get() : nullptr);
  expert.negative = expert.dit->embed_text(text_rows_[1]);
  std::vector<double> timesteps{0.0};  // row 0: the fixed first frame of image-to-video
  for (int64_t t : plan_.schedule.timesteps) timesteps.push_back(static_cast<double>(t));
  expert.times = expert.dit->embed_times(timesteps);
}

Tensor Engine::Generation::conditioning_pixels() const {
  const int64_t frames = plan_.variant->first_frame_is_latent() ? 1 : plan_.num_frames;
  Tensor pixels = host_tensor(DType::kF32, {3, frames, plan_.height, plan_.width});
  std::memset(pixels->data, 0, pixels->bytes());
  const Size size{static_cast<int>(plan_.width), static_cast<int>(plan_.height)};
  std::vector<float> first;
  if (plan_.variant->image.fit == ImageFit::kCover)
    first = to_planes(fit_covering(plan_.image, size));
  else
    first = resize_bicubic(to_planes(plan_.image), 3, {plan_.image.width, plan_.image.height}, size);
  const size_t plane = static_cast<size_t>(plan_.height * plan_.width);
  for (size_t c = 0; c < 3; ++c)
    std::memcpy(pixels->as<float>() + c * plane * static_cast<size_t>(frames), first.data() + c * plane,
                plane * sizeof(float));
  return pixels;
}

void Engine::Generation::encode_image() {
  clock_->enter(Stage::kVaeEncoding);
  check_interrupt();
  Models& m = *models_;
  const Tensor host = conditioning_pixels();
  const int64_t frames = host->shape[1];
  clock_->add_flops(vae_encode_cost(m.set.vae, m.set.vae_file(), frames, plan_.height, plan_.width));
  const Tensor pixels = device().allocate(DType::kF32, host->shape, "conditioning pixels");
  device().upload(host, pixels);
  const Shape latent_shape{plan_.latent[0], m.set.vae.traits().latent_frames(frames), plan_.latent[2], plan_.latent[3]};
  Tensor latent = device().allocate(DType::kF32, latent_shape, "conditioning latent");
  {
    // One frame costs nothing and conditions the whole video: it is encoded in F32, as the official program does.
    const DType compute = frames == 1 ? DType::kF32 : plan_.vae_compute;
    Vae encoder(device(), m.set.vae, *m.vae_source, m.set.vae_file(), compute, Vae::Parts::kEncoder);
    const int64_t chunk_frames = m.set.vae.traits().stride_temporal;
    Arena dry = Arena::dry();
    const auto counter = make_dry_backend(device().history_memory(compute));
    Vae shapes(*counter, m.set.vae, WeightSource::shapes_only(), m.set.vae_file(), compute, Vae::Parts::kEncoder);
    shapes.encode(pixels, chunk_frames, dry, latent);
    const Tensor block = device().allocate(DType::kU8, {static_cast<int64_t>(dry.peak())}, "VAE encoder activations");
    Arena arena(block);
    encoder.encode(pixels, chunk_frames, arena, latent);
    device().synchronize();
  }
  if (dump_) {
    dump_->add("vae.encode0.video", host);
    dump_->add("vae.encode0.latent", latent);
  }
  if (plan_.variant->appends_condition_channels())
    append_condition(latent);
  else
    first_frame_ = std::move(latent);
  impose_first_frame();
}

/// Behind the noise: mask channels, a frame of the video each that a latent frame stands for, 1 on the first latent
/// frame; then the encoded conditioning video.
void Engine::Generation::append_condition(TensorView latent) {
  const ModelSet& set = models_->set;
  Shape input = plan_.latent;
  input[0] = set.dit.in_dim;
  model_input_ = device().allocate(DType::kF32, input, "model input");
  device().fill_zero(model_input_);
  const int64_t z = plan_.latent[0], mask = set.vae.traits().stride_temporal;
  require(set.dit.in_dim == 2 * z + mask,
          fmt::format("an image-to-video DiT takes {} channels, this one {}", 2 * z + mask, set.dit.in_dim));
  for (int64_t c = 0; c < mask; ++c) device().fill_normal(model_input_.view().at(z + c).slice(0, 0, 1), 0, 1.0f, 0.0f);
  device().copy(latent, model_input_.view().slice(0, z + mask, 2 * z + mask));
}

void Engine::Generation::impose_first_frame() {
  if (!first_frame_.empty()) device().copy(first_frame_, x_.view().slice(1, 0, 1));
}

}  // namespace wan
