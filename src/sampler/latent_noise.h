// The random values of one video: its starting noise, then what a solver adds, all of the seed's generator (noise.h).
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace wan {

/// In which order the generator's values fill a latent [C, T, H, W]: as it lies, or frame by frame, as a program does
/// that keeps it as [T, C, H, W]. One seed gives another video.
enum class DrawOrder { kChannelsFirst, kFramesFirst };

/// Draw `index` of the generator, 0 being the starting noise. `out`: host F32, contiguous, [C, T, H, W]. Throws Error
/// on another tensor and for an index below 0. Source of kFramesFirst: FastVideo, use_btchw_layout.
void draw_latent(uint64_t seed, int index, DrawOrder order, TensorView out);

}  // namespace wan
