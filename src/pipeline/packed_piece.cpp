#include "pipeline/packed_piece.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "tensor/encode.h"

namespace wan {
namespace {

constexpr int64_t kRankStep = 16;  // of products of half precision: what is missing is filled with zeros
constexpr int64_t kSplit = 3;      // products that make one of F32 factors

bool is_stored_as(const PatchTerm& term, DType dtype) {
  const auto is = [&](const StoredTensor& tensor) { return tensor.block == BlockType::kNone && tensor.dtype == dtype; };
  return is(*term.change->up) && is(*term.change->down);
}

bool is_split(const PackedPiece::Factors& factors) {
  return factors.dtype == DType::kBF16 && !is_stored_as(*factors.term, DType::kBF16);
}

TensorView view_at(TensorView memory, size_t offset, DType dtype, const Shape& shape) {
  return {static_cast<std::byte*>(memory.data) + offset, dtype, shape, memory.memory};
}

/// What is left of a value beside its nearest BF16.
float rest_of(float value) { return value - round_to_bf16(value); }

uint16_t bits_as(DType dtype, float value) { return dtype == DType::kF16 ? to_f16(value).bits : to_bf16(value).bits; }

/// Writes 16-bit values where `at(row, k)` of the factor in memory is made of element (row, k) of the one in the file.
struct FactorWriter {
  const PackedPiece::Factors& factors;
  int64_t rank;  // in the file

  /// Of the three products a c + a d + b c: whether `up` has b in the third, and `down` has d in the second.
  float part_of(float value, int64_t product, int64_t rest) const { return product == rest ? rest_of(value) : value; }
  int64_t products() const { return is_split(factors) ? kSplit : 1; }

  void write_up(const float* from, int64_t rows, std::byte* to) const {
    auto* const out = reinterpret_cast<uint16_t*>(to);
    std::fill_n(out, rows * factors.rank, uint16_t{0});
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t product = 0; product < products(); ++product)
        for (int64_t k = 0; k < rank; ++k)
          out[row * factors.rank + product * rank + k] =
              bits_as(factors.dtype, part_of(from[row * rank + k], product, 2));
  }
  void write_down(const float* from, int64_t columns, std::byte* to) const {
    auto* const out = reinterpret_cast<uint16_t*>(to);
    std::fill_n(out, columns * factors.rank, uint16_t{0});
    for (int64_t product = 0; product < products(); ++product)
      for (int64_t i = 0; i < rank * columns; ++i)
        out[product * rank * columns + i] = bits_as(factors.dtype, part_of(from[i], product, 1));
  }
};

PackedPiece::Factors factors_of(const PatchTerm& term, DType compute) {
  PackedPiece::Factors factors{&term, DType::kF32, term.change->rank, 0, 0};
  if (compute == DType::kF32) return factors;
  factors.dtype = is_stored_as(term, DType::kF16) ? DType::kF16 : DType::kBF16;
  const int64_t rank = is_split(factors) ? kSplit * term.change->rank : term.change->rank;
  factors.rank = (rank + kRankStep - 1) / kRankStep * kRankStep;
  return factors;
}

}  // namespace

PackedPiece PiecePacker::place(const WeightSlot& slot, const WeightPart& part, int64_t begin, int64_t end,
                               size_t offset) const {
  PackedPiece piece;
  piece.slot = &slot;
  piece.part = &part;
  piece.begin = begin;
  piece.end = end;
  piece.slab_begin = slot.offset + static_cast<size_t>(part.element_offset + begin) * size_of(slot.dtype);
  piece.packed = source_.packed(part, slot.dtype);
  piece.columns = part.shape.rank() < 2 ? 1 : part.shape.count() / part.shape[0];
  if (begin % piece.columns != 0 || end % piece.columns != 0)
    piece.packed = {{slot.dtype, BlockType::kNone, PackedScale::kNone}, 1, {}, true};
  if (piece.packed.is_read) piece.columns = 1;
  const bool has_other_loras = piece.packed.is_read && !source_.terms(part).empty();
  piece.is_seeded = !has_other_loras && source_.can_make_on_device(part, piece.packed.form.dtype);
  const PackedForm& form = piece.packed.form;
  const int64_t tile_row = piece.first_row() % kPackedTile;
  piece.values = piece_aligned(offset);
  piece.scales = piece_aligned(piece.values + static_cast<size_t>(piece.rows()) * form.row_bytes(piece.columns));
  piece.memory_end = piece.scales + form.scale_bytes(piece.rows(), piece.columns, tile_row);
  for (const PatchTerm& term : piece.packed.terms) {
    PackedPiece::Factors factors = factors_of(term, slot.dtype);
    const auto element = static_cast<int64_t>(size_of(factors.dtype));
    factors.up = piece_aligned(piece.memory_end);
    factors.down = piece_aligned(factors.up + static_cast<size_t>(piece.rows() * factors.rank * element));
    piece.memory_end = factors.down + static_cast<size_t>(piece.columns * factors.rank * element);
    piece.factors.push_back(factors);
  }
  return piece;
}

