#include "model/written_tensor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "model/dit.h"
#include "model/official_layout.h"
#include "tensor/encode.h"

namespace wan {
namespace {

constexpr int64_t kPieceElements = int64_t{4} << 20;  // made or converted at a time by one thread
constexpr int64_t kBatch = 8192;                      // of them, on their way through F32; whole blocks of every type
constexpr float kLargestE4M3 = 448;

void append(std::vector<WrittenTensor>& tensors, const WeightLayout& layout) {
  for (const WeightSlot& slot : layout.slots())
    for (const WeightPart& part : slot.parts)
      tensors.push_back({.name = part.source, .shape = part.shape, .dtype = slot.dtype, .values = part});
}

size_t bytes_of(const WrittenTensor& tensor, int64_t elements) {
  if (tensor.block == BlockType::kNone) return static_cast<size_t>(elements) * size_of(tensor.dtype);
  const BlockTraits& traits = traits_of(tensor.block);
  return static_cast<size_t>(elements / traits.values) * traits.bytes;
}

/// Cuts [begin, end) into batches: `take(values, count)` with the values in F32, in order.
template <typename Take>
void read_batches(const WeightSource& source, const WeightPart& part, int64_t begin, int64_t end, Take take) {
  std::array<float, kBatch> values;
  for (int64_t first = begin; first < end; first += kBatch) {
    const int64_t count = std::min(kBatch, end - first);
    source.read(part, first, first + count, DType::kF32, values.data());
    take(values.data(), count);
  }
}

void encode(const WrittenTensor& tensor, const float* values, int64_t count, float scale, std::byte* out) {
  if (tensor.block != BlockType::kNone)
    return encode_blocks(tensor.block, values, count / traits_of(tensor.block).values, out);
  if (tensor.dtype == DType::kF16) {
    auto* to = reinterpret_cast<F16*>(out);
    for (int64_t i = 0; i < count; ++i) to[i] = to_f16(values[i]);
    return;
  }
  require_op(tensor.dtype == DType::kF8E4M3, "weights are written as F32, F16, BF16, F8_E4M3 or in blocks");
  auto* to = reinterpret_cast<uint8_t*>(out);
  for (int64_t i = 0; i < count; ++i) to[i] = to_e4m3(values[i] / scale);
}

}  // namespace

uint64_t WrittenTensor::bytes() const { return bytes_of(*this, shape.count()); }

uint64_t total_bytes(std::span<const WrittenTensor> tensors) {
  uint64_t bytes = 0;
  for (const WrittenTensor& tensor : tensors) bytes += tensor.bytes();
  return bytes;
}

std::vector<WrittenTensor> dit_tensors(const DitConfig& config, DType compute) {
  std::vector<WrittenTensor> tensors;
  for (const WeightLayout& layout : dit_layouts(config, compute)) append(tensors, layout);
  return tensors;
}

std::vector<WrittenTensor> text_encoder_tensors(const TextEncoderConfig& config) {
  std::vector<WrittenTensor> tensors;
  const WeightPart table = text_embedding_part(config);
  tensors.push_back({.name = table.source, .shape = table.shape, .values = table});
  for (int64_t i = 0; i < config.num_layers; ++i)
    append(tensors, text_encoder_layer_layout(config, static_cast<int>(i), DType::kBF16));
  append(tensors, text_encoder_norm_layout(config));
  store_all_as(tensors, DType::kBF16);
  return tensors;
}

std::vector<WrittenTensor> vae_tensors(std::span<const WeightPart> parts, DType dtype) {
  std::vector<WrittenTensor> tensors;
  for (const WeightPart& part : parts)
    tensors.push_back({.name = part.source, .shape = part.shape, .dtype = dtype, .values = part});
  return tensors;
}

std::vector<WrittenTensor> audio_encoder_tensors(const AudioEncoderConfig& config) {
  std::vector<WrittenTensor> tensors;
  append(tensors, audio_stem_layout(config));
  for (int64_t layer = 0; layer < config.num_layers; ++layer) append(tensors, audio_layer_layout(config, layer));
  const AudioPositionParts position = audio_position_parts(config);
  for (const WeightPart& part : {position.length, position.directions})
    tensors.push_back({.name = part.source, .shape = part.shape, .values = part});
  store_all_as(tensors, DType::kF32);
  return tensors;
}

std::vector<WrittenTensor> image_encoder_tensors(const ImageEncoderConfig& config) {
  std::vector<WrittenTensor> tensors;
  append(tensors, image_stem_layout(config));
  for (int64_t layer = 0; layer <= config.num_layers; ++layer) append(tensors, image_layer_layout(config, layer));
  for (WrittenTensor& tensor : tensors) tensor.name.insert(0, kImageTowerPrefix);
  store_all_as(tensors, DType::kF16);
  return tensors;
}

void store_all_as(std::vector<WrittenTensor>& tensors, DType dtype) {
  for (WrittenTensor& tensor : tensors) tensor.dtype = dtype;
}

void rename_all(std::vector<WrittenTensor>& tensors, ModelPart part, WeightNaming naming) {
  for (WrittenTensor& tensor : tensors) tensor.name = stored_name(part, naming, tensor.values.value().source);
}

bool is_linear(const WrittenTensor& tensor) {
  if (!tensor.values || tensor.shape.rank() != 2) return false;
  const std::string& name = tensor.values->source;
  return name.ends_with(".weight") && name != "token_embedding.weight" &&
         !name.ends_with("pos_embedding.embedding.weight");
}

std::vector<float> measure_scales(const WeightSource& source, std::span<const WrittenTensor> tensors,
                                  const std::function<void()>& went_on) {
  std::vector<WrittenPiece> scaled;
  size_t count = 0;
  for (const WrittenPiece& piece : pieces_of(tensors)) {
    if (!piece.tensor->scale) continue;
    count = std::max(count, *piece.tensor->scale + 1);
    if (piece.tensor->values) scaled.push_back(piece);
  }
  std::vector<float> largest(count);
  const auto produce = [&](int64_t index, std::vector<std::byte>& out) {
    const WrittenPiece& piece = scaled[static_cast<size_t>(index)];
    float found = 0;
    read_batches(source, *piece.tensor->values, piece.begin, piece.end, [&](const float* values, int64_t n) {
      for (int64_t i = 0; i < n; ++i) found = std::max(found, std::abs(values[i]));
    });
    out.resize(sizeof found);
    std::memcpy(out.data(), &found, sizeof found);
  };
  const auto consume = [&](int64_t index, std::span<const std::byte> bytes) {
    float found = 0;
    std::memcpy(&found, bytes.data(), sizeof found);
    float& all = largest[*scaled[static_cast<size_t>(index)].tensor->scale];
    all = std::max(all, found);
    went_on();
  };
  produce_in_order(static_cast<int64_t>(scaled.size()), kThreadsPerFile, produce, consume);
  for (float& each : largest) each = each > 0 ? each / kLargestE4M3 : 1;
  return largest;
}

std::vector<WrittenPiece> pieces_of(std::span<const WrittenTensor> tensors) {
  std::vector<WrittenPiece> pieces;
  for (const WrittenTensor& tensor : tensors) {
    const int64_t count = tensor.shape.count();
    const int64_t most = tensor.values ? kPieceElements : count;
    for (int64_t begin = 0; begin < count; begin += most)
      pieces.push_back({&tensor, begin, std::min(begin + most, count)});
  }
  return pieces;
}

void make_piece(const WrittenPiece& piece, const WeightSource& source, std::span<const float> scales,
                std::vector<std::byte>& out) {
  const WrittenTensor& tensor = *piece.tensor;
  out.resize(bytes_of(tensor, piece.end - piece.begin));
  if (!tensor.values) {
    const void* from = tensor.scale ? static_cast<const void*>(&scales[*tensor.scale]) : tensor.content.data();
    std::memcpy(out.data(), from, out.size());
    return;
  }
  if (tensor.block == BlockType::kNone && (tensor.dtype == DType::kF32 || tensor.dtype == DType::kBF16))
    return source.read(*tensor.values, piece.begin, piece.end, tensor.dtype, out.data());
  const float scale = tensor.scale ? scales[*tensor.scale] : 1;
  std::byte* to = out.data();
  read_batches(source, *tensor.values, piece.begin, piece.end, [&](const float* values, int64_t count) {
    encode(tensor, values, count, scale, to);
    to += bytes_of(tensor, count);
  });
}

}  // namespace wan
