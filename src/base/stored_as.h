// The forms in which people have the DiT of a model.
#pragma once

#include <cstdint>

namespace wan {

/// How the matrices of a DiT's blocks are stored: as ComfyUI's scaled FP8, or in ggml's blocks as ComfyUI-GGUF mixes
/// them.
enum class StoredAs : uint8_t { kF32, kBF16, kFp8Scaled, kQ8_0, kQ5KM, kQ4KM };

}  // namespace wan
