#include "pipeline/memory_estimate.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "backend/memory_ledger.h"
#include "comm/dry.h"
#include "model/audio_encoder.h"
#include "model/dit_animate.h"
#include "model/dit_speech.h"
#include "model/layout_extension.h"
#include "model/motion_encoder.h"
#include "model/speech_frames.h"
#include "pipeline/step_reuse.h"
#include "sampler/sampler.h"

namespace wan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// The matrix products' workspace, taken once (backend/cuda/linear_plan.h), and what convolution weights go to the card
/// through, kept for the next (backend/cuda/conv.cpp).
constexpr uint64_t kProductBytes = 32 * kMiB, kConvStagingBytes = 32 * kMiB;

/// Scores in F32, and in BF16 beside them, of attention made of products: at most so many bytes of the first, for a
/// block of rows where all do not fit (backend/cuda/attention_products.cpp). The VAE's middle attends so.
constexpr uint64_t kScoreBytes = 96 * kMiB;

/// The program itself, oneDNN's kernels and buffers on a CPU: 0.09 GiB in all for the small model, on two cores.
constexpr uint64_t kProgramBytes = 64 * kMiB;

bool on_card(const Plan& plan) { return plan.device != "cpu"; }

uint64_t granule_of(const Plan& plan) { return on_card(plan) ? kDriverPiece : 1; }

uint64_t in_granules(uint64_t bytes, uint64_t granule) { return (bytes + granule - 1) / granule * granule; }

class FixedLayer final : public LayerSource {
 public:
  TensorView acquire(int) override {
    return {reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice};
  }
  void release(int) override {}
};

/// For solvers that draw: nothing is computed.
class NoNoise final : public NoiseSource {
 public:
  void draw(int, TensorView) override {}
};

/// What one expert keeps from its first step on.
struct Embedded {
  std::unique_ptr<Communicator> ranks;  // that share the tokens, the first of them counted
  std::unique_ptr<Dit> dit;
  TextContext positive, negative;
  TimeTable times;
};

/// What a DiT makes of a clip whose frames go on from others, where one does.
struct EmbeddedSpeech {
  std::unique_ptr<DitSpeech> speech;
  std::vector<SpeechContext> audio;  // of each branch
  std::vector<TokenPosition> positions;
};

EmbeddedSpeech embed_speech(Backend& dry, const ModelSet& models, const Plan& plan) {
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  EmbeddedSpeech out;
  if (!plan.variant->takes_audio()) return out;
  const bool goes_on = plan.goes_on(plan.clips - 1);
  const auto latent = [&](int64_t frames) {
    Shape shape = plan.latent;
    shape[1] = frames;
    return dry.allocate(DType::kF32, shape, "latent");
  };
  const Tensor reference = latent(1), motion = latent(kMotionLatents), pose = latent(plan.latent[1]);
  out.speech = std::make_unique<DitSpeech>(dry, models.dit, plan.compute, stem, stem);
  out.speech->begin_clip({reference, goes_on ? motion.view() : TensorView{}, pose});
  const SpeechConfig& speech = models.dit.speech;
  const Tensor sound = host_tensor(DType::kF32, {speech.audio_layers, speech.audio_dim, plan.clip.frames});
  std::fill_n(sound->as<float>(), sound->count(), 0.0f);
  for (int branch = 0; branch < (plan.uses_negative_prompt() ? 2 : 1); ++branch)
    out.audio.push_back(out.speech->embed_audio(sound));
  out.positions = speech_positions(plan.grid(), goes_on);
  return out;
}

/// What a DiT makes of a clip that a driving video moves.
struct EmbeddedAnimate {
  std::unique_ptr<DitAnimate> animate;
  ImageContext image;
  std::vector<FaceContext> faces;  // of each branch
  Tensor pose;
};

