#include "model/checkpoint_writer.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/checkpoint_folder.h"
#include "model/made_checkpoint.h"
#include "model/official_layout.h"
#include "model/written_tensor.h"

namespace wan {
namespace {

using OneShard = CheckpointFolder::OneShard;

/// The DiTs of the variant's experts and their configs.
void add_official_dits(CheckpointFolder& folder, const Variant& variant, const DitConfig& config,
                       const ImageEncoderConfig& image, std::span<const WeightSource> sources,
                       const std::vector<WrittenTensor>& tensors, uint64_t shard_bytes) {
  const std::vector<std::string> folders = expert_folders(variant);
  std::optional<int64_t> image_heads;
  if (image.num_heads != usual_image_encoder_heads(image)) image_heads = image.num_heads;
  for (size_t i = 0; i < folders.size(); ++i) {
    folder.add_shards(folders[i], kDitStem, shard_bytes, OneShard::kIsSharded, sources[i], tensors);
    folder.add_text(std::filesystem::path(folders[i]) / "config.json",
                    official_dit_config(variant, config, image_heads));
  }
}

/// As transformers writes it, with what tells the encoder's form.
std::string audio_encoder_config(const AudioEncoderConfig& config) {
  nlohmann::ordered_json json{{"model_type", "wav2vec2"},
                              {"hidden_size", config.dim},
                              {"intermediate_size", config.dim_ffn},
                              {"num_attention_heads", config.num_heads},
                              {"num_hidden_layers", config.num_layers},
                              {"feat_extract_norm", "layer"},
                              {"feat_extract_activation", "gelu"},
                              {"hidden_act", "gelu"},
                              {"do_stable_layer_norm", true},
                              {"layer_norm_eps", shortest(config.eps)}};
  for (const AudioEncoderConfig::Conv& conv : config.convs) {
    json["conv_dim"].push_back(conv.width);
    json["conv_kernel"].push_back(conv.kernel);
    json["conv_stride"].push_back(conv.stride);
  }
  return json.dump(2) + "\n";
}

void add_official(CheckpointFolder& folder, const MadeCheckpoint& made, uint64_t shard_bytes) {
  const CheckpointSizes& sizes = made.sizes;
  std::vector<WrittenTensor> dit = dit_tensors(sizes.dit, DType::kF32);
  store_all_as(dit, made.form.dit_dtype);
  add_official_dits(folder, *sizes.variant, sizes.dit, sizes.image, made.dits, dit, shard_bytes);
  folder.add_pth(kTextEncoderName, made.text_encoder, text_encoder_tensors(sizes.text));
  folder.add_pth(sizes.variant->vae_traits().file_name, made.vae, vae_tensors(sizes.vae, DType::kF32));
  if (sizes.variant->takes_audio()) {
    const std::filesystem::path audio = kAudioEncoderFolder;
    folder.add_safetensors(audio / "model.safetensors", made.audio_encoder, audio_encoder_tensors(sizes.audio));
    folder.add_text(audio / "config.json", audio_encoder_config(sizes.audio));
  }
  if (sizes.variant->takes_driving_video())
    folder.add_pth(kImageEncoderName, made.image_encoder, image_encoder_tensors(sizes.image));
  folder.add_tokenizer(made.tokenizer, tokenizer_folder({}));
}

/// Whether a file is what the official layout has for its part: copied, not converted.
bool is_official_pth(const WeightFile& file) {
  const auto& schemes = file.facts().schemes;
  return file.file().format() == "pth" && file.facts().naming == WeightNaming::kOfficial &&
         file.facts().prefix.empty() && schemes.size() == 1 &&
         schemes.contains(std::string(name_of(WeightScheme::kPlain))) && file.file().files().size() == 1;
}

}  // namespace

double shortest(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

std::string official_dit_config(const Variant& variant, const DitConfig& config, std::optional<int64_t> image_heads) {
  nlohmann::ordered_json json{{"_class_name", std::string(variant.class_name)},
                              {"dim", config.dim},
                              {"eps", shortest(config.eps)},
                              {"ffn_dim", config.ffn_dim},
                              {"freq_dim", config.freq_dim},
                              {"in_dim", config.in_dim},
                              {"model_type", std::string(variant.task)},
                              {"num_heads", config.num_heads},
                              {"num_layers", config.num_layers},
                              {"out_dim", config.out_dim},
                              {"text_len", config.text_len}};
  if (variant.takes_audio()) {
    const SpeechConfig& speech = config.speech;
    json["cond_dim"] = config.out_dim;
    json["audio_dim"] = speech.audio_dim;
    json["num_audio_token"] = speech.audio_tokens;
    json["audio_inject_layers"] =
        std::vector<int32_t>(speech.after_block.begin(), speech.after_block.begin() + speech.injected);
    for (const char* key : {"enable_adain", "zero_timestep", "enable_framepack", "add_last_motion"}) json[key] = true;
    for (const char* key : {"enable_motioner", "enable_tsm"}) json[key] = false;
    json["adain_mode"] = "attn_norm";
    json["framepack_drop_mode"] = "padd";
  }
  if (variant.takes_driving_video()) {
    json["motion_encoder_dim"] = config.animate.motion_dim;
    for (const char* key : {"use_img_emb", "qk_norm", "cross_attn_norm"}) json[key] = true;
    if (image_heads) json["image_encoder_heads"] = *image_heads;
  }
  return json.dump(2) + "\n";
}

CheckpointSizes published_checkpoint_sizes(const Variant& variant) {
  CheckpointSizes sizes{&variant, variant.dit, published_text_encoder_config(), vae_parts(variant.vae, nullptr)};
  if (variant.takes_audio()) sizes.audio = published_audio_encoder_config();
  if (variant.takes_driving_video()) sizes.image = published_image_encoder_config();
  return sizes;
}

void CheckpointSizes::keep_layers(int64_t layers) {
  text.num_layers = std::min(text.num_layers, layers);
  if (layers >= dit.num_layers) return;
  dit.num_layers = layers;
  SpeechConfig& speech = dit.speech;
  while (speech.injected > 0 && speech.after_block[static_cast<size_t>(speech.injected) - 1] >= layers)
    speech.after_block[static_cast<size_t>(--speech.injected)] = 0;
  AnimateConfig& animate = dit.animate;
  require(animate.face_blocks == 0 || layers % AnimateConfig::kBlockPeriod == 0,
          fmt::format("{} layers of {}: the face goes in behind every {}th: give a multiple of it", layers,
                      variant->name, AnimateConfig::kBlockPeriod),
          ErrorKind::kUsage);
  if (animate.face_blocks > 0) animate.face_blocks = layers / AnimateConfig::kBlockPeriod;
}

bool has_dit_dtype(CheckpointFormat format) {
  return format == CheckpointFormat::kOfficial || format == CheckpointFormat::kDiffusers;
}

void make_checkpoint(const CheckpointSizes& sizes, uint64_t seed, const CheckpointForm& form,
                     const std::filesystem::path& tokenizer, const std::filesystem::path& target,
                     const WriteOptions& options) {
  require(form.format == CheckpointFormat::kOfficial || !sizes.variant->makes_clips(),
          fmt::format("make-checkpoint: {} is made in the official layout alone: leave out --format {}",
                      sizes.variant->name, enum_name(form.format)),
          ErrorKind::kUsage);
  MadeCheckpoint made{.sizes = sizes,
                      .form = form,
                      .tokenizer = tokenizer,
                      .dits = {},
                      .text_encoder = random_weights(Component::kTextEncoder, seed),
                      .vae = random_weights(Component::kVae, seed),
                      .audio_encoder = random_weights(Component::kAudioEncoder, seed),
                      .image_encoder = random_weights(Component::kImageEncoder, seed)};
  for (size_t i = 0; i < sizes.variant->experts.size(); ++i)
    made.dits.push_back(random_weights(dit_component(i), seed));
  // Random weights can be made again: they need not reach the disk before they are used.
  CheckpointFolder folder(Sync::kCached, options);
  switch (form.format) {
    case CheckpointFormat::kOfficial: add_official(folder, made, options.shard_bytes); break;
    case CheckpointFormat::kDiffusers: add_diffusers(folder, made, options.shard_bytes); break;
    case CheckpointFormat::kComfy:
    case CheckpointFormat::kComfyFp8:
    case CheckpointFormat::kGgufQ4KM:
    case CheckpointFormat::kGgufQ8_0: add_comfy(folder, made); break;
  }
  folder.write(target);
}

void pack_checkpoint(const WeightChoice& choice, const std::filesystem::path& target, const WriteOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(choice);
  CheckpointFolder folder(Sync::kOnDisk, options);
  std::vector<WeightSource> dits;
  for (const WeightFile& file : checkpoint.dits) dits.push_back(WeightSource::from_file(file));
  add_official_dits(folder, *checkpoint.variant, checkpoint.dit, checkpoint.image, dits,
                    dit_tensors(checkpoint.dit, DType::kBF16), options.shard_bytes);
  if (const auto defaults = checkpoint.files.folder / kCheckpointDefaultsName; std::filesystem::exists(defaults))
    folder.add_small_copy(defaults, kCheckpointDefaultsName);
  const auto add = [&](const WeightFile& file, std::vector<WrittenTensor> tensors, std::string_view name) {
    if (is_official_pth(file)) return folder.add_copy(file.file().path(), name);
    folder.add_pth(name, WeightSource::from_file(file), std::move(tensors));
  };
  add(checkpoint.text_encoder, text_encoder_tensors(checkpoint.text), kTextEncoderName);
  add(checkpoint.vae_file, vae_tensors(vae_parts(checkpoint.vae.version, &checkpoint.vae_file), DType::kF32),
      checkpoint.variant->vae_traits().file_name);
  if (checkpoint.audio_encoder) {
    const std::filesystem::path& from = checkpoint.audio_encoder->file().path();
    const std::filesystem::path config = from.parent_path() / "config.json", to = kAudioEncoderFolder;
    folder.add_copy(from, to / from.filename());
    if (std::filesystem::exists(config)) folder.add_small_copy(config, to / config.filename());
  }
  if (checkpoint.image_encoder) folder.add_copy(checkpoint.image_encoder->file().path(), kImageEncoderName);
  folder.add_tokenizer(checkpoint, tokenizer_folder({}));
  folder.write(target);
}

}  // namespace wan
