// Puts the values of layers into their slabs, in chunks that many workers take. What a file stores in fewer bits, and
// weights that LoRAs change, can be made on the device: their rows go over as they are stored, with the LoRAs' factors,
// and the device expands and adds them up and rounds once into the slab. Private to pipeline/.
//
// A chunk of a card's slab takes this way: `stage` on a worker, into page-locked memory; one copy a piece to scratch
// memory on the device; one expansion. All but the first is in one queue, in whose order one scratch serves all chunks.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/weights.h"
#include "pipeline/packed_piece.h"

namespace wan {

class LayerFiller {
 public:
  /// Bytes of a slab.
  struct Chunk {
    size_t begin = 0, end = 0;
    size_t bytes() const { return end - begin; }
  };

  /// All layouts have the same size, slots and parts. All must outlive the filler. `chunk_bytes` is what a worker takes
  /// at most, in staging memory. Nothing is allocated before `start`.
  LayerFiller(Backend& backend, std::span<const WeightLayout> layouts, const WeightSource& source, size_t chunk_bytes,
              bool expands_on_device);

  /// Together a whole slab, in order.
  std::span<const Chunk> chunks() const { return chunks_; }
  /// Whether the device expands something; else `stage` writes what the slab is to have.
  bool expands_on_device() const { return expands_on_device_; }
  /// Of host memory for one chunk.
  size_t staging_bytes() const { return staging_bytes_; }
  /// Of device memory while layers are filled, for each queue.
  size_t scratch_bytes() const { return expands_on_device_ ? staging_bytes_ : 0; }
  /// Of device memory in `make_on_device`.
  size_t seeded_bytes() const;

  /// Allocates the scratch memory of what is to be issued to these queues. Throws OutOfMemory.
  void start(std::initializer_list<Queue> queues);
  /// Gives it back; nothing may be in flight.
  void finish() { scratch_.clear(); }

  /// Writes a chunk as the slab is to have it; LoRAs are added here. Thread-safe.
  void write(int layer, const Chunk& chunk, std::byte* out) const;
  /// Writes what `issue` takes. Thread-safe.
  void stage(int layer, const Chunk& chunk, std::byte* staging) const;
  /// Makes the chunk's bytes `out`, device memory, of what was staged. One call at a time.
  void issue(int layer, const Chunk& chunk, TensorView staging, TensorView out, Queue queue) const;
  /// Makes whole slabs, of layers from `first` on, of a source that can do so: on the compute queue. LoRAs are added in
  /// the same way.
  void make_on_device(int first, std::span<const TensorView> slabs) const;

 private:
  std::vector<PackedPiece> pieces_of(int layer, const Chunk& chunk) const;
  bool is_expanded_anywhere() const;
  Chunk whole_slab() const { return {0, layouts_.front().bytes()}; }
  size_t row_begin_before(size_t offset) const;
  void merge_seeded(const WeightSlot& slot, const WeightPart& part, TensorView memory, std::span<std::byte> host,
                    TensorView slab) const;

  Backend& backend_;
  std::span<const WeightLayout> layouts_;
  const WeightSource& source_;
  PiecePacker packer_;
  bool expands_on_device_;
  std::vector<Chunk> chunks_;
  size_t staging_bytes_ = 0;
  std::map<Queue, Tensor> scratch_;
};

}  // namespace wan