EmbeddedAnimate embed_animate(Backend& dry, const ModelSet& models, const Plan& plan) {
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  EmbeddedAnimate out;
  if (!plan.variant->takes_driving_video()) return out;
  const AnimateConfig& animate = models.dit.animate;
  out.animate = std::make_unique<DitAnimate>(dry, models.dit, plan.compute, stem);
  out.image = out.animate->embed_image(dry.allocate(DType::kF32, {models.image.tokens(), animate.image_dim}, "image"));
  const Tensor motion = dry.allocate(DType::kF32, {plan.clip.frames, animate.motion_dim}, "motion");
  for (int branch = 0; branch < (plan.uses_negative_prompt() ? 2 : 1); ++branch)
    out.faces.push_back(out.animate->embed_faces(motion));
  Shape pose = plan.latent;
  pose[1] -= 1;
  out.pose = dry.allocate(DType::kF32, pose, "pose latent");
  return out;
}

Embedded embed(Backend& dry, const ModelSet& models, const Plan& plan, int first_step,
               const std::vector<TokenPosition>& behind) {
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  Embedded out;
  if (plan.parallel.ulysses > 1) out.ranks = make_dry_communicator(plan.parallel.ulysses);
  out.dit = std::make_unique<Dit>(dry, models.dit, plan.compute, stem, plan.quantization, out.ranks.get());
  out.dit->set_grid(plan.grid(), Dit::Tables::kUnfilled, behind);
  const Tensor text = host_tensor(DType::kF32, {1, models.dit.text_dim});
  out.positive = out.dit->embed_text(text);
  if (plan.is_guided(first_step)) out.negative = out.dit->embed_text(text);
  const std::vector<double> timesteps(plan.schedule.timesteps.size() + 1);
  out.times = out.dit->embed_times(timesteps);
  return out;
}

/// Every expert that has a step, the first one's first.
std::vector<Embedded> embed_all(Backend& dry, const ModelSet& models, const Plan& plan,
                                const std::vector<TokenPosition>& behind) {
  std::vector<Embedded> out;
  for (int step = 0; step < plan.steps; ++step)
    if (step == 0 || plan.expert_of(step) != plan.expert_of(step - 1))
      out.push_back(embed(dry, models, plan, step, behind));
  return out;
}

Shape model_input_shape(const ModelSet& models, const Plan& plan) {
  Shape shape = plan.latent;
  shape[0] = models.dit.in_dim;
  return shape;
}

struct VaeNeed {
  uint64_t weights = 0, arena = 0, tensors = 0;
};

/// The most that one of the VAE's ranks takes by `need_of`: the first has the whole result and the largest share, the
/// second has neighbours on both sides where there are three.
template <class NeedOf>
VaeNeed largest_need(const Plan& plan, const NeedOf& need_of) {
  const int ranks = plan.vae_ranks();
  if (ranks == 1) return need_of(nullptr);
  VaeNeed most = need_of(make_dry_communicator(ranks, 0).get());
  if (ranks == 2) return most;
  const VaeNeed second = need_of(make_dry_communicator(ranks, 1).get());
  most.arena = std::max(most.arena, second.arena);
  most.tensors = std::max(most.tensors, second.tensors);
  return most;
}

/// The decoder; its tensors are histories and the two chunks of frames that go to the host in turn.
VaeNeed decode_need(const ModelSet& models, const Plan& plan, HistoryMemory history, VaePieces pieces,
                    Communicator* ranks) {
  const auto dry = make_dry_backend(history, granule_of(plan));
  const auto used = [&] { return dry->take_device_use()->now; };
  VaeNeed need;
  Vae vae(*dry, models.vae, WeightSource::shapes_only(), models.vae_file(), plan.vae_compute, Vae::Parts::kDecoder);
  vae.set_slice_frames(pieces.slice);
  need.weights = used();
  vae.begin_decode(plan.latent[2], plan.latent[3], pieces.usual_chunk(), ranks);
  const Shape frames{vae.frames_of(pieces.chunk, false), plan.height, plan.width, 3};
  const Tensor chunks[] = {dry->allocate(DType::kU8, frames, "frames"), dry->allocate(DType::kU8, frames, "frames")};
  need.tensors = used() - need.weights;
  Arena arena = Arena::dry();
  // The later chunks are the larger ones, where there are any.
  int64_t done = 0;
  while (done < plan.decoded_latents()) {
    const int64_t count = std::min(pieces.chunk, plan.decoded_latents() - done);
    const Tensor latent = dry->allocate(DType::kF32, {plan.latent[0], count, plan.latent[2], plan.latent[3]}, "latent");
    const ArenaScope scope(arena);
    vae.decode_chunk(latent, arena);
    done += count;
    if (done > 2 * pieces.chunk) break;
  }
  need.arena = arena.peak();
  return need;
}

