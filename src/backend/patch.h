// How the operations cut a latent into the tokens of a diffusion transformer.
#pragma once

#include <cstdint>

namespace wan {

/// Rows, and columns, of a latent that `patchify` makes one token; one frame.
inline constexpr int64_t kPatchSide = 2;

}  // namespace wan
