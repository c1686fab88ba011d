// torch's zip-based .pth: named tensors described by a pickle, their storages mapped.
#pragma once

#include <string_view>

#include "base/file.h"
#include "io/tensor_file_builder.h"
#include "io/zip.h"

namespace wan {

/// What a tensor that was saved without a dict is called.
inline constexpr std::string_view kLoneTensor = "tensor";

/// Adds the tensors of a file written by torch.save: a dict or OrderedDict of tensors, or one that holds it under
/// "state_dict", "model" or "module"; or a tensor alone, as kLoneTensor. Reads the directory, the pickle and each
/// storage's local header; no data. Throws Error(kInput).
void read_pth(TensorFileBuilder& builder, MappedFile file);

}  // namespace wan
