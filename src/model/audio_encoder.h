// The audio encoder of speech to video, wav2vec 2.0 large: sizes from tensor shapes, weight layouts, and the forward
// pass over a whole sound. F32 throughout, as the official program runs it.
// Source: transformers models/wav2vec2/modeling_wav2vec2.py (Wav2Vec2Model with stable layer norm).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/layers.h"
#include "model/probe.h"
#include "model/weights.h"

namespace wan {

inline constexpr int kAudioSampleRate = 16'000;
inline constexpr int64_t kAudioStateRate = 50;  // hidden states a second

struct AudioEncoderConfig {
  struct Conv {
    int64_t width = 0, kernel = 0, stride = 0;
    bool operator==(const Conv&) const = default;
  };
  std::vector<Conv> convs;
  int64_t dim = 0, dim_ffn = 0, num_heads = 0, num_layers = 0;
  int64_t position_kernel = 0, position_groups = 0;
  float eps = 1e-5f;

  int64_t states() const { return num_layers + 1; }
  /// Hidden states of so many samples; below 1 where these are too few.
  int64_t frames_of(int64_t samples) const;
  /// For which there is one hidden state.
  int64_t least_samples() const;
};

AudioEncoderConfig published_audio_encoder_config();

/// Convolutions, projection and the last norm.
WeightLayout audio_stem_layout(const AudioEncoderConfig& config);
WeightLayout audio_layer_layout(const AudioEncoderConfig& config, int64_t layer);
/// Of the positional convolution: its length for each tap [1, 1, K], and its directions [dim, dim / groups, K].
struct AudioPositionParts {
  WeightPart length, directions;
};
AudioPositionParts audio_position_parts(const AudioEncoderConfig& config);

/// Zero mean and unit variance over the whole sound. Source: transformers Wav2Vec2FeatureExtractor.
std::vector<float> normalised_sound(std::span<const float> samples);

/// Encodes a sound at kAudioSampleRate, mono, as `normalised_sound` leaves it.
///   stem      holds audio_stem_layout; `source` has the weights of the positional convolution
///   take      is given each of the states() hidden states, F32 on the device [frames_of(samples), dim], in order;
///   valid
///             during the call. The last one alone is normed.
/// Throws Error(kInput) where the sound is too short for one hidden state.
void encode_audio(Backend& backend, const AudioEncoderConfig& config, const WeightSource& source, TensorView stem,
                  LayerSource& layers, std::span<const float> sound,
                  const std::function<void(int64_t state, TensorView rows)>& take, Probe* probe = nullptr);

}  // namespace wan
