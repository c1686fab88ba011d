// Layers kept in the form of their file, on the device or in page-locked memory, and expanded pass after pass: where
// each weight lies in such a layer, and how a layer is filled and expanded. Private to pipeline/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/packed_piece.h"

namespace wan {

class PackedLayers {
 public:
  /// Bytes of a packed layer that a worker writes at a time.
  struct Chunk {
    size_t begin = 0, end = 0;
    // Whole pieces [first, last), or of one piece rows, or of one piece what lies behind its values.
    enum class Part : uint8_t { kWhole, kRows, kRest } part = Part::kWhole;
    size_t first = 0, last = 0;
    int64_t row_begin = 0, row_end = 0;
    size_t bytes() const { return end - begin; }
  };

  /// Nothing is read but headers and single scales. Layouts and source must outlive this. `chunk_bytes` is the most a
  /// chunk has, but for the factors of one weight.
  PackedLayers(std::span<const WeightLayout> layouts, const WeightSource& source, size_t chunk_bytes);

  size_t bytes(int layer) const { return layers_[static_cast<size_t>(layer)].bytes; }
  size_t most_bytes() const;
  size_t all_bytes() const;
  /// The largest chunk of all layers.
  size_t most_chunk_bytes() const;
  std::span<const Chunk> chunks(int layer) const { return layers_[static_cast<size_t>(layer)].chunks; }

  /// Writes a chunk's bytes. Thread-safe. Throws Error(kInput) as WeightSource::read does.
  void write(int layer, const Chunk& chunk, std::byte* out) const;
  /// Makes the whole slab of a packed layer that is in device memory.
  void expand(Backend& backend, int layer, TensorView packed, TensorView slab, Queue queue) const;

 private:
  struct Layer {
    std::vector<PackedPiece> pieces;
    std::vector<Chunk> chunks;
    size_t bytes = 0;
  };
  static void cut(Layer& layer, size_t chunk_bytes);
  static void cut_piece(Layer& layer, size_t index, size_t chunk_bytes);

  PiecePacker packer_;
  std::vector<Layer> layers_;
};

}  // namespace wan
