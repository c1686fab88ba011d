// LoRA files for tests: those of the fixtures, and small ones written here for the single miniature.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/lora.h"
#include "weight_files.h"

namespace wan::test {

/// Names and shapes of a DiT of the miniatures.
inline std::vector<ExpectedWeight> weights_of(const Model& model) {
  std::vector<ExpectedWeight> weights;
  for (const auto& [name, values] : model) weights.push_back({name, values.shape});
  return weights;
}
inline const std::vector<ExpectedWeight>& single_weights() {
  static const std::vector<ExpectedWeight> weights = weights_of(official(kSingle, ModelPart::kDit));
  return weights;
}

/// `count` values that are neither zero nor alike, multiples of 1/64 so that sums of their products are exact.
inline std::vector<float> small_values(int64_t count, int seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>((i * 7 + seed * 5) % 9 - 4) / 64);
  return values;
}
inline FileTensor small_tensor(const std::string& name, const Shape& shape, int seed, DType dtype = DType::kF32) {
  return stored(name, {shape, small_values(shape.count(), seed)}, dtype);
}

/// A pair of factors for the matrix [out, in], called as the names say.
inline void add_pair(FileTensors& tensors, const std::string& down, const std::string& up, int64_t out, int64_t in,
                     int64_t rank, int seed = 1) {
  tensors.push_back(small_tensor(down, {rank, in}, seed));
  tensors.push_back(small_tensor(up, {out, rank}, seed + 1));
}

/// A file that lasts as long as this.
class WrittenLora {
 public:
  explicit WrittenLora(const FileTensors& tensors, const std::map<std::string, std::string>& metadata = {})
      : file_(tensors, metadata) {}
  Lora open(LoraUnmatched unmatched = LoraUnmatched::kCounted) const {
    return Lora::open(file_.path(), single_weights(), unmatched);
  }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  Written file_;
};

}  // namespace wan::test
