// From hidden states of sound to the frames of clips. Source: Wan2.2 wan/modules/s2v/audio_encoder.py
// (get_audio_embed_bucket_fps, linear_interpolation).
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace wan {

/// Sound as `speech_clips` and `speech_frame` count it: at 30 Hz.
inline constexpr int64_t kSpeechRate = 30;

/// Frames at kSpeechRate of so many hidden states.
int64_t speech_length(int64_t states);

/// Clips of `frames` video frames at `fps` that the official program makes of a sound: one more than are filled,
/// always.
int64_t speech_clips(int64_t length, int64_t frames, double fps);
/// The clips that a sound reaches into: at least one.
int64_t filled_clips(int64_t length, int64_t frames, double fps);

/// The frame at kSpeechRate that video frame `frame` hears, half to even; may lie behind the sound's end.
int64_t speech_frame(int64_t frame, double fps);

/// The hidden state at each frame at kSpeechRate, interpolated between neighbours, ends kept: host F32 [T, d] becomes
/// [length, d].
Tensor at_speech_rate(TensorView states, int64_t length);

/// Puts what `count` video frames hear of one hidden state into `out`, host F32 [d, count]; zeros behind the sound's
/// end.
void put_heard(TensorView at_rate, double fps, TensorView out);

}  // namespace wan
