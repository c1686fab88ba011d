// The types of ggml that pack several values in a block: sizes, and what each block means.
// Source: ggml's block structures (ggml-common.h) and the gguf package's decoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wan {

/// kNone: an ordinary element type.
enum class BlockType : uint8_t {
  kNone,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K,
  kIQ4NL,
  kIQ4XS,
};

/// The most values that a block of any type holds.
inline constexpr int64_t kMostBlockValues = 256;

struct BlockTraits {
  std::string_view name;  // ggml's spelling: "Q4_K"
  int64_t values = 1;     // in a block
  size_t bytes = 0;       // of a block
  int halves = 0;         // float16 in a block, which all its values are made of: d, and dmin or m behind it
  size_t half_at = 0;     // bytes before the first of them
};

/// Throws Error for kNone.
const BlockTraits& traits_of(BlockType type);

/// Writes the values of `count` whole blocks to `out`. Exact: each value is rounded once at most, so every right
/// decoder gives the same bits, those of ggml. `blocks` need not be aligned.
void decode_blocks(BlockType type, const std::byte* blocks, int64_t count, float* out);

}  // namespace wan
