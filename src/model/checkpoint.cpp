#include "model/checkpoint.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "model/dit_identity.h"
#include "model/official_layout.h"

namespace wan {
namespace {

std::string path_of(const WeightFile& file) { return file.file().path().string(); }

/// Opens the DiTs and reads which model they are. Throws Error(kInput) unless they are that model's experts, of one
/// size.
void open_dits(Checkpoint& c) {
  for (const std::filesystem::path& path : c.files.dits) c.dits.push_back(WeightFile::open(path, ModelPart::kDit));
  const DitIdentity first = identify_dit(c.dits.front());
  c.variant = first.variant;
  c.dit = first.config;
  c.heads_evidence = first.evidence;
  for (size_t i = 1; i < c.dits.size(); ++i) {
    const DitIdentity other = identify_dit(c.dits[i]);
    require(other.variant == first.variant && other.config == first.config,
            fmt::format("{} and {} are of different models or sizes", path_of(c.dits[0]), path_of(c.dits[i])));
    std::error_code unknown;
    if (std::filesystem::equivalent(c.files.dits[0], c.files.dits[i], unknown))
      throw Error(ErrorKind::kInput, fmt::format("{} is given for both experts: name the high-noise one with "
                                                 "--dit-high and the low-noise one with --dit-low",
                                                 path_of(c.dits[0])));
  }
  const size_t expected = c.variant->experts.size();
  if (c.dits.size() == expected) return;
  throw Error(ErrorKind::kInput,
              expected == 1
                  ? fmt::format("{}: a DiT of {}, which has no experts: name it with --dit or by its folder",
                                path_of(c.dits.front()), c.variant->abbreviation)
                  : fmt::format("{}: one expert of {} alone, which needs both: name the high-noise one with --dit-high "
                                "and the low-noise one with --dit-low",
                                path_of(c.dits.front()), c.variant->abbreviation));
}

void open_text_encoder(Checkpoint& c) {
  c.text_encoder = WeightFile::open(c.files.text_encoder, ModelPart::kTextEncoder);
  c.text = c.text_encoder.sizes().text;
  require(c.text.dim == c.dit.text_dim, fmt::format("{}: the text encoder is {} wide, the DiT expects {}",
                                                    path_of(c.text_encoder), c.text.dim, c.dit.text_dim));
}

void open_vae(Checkpoint& c) {
  c.vae_file = WeightFile::open(c.files.vae, ModelPart::kVae);
  c.vae = {c.vae_file.sizes().vae, c.vae_file.sizes().latent_channels};
  require(c.vae.latent_channels == static_cast<int64_t>(c.vae.mean().size()),
          fmt::format("{}: {} latent channels, but the statistics of this VAE are for {}", path_of(c.vae_file),
                      c.vae.latent_channels, c.vae.mean().size()));
  require(c.vae.latent_channels == c.dit.out_dim,
          fmt::format("{}: the VAE has {} latent channels, the DiT writes {}", path_of(c.vae_file),
                      c.vae.latent_channels, c.dit.out_dim));
}

/// Heads and what no tensor tells are in the config.json beside it, else as published.
void open_audio_encoder(Checkpoint& c) {
  if (!c.variant->takes_audio()) return;
  require(!c.files.audio_encoder.empty(),
          fmt::format("{}: the audio encoder is missing: expected {}", c.files.folder.string(),
                      (c.files.folder / kAudioEncoderFolder / "model.safetensors").string()));
  c.audio_encoder = WeightFile::open(c.files.audio_encoder, ModelPart::kAudioEncoder);
  c.audio = c.audio_encoder->sizes().audio;
  identify_audio_encoder(c.files.audio_encoder.parent_path() / "config.json", c.audio);
  const SpeechConfig& speech = c.dit.speech;
  require(c.audio.dim == speech.audio_dim && c.audio.states() == speech.audio_layers,
          fmt::format("{}: the audio encoder has {} hidden states of {}, the DiT expects {} of {}",
                      path_of(*c.audio_encoder), c.audio.states(), c.audio.dim, speech.audio_layers, speech.audio_dim));
}

/// Its heads are in the DiT's config.json, else as published.
void open_image_encoder(Checkpoint& c) {
  if (!c.variant->takes_driving_video()) return;
  require(!c.files.image_encoder.empty(),
          fmt::format("{}: the image encoder is missing: expected {}", c.files.folder.string(),
                      (c.files.folder / kImageEncoderName).string()));
  c.image_encoder = WeightFile::open(c.files.image_encoder, ModelPart::kImageEncoder);
  c.image = c.image_encoder->sizes().image;
  identify_image_encoder(path_of(*c.image_encoder), c.files.dits.front().parent_path() / "config.json", c.image);
  require(c.image.dim == c.dit.animate.image_dim && c.image.tokens() == AnimateConfig::kImageTokens,
          fmt::format("{}: the image encoder has {} tokens of {}, the DiT expects {} of {}", path_of(*c.image_encoder),
                      c.image.tokens(), c.image.dim, AnimateConfig::kImageTokens, c.dit.animate.image_dim));
}

bool has_tokenizer_inside(const WeightFile& encoder) {
  return encoder.facts().spiece_model != nullptr || holds_gguf_tokenizer(encoder.file());
}

}  // namespace

Checkpoint open_checkpoint(const WeightChoice& choice) {
  Checkpoint c;
  c.files = find_checkpoint_files(choice);
  open_dits(c);
  open_text_encoder(c);
  open_vae(c);
  open_audio_encoder(c);
  open_image_encoder(c);
  require(!c.files.tokenizer.empty() || has_tokenizer_inside(c.text_encoder),
          fmt::format("{}: the tokenizer is missing: it is neither within the text encoder's file nor beside it: name "
                      "tokenizer.json or spiece.model with --tokenizer",
                      path_of(c.text_encoder)));
  return c;
}

Checkpoint open_checkpoint(const std::filesystem::path& checkpoint) {
  return open_checkpoint(WeightChoice::at(checkpoint));
}

Tokenizer open_tokenizer(const Checkpoint& checkpoint) {
  if (!checkpoint.files.tokenizer.empty()) return Tokenizer(checkpoint.files.tokenizer);
  const WeightFile& encoder = checkpoint.text_encoder;
  const StoredTensor* model = encoder.facts().spiece_model;
  if (model == nullptr) return Tokenizer::from_gguf(encoder.file());
  return Tokenizer::from_spiece_within(encoder.file(), *model);
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
