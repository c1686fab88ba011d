// What LoRAs add to the weights of one DiT. In F32, whatever the weights are stored as: a base is decoded, changed
// here, and rounded once by whoever keeps it. This is the reference for devices that merge by themselves
// (Backend::add_low_rank).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/lora.h"

namespace wan {

/// One term of the sum that is added to a weight.
struct PatchTerm {
  const Lora* lora = nullptr;
  const LoraChange* change = nullptr;
  float factor = 1;  // strength times the change's scale, rounded once
};

/// A LoRA as it was applied, for people and records.
struct AppliedLora {
  LoraFacts facts;
  float strength = 1;
  LoraExpert expert = LoraExpert::kAll;  // of the DiT that it was added to; kAll: the only one
  int64_t weights = 0;                   // that it changes there
};

/// The LoRAs of one DiT, in the order in which they are added up.
class WeightPatches {
 public:
  /// Behind those that are there already. `expert` says which DiT this is of a pair, kAll the only one of a model. A
  /// strength of 0 changes nothing; a negative one takes away. `lora` must outlive this. Throws Error(kUsage) for a
  /// strength that is no finite number, Error(kInput) where nothing of the file is for this expert, and where something
  /// is for the low-noise expert of a pair and the model has only one.
  void add(const Lora& lora, float strength, LoraExpert expert = LoraExpert::kAll);

  bool empty() const { return terms_.empty(); }
  bool has(std::string_view weight) const { return terms_.find(weight) != terms_.end(); }
  /// What is added to a weight, in that order; nothing where `has` is false.
  std::span<const PatchTerm> terms(std::string_view weight) const;
  const std::vector<AppliedLora>& applied() const { return applied_; }

  /// Changes values [begin, end) of a weight, row-major in its official shape:
  ///   w += factor * d  for each term in order, where d is a difference's value or, of a product, the sum over k from 0
  ///   of up[row, k] * down[k, column].
  /// All in F32, each product and each sum rounded as written, so that values do not depend on how a weight is cut into
  /// ranges. Thread-safe. Costs a pass over `down`, or its columns within one row, and `rank` multiplications a value.
  /// Throws Error(kInput) naming file, tensor and place for values that are, or become, no finite number.
  void apply(std::string_view weight, int64_t begin, int64_t end, float* values) const;

 private:
  std::map<std::string, std::vector<PatchTerm>, std::less<>> terms_;
  std::vector<AppliedLora> applied_;
};

}  // namespace wan
