#include "pipeline/packed_layers.h"

#include <algorithm>

namespace wan {
namespace {

/// The piece in memory of which byte `begin` is the first: its own, or the first behind its values, which are not
/// written then.
PackedPiece moved(PackedPiece piece, size_t begin) {
  piece.values -= std::min(piece.values, begin);
  piece.scales -= begin;
  piece.memory_end -= begin;
  for (PackedPiece::Factors& factors : piece.factors) {
    factors.up -= begin;
    factors.down -= begin;
  }
  return piece;
}

}  // namespace

PackedLayers::PackedLayers(std::span<const WeightLayout> layouts, const WeightSource& source, size_t chunk_bytes)
    : packer_(source) {
  for (const WeightLayout& layout : layouts) {
    Layer& layer = layers_.emplace_back();
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) {
        layer.pieces.push_back(packer_.place(slot, part, 0, part.shape.count(), layer.bytes));
        layer.bytes = piece_aligned(layer.pieces.back().memory_end);
      }
    cut(layer, chunk_bytes);
  }
}

/// Small pieces go together, large ones by their rows.
void PackedLayers::cut(Layer& layer, size_t chunk_bytes) {
  size_t first = 0;
  const auto end_group = [&](size_t last) {
    if (first < last)
      layer.chunks.push_back(
          {layer.pieces[first].values, layer.pieces[last - 1].memory_end, Chunk::Part::kWhole, first, last, 0, 0});
    first = last;
  };
  for (size_t i = 0; i < layer.pieces.size(); ++i) {
    const PackedPiece& piece = layer.pieces[i];
    if (piece.memory_end - piece.values > chunk_bytes) {
      end_group(i);
      cut_piece(layer, i, chunk_bytes);
      first = i + 1;
    } else if (piece.memory_end - layer.pieces[first].values > chunk_bytes) {
      end_group(i);
    }
  }
  end_group(layer.pieces.size());
}

void PackedLayers::cut_piece(Layer& layer, size_t index, size_t chunk_bytes) {
  const PackedPiece& piece = layer.pieces[index];
  const size_t row_bytes = piece.packed.form.row_bytes(piece.columns);
  const auto step = static_cast<int64_t>(std::max<size_t>(1, chunk_bytes / std::max<size_t>(1, row_bytes)));
  for (int64_t row = 0; row < piece.rows(); row += step) {
    const int64_t end = std::min(piece.rows(), row + step);
    layer.chunks.push_back({piece.values + static_cast<size_t>(row) * row_bytes,
                            piece.values + static_cast<size_t>(end) * row_bytes, Chunk::Part::kRows, index, index + 1,
                            row, end});
  }
  if (piece.scales < piece.memory_end)
    layer.chunks.push_back({piece.scales, piece.memory_end, Chunk::Part::kRest, index, index + 1, 0, 0});
}

size_t PackedLayers::most_bytes() const {
  size_t most = 0;
  for (const Layer& layer : layers_) most = std::max(most, layer.bytes);
  return most;
}

size_t PackedLayers::all_bytes() const {
  size_t all = 0;
  for (const Layer& layer : layers_) all += layer.bytes;
  return all;
}

size_t PackedLayers::most_chunk_bytes() const {
  size_t most = 0;
  for (const Layer& layer : layers_)
    for (const Chunk& chunk : layer.chunks) most = std::max(most, chunk.bytes());
  return most;
}

void PackedLayers::write(int layer, const Chunk& chunk, std::byte* out) const {
  const std::vector<PackedPiece>& pieces = layers_[static_cast<size_t>(layer)].pieces;
  switch (chunk.part) {
    case Chunk::Part::kRows: return packer_.write_rows(pieces[chunk.first], chunk.row_begin, chunk.row_end, out);
    case Chunk::Part::kRest: return packer_.write_rest(moved(pieces[chunk.first], chunk.begin), out);
    case Chunk::Part::kWhole:
      for (size_t i = chunk.first; i < chunk.last; ++i) packer_.write(moved(pieces[i], chunk.begin), out);
  }
}

void PackedLayers::expand(Backend& backend, int layer, TensorView packed, TensorView slab, Queue queue) const {
  for (const PackedPiece& piece : layers_[static_cast<size_t>(layer)].pieces)
    wan::expand(backend, piece, packed, slab, 0, queue);
}

}  // namespace wan
