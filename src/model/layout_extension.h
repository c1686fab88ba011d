// The weight layouts of what a model of the family adds to a DiT, whichever it is.
#pragma once

#include <optional>
#include <vector>

#include "model/dit_config.h"
#include "model/weights.h"

namespace wan {

/// What is outside of its layers, but for a motion encoder (motion_encoder.h); nothing of a DiT that has no extension.
std::optional<WeightLayout> extension_stem_layout(const DitConfig& config, DType compute);

/// Its layers in the order in which a forward pass goes through them, of one size each; empty likewise.
std::vector<WeightLayout> extension_layer_layouts(const DitConfig& config, DType compute);

}  // namespace wan
