// Which weights a model is made of.
#pragma once

#include <compare>
#include <filesystem>
#include <utility>

namespace wan {

/// What a request names: a whole model, and files in place of parts of it. Parts may also stand alone.
struct WeightChoice {
  std::filesystem::path checkpoint;         // a folder, or one file
  std::filesystem::path dit;                // of a model with one DiT
  std::filesystem::path dit_high, dit_low;  // experts
  std::filesystem::path text_encoder, vae;
  std::filesystem::path tokenizer;  // tokenizer.json, spiece.model, or a folder of either

  /// A whole model, by its folder or file.
  static WeightChoice at(std::filesystem::path place) { return {std::move(place), {}, {}, {}, {}, {}, {}}; }

  bool empty() const { return *this == WeightChoice{}; }
  /// For messages: the checkpoint, else the first file that is named.
  std::filesystem::path title() const;
  auto operator<=>(const WeightChoice&) const = default;
};

}  // namespace wan
