// Tensors that are to be written: by the names and in the types of some form, each with where its values come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/layout.h"
#include "model/text_encoder.h"
#include "model/weights.h"
#include "tensor/blocks.h"

namespace wan {

/// It holds the values of a weight, or bytes that are known beforehand, or a scale.
struct WrittenTensor {
  std::string name;  // as stored
  Shape shape = {};
  DType dtype = DType::kF32;              // F32, F16, BF16, E4M3; of `content` any
  BlockType block = BlockType::kNone;     // else in blocks of a type that is written (tensor/encode.h)
  std::optional<WeightPart> values = {};  // rounded once to the type
  std::string content = {};               // where there are no values and no scale
  /// Which of the file's scales: the values are divided by it, or without values it is what the tensor holds.
  std::optional<size_t> scale = {};

  uint64_t bytes() const;
};

uint64_t total_bytes(std::span<const WrittenTensor> tensors);

/// Tensors under their official names. Of a DiT in the order the engine loads them, each in the type the engine keeps
/// when it computes in `compute`; of a text encoder in BF16; of a VAE in `dtype`.
std::vector<WrittenTensor> dit_tensors(const DitConfig& config, DType compute);
std::vector<WrittenTensor> text_encoder_tensors(const TextEncoderConfig& config);
std::vector<WrittenTensor> vae_tensors(std::span<const WeightPart> parts, DType dtype);
/// In F32, as transformers names them.
std::vector<WrittenTensor> audio_encoder_tensors(const AudioEncoderConfig& config);
/// In F16, as in the file of CLIP's two towers, with the last block, which nobody computes.
std::vector<WrittenTensor> image_encoder_tensors(const ImageEncoderConfig& config);

void store_all_as(std::vector<WrittenTensor>& tensors, DType dtype);
void rename_all(std::vector<WrittenTensor>& tensors, ModelPart part, WeightNaming naming);

/// A matrix that activations are multiplied by, of a DiT or a text encoder: not a table of embeddings or positions.
bool is_linear(const WrittenTensor& tensor);

/// The file's scales, each the largest magnitude of a weight's values over the largest number of E4M3, or 1 for a
/// weight of zeros. Reads all values of scaled weights on a few threads; calls `went_on` every few megabytes.
std::vector<float> measure_scales(const WeightSource& source, std::span<const WrittenTensor> tensors,
                                  const std::function<void()>& went_on);

/// A piece of a tensor of values: elements [begin, end), whole blocks where it has them; else all of it.
struct WrittenPiece {
  const WrittenTensor* tensor;
  int64_t begin, end;
};
/// All of the tensors, in order; each piece is a few megabytes.
std::vector<WrittenPiece> pieces_of(std::span<const WrittenTensor> tensors);
/// What the file has of it.
void make_piece(const WrittenPiece& piece, const WeightSource& source, std::span<const float> scales,
                std::vector<std::byte>& out);

/// More threads make no more values than one file takes.
inline constexpr int kThreadsPerFile = 4;

}  // namespace wan
