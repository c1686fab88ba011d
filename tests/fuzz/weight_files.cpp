// The readers of models' files: GGUF, and the door to every form of weights.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/weight_file.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

constexpr int64_t kValues = 600;  // more than two blocks of any type

/// The first and the last values of every weight, which may be refused where they are no numbers.
void read_ends(const WeightFile& file) {
  std::array<float, kValues> values;
  for (const StoredWeight& weight : file.weights()) {
    const int64_t count = weight.shape.count(), part = std::min(count, kValues);
    file.read(weight, 0, part, DType::kF32, values.data());
    file.read(weight, count - part, count, DType::kBF16, values.data());
    check(file.find(weight.name) == &weight, "a weight is found under its name");
  }
}

}  // namespace

void gguf(Bytes input) {
  const TensorFile file = TensorFile::open(as_file(input));
  for (const auto& [key, array] : file.arrays()) {
    if (array.kind == MetadataArray::Kind::kNumbers) check(file.numbers(key).size() == array.count, "all numbers");
    if (array.kind == MetadataArray::Kind::kStrings) check(file.strings(key).size() == array.count, "all texts");
  }
  std::array<float, kValues> values;
  for (const StoredTensor& tensor : file.tensors()) {
    const StoredWeight weight{"", tensor.shape, WeightScheme::kPlain, &tensor, nullptr, nullptr};
    const int64_t count = tensor.shape.count(), part = std::min(count, kValues);
    if (!tensor.contiguous || tensor.dtype == DType::kBool || tensor.dtype == DType::kI64) continue;
    decode(file, weight, 0, part, values.data());
    decode(file, weight, count - part, count, values.data());
  }
}

void weights(Bytes input) { read_ends(WeightFile::open(as_file(input))); }

}  // namespace wan::fuzz
