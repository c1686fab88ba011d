// LoRA files: changes to a DiT's weights, read under the official names whatever program wrote them. Nothing is merged
// here (lora_patches.h), and nothing is read but headers, alphas and what peft says of an adapter.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/tensor_file.h"
#include "model/layout.h"
#include "model/lora_keys.h"

namespace wan {

/// One change of one weight. Points into the Lora's file.
struct LoraChange {
  std::string weight;  // official name
  Shape shape;         // of the weight, officially
  LoraExpert expert = LoraExpert::kAll;
  double scale = 1;  // times the strength: of a product, or of a bias that belongs to one; 1 of other differences
  int64_t rank = 0;  // of a product; 0: a difference
  const StoredTensor* up = nullptr;          // B: [rows, rank] in row-major order, rows = shape[0]
  const StoredTensor* down = nullptr;        // A: [rank, columns], columns = all other extents
  const StoredTensor* difference = nullptr;  // as many values as the weight, in its order; in place of up and down

  bool is_product() const { return up != nullptr; }
};

/// What a file is and what of it is used, for people and records. Every tensor of the file is in one of the counts.
struct LoraFacts {
  std::filesystem::path file;  // of the weights, also where a folder was given
  std::string digest;          // edge_digest of that file
  std::string adapter_digest;  // SHA-256 of the adapter_config.json that the scale is from; empty: there is none
  int64_t applied = 0;         // tensors
  int64_t ignored = 0;         // of Wan2.1's image branch
  int64_t unmatched = 0;       // of names that the model does not have
  std::vector<std::string> unmatched_names;  // the first three, as the file has them
  std::map<int64_t, int64_t> ranks;          // pairs of factors by their rank
  std::map<std::string, int64_t> scales;     // pairs by where their scale is from: "alpha", "adapter_config.json"
};

/// Where the parts of a LoRA lie.
struct LoraFiles {
  std::filesystem::path factors;  // the file of the weights
  std::filesystem::path adapter;  // adapter_config.json beside it; empty: there is none
};

/// Of a file, or of a folder as peft saves it. Throws Error(kInput) for a folder without such files.
LoraFiles lora_files(const std::filesystem::path& path);

/// What becomes of tensors that change nothing the model has.
enum class LoraUnmatched : uint8_t { kCounted, kRefused };

/// An opened and checked LoRA. Move-only.
class Lora {
 public:
  /// A .safetensors or .pth file, or a folder with peft's adapter_model.safetensors (or .bin) and adapter_config.json,
  /// which is also looked for beside a file. `weights` are those of the DiT that it is for, under their official names.
  /// Throws Error(kInput) that names the file and the tensor for adapters of other forms, half pairs, shapes that do
  /// not fit, blocks that the model does not have, and files of which nothing fits.
  static Lora open(const std::filesystem::path& path, std::span<const ExpectedWeight> weights,
                   LoraUnmatched unmatched = LoraUnmatched::kCounted);

  const LoraFacts& facts() const { return facts_; }
  /// In the order of the weights' names, of one weight products before differences.
  const std::vector<LoraChange>& changes() const { return changes_; }
  /// Whether something in it is for that expert: behind transformer_2., diffusers' pipelines save the low-noise one's.
  bool is_for(LoraExpert expert) const;

  /// With the stored bytes of factors, for a device that takes them as they are.
  const TensorFile& file() const { return file_; }

  /// Writes values [begin, end) of a factor or difference, row-major, to `out`. Thread-safe. Throws Error(kInput) that
  /// names the tensor and the place of a value that is no finite number.
  void read(const StoredTensor& tensor, int64_t begin, int64_t end, float* out) const;

 private:
  friend class LoraOpener;
  TensorFile file_;
  LoraFacts facts_;
  std::vector<LoraChange> changes_;
};

}  // namespace wan
