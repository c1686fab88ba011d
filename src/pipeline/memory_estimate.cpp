#include "pipeline/memory_estimate.h"

#include <algorithm>
#include <vector>

namespace wan {
namespace {

/// The CUDA context, cuBLASLt's workspace and loaded kernels: what NVML sees beyond our own allocations. H100 80GB
/// HBM3, driver 580.159: 0.24 to 0.55 GiB over the TI2V-5B cases at 161 and 361 frames.
constexpr uint64_t kLibraryBytes = uint64_t{576} << 20;

/// The program itself, oneDNN's kernels and buffers on a CPU: 0.09 GiB in all for the small model, on two cores.
constexpr uint64_t kProgramBytes = uint64_t{64} << 20;

class FixedLayer final : public LayerSource {
 public:
  TensorView acquire(int) override {
    return {reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice};
  }
  void release(int) override {}
};

struct VaeNeed {
  uint64_t arena = 0, histories = 0, weights = 0;
};

VaeNeed vae_need(const ModelSet& models, const Plan& plan, HistoryMemory history, VaePieces pieces) {
  const auto dry = make_dry_backend(history);
  VaeNeed need;
  for (const WeightPart& part : vae_parts(models.vae.version, models.vae_file()))
    if (part.source.rfind("encoder.", 0) != 0)
      need.weights +=
          static_cast<uint64_t>(part.shape.count()) * size_of(part.shape.rank() > 1 ? plan.vae_compute : DType::kF32);
  Vae vae(*dry, models.vae, WeightSource::shapes_only(), models.vae_file(), plan.vae_compute, Vae::Parts::kDecoder);
  vae.set_slice_frames(pieces.slice);
  const uint64_t before = dry->internal_bytes();
  vae.begin_decode(plan.latent[2], plan.latent[3]);
  need.histories = dry->internal_bytes() - before;
  Arena arena = Arena::dry();
  // The later chunks are the larger ones, where there are any.
  int64_t done = 0;
  while (done < plan.latent[1]) {
    const int64_t frames = std::min(pieces.chunk, plan.latent[1] - done);
    const Tensor latent =
        dry->allocate(DType::kF32, {plan.latent[0], frames, plan.latent[2], plan.latent[3]}, "latent");
    const ArenaScope scope(arena);
    vae.decode_chunk(latent, arena);
    done += frames;
    if (done > 2 * pieces.chunk) break;
  }
  need.arena = arena.peak();
  return need;
}

uint64_t dit_weight_bytes(const ModelSet& models, DType compute, Residency residency) {
  const uint64_t slab = dit_block_layout(models.dit, 0, compute).bytes();
  const LayerStoreOptions options{residency, 3, 0, "dit"};
  const uint64_t blocks = LayerStore::planned_device_bytes(static_cast<int>(models.dit.num_layers), slab, options);
  const uint64_t stem = dit_stem_layout(models.dit, compute).bytes();
  return (blocks + stem) * models.expert_count();
}

/// Device memory in which LoRAs are added while layers are loaded, of all stores at once.
uint64_t merge_bytes(const ModelSet& models, const Plan& plan, Residency residency) {
  if (plan.device == "cpu") return 0;
  const auto dry = make_dry_backend();
  uint64_t bytes = 0;
  const auto add = [&](const std::vector<WeightLayout>& layouts, const WeightSource& source, Residency where) {
    const LayerFiller filler(*dry, layouts, source, LayerStoreOptions{}.chunk_bytes, true);
    const bool is_seeded = !models.checkpoint && where == Residency::kResident;
    // A streamed chunk goes back to the host, through as much again.
    bytes += is_seeded ? filler.seeded_bytes() : filler.scratch_bytes() * (where == Residency::kStream ? 2 : 1);
  };
  for (const WeightPatches& patches : models.loras.patches) {
    if (patches.empty()) continue;
    const WeightSource source = WeightSource::shapes_only().with(patches);
    std::vector<WeightLayout> blocks;
    for (int64_t i = 0; i < models.dit.num_layers; ++i)
      blocks.push_back(dit_block_layout(models.dit, static_cast<int>(i), plan.compute));
    add({dit_stem_layout(models.dit, plan.compute)}, source, Residency::kResident);
    add(blocks, source, residency);
  }
  return bytes;
}

}  // namespace

uint64_t dit_arena_bytes(const ModelSet& models, const Plan& plan) {
  const auto dry = make_dry_backend();
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  Dit dit(*dry, models.dit, plan.compute, stem);
  dit.set_grid(plan.grid(), Dit::Tables::kUnfilled);
  const Tensor text = host_tensor(DType::kF32, {1, models.dit.text_dim});
  TextContext context = dit.embed_text(text);
  const std::vector<double> timesteps{0.0, 1.0};
  const TimeTable times = dit.embed_times(timesteps);
  Shape input = plan.latent;
  input[0] = models.dit.in_dim;
  const Tensor latent = dry->allocate(DType::kF32, input, "latent");
  const Tensor velocity = dry->allocate(DType::kF32, plan.latent, "velocity");
  Arena arena = Arena::dry();
  FixedLayer layers;
  const int first_frame_row = plan.from_image && plan.variant->first_frame_is_latent() ? 0 : -1;
  dit.forward({latent, 1, first_frame_row, &times, &context, nullptr}, layers, arena, velocity);
  return arena.peak();
}

uint64_t pinned_bytes(const ModelSet& models, DType compute) {
  return dit_block_layout(models.dit, 0, compute).bytes() * static_cast<uint64_t>(models.dit.num_layers) *
         models.expert_count();
}

MemoryPlan estimate_memory(const ModelSet& models, const Plan& plan, HistoryMemory history, Residency residency,
                           VaePieces pieces, uint64_t dit_arena) {
  MemoryPlan memory;
  memory.dit_residency = residency;
  memory.vae_chunk = pieces.chunk;
  memory.vae_slice = pieces.slice;
  memory.dit_arena = dit_arena;
  const VaeNeed vae = vae_need(models, plan, history, pieces);
  memory.vae_arena = vae.arena;
  const uint64_t weights = dit_weight_bytes(models, plan.compute, residency);
  const uint64_t merging = merge_bytes(models, plan, residency);
  const uint64_t latent = static_cast<uint64_t>(plan.latent.count()) * sizeof(float);
  const uint64_t text_slab = text_encoder_layer_layout(models.text, 0, plan.compute).bytes();
  const auto& dit = models.dit;
  const uint64_t text_context = 2 * static_cast<uint64_t>(dit.text_len * dit.dim * (2 * dit.num_layers + 1)) *
                                size_of(plan.compute) * models.expert_count();
  const uint64_t tokens = static_cast<uint64_t>(plan.grid().tokens());
  const uint64_t tables = tokens * static_cast<uint64_t>(dit.head_dim()) * sizeof(float);
  memory.peak_text = weights + merging + (plan.text_encoder_device == plan.device ? 3 * text_slab : 0);
  memory.peak_denoise = weights + merging + dit_arena + vae.weights + text_context + tables + 9 * latent;
  // Slots of streamed layers are given back before decoding; others stay for the next video.
  memory.peak_decode = (residency == Residency::kStream ? 0 : weights) + text_context + vae.weights + vae.arena +
                       vae.histories + 9 * latent;
  memory.predicted_peak = std::max({memory.peak_text, memory.peak_denoise, memory.peak_decode}) +
                          (plan.device == "cpu" ? kProgramBytes : kLibraryBytes);
  return memory;
}

}  // namespace wan
