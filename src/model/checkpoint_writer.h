// Writes checkpoints: of random weights in the published sizes, in any form that people download, and packed copies of
// existing ones in the official layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/checkpoint_format.h"
#include "model/dit.h"
#include "model/text_encoder.h"
#include "model/vae.h"
#include "model/variant.h"
#include "model/weights.h"

namespace wan {

struct WriteOptions {
  /// A file of the DiT holds at most this many bytes of data, or one tensor.
  uint64_t shard_bytes = 10'000'000'000;
  /// Told after every few megabytes, from one thread at a time; what it throws ends the writing.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;
};

/// What a made checkpoint consists of.
struct CheckpointSizes {
  const Variant* variant = nullptr;
  DitConfig dit;
  TextEncoderConfig text;
  std::vector<WeightPart> vae;
  AudioEncoderConfig audio{};  // of a model that takes audio
  ImageEncoderConfig image{};  // of a model that attends to a picture

  /// Only the first `layers` of the DiT and of the text encoder. Throws Error(kUsage) where what goes in behind some
  /// blocks of the DiT would go in behind none, or not behind every fifth.
  void keep_layers(int64_t layers);
};

/// Of a row of the family's table.
CheckpointSizes published_checkpoint_sizes(const Variant& variant);

/// How a made checkpoint is stored.
struct CheckpointForm {
  CheckpointFormat format = CheckpointFormat::kOfficial;
  /// F32 or BF16: of the DiT in the official layout and in diffusers'. The other formats say it by their names.
  DType dit_dtype = DType::kF32;
};

/// Whether CheckpointForm::dit_dtype decides anything.
bool has_dit_dtype(CheckpointFormat format);

/// Writes the weights of `random_weights` with `seed`, each rounded once to the type it is stored in:
///   official, diffusers  the DiT in `dit_dtype`, the text encoder in BF16, the VAE in F32
///   the others           what is no matrix, the VAE, and the comfy format's matrices in BF16 (see checkpoint_format.h)
/// The tokenizer is copied from `tokenizer`, a folder or a file; the folders of ComfyUI hold its spiece.model within
/// the text encoder's file. Where no tensor tells what the DiT is (heads of another size than the published models'), a
/// config.json lies beside it. `target` appears complete or not at all. Throws Error(kUsage) when it is there and not
/// empty or the disk lacks space, Error(kInput) where there is no such tokenizer, Error(kRuntime) when writing fails.
void make_checkpoint(const CheckpointSizes& sizes, uint64_t seed, const CheckpointForm& form,
                     const std::filesystem::path& tokenizer, const std::filesystem::path& target,
                     const WriteOptions& options);

/// Writes a copy whose DiT holds, in the order they are loaded, the very bytes the engine puts on the device in bf16:
/// BF16 where it computes in bf16, F32 for what it keeps (time embedding, head, norms, modulation). Results in bf16 are
/// the same bit for bit. Text encoder, VAE and tokenizer are copied, those of another form written as the official
/// files have them. Throws as make_checkpoint and open_checkpoint.
void pack_checkpoint(const WeightChoice& source, const std::filesystem::path& target, const WriteOptions& options);

}  // namespace wan
