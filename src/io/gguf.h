// GGUF, versions 2 and 3: typed metadata, a table of tensors, and data, plain or in ggml's blocks.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "io/tensor_file_builder.h"

namespace wan {

bool looks_like_gguf(std::span<const std::byte> bytes);

/// Reads metadata and tensor table of `file` and adds its tensors, extents outermost first as everywhere else (the file
/// has them the other way round). A key `comfy.gguf.orig_shape.NAME` gives tensor NAME another shape of as many values.
/// Touches no data. Throws Error(kInput), for another version, a big-endian or split file and a type of tensor that is
/// not known too.
void read_gguf(TensorFileBuilder& builder, MappedFile file);

/// Entries of an array that read_gguf has checked, of the kind that the function is for.
std::vector<double> gguf_numbers(std::span<const std::byte> file, const MetadataArray& array);
std::vector<std::string_view> gguf_strings(std::span<const std::byte> file, const MetadataArray& array);

}  // namespace wan
