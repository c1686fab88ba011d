#include "model/checkpoint.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "model/foreign_files.h"

namespace wan {
namespace {

TensorFile open_dit(const std::filesystem::path& folder) {
  for (const char* name : {kDitIndexName, kDitName})
    if (std::filesystem::exists(folder / name)) return TensorFile::open(folder / name);
  throw Error(ErrorKind::kInput,
              fmt::format("{} has neither {} nor {}: the DiT is missing", folder.string(), kDitIndexName, kDitName));
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

/// Folders of the DiTs, relative to the checkpoint's: of the first row one of whose experts has its folder here, or the
/// checkpoint's own. Throws Error(kInput) where a folder beside those that are there is missing.
std::vector<std::string> dit_folders_in(const std::filesystem::path& checkpoint) {
  const auto is_here = [&](const ExpertSpec& expert) {
    return !expert.folder.empty() && std::filesystem::is_directory(checkpoint / expert.folder);
  };
  for (const Variant& variant : variants()) {
    if (std::none_of(variant.experts.begin(), variant.experts.end(), is_here)) continue;
    for (const ExpertSpec& expert : variant.experts)
      require(is_here(expert),
              fmt::format("{} lacks an expert: folder {} is missing", checkpoint.string(), expert.folder));
    return expert_folders(variant);
  }
  return {""};
}

/// Opens the DiTs and reads which model they are. Throws Error(kInput) unless they are that model's experts, of one
/// size.
void open_dits(Checkpoint& c) {
  const std::vector<std::string> folders = dit_folders_in(c.folder);
  for (const std::string& folder : folders) c.dits.push_back(open_dit(c.folder / folder));
  c.variant = &read_variant(c.folder / folders.front());
  c.dit = read_dit_config(c.folder / folders.front(), c.dits.front());
  for (size_t i = 1; i < folders.size(); ++i)
    require(
        &read_variant(c.folder / folders[i]) == c.variant && read_dit_config(c.folder / folders[i], c.dits[i]) == c.dit,
        fmt::format("{}: {} and {} are of different models or sizes", c.folder.string(), folders.front(), folders[i]));
  const std::vector<std::string> expected = expert_folders(*c.variant);
  require(folders == expected, expected.front().empty()
                                   ? fmt::format("{}: model_type {} has no experts", c.folder.string(), c.variant->task)
                                   : fmt::format("{}: model_type {} needs the folders {}", c.folder.string(),
                                                 c.variant->task, fmt::join(expected, " and ")));
  for (const TensorFile& file : c.dits) check_dit(c.dit, file);
}

}  // namespace

Checkpoint open_checkpoint(const std::filesystem::path& folder) {
  if (const auto foreign = find_foreign_files(folder)) throw Error(ErrorKind::kInput, foreign->message());
  require(std::filesystem::is_directory(folder),
          fmt::format("there is no checkpoint folder {}\n{}", folder.string(), official_checkpoints_help()));
  Checkpoint c;
  c.folder = folder;
  open_dits(c);
  c.text_encoder = TensorFile::open(require_file(folder / kTextEncoderName, "the text encoder"));
  c.text = read_text_encoder_config(c.text_encoder);
  check_text_encoder(c.text, c.text_encoder);
  require(c.text.dim == c.dit.text_dim, fmt::format("{}: the text encoder is {} wide, the DiT expects {}",
                                                    folder.string(), c.text.dim, c.dit.text_dim));
  c.vae_file = TensorFile::open(require_file(folder / c.variant->vae_traits().file_name, "the VAE"));
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
  std::string text = "Official checkpoints (Apache-2.0), each a folder made by the Hugging Face command-line client:\n";
  for (const Variant& variant : variants())
    text += fmt::format("  {:<22} {:>4} GB   {}\n", variant.repository, variant.gigabytes, variant.description);
  const Variant& first = variants().front();
  const std::string_view folder = first.repository.substr(first.repository.find('/') + 1);
  return text + fmt::format("  hf download {} --local-dir {}\n", first.repository, folder) +
         fmt::format("To time a card without a download use --weights random --model {}.", model_names_text());
}

}  // namespace wan
