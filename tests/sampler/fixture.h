// The golden unit files as plain vectors.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/tensor_file.h"
#include "tensor/tensor.h"

namespace wan {

struct StoredFloats {
  Shape shape;
  std::vector<float> values;
};

/// All tensors of a small F32 file, by name.
inline std::map<std::string, StoredFloats> read_floats(const std::filesystem::path& path) {
  std::map<std::string, StoredFloats> out;
  const TensorFile file = TensorFile::open(path);
  for (const StoredTensor& tensor : file.tensors()) {
    const TensorView view = file.view(tensor);
    const float* first = view.as<float>();
    out[tensor.name] = {view.shape, std::vector<float>(first, first + view.count())};
  }
  return out;
}

}  // namespace wan
