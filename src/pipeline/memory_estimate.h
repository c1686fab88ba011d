// What a plan holds on the device in each stage, counted by running the models on a backend that only counts. Private
// to pipeline/: memory_plan.cpp chooses among these.
#pragma once

#include <cstdint>

#include "pipeline/plan.h"

namespace wan {

/// Frames the decoder's last level takes at a time: at 1280x704 one has 225,000 positions, which fills a card.
inline constexpr int64_t kSliceFrames = 1;

/// How the decoder cuts its work: latent frames a chunk, frames a slice of the last level.
struct VaePieces {
  int64_t chunk = 1, slice = 0;
  bool passes_histories = true;
  /// As Vae::begin_decode is told.
  int64_t usual_chunk() const { return passes_histories ? chunk : 0; }
};

/// What denoising takes beside weights, wherever these are.
struct DenoiseNeed {
  uint64_t arena = 0;    // of a forward pass
  uint64_t tensors = 0;  // latents, velocities, the solver's, embedded text, tables
  uint64_t kept = 0;     // of those, what stays while the video is decoded
};
DenoiseNeed denoise_need(const ModelSet& models, const Plan& plan);

/// Page-locked host memory of layers that are streamed so, of all experts.
uint64_t pinned_bytes(const ModelSet& models, const Plan& plan, Residency residency);

/// All stages of a second video, which finds all weights loaded, for one residency and chunk length; `denoise` by
/// denoise_need.
MemoryPlan estimate_memory(const ModelSet& models, const Plan& plan, HistoryMemory history, Residency residency,
                           VaePieces pieces, const DenoiseNeed& denoise);

}  // namespace wan
