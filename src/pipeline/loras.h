// The LoRAs of a request, opened for its model. Private to pipeline/.
#pragma once

#include <vector>

#include "base/weight_choice.h"
#include "model/dit.h"
#include "model/lora_patches.h"
#include "model/variant.h"
#include "pipeline/lora_use.h"

namespace wan {

struct LoraSet {
  std::vector<Lora> loras;             // in the order of the request
  std::vector<WeightPatches> patches;  // of each of the variant's experts: what of them is for it
  std::vector<LoraUse> uses;           // in the order of `loras`
};

/// Reads headers. Throws Error(kInput) as Lora::open and WeightPatches::add do, and Error(kUsage) for a LoRA of one
/// expert where the model has one DiT, and for one whose name says which expert it is for where no flag does, or
/// the other's.
LoraSet open_loras(const std::vector<LoraChoice>& choices, const Variant& variant, const DitConfig& dit);

}  // namespace wan
