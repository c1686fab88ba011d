// Sources of the spellings: ComfyUI comfy/lora.py and weight_adapter/lora.py, diffusers
// loaders/lora_conversion_utils.py, LightX2V utils/lora_loader.py, musubi-tuner networks/lora_wan.py, WanVideoWrapper
// nodes_model_loading.py.
#include "model/lora_keys.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/checked_number.h"

namespace wan {
namespace {

/// Dotted beginnings, of which a name has one behind kPeft.
constexpr std::string_view kPeft = "base_model.model.";
constexpr std::string_view kSecond = "transformer_2.", kFirst = "transformer.";
constexpr std::array<std::string_view, 4> kDotted{"model.diffusion_model.", "diffusion_model.", "pipe.dit.", "unet."};
/// Beginnings behind which the dots of a module's name are underscores; a longer one before that which begins it.
constexpr std::array<std::string_view, 4> kFlat{"lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_"};

struct Mark {
  std::string_view text;
  LoraRole role;
};
/// Parts of names behind a module's; behind them comes nothing, ".weight", or an adapter's name and that.
constexpr std::array kFactors{
    Mark{".lora_A", LoraRole::kDown},
    Mark{".lora_B", LoraRole::kUp},
    Mark{".lora_down", LoraRole::kDown},
    Mark{".lora_up", LoraRole::kUp},
    Mark{"_lora.down", LoraRole::kDown},
    Mark{"_lora.up", LoraRole::kUp},
    Mark{".lora.down", LoraRole::kDown},
    Mark{".lora.up", LoraRole::kUp},
    Mark{".lora_linear_layer.down", LoraRole::kDown},
    Mark{".lora_linear_layer.up", LoraRole::kUp},
};
constexpr std::array kEndings{Mark{".alpha", LoraRole::kAlpha}, Mark{".diff", LoraRole::kDifference},
                              Mark{".diff_b", LoraRole::kBias}, Mark{".diff_m", LoraRole::kModulation}};

struct Form {
  std::string_view text;  // part of a name
  std::string_view what;
};
constexpr std::array kUnreadForms{
    Form{".dora_scale", "DoRA"},
    Form{"lora_magnitude_vector", "DoRA"},
    Form{".hada_", "LoHa"},
    Form{".lokr_", "LoKr"},
    Form{".lora_mid", "a LoRA in Tucker's form"},
    Form{".lora_E", "AdaLoRA"},
    Form{".oft_", "OFT"},
    Form{".set_weight", "ComfyUI's set_weight, which replaces weights"},
    Form{".reshape_weight", "ComfyUI's reshape_weight, which changes shapes"},
    Form{".w_norm", "ComfyUI's w_norm"},
    Form{".b_norm", "ComfyUI's b_norm"},
    Form{".scale_weight", "a LoRA in 8 bits with scales"},
    Form{".weight_scale", "a LoRA in 8 bits with scales"},
};

/// Parts of flat names that only the image branch has, officially and by diffusers.
constexpr std::array<std::string_view, 7> kImageParts{"_k_img",      "_v_img",        "_norm_k_img",    "_add_k_proj",
                                                      "_add_v_proj", "_norm_added_k", "_image_embedder"};

std::string flat(std::string_view name) {
  std::string result(name);
  std::replace(result.begin(), result.end(), '.', '_');
  return result;
}

bool take(std::string_view& name, std::string_view beginning) {
  if (!name.starts_with(beginning)) return false;
  name.remove_prefix(beginning.size());
  return true;
}

/// Takes away what stands before a module's name.
LoraExpert take_beginning(std::string_view& name) {
  take(name, kPeft);
  if (take(name, kSecond)) return LoraExpert::kLow;
  if (take(name, kFirst)) return LoraExpert::kHigh;
  for (std::string_view each : kDotted)
    if (take(name, each)) return LoraExpert::kAll;
  for (std::string_view each : kFlat)
    if (take(name, each)) return LoraExpert::kAll;
  return LoraExpert::kAll;
}

/// What a factor's name ends with: "weight", "bias"; "" where it ends at once; nothing for any other end.
std::optional<std::string_view> factor_end(std::string_view rest) {
  if (rest.empty()) return rest;
  if (!take(rest, ".")) return std::nullopt;
  if (const size_t dot = rest.find('.'); dot != std::string_view::npos) rest.remove_prefix(dot + 1);  // adapter's name
  if (rest != "weight" && rest != "bias") return std::nullopt;
  return rest;
}

}  // namespace

std::string_view name_of(LoraExpert expert) {
  switch (expert) {
    case LoraExpert::kAll: return "whole model";
    case LoraExpert::kHigh: return "high-noise expert";
    case LoraExpert::kLow: return "low-noise expert";
  }
  return "?";
}

std::optional<LoraKey> parse_lora_key(std::string_view name) {
  LoraKey key;
  key.expert = take_beginning(name);
  for (const Mark& mark : kEndings) {
    if (!name.ends_with(mark.text)) continue;
    name.remove_suffix(mark.text.size());
    key.module = name;
    key.role = mark.role;
    return name.empty() ? std::nullopt : std::optional(key);
  }
  for (const Mark& mark : kFactors) {
    const size_t at = name.rfind(mark.text);
    if (at == std::string_view::npos || at == 0) continue;
    const auto end = factor_end(name.substr(at + mark.text.size()));
    if (!end || (*end == "bias" && mark.role != LoraRole::kUp)) continue;
    key.module = name.substr(0, at);
    key.role = *end == "bias" ? LoraRole::kUpBias : mark.role;
    return key;
  }
  return std::nullopt;
}

std::string_view unread_adapter(std::string_view name) {
  for (const Form& form : kUnreadForms)
    if (name.find(form.text) != std::string_view::npos) return form.what;
  return {};
}

bool is_image_branch_key(std::string_view name) {
  take_beginning(name);
  const std::string text = flat(name);
  if (text.starts_with("img_emb_")) return true;
  return std::any_of(kImageParts.begin(), kImageParts.end(), [&](std::string_view part) {
    const size_t at = text.find(part);
    return at != std::string::npos && (at + part.size() == text.size() || text[at + part.size()] == '_');
  });
}

LoraNames::LoraNames(std::span<const ExpectedWeight> weights) {
  for (const ExpectedWeight& weight : weights) {
    by_flat_name_.emplace(flat(weight.name), &weight);
    by_flat_name_.emplace(flat(stored_name(ModelPart::kDit, WeightNaming::kDiffusers, weight.name)), &weight);
    std::string_view name = weight.name;
    if (!take(name, "blocks.")) continue;
    const auto number = checked_number<int64_t>(name.substr(0, name.find('.')));
    if (number) blocks_ = std::max(blocks_, *number + 1);
  }
}

const ExpectedWeight* LoraNames::find_flat(const std::string& name) const {
  const auto at = by_flat_name_.find(name);
  return at == by_flat_name_.end() ? nullptr : at->second;
}

const ExpectedWeight* LoraNames::find(const LoraKey& key) const {
  const std::string module = flat(key.module);
  switch (key.role) {
    case LoraRole::kBias:
    case LoraRole::kUpBias: return find_flat(module + "_bias");
    case LoraRole::kModulation: return find_flat(module + "_modulation");
    case LoraRole::kDifference:
      if (const ExpectedWeight* weight = find_flat(module + "_weight")) return weight;
      return find_flat(module);  // "blocks.0.modulation.diff"
    default: return find_flat(module + "_weight");
  }
}

std::optional<int64_t> LoraNames::missing_block(std::string_view name) const {
  take_beginning(name);
  const std::string text = flat(name);
  std::string_view rest = text;
  if (!take(rest, "blocks_")) return std::nullopt;
  const auto number = checked_number<int64_t>(rest.substr(0, rest.find('_')));
  return number && *number >= blocks_ ? number : std::nullopt;
}

}  // namespace wan
