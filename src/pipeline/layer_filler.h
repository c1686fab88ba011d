// Puts the values of layers into their slabs, in chunks that many workers take, and adds LoRAs on the way: on the host,
// or on the device that the values go to. There the base goes over in F32, or in its own type where that is as exact;
// the factors go with it, the device adds them up and rounds once into the slab. Private to pipeline/.
//
// A chunk of a card's slab takes this way: `stage` on a worker, into page-locked memory; one copy to scratch memory on
// the device; one product a LoRA. All but the first is in the copy queue, in whose order one scratch serves all chunks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/lora_patches.h"
#include "model/weights.h"

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
              bool merges_on_device);

  /// Together a whole slab, in order.
  std::span<const Chunk> chunks() const { return chunks_; }
  /// Whether the device adds LoRAs to something; else `stage` writes what the slab is to have.
  bool merges_on_device() const { return merges_on_device_; }
  /// Of host memory for one chunk.
  size_t staging_bytes() const { return staging_bytes_; }
  /// Of device memory while layers are filled.
  size_t scratch_bytes() const { return merges_on_device_ ? staging_bytes_ : 0; }
  /// Of device memory in `make_on_device`.
  size_t seeded_bytes() const;

  /// Allocates the scratch memory. Throws OutOfMemory.
  void start();
  /// Gives it back; nothing may be in flight.
  void finish() { scratch_.reset(); }

  /// Writes a chunk as the slab is to have it; LoRAs are added here. Thread-safe.
  void write(int layer, const Chunk& chunk, std::byte* out) const;
  /// Writes what `issue` takes. Thread-safe.
  void stage(int layer, const Chunk& chunk, std::byte* staging) const;
  /// Makes the chunk's bytes `out`, device memory, of what was staged: on the copy queue. One call at a time.
  void issue(int layer, const Chunk& chunk, TensorView staging, TensorView out) const;
  /// Makes whole slabs, of layers from `first` on, of a source that can do so: on the compute queue. LoRAs are added in
  /// the same way.
  void make_on_device(int first, std::span<const TensorView> slabs) const;

 private:
  /// Values of one part within a chunk.
  struct Piece {
    const WeightSlot* slot = nullptr;
    const WeightPart* part = nullptr;
    int64_t begin = 0, end = 0;         // of the part
    size_t slab_begin = 0, bytes = 0;   // in the slab
    size_t staged = 0, staged_end = 0;  // in staging memory
    std::span<const PatchTerm> terms;   // that the device adds: whole rows then
    DType base = DType::kF32;           // as what the values are staged

    size_t base_bytes() const { return static_cast<size_t>(end - begin) * size_of(base); }
    int64_t columns() const { return part->shape.count() / part->shape[0]; }
    int64_t rows() const { return (end - begin) / columns(); }
    Shape matrix() const { return {rows(), columns()}; }
  };
  /// Where one term's factors lie in staging memory, both F32: rows of B, then all of A.
  struct Factors {
    size_t up = 0, down = 0, end = 0;
  };

  std::vector<Piece> pieces_of(int layer, const Chunk& chunk) const;
  std::span<const PatchTerm> terms_for_device(const Piece& piece) const;
  static Factors factors_at(const Piece& piece, const PatchTerm& term, size_t begin);
  Chunk whole_slab() const { return {0, layouts_.front().bytes()}; }
  size_t row_begin_before(size_t offset) const;
  void stage_piece(const Piece& piece, std::byte* staging) const;
  void stage_factors(const Piece& piece, std::byte* staging) const;
  void merge_seeded(Piece piece, TensorView memory, std::span<std::byte> host, TensorView out) const;
  void merge(const Piece& piece, TensorView memory, TensorView out, Queue queue) const;

  Backend& backend_;
  std::span<const WeightLayout> layouts_;
  const WeightSource& source_;
  bool merges_on_device_;
  std::vector<Chunk> chunks_;
  size_t staging_bytes_ = 0;
  Tensor scratch_;
};

}  // namespace wan
