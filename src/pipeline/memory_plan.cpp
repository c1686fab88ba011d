// Chooses where weights live by what each place takes, and says what fits where nothing does.
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
#include "pipeline/memory_estimate.h"

namespace wan {
namespace {

/// In which form page-locked layers are the least.
Residency streamed_form(const ModelSet& models, DType compute) {
  return is_stored_small(models, compute) ? Residency::kPackedStream : Residency::kStream;
}

/// Where layers live that are not resident, as the request has it or as the host's memory allows.
Residency away_from_device(const Request& request, const ModelSet& models, const Plan& plan,
                           const MemoryLimits& limits) {
  if (request.offload == Offload::kMapped) return Residency::kMapped;
  if (request.offload == Offload::kPackedStream) return Residency::kPackedStream;
  const Residency streamed = streamed_form(models, plan.compute);
  const uint64_t pinned = pinned_bytes(models, plan, streamed);
  // Random weights have no file: they live in host memory or nowhere.
  return models.checkpoint && pinned + kHostReserveBytes > limits.host_free ? Residency::kMapped : streamed;
}

/// What a device with `bytes` has for a request.
DeviceRoom room_of(const Request& request, uint64_t bytes) {
  const std::optional<MemorySize>& limit = request.gpu_memory_limit;
  return limit && limit->bytes < bytes ? DeviceRoom{limit->bytes, limit} : DeviceRoom{bytes, {}};
}

VaePieces without_passing(VaePieces pieces) {
  pieces.passes_histories = false;
  return pieces;
}

/// The fastest that fits what is free, or as the request has it.
MemoryPlan choose(const Request& request, const ModelSet& models, const Plan& plan, HistoryMemory history,
                  const MemoryLimits& limits) {
  const DenoiseNeed denoise = denoise_need(models, plan);
  const VaePieces pieces{request.vae_chunk > 0 ? request.vae_chunk : 1,
                         request.vae_slice > 0 ? request.vae_slice : kSliceFrames};
  const auto planned = [&](Residency residency, VaePieces with) {
    MemoryPlan memory = estimate_memory(models, plan, history, residency, with, denoise);
    if (plan.device != "cpu") memory.room = room_of(request, limits.device_free);
    return memory;
  };
  // The decoder's spare buffers are given up before a video is refused.
  const auto fitted = [&](Residency residency) {
    const MemoryPlan memory = planned(residency, pieces);
    const bool fits = plan.device == "cpu" || memory.predicted_peak <= memory.room.bytes;
    return fits ? memory : planned(residency, without_passing(pieces));
  };
  if (request.offload == Offload::kPacked) return fitted(Residency::kPacked);
  // The host's memory is one: nothing to stream from.
  if (plan.device == "cpu") return fitted(Residency::kResident);
  if (request.offload == Offload::kNone) return fitted(Residency::kResident);
  if (request.offload == Offload::kAuto) {
    if (const MemoryPlan resident = planned(Residency::kResident, pieces);
        resident.predicted_peak <= resident.room.bytes)
      return resident;
    if (is_stored_small(models, plan.compute))
      if (const MemoryPlan packed = planned(Residency::kPacked, pieces); packed.predicted_peak <= packed.room.bytes)
        return packed;
  }
  MemoryPlan away = fitted(away_from_device(request, models, plan, limits));
  // Of the mapped file what streaming would page-lock, for who wonders why it is not.
  const bool is_mapped = away.dit_residency == Residency::kMapped;
  away.pinned = pinned_bytes(models, plan, is_mapped ? streamed_form(models, plan.compute) : away.dit_residency);
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
  const int64_t latent_frames = plan.clip.frames > 0 ? plan.latent[1] : vae.latent_frames(size.num_frames);
  other.latent = {plan.latent[0], latent_frames, size.height / vae.stride_spatial, size.width / vae.stride_spatial};
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
  // A clip is as long as it is, however long the video.
  const int64_t most = plan.clip.frames > 0 ? 0 : plan.latent[1];
  const int64_t latent = largest(most, [&](int64_t n) { return fits(shortened(n)); });
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
