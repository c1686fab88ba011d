// How a weight's values follow from what a file stores: the schemes in which this family's models are quantised.
// What each means is in fp32; nothing here rounds to less.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/tensor_file.h"

namespace wan {

/// `q` a stored value, `s` its scale. Each product is rounded as written, from the left.
enum class WeightScheme : uint8_t {
  kPlain,        // q: of any element type, or in ggml's blocks
  kTensorScale,  // q * s: of E4M3, E5M2 or I8
  kRowScale,     // q * s[row]: the same; [N] or [N, 1] scales
  kTileScale,    // q * s[row / 128][column / 128]: the same
  kMxfp8,        // q * 2^(s - 127): E4M3, an E8M0 scale for 32 values of a row
  kNvfp4,        // q * (whole * s): E2M1, two a byte, the first in the high half; an E4M3 scale for 16 values of a row
};

/// "one scale a row", for people.
std::string_view name_of(WeightScheme scheme);

/// One weight as a file has it. Points into the TensorFile.
struct StoredWeight {
  std::string name;  // official
  Shape shape;       // official; as many values as are stored, or fewer where the scheme pads rows and columns
  WeightScheme scheme = WeightScheme::kPlain;
  const StoredTensor* values = nullptr;
  const StoredTensor* scale = nullptr;        // of all but kPlain
  const StoredTensor* whole_scale = nullptr;  // of kNvfp4: one F32
};

/// Writes values [begin, end) of `weight`, row-major, to `out`. Thread-safe.
void decode(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, float* out);

/// Tells the scheme of each weight by what lies beside it in the file, and remembers what it has read so.
class SchemeFinder {
 public:
  /// `prefix` stands in front of every name. `file` must outlive this and what it gives. Throws Error(kInput) for a
  /// `_quantization_metadata` that is not as ComfyUI writes it.
  SchemeFinder(const TensorFile& file, std::string prefix);

  /// Throws Error(kInput) that names the tensor for a format that is not read, a scale that is missing or does not fit,
  /// and values of a type that have no meaning without a scale.
  StoredWeight find(std::string name, const Shape& shape, const StoredTensor& values);
  /// Throws Error(kInput) for a weight of 8 bits without a scale where others have one.
  void finish() const;
  /// Whether `tensor` is a scale, a marker or a hint of a weight that was found.
  bool has_read(const StoredTensor& tensor) const { return read_.contains(&tensor); }

 private:
  struct Layer;
  const StoredTensor* beside(const Layer& layer, std::string_view suffix);
  std::string format_of(const Layer& layer);
  void set_named_format(const Layer& layer, const std::string& format, StoredWeight& weight);
  void set_scale(const Layer& layer, const StoredTensor& scale, StoredWeight& weight);
  void set_group_scale(const Layer& layer, StoredWeight& weight, int64_t group);
  [[noreturn]] void fail(const StoredTensor& tensor, const std::string& what) const;

  const TensorFile& file_;
  std::string prefix_;
  std::map<std::string, std::string, std::less<>> named_formats_;  // by layer, from the header
  std::set<const StoredTensor*> read_;
  int64_t scaled_ = 0;  // weights that have a scale of their own, no format by name
  std::vector<const StoredTensor*> unscaled_;
};

}  // namespace wan