/// The encoder of an image, or of a video that begins with it.
VaeNeed encode_need(const ModelSet& models, const Plan& plan, HistoryMemory history, Communicator* ranks) {
  const int64_t frames = plan.encoded_frames();
  const DType compute = frames == 1 ? DType::kF32 : plan.vae_compute;
  const auto dry = make_dry_backend(compute == DType::kF32 ? HistoryMemory::kJoined : history, granule_of(plan));
  VaeNeed need;
  Vae vae(*dry, models.vae, WeightSource::shapes_only(), models.vae_file(), compute, Vae::Parts::kEncoder);
  need.weights = dry->take_device_use()->now;
  const VaeTraits traits = models.vae.traits();
  const Tensor pixels = dry->allocate(DType::kF32, {3, frames, plan.height, plan.width}, "pixels");
  Shape shape = plan.latent;
  shape[1] = traits.latent_frames(frames);
  const Tensor latent = dry->allocate(DType::kF32, shape, "latent");
  Arena arena = Arena::dry();
  vae.encode(pixels, traits.stride_temporal, arena, latent, ranks);
  need.arena = arena.peak();
  need.tensors = dry->take_device_use()->peak - need.weights;
  return need;
}

VaeNeed encode_need(const ModelSet& models, const Plan& plan, HistoryMemory history) {
  return largest_need(plan, [&](Communicator* ranks) { return encode_need(models, plan, history, ranks); });
}

VaeNeed decode_need(const ModelSet& models, const Plan& plan, HistoryMemory history, VaePieces pieces) {
  return largest_need(plan, [&](Communicator* ranks) { return decode_need(models, plan, history, pieces, ranks); });
}

/// Of all experts, what lives beside the layers of a pass.
uint64_t stem_bytes(const ModelSet& models, const Plan& plan) {
  const auto bytes_of = [&](const WeightLayout& layout) { return in_granules(layout.bytes(), granule_of(plan)); };
  uint64_t bytes = bytes_of(dit_stem_layout(models.dit, plan.compute));
  if (const auto extension = extension_stem_layout(models.dit, plan.compute)) bytes += bytes_of(*extension);
  if (models.dit.animate.face_blocks > 0)
    bytes += motion_encoder_bytes(models.dit.animate) + face_activation_bytes(models.dit.animate);
  return bytes * models.expert_count();
}

/// A clip's frames, those before it, those before the next and what is decoded: of a video that is made in clips.
uint64_t clip_bytes(const Plan& plan) {
  if (plan.clip.frames == 0) return 0;
  const bool is_driven = plan.variant->takes_driving_video();
  const int64_t before = is_driven ? plan.clip.context_frames : 2 * kMotionFrames;
  const int64_t pixels = 3 * plan.height * plan.width * (plan.clip.frames + before);
  const int64_t latents =
      plan.latent.count() / plan.latent[1] * (plan.decoded_latents() + (is_driven ? 1 : kMotionLatents));
  return static_cast<uint64_t>(pixels + latents) * sizeof(float);
}

std::vector<WeightLayout> block_layouts(const ModelSet& models, DType compute) {
  std::vector<WeightLayout> layouts;
  for (int64_t i = 0; i < models.dit.num_layers; ++i)
    layouts.push_back(dit_block_layout(models.dit, static_cast<int>(i), compute));
  return layouts;
}

