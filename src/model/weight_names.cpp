#include "model/weight_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked_number.h"
#include "io/printable.h"
#include "model/weight_refusals.h"

namespace wan {
namespace {

/// Parts of names that only a change to a model has.
constexpr std::array<std::string_view, 10> kLoraMarks{".lora_A",  ".lora_B", ".lora_down", ".lora_up",    "_lora.down",
                                                      "_lora.up", ".hada_w", ".lokr_w",    ".dora_scale", ".diff_b"};

constexpr std::string_view kSpeechTitle = "Wan2.2 S2V";  // of a file that has a part of it alone, as the next
constexpr std::string_view kAnimateTitle = "Wan2.2 Animate";

struct OtherFamily {
  std::string_view mark;  // part of a name
  std::string_view title;
};
/// Models that have the tensors of this family and more.
constexpr std::array kOtherFamilies{
    OtherFamily{"vace_patch_embedding.", "Wan VACE"},
    OtherFamily{"vace_blocks.", "Wan VACE"},
    OtherFamily{"control_adapter.conv.", "Wan Fun with camera control"},
    OtherFamily{"casual_audio_encoder.", kSpeechTitle},
    OtherFamily{"audio_injector.", kSpeechTitle},
    OtherFamily{"audio_proj.audio_proj_glob", "HuMo"},
    OtherFamily{"face_adapter.", kAnimateTitle},
    OtherFamily{"pose_patch_embedding.", kAnimateTitle},
    OtherFamily{"motion_encoder.", kAnimateTitle},
    OtherFamily{"ref_conv.", "Wan Fun with a reference"},
    OtherFamily{"img_emb.emb_pos", "Wan2.1 first and last frame to video"},
    OtherFamily{"img_emb.", "Wan2.1 image to video"},
    OtherFamily{".k_img.", "Wan2.1 image to video"},
    OtherFamily{"condition_embedder.image_embedder.", "Wan2.1 image to video"},
    OtherFamily{".add_k_proj.", "Wan2.1 image to video"},
    OtherFamily{"to_gate_compress", "FastWan with sparse attention"},
    OtherFamily{"attn_op.local_attn.", "TurboDiffusion with sparse attention"},
};
/// The width of the smaller Wan2.1 text-to-video model. Source: Wan-Video/Wan2.1 wan/configs.
constexpr uint64_t kSmallWan21Width = 1536;

struct PartMark {
  std::string_view ending;  // of a name, the prefix before it at a dot
  HeldPart part;
  HeldNaming naming;
};
constexpr std::array kPartMarks{
    PartMark{"blocks.0.self_attn.q.weight", HeldPart::kDit, HeldNaming::kOfficial},
    PartMark{"blocks.0.attn1.to_q.weight", HeldPart::kDit, HeldNaming::kDiffusers},
    PartMark{"encoder.block.0.layer.0.SelfAttention.q.weight", HeldPart::kTextEncoder, HeldNaming::kDiffusers},
    PartMark{"blocks.0.attn.q.weight", HeldPart::kTextEncoder, HeldNaming::kOfficial},
    PartMark{"enc.blk.0.attn_q.weight", HeldPart::kTextEncoder, HeldNaming::kGguf},
    PartMark{"decoder.middle.0.residual.0.gamma", HeldPart::kVae, HeldNaming::kOfficial},
    PartMark{"decoder.mid_block.resnets.0.norm1.gamma", HeldPart::kVae, HeldNaming::kDiffusers},
};

/// Whether `name` is `ending`, or that behind a prefix that ends with a dot.
bool is_named(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return false;
  return name.size() == ending.size() || name[name.size() - ending.size() - 1] == '.';
}

const OutlineTensor* find_ending(const FileOutline& outline, std::string_view ending) {
  const auto found = std::find_if(outline.tensors.begin(), outline.tensors.end(),
                                  [&](const OutlineTensor& tensor) { return is_named(tensor.name, ending); });
  return found == outline.tensors.end() ? nullptr : &*found;
}

std::optional<NamedWeights> lora_in(const FileOutline& outline) {
  size_t count = 0;
  const OutlineTensor* first = nullptr;
  for (const OutlineTensor& tensor : outline.tensors) {
    const bool marked = std::any_of(kLoraMarks.begin(), kLoraMarks.end(),
                                    [&](std::string_view mark) { return tensor.name.find(mark) != std::string::npos; });
    if (!marked) continue;
    if (count++ == 0) first = &tensor;
  }
  if (first == nullptr) return std::nullopt;
  NamedWeights weights;
  weights.part = HeldPart::kLora;
  weights.evidence = fmt::format("{} of its {} tensors are named as a LoRA's, such as '{}'", count,
                                 outline.tensors.size(), printable(first->name));
  return weights;
}

const OtherFamily* other_family_in(const FileOutline& outline, const OutlineTensor*& shown) {
  for (const OtherFamily& family : kOtherFamilies)
    for (const OutlineTensor& tensor : outline.tensors)
      if (tensor.name.find(family.mark) != std::string::npos) {
        shown = &tensor;
        return &family;
      }
  return nullptr;
}

bool is_speech(const FileOutline& outline) {
  return holds_speech([&](std::string_view name) { return find_ending(outline, name) != nullptr; });
}

bool is_animate(const FileOutline& outline) {
  return holds_animate([&](std::string_view name) { return find_ending(outline, name) != nullptr; });
}

/// Whether what shows another family is of a model of this one that is whole.
bool is_whole(const FileOutline& outline, const OtherFamily& family) {
  if (family.title == kSpeechTitle) return is_speech(outline);
  constexpr std::string_view kImage = "Wan2.1 image to video";  // whose tensors an Animate has as well
  return (family.title == kAnimateTitle || family.title == kImage) && is_animate(outline);
}

/// Blocks by the largest number of a modulation's name.
int64_t count_blocks(const FileOutline& outline, std::string_view modulation) {
  constexpr std::string_view kBlocks = "blocks.";
  int64_t blocks = 0;
  for (const OutlineTensor& tensor : outline.tensors) {
    const std::string_view name = tensor.name;
    const size_t at = name.rfind(kBlocks);
    if (at == std::string_view::npos || !name.ends_with(modulation)) continue;
    const std::string_view rest = name.substr(at + kBlocks.size());
    const auto number = checked_number(rest.substr(0, rest.find('.')), Bounds<int64_t>{0, 100'000});
    if (number) blocks = std::max(blocks, *number + 1);
  }
  return blocks;
}

void describe_dit(const FileOutline& outline, NamedWeights& weights) {
  const bool official = weights.naming == HeldNaming::kOfficial;
  const OutlineTensor* patches = find_ending(outline, "patch_embedding.weight");
  if (patches == nullptr || patches->shape.size() < 2) return;
  const uint64_t width = patches->shape[0], channels = patches->shape[1];
  const int64_t blocks = count_blocks(outline, official ? ".modulation" : ".scale_shift_table");
  weights.evidence += fmt::format("; width {}, {} blocks, {} channels in", width, blocks, channels);
  for (const Variant& row : variants())
    if (static_cast<uint64_t>(row.dit.dim) == width && static_cast<uint64_t>(row.dit.in_dim) == channels &&
        row.dit.num_layers == blocks && row.takes_audio() == is_speech(outline) &&
        row.takes_driving_video() == is_animate(outline))
      weights.variant = &row;
  if (width == kSmallWan21Width) weights.other_model = "Wan2.1 text to video";
}

}  // namespace

NamedWeights name_weights(const FileOutline& outline) {
  if (auto lora = lora_in(outline)) return *lora;
  NamedWeights weights;
  for (const PartMark& mark : kPartMarks) {
    const OutlineTensor* tensor = find_ending(outline, mark.ending);
    if (tensor == nullptr) continue;
    weights.part = mark.part;
    weights.naming = mark.naming;
    weights.evidence = fmt::format("{} tensors, '{}' among them", outline.tensors.size(), printable(tensor->name));
    break;
  }
  if (weights.part == HeldPart::kUnknown) {
    weights.evidence = outline.tensors.empty()
                           ? std::string("no tensor in it")
                           : fmt::format("{} tensors, the first of them '{}', none of which a Wan model is known by",
                                         outline.tensors.size(), printable(outline.tensors.front().name));
    return weights;
  }
  if (weights.part == HeldPart::kDit) describe_dit(outline, weights);
  const OutlineTensor* shown = nullptr;
  if (const OtherFamily* family = other_family_in(outline, shown); family != nullptr && !is_whole(outline, *family)) {
    weights.variant = nullptr;
    weights.other_model = family->title;
    weights.evidence += fmt::format("; '{}' is of that model alone", printable(shown->name));
  }
  return weights;
}

std::string title_of(const NamedWeights& weights) {
  switch (weights.part) {
    case HeldPart::kUnknown: return "weights of no Wan model";
    case HeldPart::kTextEncoder: return "text encoder";
    case HeldPart::kVae: return "VAE";
    case HeldPart::kLora: return "LoRA";
    case HeldPart::kDit: break;
  }
  if (!weights.other_model.empty()) return "DiT of " + weights.other_model;
  if (weights.variant == nullptr) return "DiT of no published size";
  return fmt::format("{} of {}", weights.variant->experts.size() > 1 ? "DiT, one expert," : "DiT",
                     weights.variant->name);
}

std::string types_of(const FileOutline& outline) {
  constexpr size_t kMost = 4;
  std::map<std::string, double> elements;
  double all = 0;
  for (const OutlineTensor& tensor : outline.tensors) {
    double count = 1;
    for (const uint64_t extent : tensor.shape) count *= static_cast<double>(extent);
    elements[tensor.type] += count;
    all += count;
  }
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [type, count] : elements) sorted.emplace_back(count, type);
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<std::string> said;
  for (size_t i = 0; i < std::min(sorted.size(), kMost); ++i)
    said.push_back(fmt::format("{} {:.0f} %", printable(sorted[i].second), all > 0 ? 100 * sorted[i].first / all : 0));
  return fmt::format("{}", fmt::join(said, ", "));
}

}  // namespace wan
