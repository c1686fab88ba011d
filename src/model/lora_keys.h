// How the tensors of LoRA files are called: by many programs, each in its way, but always after the model's own
// modules. A name is cut into what changes and how; what changes is then looked up among the model's names, never taken
// apart.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "model/layout.h"

namespace wan {

/// Which experts of a model a change is for: all that there are, or one of a pair.
enum class LoraExpert : uint8_t { kAll, kHigh, kLow };

/// "high-noise expert", for people.
std::string_view name_of(LoraExpert expert);

/// What a tensor of a LoRA file is to the module that it changes.
enum class LoraRole : uint8_t {
  kDown,        // A [rank, in]
  kUp,          // B [out, rank]
  kUpBias,      // of B: scaled as the product
  kAlpha,       // the scale's numerator
  kDifference,  // of the weight, whole
  kBias,        // of the bias
  kModulation,  // of the modulation
};

struct LoraKey {
  /// kLow behind `transformer_2.`; kHigh behind `transformer.`, which is for all where no key is behind the other.
  LoraExpert expert = LoraExpert::kAll;
  std::string module;  // as the file spells it, without what stands before it
  LoraRole role = LoraRole::kDown;
};

/// Nothing for a name that ends as no tensor of a plain LoRA does.
std::optional<LoraKey> parse_lora_key(std::string_view name);

/// "DoRA": the form of adapter that a tensor of this name belongs to and that is not read; empty: none of them.
std::string_view unread_adapter(std::string_view name);

/// Whether the tensor changes the image branch of Wan2.1's models, which those of Wan2.2 do not have.
bool is_image_branch_key(std::string_view name);

/// A model's weights, to be found under the names that LoRA files give their modules.
class LoraNames {
 public:
  /// `weights` are those of a DiT under their official names, and must outlive this.
  explicit LoraNames(std::span<const ExpectedWeight> weights);
  /// The weight that `key` changes, or nullptr. For an alpha, the weight whose factors it scales.
  const ExpectedWeight* find(const LoraKey& key) const;
  /// The number of a block that `name` speaks of and the model does not have.
  std::optional<int64_t> missing_block(std::string_view name) const;

 private:
  const ExpectedWeight* find_flat(const std::string& name) const;
  std::unordered_map<std::string, const ExpectedWeight*> by_flat_name_;
  int64_t blocks_ = 0;
};

}  // namespace wan
