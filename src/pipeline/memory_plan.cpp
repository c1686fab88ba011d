// Predicts device memory by running the models on a backend that only counts.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/memory_ledger.h"
#include "base/error.h"
#include "base/flags.h"
#include "base/machine.h"
#include "pipeline/plan.h"

namespace wan {
namespace {

/// The program itself, oneDNN's kernels and buffers on a CPU: 0.09 GiB in all for the small model, on two cores.
constexpr uint64_t kProgramBytes = uint64_t{64} << 20;

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

std::vector<WeightLayout> block_layouts(const ModelSet& models, DType compute) {
  std::vector<WeightLayout> layouts;
  for (int64_t i = 0; i < models.dit.num_layers; ++i)
    layouts.push_back(dit_block_layout(models.dit, static_cast<int>(i), compute));
  return layouts;
}

/// Of the blocks of all experts.
LayerStore::Needs block_needs(const ModelSet& models, DType compute, Residency residency) {
  const std::vector<WeightLayout> layouts = block_layouts(models, compute);
  LayerStore::Needs all;
  for (size_t expert = 0; expert < models.expert_count(); ++expert) {
    const LayerStore::Needs needs = LayerStore::needs(layouts, models.dit_source(expert), {residency, 3, 0, "dit"});
    all.device += needs.device;
    all.pinned += needs.pinned;
  }
  return all;
}

uint64_t dit_weight_bytes(const ModelSet& models, DType compute, Residency residency) {
  return block_needs(models, compute, residency).device +
         dit_stem_layout(models.dit, compute).bytes() * models.expert_count();
}

/// Device memory from which weights are expanded, and LoRAs added, while layers are loaded, of all stores at once.
uint64_t expansion_bytes(const ModelSet& models, const Plan& plan, Residency residency) {
  if (plan.device == "cpu") return 0;
  const auto dry = make_dry_backend();
  uint64_t bytes = 0;
  const auto add = [&](const std::vector<WeightLayout>& layouts, const WeightSource& source, Residency where) {
    if (is_packed(where)) return;
    const LayerFiller filler(*dry, layouts, source, LayerStoreOptions{}.chunk_bytes, true);
    const bool is_seeded = where == Residency::kResident && source.can_make_on_device(layouts.front());
    // A streamed chunk goes back to the host, through as much again.
    bytes += is_seeded ? filler.seeded_bytes() : filler.scratch_bytes() * (where == Residency::kStream ? 2 : 1);
  };
  for (size_t expert = 0; expert < models.expert_count(); ++expert) {
    const WeightSource source = models.dit_source(expert);
    add({dit_stem_layout(models.dit, plan.compute)}, source, Residency::kResident);
    add(block_layouts(models, plan.compute), source, residency);
  }
  return bytes;
}

/// All phases' own bytes for one residency and chunk length.
MemoryPlan estimate(const ModelSet& models, const Plan& plan, HistoryMemory history, Residency residency,
                    VaePieces pieces, uint64_t dit_arena) {
  MemoryPlan memory;
  memory.dit_residency = residency;
  memory.vae_chunk = pieces.chunk;
  memory.vae_slice = pieces.slice;
  memory.dit_arena = dit_arena;
  const VaeNeed vae = vae_need(models, plan, history, pieces);
  memory.vae_arena = vae.arena;
  const uint64_t weights = dit_weight_bytes(models, plan.compute, residency);
  const uint64_t merging = expansion_bytes(models, plan, residency);
  const uint64_t latent = static_cast<uint64_t>(plan.latent.count()) * sizeof(float);
  const uint64_t text_slab = text_encoder_layer_layout(models.text, 0, plan.compute).bytes();
  const auto& dit = models.dit;
  const uint64_t text_context = 2 * static_cast<uint64_t>(dit.text_len * dit.dim * (2 * dit.num_layers + 1)) *
                                size_of(plan.compute) * models.expert_count();
  const uint64_t tokens = static_cast<uint64_t>(plan.grid().tokens());
  const uint64_t tables = tokens * static_cast<uint64_t>(dit.head_dim()) * sizeof(float);
  memory.peak_text = weights + merging + (plan.text_encoder_device == plan.device ? 3 * text_slab : 0);
  memory.peak_denoise = weights + merging + dit_arena + vae.weights + text_context + tables + 9 * latent;
  // Slots of streamed layers are given back before decoding, as is what the DiT made of the prompts; others stay for
  // the next video.
  const uint64_t stems = dit_stem_layout(dit, plan.compute).bytes() * models.expert_count();
  memory.peak_decode =
      (is_streamed(residency) ? stems : weights) + vae.weights + vae.arena + vae.histories + 9 * latent;
  memory.predicted_peak = std::max({memory.peak_text, memory.peak_denoise, memory.peak_decode}) +
                          (plan.device == "cpu" ? kProgramBytes : kContextBytes + kWorkspaceBytes);
  return memory;
}

/// Where layers live that are not resident, as the request has it or as the host's memory allows.
Residency away_from_device(const Request& request, const ModelSet& models, const Plan& plan,
                           const MemoryLimits& limits) {
  if (request.offload == Offload::kMapped) return Residency::kMapped;
  if (request.offload == Offload::kPackedStream) return Residency::kPackedStream;
  const Residency streamed = is_stored_small(models, plan.compute) ? Residency::kPackedStream : Residency::kStream;
  const uint64_t pinned = block_needs(models, plan.compute, streamed).pinned;
  // Random weights have no file: they live in host memory or nowhere.
  return models.checkpoint && pinned + kHostReserveBytes > limits.host_free ? Residency::kMapped : streamed;
}

/// What a device with `bytes` has for a request.
DeviceRoom room_of(const Request& request, uint64_t bytes) {
  const std::optional<MemorySize>& limit = request.gpu_memory_limit;
  return limit && limit->bytes < bytes ? DeviceRoom{limit->bytes, limit} : DeviceRoom{bytes, {}};
}

/// The fastest that fits what is free, or as the request has it.
MemoryPlan choose(const Request& request, const ModelSet& models, const Plan& plan, HistoryMemory history,
                  const MemoryLimits& limits) {
  const uint64_t dit_arena = dit_arena_bytes(models, plan);
  const VaePieces pieces{request.vae_chunk > 0 ? request.vae_chunk : 1,
                         request.vae_slice > 0 ? request.vae_slice : kSliceFrames};
  const auto planned = [&](Residency residency) {
    MemoryPlan memory = estimate(models, plan, history, residency, pieces, dit_arena);
    if (plan.device != "cpu") memory.room = room_of(request, limits.device_free);
    return memory;
  };
  if (request.offload == Offload::kPacked) return planned(Residency::kPacked);
  const MemoryPlan resident = planned(Residency::kResident);
  if (plan.device == "cpu") return resident;  // the host's memory is one: nothing to stream from
  if (request.offload == Offload::kNone) return resident;
  if (request.offload == Offload::kAuto) {
    if (resident.predicted_peak <= resident.room.bytes) return resident;
    if (is_stored_small(models, plan.compute))
      if (const MemoryPlan packed = planned(Residency::kPacked); packed.predicted_peak <= resident.room.bytes)
        return packed;
  }
  MemoryPlan away = planned(away_from_device(request, models, plan, limits));
  // Of the mapped file what streaming would page-lock, for who wonders why it is not.
  const bool is_mapped = away.dit_residency == Residency::kMapped;
  away.pinned = block_needs(models, plan.compute, is_mapped ? Residency::kStream : away.dit_residency).pinned;
  away.host_free = limits.host_free;
  return away;
}

/// Which memory a plan is too large for.
struct Excess {
  std::string memory;
  uint64_t needed, there;
};

/// Of what there could ever be: what is free now is for `require_free`.
std::optional<Excess> excess_of(const Request& request, const MemoryPlan& memory, const MemoryLimits& limits) {
  const DeviceRoom room = room_of(request, limits.device_total);
  if (memory.predicted_peak > room.bytes)
    return Excess{fmt::format("the memory plan, all {} counted as free",
                              room.limit ? fmt::format("that {} allows", flags::kGpuMemoryLimit) : "of the device"),
                  memory.predicted_peak, room.bytes};
  if (is_streamed(memory.dit_residency) && memory.pinned > limits.host_total)
    return Excess{"page-locked host memory", memory.pinned, limits.host_total};
  return std::nullopt;
}

/// The plan of another video by the same request.
Plan resized(const Plan& plan, const VaeTraits& vae, const VideoSize& size) {
  Plan other = plan;
  other.width = size.width;
  other.height = size.height;
  other.num_frames = size.num_frames;
  other.latent = {plan.latent[0], vae.latent_frames(size.num_frames), size.height / vae.stride_spatial,
                  size.width / vae.stride_spatial};
  return other;
}

std::string size_text(const VideoSize& size) {
  return fmt::format("{}x{}, {} frames", size.width, size.height, size.num_frames);
}

/// The largest number from 1 to `most` for which `fits`, which holds below it and not above; 0: for none.
template <class Fits>
int64_t largest(int64_t most, const Fits& fits) {
  int64_t good = 0, bad = most + 1;
  while (bad - good > 1) {
    const int64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

/// "the largest that fits: 832x480, 121 frames; or 1280x704, 33 frames": of the same proportions and length, or of the
/// same size.
std::string what_fits(const Request& request, const ModelSet& models, const Plan& plan, HistoryMemory history,
                      const MemoryLimits& limits) {
  const VaeTraits& vae = models.vae.traits();
  const int64_t step = models.variant->side_step();
  const auto fits = [&](const VideoSize& size) {
    return !excess_of(request, choose(request, models, resized(plan, vae, size), history, limits), limits);
  };
  const auto scaled = [&](int64_t columns) {
    const double rows = static_cast<double>(columns * plan.height) / static_cast<double>(plan.width);
    return VideoSize{columns * step, std::max<int64_t>(1, std::llround(rows)) * step, plan.num_frames};
  };
  const auto shortened = [&](int64_t latent) { return VideoSize{plan.width, plan.height, vae.video_frames(latent)}; };
  const int64_t columns = largest(plan.width / step, [&](int64_t n) { return fits(scaled(n)); });
  const int64_t latent = largest(plan.latent[1], [&](int64_t n) { return fits(shortened(n)); });
  std::vector<std::string> videos;
  if (columns > 0) videos.push_back(size_text(scaled(columns)));
  if (latent > 0) videos.push_back(size_text(shortened(latent)));
  if (videos.empty()) return "no video of these proportions fits: the weights alone are too large for this memory";
  return fmt::format("the largest that fits: {}", fmt::join(videos, "; or "));
}

/// How the same video fits, where other places for its weights make it fit.
std::string other_offload(Request request, const ModelSet& models, const Plan& plan, HistoryMemory history,
                          const MemoryLimits& limits) {
  request.offload = Offload::kAuto;
  const MemoryPlan automatic = choose(request, models, plan, history, limits);
  if (excess_of(request, automatic, limits)) return {};
  return fmt::format("with --offload auto it takes {:.1f} GiB; as asked, ",
                     static_cast<double>(automatic.predicted_peak) / (1 << 30));
}

/// Throws OutOfMemory where the card's free memory is too small now. Of weights that are to live where the request says
/// only what we allocate counts: the driver's part is there already, and how large it is on this card is not known.
void require_free(const Request& request, const MemoryPlan& memory, const MemoryLimits& limits) {
  constexpr const char* kFree = "the memory plan, by what the card has free now";
  constexpr const char* kSmaller = "ask for fewer frames or a smaller size, or end what else holds the card's memory";
  if (request.offload == Offload::kAuto) {
    if (memory.dit_residency != Residency::kResident && memory.predicted_peak > limits.device_free)
      throw OutOfMemory(kFree, memory.predicted_peak, limits.device_free,
                        fmt::format("even streamed weights do not fit: {}", kSmaller));
    return;
  }
  const uint64_t own = memory.predicted_peak - kContextBytes;
  if (own > limits.device_free)
    throw OutOfMemory(kFree, own, limits.device_free,
                      memory.dit_residency == Residency::kResident
                          ? fmt::format("let the weights be streamed, with --offload auto, or {}", kSmaller)
                          : kSmaller);
}

}  // namespace

bool is_stored_small(const ModelSet& models, DType compute) {
  constexpr double kShare = 0.9;
  const double expanded = static_cast<double>(block_needs(models, compute, Residency::kStream).pinned);
  return static_cast<double>(block_needs(models, compute, Residency::kPackedStream).pinned) < kShare * expanded;
}

MemoryPlan plan_memory(const Request& request, const ModelSet& models, const Plan& plan, HistoryMemory history,
                       const MemoryLimits& limits) {
  MemoryPlan memory = choose(request, models, plan, history, limits);
  if (const auto excess = excess_of(request, memory, limits))
    throw OutOfMemory(
        excess->memory, excess->needed, excess->there,
        other_offload(request, models, plan, history, limits) + what_fits(request, models, plan, history, limits));
  if (plan.device != "cpu") require_free(request, memory, limits);
  return memory;
}

std::string DeviceRoom::text() const {
  const double gib = static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30);
  return limit ? fmt::format("the {:.2f} GiB of {}", gib, flags::kGpuMemoryLimit)
               : fmt::format("the {:.2f} GiB that the card has free", gib);
}

std::string MemoryPlan::text() const {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  std::string weights = dit_residency == Residency::kPacked ? "packed on the device" : "resident";
  if (is_streamed(dit_residency))
    weights =
        fmt::format("{}streamed from {:.1f} GiB of page-locked host memory",
                    dit_residency == Residency::kPackedStream ? "packed, " : "", static_cast<double>(pinned) / kGiB);
  if (dit_residency == Residency::kMapped)
    weights = fmt::format(
        "streamed from the mapped file (page-locking them takes {:.1f} of the {:.1f} GiB the host has available)",
        static_cast<double>(pinned) / kGiB, static_cast<double>(host_free) / kGiB);
  return fmt::format(
      "weights {}, decode {} latent frames at a time; text {:.2f}, denoise {:.2f}, decode {:.2f} GiB of our own, "
      "predicted peak {:.2f} GiB{}",
      weights, vae_chunk, static_cast<double>(peak_text) / kGiB, static_cast<double>(peak_denoise) / kGiB,
      static_cast<double>(peak_decode) / kGiB, static_cast<double>(predicted_peak) / kGiB,
      room.is_bounded() ? " of " + room.text() : "");
}

MemoryLimits memory_limits(const Backend& backend) {
  return {backend.free_bytes(), available_host_bytes(), backend.info().total_bytes, total_host_bytes()};
}

}  // namespace wan
