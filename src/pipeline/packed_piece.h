// Part of a layer's weights on its way to the slab that computes: the rows of one stored tensor, in the form in which
// they are kept and moved, with the factors of the LoRAs that are added when they are expanded. Private to pipeline/.
//
// In memory a piece is, one behind the other: values, scales, and of each LoRA rows of `up` and all of `down`. A factor
// is F32 for weights that compute in F32. Otherwise it is F16 or BF16 as in its file, or, of other types, the sum of
// two BF16: up = a + b and down = c + d to 16 bits and more, so that up down = a c + a d + b c, of three times the
// rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/lora_patches.h"
#include "model/weights.h"

namespace wan {

struct PackedPiece {
  const WeightSlot* slot = nullptr;
  const WeightPart* part = nullptr;
  PackedPart packed;
  int64_t begin = 0, end = 0;  // values of the part; whole rows unless `packed.is_read`
  int64_t columns = 0;         // of a row; where it is read, all values are one
  size_t slab_begin = 0;       // bytes before it in the slab
  bool is_seeded = false;      // random values, which the device can make

  struct Factors {
    const PatchTerm* term = nullptr;
    DType dtype = DType::kF32;
    int64_t rank = 0;  // as it lies in memory
    size_t up = 0, down = 0;
  };
  // Bytes from the beginning of the memory that it lies in.
  size_t values = 0, scales = 0, memory_end = 0;
  std::vector<Factors> factors;

  int64_t rows() const { return (end - begin) / columns; }
  int64_t first_row() const { return begin / columns; }
  size_t slab_bytes() const { return static_cast<size_t>(end - begin) * size_of(slot->dtype); }
};

/// Pieces of one source. It must outlive this.
class PiecePacker {
 public:
  explicit PiecePacker(const WeightSource& source) : source_(source) {}

  /// Values [begin, end) of a part, with its place at `offset` or a little behind it.
  PackedPiece place(const WeightSlot& slot, const WeightPart& part, int64_t begin, int64_t end, size_t offset) const;

  /// Writes the piece to the memory it has its place in. Thread-safe. Throws Error(kInput) as WeightSource::read does.
  void write(const PackedPiece& piece, std::byte* memory) const;
  /// Only rows [begin, end) of its values, counted from the piece's first; values, where it is read. To `out`.
  void write_rows(const PackedPiece& piece, int64_t begin, int64_t end, std::byte* out) const;
  /// Only what lies behind its values, which `memory` begins with.
  void write_rest(const PackedPiece& piece, std::byte* memory) const;
  /// Makes the values of a seeded piece on the device, in its memory or, where it is read, in `slab` as in `expand`.
  void make_values(Backend& backend, const PackedPiece& piece, TensorView memory, TensorView slab, size_t slab_origin,
                   Queue queue) const;
  /// Only the factors, at their places.
  void write_factors(const PackedPiece& piece, std::byte* memory) const;

 private:
  const WeightSource& source_;
};

/// Makes the piece's values in `slab`, device memory that begins with byte `slab_origin` of a whole slab, of `memory`
/// on the device.
void expand(Backend& backend, const PackedPiece& piece, TensorView memory, TensorView slab, size_t slab_origin,
            Queue queue);

/// Offsets in memory are multiples of this.
constexpr size_t piece_aligned(size_t offset) { return (offset + 255) / 256 * 256; }

}  // namespace wan