/// Of each of an expert's stores that a forward pass goes through.
std::vector<std::vector<WeightLayout>> layers_of_pass(const ModelSet& models, DType compute) {
  std::vector<std::vector<WeightLayout>> stores{block_layouts(models, compute)};
  if (auto layers = extension_layer_layouts(models.dit, compute); !layers.empty()) stores.push_back(std::move(layers));
  return stores;
}

/// Of the layers of all experts.
LayerStore::Needs layer_needs(const ModelSet& models, DType compute, Residency residency, uint64_t granule) {
  const auto stores = layers_of_pass(models, compute);
  LayerStoreOptions options;
  options.residency = residency;
  LayerStore::Needs all;
  for (size_t expert = 0; expert < models.expert_count(); ++expert)
    for (const std::vector<WeightLayout>& layouts : stores) {
      const LayerStore::Needs needs = LayerStore::needs(layouts, models.dit_source(expert), options, granule);
      all.device += needs.device;
      all.pinned += needs.pinned;
    }
  return all;
}

/// Device memory from which weights are expanded, and LoRAs added, while layers are loaded, of all stores at once.
uint64_t expansion_bytes(const ModelSet& models, const Plan& plan, Residency residency) {
  if (!on_card(plan)) return 0;
  const auto dry = make_dry_backend();
  uint64_t bytes = 0;
  const auto add = [&](const std::vector<WeightLayout>& layouts, const WeightSource& source, Residency where) {
    if (is_packed(where)) return;
    const LayerFiller filler(*dry, layouts, source, LayerStoreOptions{}.chunk_bytes, true);
    const bool is_seeded = where == Residency::kResident && source.can_make_on_device(layouts.front());
    // A streamed chunk goes to the host as well, from memory of its own and back through as much again.
    bytes += is_seeded ? filler.seeded_bytes() : filler.scratch_bytes() * (where == Residency::kStream ? 3 : 1);
  };
  for (size_t expert = 0; expert < models.expert_count(); ++expert) {
    const WeightSource source = models.dit_source(expert);
    add({dit_stem_layout(models.dit, plan.compute)}, source, Residency::kResident);
    if (auto extension = extension_stem_layout(models.dit, plan.compute))
      add({std::move(*extension)}, source, Residency::kResident);
    for (const std::vector<WeightLayout>& layouts : layers_of_pass(models, plan.compute))
      add(layouts, source, residency);
  }
  return bytes;
}

/// The driver's and the libraries' part, the same in every stage of a video that is not the first.
uint64_t library_bytes(const Plan& plan) {
  if (!on_card(plan)) return kProgramBytes;
  const uint64_t positions = static_cast<uint64_t>(plan.latent[2] * plan.latent[3]);
  const uint64_t scores = std::min(kScoreBytes, positions * positions * sizeof(float));
  // A model of clips encodes its picture in F32, whose convolutions split it into planes of 16 bits: of all channels at
  // the full size.
  constexpr uint64_t kFullSizeChannels = 96;  // VAE 2.1
  const uint64_t pixels = plan.clip.frames > 0 ? static_cast<uint64_t>(plan.height * plan.width) : 0;
  const uint64_t planes = pixels * kFullSizeChannels * sizeof(float);
  return kContextBytes + kProductBytes + kConvStagingBytes + scores + scores / 2 + planes;
}

/// Two prompts' rows at their longest in the encoder's layers.
uint64_t text_activation_bytes(const ModelSet& models, const Plan& plan) {
  const auto dry = make_dry_backend();
  const TensorView norm(reinterpret_cast<void*>(Arena::kAlignment), DType::kF32, {models.text.dim}, Memory::kDevice);
  const std::vector<std::vector<int32_t>> ids(plan.uses_negative_prompt() ? 2 : 1,
                                              std::vector<int32_t>(static_cast<size_t>(models.dit.text_len)));
  FixedLayer layers;
  encode_text(*dry, models.text, plan.compute, WeightSource::shapes_only(), norm, layers, ids);
  return dry->take_device_use()->peak;
}

