// Predicts device memory by running the models on a backend that only counts.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/machine.h"
#include "pipeline/plan.h"

namespace wan {
namespace {

/// The CUDA context, cuBLASLt's workspace and loaded kernels: what NVML sees beyond our own allocations. H100 80GB
/// HBM3, driver 580.159: 0.24 to 0.55 GiB over the TI2V-5B cases at 161 and 361 frames.
constexpr uint64_t kLibraryBytes = uint64_t{576} << 20;

/// Host memory left to everybody else when weights are page-locked: decoded frames, the encoder, the page cache's own.
constexpr uint64_t kHostReserveBytes = uint64_t{4} << 30;

/// Frames the decoder's last level takes at a time: at 1280x704 one has 225,000 positions, which fills a card.
constexpr int64_t kSliceFrames = 1;

/// How the decoder cuts its work: latent frames a chunk, frames a slice of the last level.
struct VaePieces {
  int64_t chunk = 1, slice = 0;
};

class FixedLayer final : public LayerSource {
 public:
  TensorView acquire(int) override {
    return {reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice};
  }
  void release(int) override {}
};

/// Bytes the DiT's forward pass takes from its arena.
uint64_t dit_arena_bytes(const ModelSet& models, const Plan& plan) {
  const auto dry = make_dry_backend();
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  Dit dit(*dry, models.dit, plan.compute, stem);
  dit.set_grid(plan.grid());
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

struct VaeNeed {
  uint64_t arena = 0, histories = 0, weights = 0;
};

VaeNeed vae_need(const ModelSet& models, const Plan& plan, const Backend& backend, VaePieces pieces) {
  const auto dry = make_dry_backend(backend.history_memory(plan.vae_compute));
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

/// Page-locked host memory of streamed layers.
uint64_t pinned_bytes(const ModelSet& models, DType compute) {
  return dit_block_layout(models.dit, 0, compute).bytes() * static_cast<uint64_t>(models.dit.num_layers) *
         models.expert_count();
}

/// All phases' own bytes for one residency and chunk length.
MemoryPlan estimate(const ModelSet& models, const Plan& plan, const Backend& backend, Residency residency,
                    VaePieces pieces, uint64_t dit_arena) {
  MemoryPlan memory;
  memory.dit_residency = residency;
  memory.vae_chunk = pieces.chunk;
  memory.vae_slice = pieces.slice;
  memory.dit_arena = dit_arena;
  const VaeNeed vae = vae_need(models, plan, backend, pieces);
  memory.vae_arena = vae.arena;
  const uint64_t weights = dit_weight_bytes(models, plan.compute, residency);
  const uint64_t latent = static_cast<uint64_t>(plan.latent.count()) * sizeof(float);
  const uint64_t text_slab = text_encoder_layer_layout(models.text, 0, plan.compute).bytes();
  const auto& dit = models.dit;
  const uint64_t text_context = 2 * static_cast<uint64_t>(dit.text_len * dit.dim * (2 * dit.num_layers + 1)) *
                                size_of(plan.compute) * models.expert_count();
  const uint64_t tokens = static_cast<uint64_t>(plan.grid().tokens());
  const uint64_t tables = tokens * static_cast<uint64_t>(dit.head_dim()) * sizeof(float);
  memory.peak_text = weights + (plan.text_encoder_device == plan.device ? 3 * text_slab : 0);
  memory.peak_denoise = weights + dit_arena + vae.weights + text_context + tables + 9 * latent;
  // Slots of streamed layers are given back before decoding; others stay for the next video.
  memory.peak_decode = (residency == Residency::kStream ? 0 : weights) + text_context + vae.weights + vae.arena +
                       vae.histories + 9 * latent;
  memory.predicted_peak = std::max({memory.peak_text, memory.peak_denoise, memory.peak_decode}) + kLibraryBytes;
  return memory;
}

}  // namespace

std::string MemoryPlan::text() const {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  std::string weights = "resident";
  if (dit_residency == Residency::kStream)
    weights = fmt::format("streamed from {:.1f} GiB of page-locked host memory", static_cast<double>(pinned) / kGiB);
  if (dit_residency == Residency::kMapped)
    weights = fmt::format(
        "streamed from the mapped file (page-locking them takes {:.1f} of the {:.1f} GiB the host has available)",
        static_cast<double>(pinned) / kGiB, static_cast<double>(host_free) / kGiB);
  return fmt::format(
      "weights {}, decode {} latent frames at a time; text {:.2f}, denoise {:.2f}, decode {:.2f} GiB of our own, "
      "predicted peak {:.2f} GiB",
      weights, vae_chunk, static_cast<double>(peak_text) / kGiB, static_cast<double>(peak_denoise) / kGiB,
      static_cast<double>(peak_decode) / kGiB, static_cast<double>(predicted_peak) / kGiB);
}

MemoryLimits memory_limits(const Backend& backend) { return {backend.free_bytes(), available_host_bytes()}; }

MemoryPlan plan_memory(const Request& request, const ModelSet& models, const Plan& plan, const Backend& backend,
                       const MemoryLimits& limits) {
  const uint64_t dit_arena = dit_arena_bytes(models, plan);
  const VaePieces pieces{request.vae_chunk > 0 ? request.vae_chunk : 1,
                         request.vae_slice > 0 ? request.vae_slice : kSliceFrames};
  const MemoryPlan resident = estimate(models, plan, backend, Residency::kResident, pieces, dit_arena);
  if (plan.device == "cpu") return resident;  // the host's memory is one: nothing to stream from
  if (request.offload == Offload::kNone) return resident;
  if (request.offload == Offload::kAuto && resident.predicted_peak <= limits.device_free) return resident;
  const uint64_t pinned = pinned_bytes(models, plan.compute);
  // Random weights have no file: they live in host memory or nowhere.
  const bool mapped =
      request.offload == Offload::kMapped || (models.checkpoint && pinned + kHostReserveBytes > limits.host_free);
  MemoryPlan streamed =
      estimate(models, plan, backend, mapped ? Residency::kMapped : Residency::kStream, pieces, dit_arena);
  streamed.pinned = pinned;
  streamed.host_free = limits.host_free;
  if (request.offload != Offload::kAuto || streamed.predicted_peak <= limits.device_free) return streamed;
  throw OutOfMemory("the memory plan", streamed.predicted_peak, limits.device_free,
                    "even streamed weights do not fit: ask for fewer frames or a smaller size");
}

}  // namespace wan
