// Which weights a checkpoint holds: told apart without reading all of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/weight_choice.h"

namespace wan {

/// What is said with a digest of this kind: of a file's size, its first and its last 64 KiB.
inline constexpr const char* kEdgeDigest = "size+head+tail";

/// A file of weights, by its content.
struct WeightIdentity {
  std::string component;  // as component_of (model/official_layout.h), or lora, lora.high_noise, lora.low_noise
  std::string file;       // name without folders
  uint64_t size_bytes = 0;
  std::string digest;                // kEdgeDigest, in hexadecimal
  std::optional<double> strength{};  // of a LoRA

  bool operator==(const WeightIdentity&) const = default;
};

/// Where the weight files of a model and its LoRAs lie, sorted; each once. Throws as find_checkpoint_files does.
std::vector<std::filesystem::path> weight_paths(const WeightChoice& choice);

/// The weight files of a model, sorted by their paths; one that holds several parts stands for each. Behind them its
/// LoRAs in the order in which they are added. Headers and indexes lie at the ends that the digest covers, and trained
/// values differ in any such window. Reads 128 KiB a file. Throws as find_checkpoint_files does, and Error(kInput) for
/// a file that cannot be read.
std::vector<WeightIdentity> identify_weights(const WeightChoice& choice);
/// The LoRAs alone; behind each what peft says of it beside its factors, where that decides its scale.
std::vector<WeightIdentity> identify_loras(const std::vector<LoraChoice>& loras);
std::vector<WeightIdentity> identify_weights(const std::filesystem::path& checkpoint);

}  // namespace wan
