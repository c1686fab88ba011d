// The golden unit files as plain vectors.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace wan {

struct StoredFloats {
  Shape shape;
  std::vector<float> values;
};

/// All tensors of a small F32 safetensors file, by name.
std::map<std::string, StoredFloats> read_floats(const std::filesystem::path& path);

}  // namespace wan
