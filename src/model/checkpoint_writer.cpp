#include "model/checkpoint_writer.h"

#include <cstdlib>
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
                       std::span<const WeightSource> sources, const std::vector<WrittenTensor>& tensors,
                       uint64_t shard_bytes) {
  const std::vector<std::string> folders = expert_folders(variant);
  for (size_t i = 0; i < folders.size(); ++i) {
    folder.add_shards(folders[i], kDitStem, shard_bytes, OneShard::kIsSharded, sources[i], tensors);
    folder.add_text(std::filesystem::path(folders[i]) / "config.json", official_dit_config(variant, config));
  }
}

void add_official(CheckpointFolder& folder, const MadeCheckpoint& made, uint64_t shard_bytes) {
  const CheckpointSizes& sizes = made.sizes;
  std::vector<WrittenTensor> dit = dit_tensors(sizes.dit, DType::kF32);
  store_all_as(dit, made.form.dit_dtype);
  add_official_dits(folder, *sizes.variant, sizes.dit, made.dits, dit, shard_bytes);
  folder.add_pth(kTextEncoderName, made.text_encoder, text_encoder_tensors(sizes.text));
  folder.add_pth(sizes.variant->vae_traits().file_name, made.vae, vae_tensors(sizes.vae, DType::kF32));
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

std::string official_dit_config(const Variant& variant, const DitConfig& config) {
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
  return json.dump(2) + "\n";
}

CheckpointSizes published_checkpoint_sizes(const Variant& variant) {
  return {&variant, variant.dit, published_text_encoder_config(), vae_parts(variant.vae, nullptr)};
}

bool has_dit_dtype(CheckpointFormat format) {
  return format == CheckpointFormat::kOfficial || format == CheckpointFormat::kDiffusers;
}

namespace {

/// Until their writers know the audio encoder and the image encoder.
void require_usual_parts(const Variant& variant, const char* what) {
  const char* more = variant.takes_audio() ? "audio" : "image";
  require(!variant.takes_audio() && !variant.takes_driving_video(),
          fmt::format("{}: the {} encoder of {} is not written yet: use the published files", what, more, variant.name),
          ErrorKind::kUsage);
}

}  // namespace

void make_checkpoint(const CheckpointSizes& sizes, uint64_t seed, const CheckpointForm& form,
                     const std::filesystem::path& tokenizer, const std::filesystem::path& target,
                     const WriteOptions& options) {
  require_usual_parts(*sizes.variant, "make-checkpoint");
  MadeCheckpoint made{.sizes = sizes,
                      .form = form,
                      .tokenizer = tokenizer,
                      .dits = {},
                      .text_encoder = random_weights(Component::kTextEncoder, seed),
                      .vae = random_weights(Component::kVae, seed)};
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
  require_usual_parts(*checkpoint.variant, "pack");
  CheckpointFolder folder(Sync::kOnDisk, options);
  std::vector<WeightSource> dits;
  for (const WeightFile& file : checkpoint.dits) dits.push_back(WeightSource::from_file(file));
  add_official_dits(folder, *checkpoint.variant, checkpoint.dit, dits, dit_tensors(checkpoint.dit, DType::kBF16),
                    options.shard_bytes);
  if (const auto defaults = checkpoint.files.folder / kCheckpointDefaultsName; std::filesystem::exists(defaults))
    folder.add_small_copy(defaults, kCheckpointDefaultsName);
  const auto add = [&](const WeightFile& file, std::vector<WrittenTensor> tensors, std::string_view name) {
    if (is_official_pth(file)) return folder.add_copy(file.file().path(), name);
    folder.add_pth(name, WeightSource::from_file(file), std::move(tensors));
  };
  add(checkpoint.text_encoder, text_encoder_tensors(checkpoint.text), kTextEncoderName);
  add(checkpoint.vae_file, vae_tensors(vae_parts(checkpoint.vae.version, &checkpoint.vae_file), DType::kF32),
      checkpoint.variant->vae_traits().file_name);
  folder.add_tokenizer(checkpoint, tokenizer_folder({}));
  folder.write(target);
}

}  // namespace wan
