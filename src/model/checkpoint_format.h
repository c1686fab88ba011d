// The forms in which a checkpoint of random weights is written: what people download models of this family as.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "base/enum_names.h"

namespace wan {

enum class CheckpointFormat {
  kOfficial,   // the published folder: shards of the DiT, .pth of text encoder and VAE
  kDiffusers,  // a folder of diffusers: model_index.json and a folder a component
  kComfy,      // the folders of ComfyUI's `models`, in BF16
  kComfyFp8,   // the same, matrices of DiT and text encoder in E4M3 with a scale each
  kGgufQ4KM,   // the same, the DiT as GGUF in Q4_K and Q6_K, the text encoder scaled
  kGgufQ8_0,   // the same with Q8_0
};

template <>
struct EnumNames<CheckpointFormat> {
  static constexpr std::array<std::pair<CheckpointFormat, std::string_view>, 6> kTable{{
      {CheckpointFormat::kOfficial, "official"},
      {CheckpointFormat::kDiffusers, "diffusers"},
      {CheckpointFormat::kComfy, "comfy"},
      {CheckpointFormat::kComfyFp8, "comfy-fp8"},
      {CheckpointFormat::kGgufQ4KM, "gguf-q4_k_m"},
      {CheckpointFormat::kGgufQ8_0, "gguf-q8_0"},
  }};
};

}  // namespace wan
