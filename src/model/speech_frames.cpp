#include "model/speech_frames.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/audio_encoder.h"

namespace wan {

int64_t speech_length(int64_t states) {
  return static_cast<int64_t>(static_cast<double>(states) / static_cast<double>(kAudioStateRate) *
                              static_cast<double>(kSpeechRate));
}

int64_t speech_clips(int64_t length, int64_t frames, double fps) {
  const double of_a_clip = static_cast<double>(frames) * (static_cast<double>(kSpeechRate) / fps);
  return static_cast<int64_t>(static_cast<double>(length) / of_a_clip) + 1;
}

int64_t filled_clips(int64_t length, int64_t frames, double fps) {
  int64_t clips = speech_clips(length, frames, fps);
  while (clips > 1 && speech_frame((clips - 1) * frames, fps) >= length) --clips;
  return clips;
}

int64_t speech_frame(int64_t frame, double fps) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(frame) * static_cast<double>(kSpeechRate) / fps));
}

Tensor at_speech_rate(TensorView states, int64_t length) {
  require_op(states.rank() == 2 && states.shape[0] > 0 && states.is_contiguous(), "states must be rows");
  const int64_t count = states.shape[0], width = states.shape[1];
  Tensor out = host_tensor(DType::kF32, {length, width});
  for (int64_t j = 0; j < length; ++j) {
    const double at =
        length == 1 ? 0 : static_cast<double>(j) * static_cast<double>(count - 1) / static_cast<double>(length - 1);
    const auto below = std::min(static_cast<int64_t>(at), std::max<int64_t>(count - 2, 0));
    const int64_t above = std::min(below + 1, count - 1);
    const double share = at - static_cast<double>(below);
    const float* low = states.as<float>() + below * width;
    const float* high = states.as<float>() + above * width;
    for (int64_t i = 0; i < width; ++i)
      out->as<float>()[j * width + i] = static_cast<float>(low[i] * (1 - share) + high[i] * share);
  }
  return out;
}

void put_heard(TensorView at_rate, double fps, TensorView out) {
  const int64_t length = at_rate.shape[0], width = at_rate.shape[1], count = out.shape[1];
  for (int64_t k = 0; k < count; ++k) {
    const int64_t frame = speech_frame(k, fps);
    for (int64_t i = 0; i < width; ++i)
      out.as<float>()[i * count + k] = frame < length ? at_rate.as<float>()[frame * width + i] : 0.0f;
  }
}

}  // namespace wan
