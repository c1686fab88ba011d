// What a file of weights holds, told by the names and shapes of its tensors as they circulate: in the official naming,
// in diffusers', behind ComfyUI's prefixes, in GGUF files, and what else there is of the name Wan.
#pragma once

#include <string>

#include "io/file_outline.h"
#include "model/variant.h"

namespace wan {

enum class HeldPart { kUnknown, kDit, kTextEncoder, kVae, kLora };

/// Whose names the tensors have.
enum class HeldNaming { kOfficial, kDiffusers, kGguf };

struct NamedWeights {
  HeldPart part = HeldPart::kUnknown;
  HeldNaming naming = HeldNaming::kOfficial;
  const Variant* variant = nullptr;  // of a DiT: the row of its sizes; nullptr: none has them
  std::string other_model;           // of another family, such as "Wan2.1 image to video"; empty: of this one
  std::string evidence;              // the tensors that show it, with names made fit for messages
};

/// Reads nothing but the outline. A file that holds several parts is named for its DiT.
NamedWeights name_weights(const FileOutline& outline);

/// "DiT of ti2v-5B", "LoRA", "VAE", "DiT of Wan2.1 image to video": for people.
std::string title_of(const NamedWeights& weights);

/// "BF16 95 %, F32 5 %": element types by their share of the elements, the commonest four.
std::string types_of(const FileOutline& outline);

}  // namespace wan
