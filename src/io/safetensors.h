// The safetensors format: one file, or shards named by an index file. https://github.com/huggingface/safetensors
#pragma once

#include <cstddef>
#include <span>

#include "base/file.h"
#include "io/tensor_file_builder.h"

namespace wan {

/// Whether the first bytes are a length and the beginning of a JSON object, as only safetensors has it.
bool looks_like_safetensors(std::span<const std::byte> bytes);

/// Reads the header of `file` and adds its tensors. Touches the header's pages only. Throws Error(kInput).
void read_safetensors(TensorFileBuilder& builder, MappedFile file);

/// Reads a `*.safetensors.index.json` and every shard it names, which must lie in its own folder. Throws Error(kInput),
/// also when the index promises a tensor that its shard does not hold.
void read_safetensors_index(TensorFileBuilder& builder, const MappedFile& index);

}  // namespace wan
