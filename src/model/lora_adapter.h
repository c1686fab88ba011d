// What peft says of an adapter beside its factors: from which its scale follows where they have no alpha of their own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace wan {

/// The part of peft's LoraConfig that decides a scale.
class LoraAdapter {
 public:
  /// Reads the members of `config`, each with `prefix` in front of its name; nothing where it has none of them. `where`
  /// begins every message. Throws Error(kInput) for a member of another kind, an adapter that is no plain LoRA, and
  /// patterns that are regular expressions.
  static std::optional<LoraAdapter> read(const nlohmann::json& config, std::string_view prefix,
                                         const std::string& where);

  /// alpha / rank, or alpha / sqrt(rank) with use_rslora; alpha may be the module's own by alpha_pattern. Throws
  /// Error(kInput) when the module's rank is said to be another: then this was said of another file.
  /// Source: peft src/peft/tuners/lora/layer.py, update_layer; utils/other.py, get_pattern_key.
  double scale(std::string_view module, int64_t rank) const;

 private:
  using Patterns = std::map<std::string, double>;
  std::optional<double> match(const Patterns& patterns, std::string_view module) const;

  std::string where_;
  double alpha_ = 0;
  std::optional<int64_t> rank_;
  bool root_ = false;  // use_rslora
  Patterns alphas_, ranks_;
};

}  // namespace wan