StageMemory text_stage(const ModelSet& models, const Plan& plan, StageMemory stage) {
  stage.role = StageRole::kTextEncoding;
  stage.tensors = static_cast<uint64_t>(plan.latent.count()) * sizeof(float);
  if (plan.text_encoder_device != plan.device) return stage;
  const uint64_t slab = text_encoder_layer_layout(models.text, 0, plan.compute).bytes();
  stage.text_encoder_weights = static_cast<uint64_t>(LayerStoreOptions{}.slots) * in_granules(slab, granule_of(plan));
  stage.activations = text_activation_bytes(models, plan);
  return stage;
}

/// Of the sound that the plan counts, or of one for all its clips.
int64_t sound_samples(const ModelSet& models, const Plan& plan) {
  const double seconds = plan.clip.sound_length > 0
                             ? static_cast<double>(plan.clip.sound_length) / static_cast<double>(kSpeechRate)
                             : static_cast<double>(plan.num_frames) / plan.fps;
  return std::max(models.audio.least_samples(), static_cast<int64_t>(seconds * kAudioSampleRate));
}

StageMemory audio_stage(const ModelSet& models, const Plan& plan, StageMemory stage) {
  const uint64_t granule = granule_of(plan);
  const auto dry = make_dry_backend(HistoryMemory::kJoined, granule);
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  FixedLayer layers;
  const std::vector<float> sound(static_cast<size_t>(sound_samples(models, plan)));
  encode_audio(*dry, models.audio, WeightSource::shapes_only(), stem, layers, sound, [](int64_t, TensorView) {});
  stage.role = StageRole::kAudioEncoding;
  stage.audio_encoder_weights = in_granules(audio_stem_layout(models.audio).bytes(), granule) +
                                static_cast<uint64_t>(LayerStoreOptions{}.slots) *
                                    in_granules(audio_layer_layout(models.audio, 0).bytes(), granule);
  stage.activations = dry->take_device_use()->peak;
  stage.tensors = static_cast<uint64_t>(plan.latent.count()) * sizeof(float);
  return stage;
}

StageMemory image_stage(const ModelSet& models, const Plan& plan, HistoryMemory history, StageMemory stage,
                        const DenoiseNeed& denoise) {
  const VaeNeed need = encode_need(models, plan, history);
  stage.role = StageRole::kVaeEncoding;
  if (plan.clip.frames == 0) stage.vae_weights += need.weights;
  stage.activations = in_granules(need.arena, granule_of(plan));
  stage.tensors = need.tensors + denoise.kept;
  return stage;
}

/// Slots of streamed layers are given back before decoding; others stay for the next video.
StageMemory decode_stage(const ModelSet& models, const Plan& plan, Residency residency, StageMemory stage,
                         const VaeNeed& need, const DenoiseNeed& denoise) {
  stage.role = StageRole::kVaeDecoding;
  if (is_streamed(residency)) stage.dit_weights = stem_bytes(models, plan);
  stage.merging = 0;
  stage.activations = in_granules(need.arena, granule_of(plan));
  stage.tensors = need.tensors + denoise.kept;
  return stage;
}

}  // namespace