void PiecePacker::write(const PackedPiece& piece, std::byte* memory) const {
  write_rows(piece, 0, piece.rows(), memory + piece.values);
  write_rest(piece, memory);
}

void PiecePacker::write_rows(const PackedPiece& piece, int64_t begin, int64_t end, std::byte* out) const {
  if (piece.packed.is_read)
    return source_.read(*piece.part, piece.begin + begin, piece.begin + end, piece.slot->dtype, out);
  source_.read_packed(*piece.part, piece.packed.form, piece.first_row() + begin, piece.first_row() + end, out);
}

void PiecePacker::write_rest(const PackedPiece& piece, std::byte* memory) const {
  if (piece.packed.is_read) return;
  source_.read_scales(*piece.part, piece.packed.form, piece.first_row(), piece.first_row() + piece.rows(),
                      memory + piece.scales);
  write_factors(piece, memory);
}

void PiecePacker::make_values(Backend& backend, const PackedPiece& piece, TensorView memory, TensorView slab,
                              size_t slab_origin, Queue queue) const {
  const Shape count{piece.end - piece.begin};
  const TensorView out = piece.packed.is_read ? view_at(slab, piece.slab_begin - slab_origin, piece.slot->dtype, count)
                                              : view_at(memory, piece.values, piece.packed.form.dtype, count);
  source_.make_on_device(backend, *piece.part, piece.begin, out, queue);
}

void PiecePacker::write_factors(const PackedPiece& piece, std::byte* memory) const {
  for (const PackedPiece::Factors& factors : piece.factors) {
    const PatchTerm& term = *factors.term;
    const LoraChange& change = *term.change;
    const int64_t rank = change.rank, first = piece.first_row();
    const auto read = [&](const StoredTensor& tensor, int64_t begin, int64_t end, auto* out) {
      term.lora->read(tensor, begin, end, out);
    };
    if (factors.dtype == DType::kF32) {
      read(*change.up, first * rank, (first + piece.rows()) * rank, reinterpret_cast<float*>(memory + factors.up));
      read(*change.down, 0, piece.columns * rank, reinterpret_cast<float*>(memory + factors.down));
      continue;
    }
    std::vector<float> values(static_cast<size_t>(std::max(piece.rows(), piece.columns) * rank));
    const FactorWriter writer{factors, rank};
    read(*change.up, first * rank, (first + piece.rows()) * rank, values.data());
    writer.write_up(values.data(), piece.rows(), memory + factors.up);
    read(*change.down, 0, piece.columns * rank, values.data());
    writer.write_down(values.data(), piece.columns, memory + factors.down);
  }
}

void expand(Backend& backend, const PackedPiece& piece, TensorView memory, TensorView slab, size_t slab_origin,
            Queue queue) {
  const size_t begin = piece.slab_begin - slab_origin;
  const auto bytes_at = [&](size_t offset, size_t bytes) {
    return view_at(memory, offset, DType::kU8, {static_cast<int64_t>(bytes)});
  };
  if (piece.packed.is_read) {
    const TensorView out = view_at(slab, begin, DType::kU8, {static_cast<int64_t>(piece.slab_bytes())});
    return backend.copy_bytes(bytes_at(piece.values, piece.slab_bytes()), out, queue);
  }
  const int64_t rows = piece.rows(), columns = piece.columns, tile_row = piece.first_row() % kPackedTile;
  const PackedForm& form = piece.packed.form;
  const TensorView out = view_at(slab, begin, piece.slot->dtype, {rows, columns});
  const PackedMatrix matrix{form,
                            rows,
                            columns,
                            bytes_at(piece.values, static_cast<size_t>(rows) * form.row_bytes(columns)),
                            bytes_at(piece.scales, form.scale_bytes(rows, columns, tile_row)),
                            piece.packed.factor,
                            tile_row};
  std::vector<LowRankTerm> terms;
  for (const PackedPiece::Factors& factors : piece.factors)
    terms.push_back({view_at(memory, factors.up, factors.dtype, {rows, factors.rank}),
                     view_at(memory, factors.down, factors.dtype, {factors.rank, columns}), factors.term->factor});
  if (out.dtype != DType::kF32) return backend.expand(matrix, terms, out, queue);
  backend.expand(matrix, {}, out, queue);
  for (const LowRankTerm& term : terms) backend.add_low_rank(out, term.up, term.down, term.factor, out, queue);
}

}  // namespace wan
