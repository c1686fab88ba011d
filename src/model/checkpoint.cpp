#include "model/checkpoint.h"

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr const char* kSingleName = "diffusion_pytorch_model.safetensors";

// Data of the official configuration (wan/configs/shared_config.py): the negative prompt used when none is given.
constexpr const char* kNegativePrompt =
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，"
    "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，"
    "三条腿，背景人很多，"
    "倒着走";

TensorFile open_dit(const std::filesystem::path& folder) {
  for (const char* name : {kDitIndexName, kSingleName})
    if (std::filesystem::exists(folder / name)) return TensorFile::open(folder / name);
  throw Error(ErrorKind::kInput,
              fmt::format("{} has neither {} nor {}: the DiT is missing", folder.string(), kDitIndexName, kSingleName));
}

std::filesystem::path require_file(const std::filesystem::path& path, const char* what) {
  require(std::filesystem::exists(path), fmt::format("{} is missing: expected {}", what, path.string()));
  return path;
}

void check_dit(const DitConfig& config, const TensorFile& file) {
  std::vector<WeightLayout> layouts{dit_stem_layout(config, DType::kF32)};
  for (int i = 0; i < config.num_layers; ++i) layouts.push_back(dit_block_layout(config, i, DType::kF32));
  check_tensors(file, layouts);
}

void check_text_encoder(const TextEncoderConfig& config, const TensorFile& file) {
  std::vector<WeightLayout> layouts{text_encoder_norm_layout(config)};
  WeightLayout embedding;
  const WeightPart table = text_embedding_part(config);
  embedding.add("embedding", DType::kF32, table.shape, table.source, table.init);
  layouts.push_back(embedding);
  for (int i = 0; i < config.num_layers; ++i) layouts.push_back(text_encoder_layer_layout(config, i, DType::kF32));
  check_tensors(file, layouts);
}

void require_same(const DitConfig& high, const DitConfig& low, const std::filesystem::path& folder) {
  const bool same = high.dim == low.dim && high.ffn_dim == low.ffn_dim && high.in_dim == low.in_dim &&
                    high.out_dim == low.out_dim && high.num_layers == low.num_layers &&
                    high.num_heads == low.num_heads && high.text_dim == low.text_dim &&
                    high.model_type == low.model_type;
  require(same, fmt::format("{}: the high-noise and low-noise experts have different sizes", folder.string()));
}

}  // namespace

const char* vae_file_name(VaeVersion version) {
  return version == VaeVersion::k22 ? "Wan2.2_VAE.pth" : "Wan2.1_VAE.pth";
}

std::filesystem::path tokenizer_folder(const std::filesystem::path& checkpoint) {
  return checkpoint / "google" / "umt5-xxl";
}

ModelDefaults model_defaults(const std::string& model_type) {
  ModelDefaults d;
  d.negative_prompt = kNegativePrompt;
  if (model_type == "ti2v") return d;
  d.num_frames = 81;
  d.fps = 16;
  d.width = 1280;
  d.height = 720;
  d.steps = 40;
  if (model_type == "t2v") {
    d.shift = 12.0;
    d.guidance_low = 3.0;
    d.guidance_high = 4.0;
    d.boundary = 0.875;
    return d;
  }
  require(model_type == "i2v", fmt::format("model type '{}' is unknown", model_type));
  d.guidance_low = d.guidance_high = 3.5;
  d.boundary = 0.900;
  return d;
}

Checkpoint open_checkpoint(const std::filesystem::path& folder) {
  require(std::filesystem::is_directory(folder),
          fmt::format("there is no checkpoint folder {}\n{}", folder.string(), official_checkpoints_help()));
  Checkpoint c;
  c.folder = folder;
  const bool two = std::filesystem::is_directory(folder / kExpertFolders[0]) ||
                   std::filesystem::is_directory(folder / kExpertFolders[1]);
  if (two) {
    for (const char* expert : kExpertFolders)
      require(std::filesystem::is_directory(folder / expert),
              fmt::format("{} has one expert only: folder {} is missing", folder.string(), expert));
    for (const char* expert : kExpertFolders) c.dits.push_back(open_dit(folder / expert));
    c.dit = read_dit_config(folder / kExpertFolders[0], c.dits[0]);
    require_same(c.dit, read_dit_config(folder / kExpertFolders[1], c.dits[1]), folder);
    require(c.dit.model_type != "ti2v", fmt::format("{}: model_type ti2v has no experts", folder.string()));
  } else {
    c.dits.push_back(open_dit(folder));
    c.dit = read_dit_config(folder, c.dits[0]);
    require(c.dit.model_type == "ti2v",
            fmt::format("{}: model_type {} needs the folders high_noise_model and low_noise_model", folder.string(),
                        c.dit.model_type));
  }
  for (const TensorFile& file : c.dits) check_dit(c.dit, file);
  c.text_encoder = TensorFile::open(require_file(folder / kTextEncoderName, "the text encoder"));
  c.text = read_text_encoder_config(c.text_encoder);
  check_text_encoder(c.text, c.text_encoder);
  require(c.text.dim == c.dit.text_dim, fmt::format("{}: the text encoder is {} wide, the DiT expects {}",
                                                    folder.string(), c.text.dim, c.dit.text_dim));
  const char* vae_name = vae_file_name(c.dit.model_type == "ti2v" ? VaeVersion::k22 : VaeVersion::k21);
  c.vae_file = TensorFile::open(require_file(folder / vae_name, "the VAE"));
  c.vae = read_vae_config(c.vae_file);
  check_vae_tensors(c.vae_file);
  require(c.vae.latent_channels == c.dit.out_dim, fmt::format("{}: the VAE has {} latent channels, the DiT writes {}",
                                                              folder.string(), c.vae.latent_channels, c.dit.out_dim));
  c.tokenizer = tokenizer_folder(folder);
  require(std::filesystem::is_directory(c.tokenizer),
          fmt::format("the tokenizer is missing: expected folder {}", c.tokenizer.string()));
  return c;
}

std::string official_checkpoints_help() {
  return "Official checkpoints (Apache-2.0), each a folder made by the Hugging Face command-line client:\n"
         "  Wan-AI/Wan2.2-TI2V-5B    34 GB   text or image to video, 1280x704\n"
         "  Wan-AI/Wan2.2-T2V-A14B  126 GB   text to video, two experts\n"
         "  Wan-AI/Wan2.2-I2V-A14B  126 GB   image to video, two experts\n"
         "  hf download Wan-AI/Wan2.2-TI2V-5B --local-dir Wan2.2-TI2V-5B\n"
         "To time a card without a download use --weights random --model ti2v-5B (or t2v-A14B, i2v-A14B).";
}

}  // namespace wan
