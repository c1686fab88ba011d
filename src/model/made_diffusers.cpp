// A diffusers folder: model_index.json, and a folder with a config a component. `transformer` is the expert of high
// noise, `transformer_2` that of low noise.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/made_checkpoint.h"
#include "model/official_layout.h"
#include "model/vae_structure.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;
using OneShard = CheckpointFolder::OneShard;

constexpr const char* kVersion = "0.35.0";                         // of diffusers, in every config
constexpr uint64_t kTextShardBytes = uint64_t{5} * 1'000'000'000;  // transformers' default

std::string text_of(const Json& json) { return json.dump(2) + "\n"; }

Json model_index(const Variant& variant) {
  const bool from_image = variant.image.presence == Presence::kRequired, pair = variant.experts.size() > 1;
  const Json none{nullptr, nullptr}, transformer{"diffusers", "WanTransformer3DModel"};
  Json index{{"_class_name", from_image ? "WanImageToVideoPipeline" : "WanPipeline"},
             {"_diffusers_version", kVersion},
             {"boundary_ratio", pair ? Json(variant.defaults.boundary) : Json(nullptr)},
             {"expand_timesteps", variant.first_frame_is_latent()}};
  if (from_image) index["image_encoder"] = index["image_processor"] = none;
  index["scheduler"] = {"diffusers", "UniPCMultistepScheduler"};
  index["text_encoder"] = {"transformers", "UMT5EncoderModel"};
  index["tokenizer"] = {"transformers", "T5TokenizerFast"};
  index["transformer"] = transformer;
  index["transformer_2"] = pair ? transformer : none;
  index["vae"] = {"diffusers", "AutoencoderKLWan"};
  return index;
}

/// The published folders' shift, which is not the official one; readers take sampling from the model's own defaults.
Json scheduler_config(const Variant& variant) {
  return {{"_class_name", "UniPCMultistepScheduler"},
          {"_diffusers_version", kVersion},
          {"flow_shift", variant.experts.size() > 1 ? 3.0 : 5.0},
          {"num_train_timesteps", 1000},
          {"prediction_type", "flow_prediction"},
          {"solver_order", 2},
          {"use_flow_sigmas", true}};
}

Json transformer_config(const DitConfig& c) {
  return {{"_class_name", "WanTransformer3DModel"},
          {"_diffusers_version", kVersion},
          {"added_kv_proj_dim", nullptr},
          {"attention_head_dim", c.head_dim()},
          {"cross_attn_norm", true},
          {"eps", shortest(c.eps)},
          {"ffn_dim", c.ffn_dim},
          {"freq_dim", c.freq_dim},
          {"image_dim", nullptr},
          {"in_channels", c.in_dim},
          {"num_attention_heads", c.num_heads},
          {"num_layers", c.num_layers},
          {"out_channels", c.out_dim},
          {"patch_size", {c.patch.frames, c.patch.rows, c.patch.columns}},
          {"pos_embed_seq_len", nullptr},
          {"qk_norm", "rms_norm_across_heads"},
          {"rope_max_seq_len", 1024},
          {"text_dim", c.text_dim}};
}

