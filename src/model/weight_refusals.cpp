#include "model/weight_refusals.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "io/printable.h"
#include "model/variant.h"

namespace wan {
namespace {

enum class Match { kBegins, kHolds, kEnds };
enum class Unless { kNever, kSpeech, kAnimate };  // a file that holds all that such a model is known by is one

struct Refusal {
  Match match;
  std::string_view text;
  std::string_view what;
  std::string_view instead;
  Unless unless = Unless::kNever;
};

constexpr std::string_view kPlainModel = "take a file of one of Wan2.2's own text- and image-to-video models";
constexpr std::string_view kPlainFile = "take the file in BF16, FP8 (scaled) or as GGUF";
constexpr std::string_view kAdapter = "it changes a model and is none itself; give the model it was made for";

/// Of each part of it one.
constexpr std::array<std::string_view, 5> kSpeechSigns{"casual_audio_encoder.weights",
                                                       "audio_injector.injector.0.q.weight", "cond_encoder.weight",
                                                       "frame_packer.proj.weight", "trainable_cond_mask.weight"};

constexpr std::array<std::string_view, 6> kAnimateSigns{
    "face_encoder.padding_tokens",    "face_adapter.fuser_blocks.0.linear2.weight",
    "motion_encoder.enc.fc.0.weight", "pose_patch_embedding.weight",
    "img_emb.proj.0.weight",          "blocks.0.cross_attn.k_img.weight"};

/// In the order of what says most.
constexpr std::array kRefusals{
    Refusal{Match::kHolds, "svdquant_lora_", "SVDQuant", kPlainFile},
    Refusal{Match::kHolds, ".dora_scale", "DoRA", kAdapter},
    Refusal{Match::kHolds, "lora_magnitude_vector", "DoRA", kAdapter},
    Refusal{Match::kHolds, ".hada_", "LoHa", kAdapter},
    Refusal{Match::kHolds, ".lokr_", "LoKr", kAdapter},
    Refusal{Match::kHolds, "lora_", "a LoRA", "name the model that it was made for, and this with --lora"},
    Refusal{Match::kBegins, "vace_patch_embedding.", "a VACE model", kPlainModel},
    Refusal{Match::kBegins, "vace_blocks.", "a VACE model", kPlainModel},
    Refusal{Match::kBegins, "control_adapter.", "a Fun model with camera control", kPlainModel},
    Refusal{Match::kBegins, "casual_audio_encoder.", "an S2V (speech to video) model", kPlainModel, Unless::kSpeech},
    Refusal{Match::kBegins, "audio_injector.", "an S2V (speech to video) model", kPlainModel, Unless::kSpeech},
    Refusal{Match::kBegins, "cond_encoder.", "an S2V (speech to video) model", kPlainModel, Unless::kSpeech},
    Refusal{Match::kBegins, "frame_packer.", "an S2V (speech to video) model", kPlainModel, Unless::kSpeech},
    Refusal{Match::kBegins, "audio_proj.", "a HuMo model", kPlainModel},
    Refusal{Match::kBegins, "pose_patch_embedding.", "an Animate model", kPlainModel, Unless::kAnimate},
    Refusal{Match::kBegins, "face_adapter.", "an Animate model", kPlainModel, Unless::kAnimate},
    Refusal{Match::kBegins, "motion_encoder.", "an Animate model", kPlainModel, Unless::kAnimate},
    Refusal{Match::kBegins, "ref_conv.", "a Fun model with control or reference", kPlainModel},
    Refusal{Match::kBegins, "img_emb.emb_pos", "a Wan2.1 model of first and last frame", kPlainModel},
    Refusal{Match::kBegins, "img_emb.", "a Wan2.1 image model", kPlainModel, Unless::kAnimate},
    Refusal{Match::kHolds, ".k_img.", "a Wan2.1 image model", kPlainModel, Unless::kAnimate},
    Refusal{Match::kBegins, "condition_embedder.image_embedder.", "a Wan2.1 image model", kPlainModel},
    Refusal{Match::kHolds, ".add_k_proj.", "a Wan2.1 image model", kPlainModel},
    Refusal{Match::kHolds, "to_gate_compress", "a model of sparse attention (VSA), whose results differ without it",
            kPlainModel},
    Refusal{Match::kHolds, "attn_op.local_attn.proj_l",
            "a model of sparse attention (SLA), whose results differ without it", kPlainModel},
    Refusal{Match::kHolds, "delta_embedder", "an AnyFlow model", kPlainModel},
    Refusal{Match::kHolds, "cam_encoder", "a ReCamMaster model", kPlainModel},
    Refusal{Match::kHolds, "ip_adapter", "a model with an image adapter (Lynx and others)", kPlainModel},
    Refusal{Match::kHolds, "motion_attn", "a model with motion attention", kPlainModel},
    Refusal{Match::kEnds, ".weight._data", "quanto's quantisation", kPlainFile},
    Refusal{Match::kEnds, ".weight._scale", "quanto's quantisation", kPlainFile},
    Refusal{Match::kEnds, ".qweight", "AWQ or another packed 4-bit form", kPlainFile},
    Refusal{Match::kEnds, ".qzeros", "AWQ or another packed 4-bit form", kPlainFile},
    Refusal{Match::kEnds, ".smooth_factor", "SVDQuant (Nunchaku)", kPlainFile},
    Refusal{Match::kHolds, ".quant_state", "bitsandbytes' quantisation", kPlainFile},
    Refusal{Match::kEnds, ".absmax", "bitsandbytes' quantisation", kPlainFile},
    Refusal{Match::kEnds, "_quantizer._amax", "an unfinished export of ModelOpt", kPlainFile},
    Refusal{Match::kEnds, ".weight_global_scale", "LightX2V's nvfp4", kPlainFile},
    Refusal{Match::kHolds, "taesd", "a tiny autoencoder", "take the VAE itself"},
};

bool matches(const Refusal& refusal, std::string_view name) {
  switch (refusal.match) {
    case Match::kBegins: return name.starts_with(refusal.text);
    case Match::kHolds: return name.find(refusal.text) != name.npos;
    case Match::kEnds: return name.ends_with(refusal.text);
  }
  return false;
}

/// Models of the same architecture in other sizes.
struct OtherSize {
  int64_t dim, layers;
  std::string_view what;
};
constexpr std::array kOtherSizes{OtherSize{1536, 30, "Wan2.1 1.3B"}, OtherSize{4096, 48, "LongCat"}};

/// Models as large as one of the family, told by the channels they read.
struct OtherInput {
  int64_t in_dim;
  std::string_view what;
};
constexpr std::array kOtherInputs{OtherInput{32, "a Fun model with control"},
                                  OtherInput{52, "a Fun model with control"}, OtherInput{96, "Lucy Edit"},
                                  OtherInput{100, "a Fun model with control"}};

}  // namespace

void refuse_other_sizes(const DitConfig& dit, const std::string& where) {
  const auto refuse = [&](std::string_view what) {
    throw Error(
        ErrorKind::kInput,
        fmt::format("{}: a DiT of width {}, {} blocks, {} channels in and {} out, by which it is {}, which is not "
                    "read: {}",
                    where, dit.dim, dit.num_layers, dit.in_dim, dit.out_dim, what, kPlainModel));
  };
  for (const OtherSize& other : kOtherSizes)
    if (dit.dim == other.dim && dit.num_layers == other.layers) refuse(other.what);
  const auto of_this_size = [&](const Variant& variant) {
    return variant.dit.dim == dit.dim && variant.dit.num_layers == dit.num_layers;
  };
  const auto same = [&](const Variant& variant) {
    return of_this_size(variant) && variant.dit.in_dim == dit.in_dim && variant.dit.out_dim == dit.out_dim;
  };
  if (std::ranges::none_of(variants(), of_this_size) || std::ranges::any_of(variants(), same)) return;
  for (const OtherInput& other : kOtherInputs)
    if (dit.in_dim == other.in_dim) refuse(other.what);
  refuse("a model that no table here names");
}

bool holds_speech(const std::function<bool(std::string_view name)>& has) {
  return std::ranges::all_of(kSpeechSigns, has);
}

bool holds_animate(const std::function<bool(std::string_view name)>& has) {
  return std::ranges::all_of(kAnimateSigns, has);
}

void refuse_other_models(const TensorFile& file, const std::string& prefix) {
  const auto has = [&](std::string_view name) { return file.find(fmt::format("{}{}", prefix, name)) != nullptr; };
  const bool is_speech = holds_speech(has), is_animate = holds_animate(has);
  for (const Refusal& refusal : kRefusals) {
    if ((is_speech && refusal.unless == Unless::kSpeech) || (is_animate && refusal.unless == Unless::kAnimate))
      continue;
    for (const StoredTensor& tensor : file.tensors()) {
      std::string_view name = tensor.name;
      if (!name.starts_with(prefix)) continue;
      name.remove_prefix(prefix.size());
      require(!matches(refusal, name), fmt::format("{}: {} belongs to {}, which is not read: {}", file.path().string(),
                                                   printable(tensor.name), refusal.what, refusal.instead));
    }
  }
}

}  // namespace wan
