// Random weights in the form of the files that people have, made where they are needed and nowhere written: what is
// loaded, moved and expanded is that of such a file, of the same number of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/stored_as.h"
#include "model/weights.h"
#include "tensor/packed.h"

namespace wan {

/// The types in which llama-quantize, with ComfyUI-GGUF's patch, stores matrices of the DiT's blocks.
struct BlockMix {
  std::string_view name;
  uint32_t file_type;  // LLAMA_FTYPE
  BlockType matrices;
  BlockType finer;  // of those that quantisation harms most: `v` and the second of the feed-forward network
};
/// nullptr for what is not stored in ggml's blocks.
const BlockMix* mix_of(StoredAs stored);

/// The type of a DiT's tensor, or kNone for those that the mix leaves as they are.
BlockType block_type_of(const BlockMix& mix, std::string_view name, const Shape& shape);

/// The form of a part of the DiT; nothing for those that stay F32: all but the matrices of the blocks.
std::optional<PackedForm> random_form(StoredAs stored, const WeightPart& part);
/// What PackedMatrix::factor is to be.
float random_factor(const PackedForm& form, const Initializer& init);
/// Writes the bytes of rows [begin, end): random codes, and scales by which the values have the deviation that `init`
/// asks for and a mean near 0. The same for the same key everywhere, however the rows are cut.
void make_packed_rows(const PackedForm& form, const Initializer& init, uint64_t key, int64_t columns, int64_t begin,
                      int64_t end, std::byte* out);

}  // namespace wan
