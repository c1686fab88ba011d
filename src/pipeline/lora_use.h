// A LoRA as a model uses it, for people and records.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace wan {

struct LoraUse {
  std::string file;                          // name without folders
  double strength = 1;                       // as asked for
  std::string expert;                        // high_noise, low_noise: the one it was given for; empty: all
  std::string digest;                        // of the file: kEdgeDigest
  int64_t applied = 0;                       // tensors of the file
  int64_t ignored = 0;                       // of Wan2.1's image branch
  int64_t unmatched = 0;                     // of names that the model does not have
  std::vector<std::string> unmatched_names;  // the first three
  /// Weights that it changes, by the expert ("" of the only DiT), in their order.
  std::vector<std::pair<std::string, int64_t>> weights;

  bool operator==(const LoraUse&) const = default;
};

/// "style.safetensors x 0.7: 30 weights of the DiT, 60 tensors applied, 17 ignored, 0 unmatched".
std::string text_of(const LoraUse& use);

}  // namespace wan
