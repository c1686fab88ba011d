#include "model/layout_extension.h"

#include "model/dit_animate.h"
#include "model/dit_speech.h"
#include "model/motion_encoder.h"

namespace wan {

std::optional<WeightLayout> extension_stem_layout(const DitConfig& config, DType compute) {
  if (config.speech.injected > 0) return speech_stem_layout(config, compute);
  if (config.animate.face_blocks > 0) return animate_stem_layout(config, compute);
  return std::nullopt;
}

std::vector<WeightLayout> extension_layer_layouts(const DitConfig& config, DType compute) {
  std::vector<WeightLayout> layouts;
  for (int64_t i = 0; i < config.speech.injected; ++i) layouts.push_back(speech_injector_layout(config, i, compute));
  for (int64_t i = 0; i < config.animate.face_blocks; ++i) layouts.push_back(face_fuser_layout(config, i, compute));
  return layouts;
}

std::vector<WeightLayout> dit_layouts(const DitConfig& config, DType compute) {
  std::vector<WeightLayout> layouts{dit_stem_layout(config, compute)};
  if (auto stem = extension_stem_layout(config, compute)) layouts.push_back(std::move(*stem));
  if (config.animate.face_blocks > 0) layouts.push_back(motion_encoder_layout(config.animate));
  for (int i = 0; i < config.num_layers; ++i) layouts.push_back(dit_block_layout(config, i, compute));
  for (WeightLayout& layer : extension_layer_layouts(config, compute)) layouts.push_back(std::move(layer));
  return layouts;
}

}  // namespace wan
