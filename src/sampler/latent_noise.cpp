#include "sampler/latent_noise.h"

#include <algorithm>

#include "base/error.h"
#include "sampler/noise.h"

namespace wan {

void draw_latent(uint64_t seed, int index, DrawOrder order, TensorView out) {
  require_op(out.memory == Memory::kHost && out.dtype == DType::kF32 && out.is_contiguous() && out.shape.rank() == 4,
             "out must be contiguous host F32 [C, T, H, W]");
  require_op(index >= 0, "draws are counted from 0");
  const auto draws_before = static_cast<uint64_t>(index);
  const auto count = static_cast<size_t>(out.count());
  if (order == DrawOrder::kChannelsFirst) return cuda_normal(seed, {}, {out.as<float>(), count}, draws_before);
  const int64_t channels = out.shape[0], frames = out.shape[1], positions = out.shape[2] * out.shape[3];
  const Tensor drawn = host_tensor(DType::kF32, {frames, channels, out.shape[2], out.shape[3]});
  cuda_normal(seed, {}, {drawn->as<float>(), count}, draws_before);
  for (int64_t channel = 0; channel < channels; ++channel)
    for (int64_t frame = 0; frame < frames; ++frame)
      std::copy_n(drawn->as<float>() + (frame * channels + channel) * positions, positions,
                  out.as<float>() + (channel * frames + frame) * positions);
}

}  // namespace wan
