// The readers of models' files: GGUF, and the door to every form of weights.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/lora_patches.h"
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

/// As the seeds have it (weight_seeds.py): one block, 4 wide.
std::vector<ExpectedWeight> small_dit() {
  constexpr int64_t kWidth = 4;
  std::vector<ExpectedWeight> weights{{"patch_embedding.weight", {kWidth, 1, 1, 2, 2}},
                                      {"blocks.0.modulation", {1, 6, kWidth}},
                                      {"head.modulation", {1, 2, kWidth}},
                                      {"blocks.0.norm3.weight", {kWidth}},
                                      {"blocks.0.norm3.bias", {kWidth}}};
  for (const char* layer : {"blocks.0.self_attn.q", "blocks.0.cross_attn.k", "blocks.0.ffn.0", "time_projection.1"}) {
    weights.push_back({std::string(layer) + ".weight", {kWidth, kWidth}});
    weights.push_back({std::string(layer) + ".bias", {kWidth}});
  }
  return weights;
}

/// In one piece and cut in two, which must be the same.
void patch(const WeightPatches& patches, const ExpectedWeight& weight) {
  const int64_t count = weight.shape.count(), cut = count / 3;
  std::vector<float> whole(static_cast<size_t>(count), 0.5f), parts = whole;
  patches.apply(weight.name, 0, count, whole.data());
  patches.apply(weight.name, cut, count, parts.data() + cut);
  patches.apply(weight.name, 0, cut, parts.data());
  check(whole == parts, "a weight's values do not depend on how it is cut");
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

void lora(Bytes input) {
  const std::vector<ExpectedWeight> weights = small_dit();
  const Lora lora = Lora::open(as_file(input), weights);
  const LoraFacts& facts = lora.facts();
  check(facts.applied > 0 && facts.applied + facts.ignored + facts.unmatched > 0, "a LoRA that is read is of use");
  for (const LoraExpert expert : {LoraExpert::kHigh, LoraExpert::kLow}) {
    if (!lora.is_for(expert)) continue;
    WeightPatches patches;
    patches.add(lora, -0.7f, expert);
    patches.add(lora, 1, expert);
    for (const ExpectedWeight& weight : weights) patch(patches, weight);
  }
}

}  // namespace wan::fuzz