Json text_encoder_config(const TextEncoderConfig& c) {
  return {{"architectures", {"UMT5EncoderModel"}},
          {"model_type", "umt5"},
          {"d_ff", c.dim_ffn},
          {"d_kv", c.dim_attention / c.num_heads},
          {"d_model", c.dim},
          {"dense_act_fn", "gelu_new"},
          {"eos_token_id", 1},
          {"feed_forward_proj", "gated-gelu"},
          {"is_gated_act", true},
          {"layer_norm_epsilon", shortest(c.eps)},
          {"num_heads", c.num_heads},
          {"num_layers", c.num_layers},
          {"pad_token_id", 0},
          {"relative_attention_max_distance", 128},
          {"relative_attention_num_buckets", c.num_buckets},
          {"scalable_attention", true},
          {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"},
          {"vocab_size", c.vocabulary}};
}

Json vae_config(VaeVersion version, const std::vector<WeightPart>& parts) {
  const vae::Widths widths = vae::read_widths(version, [&](const std::string& name) {
    const auto part = std::find_if(parts.begin(), parts.end(),
                                   [&](const WeightPart& each) { return each.source == name + ".weight"; });
    require_op(part != parts.end(), "a VAE without " + name);
    return part->shape[0];
  });
  const VaeConfig config{version, widths.latent};
  const VaeTraits& traits = config.traits();
  const auto numbers = [](std::span<const float> values) {
    Json list = Json::array();
    for (const float value : values) list.push_back(shortest(value));
    return list;
  };
  Json multiples = Json::array(), halves_time = Json::array();
  for (const int64_t width : widths.encoder) multiples.push_back(width / widths.encoder_in);
  for (int level = 0; level + 1 < vae::kLevels; ++level) halves_time.push_back(vae::encoder_halves_time(level));
  Json json{{"_class_name", "AutoencoderKLWan"},
            {"_diffusers_version", kVersion},
            {"attn_scales", Json::array()},
            {"base_dim", widths.encoder_in},
            {"dim_mult", multiples},
            {"dropout", 0.0},
            {"latents_mean", numbers(config.mean())},
            {"latents_std", numbers(config.deviation())},
            {"num_res_blocks", vae::kEncoderResiduals},
            {"temperal_downsample", halves_time},  // spelled so there
            {"z_dim", widths.latent}};
  if (traits.patch == 1) return json;
  const int64_t channels = 3 * traits.patch * traits.patch;
  json["clip_output"] = false;
  json["decoder_base_dim"] = widths.decoder.back();
  json["in_channels"] = json["out_channels"] = channels;
  json["is_residual"] = true;
  json["patch_size"] = traits.patch;
  json["scale_factor_spatial"] = traits.stride_spatial;
  json["scale_factor_temporal"] = traits.stride_temporal;
  return json;
}

}  // namespace

void add_diffusers(CheckpointFolder& folder, const MadeCheckpoint& made, uint64_t shard_bytes) {
  const CheckpointSizes& sizes = made.sizes;
  const Variant& variant = *sizes.variant;
  folder.add_text("model_index.json", text_of(model_index(variant)));
  folder.add_text("scheduler/scheduler_config.json", text_of(scheduler_config(variant)));

  std::vector<WrittenTensor> dit = dit_tensors(sizes.dit, DType::kF32);
  store_all_as(dit, made.form.dit_dtype);
  rename_all(dit, ModelPart::kDit, WeightNaming::kDiffusers);
  constexpr std::array kTransformers{"transformer", "transformer_2"};
  for (size_t i = 0; i < made.dits.size(); ++i) {
    const std::filesystem::path part = kTransformers.at(i);
    folder.add_shards(part, kDitStem, shard_bytes, OneShard::kIsPlain, made.dits[i], dit);
    folder.add_text(part / "config.json", text_of(transformer_config(sizes.dit)));
  }

  std::vector<WrittenTensor> text = text_encoder_tensors(sizes.text);
  rename_all(text, ModelPart::kTextEncoder, WeightNaming::kTransformers);
  folder.add_shards("text_encoder", "model", std::min(shard_bytes, kTextShardBytes), OneShard::kIsPlain,
                    made.text_encoder, std::move(text));
  folder.add_text("text_encoder/config.json", text_of(text_encoder_config(sizes.text)));

  std::vector<WrittenTensor> vae = vae_tensors(sizes.vae, DType::kF32);
  rename_all(vae, ModelPart::kVae, WeightNaming::kDiffusers);
  folder.add_safetensors(std::filesystem::path("vae") / kDitName, made.vae, std::move(vae));
  folder.add_text("vae/config.json", text_of(vae_config(variant.vae, sizes.vae)));

  folder.add_tokenizer(made.tokenizer, "tokenizer");
}

}  // namespace wan
