// The linear map of a latent's channels to colours, and the picture it makes. Private to pipeline/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/preview.h"

namespace wan {

/// The longer side of a preview: larger latents are thinned out.
inline constexpr int64_t kMostPreviewSide = 256;

/// colour = weights . [latent, 1], in -1 (dark) to 1.
struct LatentColours {
  int64_t channels = 0;        // of the latent
  std::vector<float> weights;  // [3, channels + 1], the last of a row is added

  /// latent [channels, height, width] -> a picture of it, without the step.
  Preview picture(std::span<const float> latent, int64_t height, int64_t width) const;
};

/// The map that is right for `samples` in the least squares, with a little weight on small coefficients, so that too
/// few or equal samples give a map as well.
///   latents  [samples, channels]        colours  [samples, 3]
LatentColours fit_colours(std::span<const float> latents, std::span<const float> colours, int64_t channels);

}  // namespace wan