DenoiseNeed denoise_need(const ModelSet& models, const Plan& plan) {
  const auto dry = make_dry_backend(HistoryMemory::kJoined, granule_of(plan));
  const Tensor x = dry->allocate(DType::kF32, plan.latent, "latent");
  Tensor model_input;
  if ((plan.from_image && plan.clip.frames == 0) || plan.variant->takes_driving_video())
    model_input = dry->allocate(DType::kF32, model_input_shape(models, plan), "model input");
  DenoiseNeed need;
  std::vector<Embedded> experts;
  EmbeddedAnimate animate;
  {
    const Tensor velocity = dry->allocate(DType::kF32, plan.latent, "velocity");
    Tensor negative;
    if (plan.uses_negative_prompt()) negative = dry->allocate(DType::kF32, plan.latent, "velocity");
    NoNoise noise;
    const auto sampler = make_sampler(plan.solver, plan.schedule, plan.latent, *dry, &noise);
    EmbeddedSpeech speech = embed_speech(*dry, models, plan);
    animate = embed_animate(*dry, models, plan);
    const StepReuse reuse(*dry, models, plan, std::ssize(speech.positions));
    experts = embed_all(*dry, models, plan, speech.positions);
    Arena arena = Arena::dry();
    FixedLayer layers;
    const bool has_clean_tokens = speech.speech || (plan.from_image && plan.variant->first_frame_is_latent());
    const int first_frame_row = has_clean_tokens ? 0 : -1;
    Embedded& first = experts.front();
    const Tensor input = dry->allocate(DType::kF32, model_input_shape(models, plan), "input");
    Dit::Call call{input, 1, first_frame_row, &first.times, &first.positive, nullptr};
    call.residual = reuse.kept(0);
    std::optional<DitSpeech::Branch> branch;
    if (speech.speech) call.extension = &branch.emplace(*speech.speech, speech.audio.front(), layers);
    std::optional<DitAnimate::Branch> driven;
    if (animate.animate)
      call.extension = &driven.emplace(*animate.animate,
                                       DitAnimate::Parts{animate.image, animate.faces.front(), animate.pose, layers});
    first.dit->forward(call, layers, arena, velocity);
    need.arena = arena.peak();
    need.tensors = dry->take_device_use()->peak - input->bytes();
  }
  for (Embedded& expert : experts) {
    expert.positive = {};
    expert.negative = {};
  }
  animate.faces.clear();
  animate.animate.reset();
  need.kept = dry->take_device_use()->now + clip_bytes(plan);
  need.tensors += clip_bytes(plan);
  return need;
}

uint64_t pinned_bytes(const ModelSet& models, const Plan& plan, Residency residency) {
  return layer_needs(models, plan.compute, residency, 1).pinned;
}

bool is_stored_small(const ModelSet& models, DType compute) {
  constexpr double kShare = 0.9;
  const double expanded = static_cast<double>(layer_needs(models, compute, Residency::kStream, 1).pinned);
  return static_cast<double>(layer_needs(models, compute, Residency::kPackedStream, 1).pinned) < kShare * expanded;
}

MemoryPlan estimate_memory(const ModelSet& models, const Plan& plan, HistoryMemory history, Residency residency,
                           VaePieces pieces, const DenoiseNeed& denoise) {
  const VaeNeed decode = decode_need(models, plan, history, pieces);
  StageMemory common;
  common.dit_weights = stem_bytes(models, plan) + layer_needs(models, plan.compute, residency, granule_of(plan)).device;
  common.vae_weights = decode.weights;
  if (plan.clip.frames > 0) common.vae_weights += encode_need(models, plan, history).weights;  // kept from clip to clip
  common.merging = expansion_bytes(models, plan, residency);
  common.libraries = library_bytes(plan);
  MemoryPlan memory;
  memory.dit_residency = residency;
  memory.vae_chunk = pieces.chunk;
  memory.vae_slice = pieces.slice;
  memory.vae_passes_histories = pieces.passes_histories;
  memory.dit_arena = denoise.arena;
  memory.vae_arena = decode.arena;
  memory.stages.push_back(text_stage(models, plan, common));
  memory.peak_text = memory.stages.back().own();
  if (models.dit.speech.injected > 0) memory.stages.push_back(audio_stage(models, plan, common));
  if (plan.from_image || plan.variant->takes_driving_video())
    memory.stages.push_back(image_stage(models, plan, history, common, denoise));
  StageMemory steps = common;
  steps.role = StageRole::kStepInference;
  steps.activations = in_granules(denoise.arena, granule_of(plan));
  steps.tensors = denoise.tensors;
  memory.stages.push_back(steps);
  memory.peak_denoise = steps.own();
  memory.stages.push_back(decode_stage(models, plan, residency, common, decode, denoise));
  memory.peak_decode = memory.stages.back().own();
  for (const StageMemory& stage : memory.stages) memory.predicted_peak = std::max(memory.predicted_peak, stage.total());
  return memory;
}

}  // namespace wan
