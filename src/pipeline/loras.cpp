#include "pipeline/loras.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/flags.h"
#include "io/printable.h"
#include "model/checkpoint_files.h"
#include "model/layout.h"

namespace wan {
namespace {

LoraExpert lora_expert(NoiseRange range) {
  switch (range) {
    case NoiseRange::kHigh: return LoraExpert::kHigh;
    case NoiseRange::kLow: return LoraExpert::kLow;
    case NoiseRange::kAll: break;
  }
  return LoraExpert::kAll;
}

const char* flag_of(const LoraChoice& choice) {
  if (choice.expert.empty()) return flags::kLora;
  return choice.expert == expert_name(NoiseRange::kHigh) ? flags::kLoraHigh : flags::kLoraLow;
}

/// "high_noise", "LowNoise".
bool names_noise(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::erase_if(name, [](char c) { return c == '_' || c == '-' || c == ' ' || c == '.'; });
  return name.find("highnoise") != std::string::npos || name.find("lownoise") != std::string::npos;
}

/// What the flag says of the expert, against the model and the file's name.
void require_one_meaning(const LoraChoice& choice, const Variant& variant) {
  const std::string file = choice.file.string();
  require(variant.experts.size() > 1 || choice.expert.empty(),
          fmt::format("{} {}: this model has one DiT and no experts: give the LoRA with {}", flag_of(choice), file,
                      flags::kLora),
          ErrorKind::kUsage);
  const std::optional<NoiseRange> named = expert_by_name(choice.file);
  if (variant.experts.size() < 2 || !named) return;
  const char* meant = *named == NoiseRange::kHigh ? flags::kLoraHigh : flags::kLoraLow;
  // Of a style, low-poly say, the word means something else: a flag decides, unless the name speaks of noise.
  const bool is_free = !choice.expert.empty() && !names_noise(choice.file);
  require(is_free || std::string_view(flag_of(choice)) == meant,
          fmt::format("{} {}: its name, or its folder's, says that it is for the {}: give it with {}{}",
                      flag_of(choice), file, name_of(lora_expert(*named)), meant,
                      choice.expert.empty() ? fmt::format("; if the word means something else, with {} and {}",
                                                          flags::kLoraHigh, flags::kLoraLow)
                                            : ", or under another name"),
          ErrorKind::kUsage);
}

LoraUse use_of(const Lora& lora, const LoraChoice& choice) {
  const LoraFacts& facts = lora.facts();
  LoraUse use;
  use.file = facts.file.filename().string();
  use.strength = choice.strength;
  use.expert = choice.expert;
  use.digest = facts.digest;
  use.applied = facts.applied;
  use.ignored = facts.ignored;
  use.unmatched = facts.unmatched;
  use.unmatched_names = facts.unmatched_names;
  return use;
}

/// Adds the LoRA to the experts that it is for.
void add(const Lora& lora, const LoraChoice& choice, const Variant& variant, LoraSet& set, LoraUse& use) {
  for (size_t i = 0; i < variant.experts.size(); ++i) {
    const NoiseRange range = variant.experts[i].range;
    const LoraExpert expert = lora_expert(range);
    const bool is_asked = choice.expert.empty() ? lora.is_for(expert) : choice.expert == variant.experts[i].name;
    if (!is_asked) continue;
    set.patches[i].add(lora, static_cast<float>(choice.strength), expert);
    use.weights.emplace_back(variant.experts[i].name, set.patches[i].applied().back().weights);
  }
}

}  // namespace

LoraSet open_loras(const std::vector<LoraChoice>& choices, const Variant& variant, const DitConfig& dit) {
  LoraSet set;
  set.patches.resize(variant.experts.size());
  if (choices.empty()) return set;
  const std::vector<ExpectedWeight> weights = dit_weights(dit);
  set.loras.reserve(choices.size());  // patches point into it
  for (const LoraChoice& choice : choices) {
    require_one_meaning(choice, variant);
    set.loras.push_back(Lora::open(choice.file, weights));
    set.uses.push_back(use_of(set.loras.back(), choice));
    add(set.loras.back(), choice, variant, set, set.uses.back());
  }
  return set;
}

std::string text_of(const LoraUse& use) {
  std::string where;
  for (const auto& [expert, weights] : use.weights)
    where += fmt::format("{}{} weight{} of {}", where.empty() ? "" : ", ", weights, weights == 1 ? "" : "s",
                         expert.empty() ? "the DiT" : expert);
  std::string names;
  for (const std::string& name : use.unmatched_names) names += (names.empty() ? " (" : ", ") + printable(name);
  if (!names.empty()) names += use.unmatched > static_cast<int64_t>(use.unmatched_names.size()) ? ", ...)" : ")";
  return fmt::format("{} x {}: {}; {} tensors applied, {} ignored, {} unmatched{}", printable(use.file), use.strength,
                     where, use.applied, use.ignored, use.unmatched, names);
}

}  // namespace wan
