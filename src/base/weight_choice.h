// Which weights a model is made of.
#pragma once

#include <compare>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace wan {

/// A LoRA that is added to a model.
struct LoraChoice {
  std::filesystem::path file;  // or peft's folder
  double strength = 1;
  std::string expert;  // high_noise, low_noise: of a pair, the one it is for; empty: all that the file is for
  auto operator<=>(const LoraChoice&) const = default;
};

/// What a request names: a whole model, and files in place of parts of it. Parts may also stand alone.
struct WeightChoice {
  std::filesystem::path checkpoint;         // a folder, or one file
  std::filesystem::path dit;                // of a model with one DiT
  std::filesystem::path dit_high, dit_low;  // experts
  std::filesystem::path text_encoder, vae;
  std::filesystem::path tokenizer;  // tokenizer.json, spiece.model, or a folder of either
  std::vector<LoraChoice> loras;    // in the order in which they are added

  /// A whole model, by its folder or file.
  static WeightChoice at(std::filesystem::path place) { return {std::move(place), {}, {}, {}, {}, {}, {}, {}}; }

  /// Whether no model and no part of one is named; LoRAs are none.
  bool empty() const { return title().empty(); }
  /// For messages: the checkpoint, else the first file that is named.
  std::filesystem::path title() const;
  auto operator<=>(const WeightChoice&) const = default;
};

}  // namespace wan
