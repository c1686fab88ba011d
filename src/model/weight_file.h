// The front door of weights: one file, in whatever form it is passed around, as a model's tensors under their official
// names and shapes. Container, naming, prefix and scheme are told by the content, never by the file's name.
//
// It stands on the containers (io/) and below what uses weights: container -> names and schemes -> patches -> store.
//   - A patch (a LoRA) reads values here in F32, adds to them, and rounds once; so nothing here rounds to BF16 unless
//     BF16 is asked for.
//   - A shard is a range of values. Rows [a, b) of a matrix of K columns are values [a K, b K).
//   - A device that computes with 8-bit weights takes the stored bytes: StoredWeight says scheme, values and scale, and
//     TensorFile::bytes_of gives them.
// High- or low-noise expert, the heads of a DiT and a text encoder's tokenizer are the caller's to find: no tensor
// tells the first two. file().metadata() and file().arrays() have what GGUF says about them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/tensor_file.h"
#include "model/layout.h"
#include "model/weight_scheme.h"

namespace wan {

/// What a file is and by which evidence, for people and for decisions.
struct WeightFacts {
  ModelPart part = ModelPart::kDit;
  WeightNaming naming = WeightNaming::kOfficial;
  std::string prefix;        // in front of every name; often empty
  std::string architecture;  // general.architecture of GGUF; empty where it is not said
  /// Sentences such as "GGUF 3: general.architecture is wan", in the order they were found.
  std::vector<std::string> evidence;
  std::map<std::string, int64_t> types;        // stored types ("Q4_K"), and the weights of each
  std::map<std::string, int64_t> schemes;      // schemes, and the weights of each
  std::vector<std::string> ignored;            // stored names that are read by nobody, and may be
  const StoredTensor* spiece_model = nullptr;  // ComfyUI's tokenizer: U8, the bytes of a SentencePiece model
};

/// The parts of a model of this family that a file holds, by their names; empty for LoRAs and files of other models.
std::vector<ModelPart> parts_held(const TensorFile& file);

/// An opened and checked file of weights. Move-only; nothing is read but headers, scales' shapes and a few texts.
class WeightFile {
 public:
  /// A safetensors file, an index of its shards, a .pth or a .gguf. Of a file that holds several parts, such as
  /// ComfyUI's checkpoints, `part` chooses; without it the first of DiT, text encoder and VAE is taken.
  /// Throws Error(kInput) that names the file and the tensors where one is missing, left over, of another shape or of a
  /// form that is not read, and for files of other models, saying what they are.
  static WeightFile open(const std::filesystem::path& path, std::optional<ModelPart> part = std::nullopt);

  ModelPart part() const { return facts_.part; }
  const WeightFacts& facts() const { return facts_; }
  const PartSizes& sizes() const { return sizes_; }
  /// In the order of their official names.
  const std::vector<StoredWeight>& weights() const { return weights_; }
  /// nullptr where the part has no tensor of this official name.
  const StoredWeight* find(std::string_view name) const;
  /// Throws Error(kInput) naming the file and the name.
  const StoredWeight& at(std::string_view name) const;

  /// Writes values [begin, end) of a weight, row-major, as F32 or rounded once to BF16. Thread-safe. Throws
  /// Error(kInput) that names the tensor and the place of a value that is no finite number.
  void read(const StoredWeight& weight, int64_t begin, int64_t end, DType dtype, void* out) const;
  void read(std::string_view name, int64_t begin, int64_t end, DType dtype, void* out) const {
    read(at(name), begin, end, dtype, out);
  }

  /// The container, with everything else that it holds.
  const TensorFile& file() const { return file_; }

 private:
  friend class WeightFileOpener;
  TensorFile file_;
  WeightFacts facts_;
  PartSizes sizes_;
  std::vector<StoredWeight> weights_;
};

}  // namespace wan
