// What is decoded, and which of its frames are wanted. Private to pipeline/.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace wan {

struct DecodeTask {
  TensorView latent;    // F32 [z, n, H, W]
  int64_t skipped = 0;  // frames at the beginning that nobody sees: the others depend on them
  TensorView pixels{};  // F32 [3, frames behind these, height, width], where they go as well; empty: nowhere
  int64_t shown = 0;    // of the frames behind the skipped ones, which the video has; 0: all
};

}  // namespace wan
