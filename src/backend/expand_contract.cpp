#include "backend/expand_contract.h"

#include <string>

#include "base/error.h"

namespace wan {
namespace {

void require_bytes(const TensorView& memory, size_t bytes, Memory where, const char* name) {
  const bool is_there = memory.dtype == DType::kU8 && memory.rank() == 1 && memory.is_contiguous() &&
                        memory.bytes() == bytes && (bytes == 0 || memory.memory == where);
  require_op(is_there, std::string(name) + " must be U8 [" + std::to_string(bytes) + "], found " +
                           std::string(name_of(memory.dtype)) + " " + memory.shape.text());
}

void require_term(const LowRankTerm& term, int64_t rows, int64_t columns, Memory where) {
  const TensorView &up = term.up, &down = term.down;
  const bool is_half = up.dtype == DType::kF16 || up.dtype == DType::kBF16;
  const bool fits = up.rank() == 2 && down.rank() == 2 && up.shape[0] == rows && down.shape[1] == columns &&
                    up.shape[1] == down.shape[0];
  require_op(is_half && up.dtype == down.dtype && fits && up.is_contiguous() && down.is_contiguous() &&
                 up.memory == where && down.memory == where,
             "up " + up.shape.text() + " and down " + down.shape.text() +
                 " must be contiguous, both F16 or both BF16, and fit " + Shape{rows, columns}.text());
}

}  // namespace

void require_expandable(const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y, Memory where) {
  const PackedForm& form = matrix.form;
  const int64_t rows = matrix.rows, columns = matrix.columns;
  require_op(rows >= 0 && columns >= 0 && form.fits(columns) && matrix.tile_row >= 0 && matrix.tile_row < kPackedTile,
             std::to_string(columns) + " columns are not stored as " + form.text());
  require_bytes(matrix.values, static_cast<size_t>(rows) * form.row_bytes(columns), where, "packed values");
  const size_t scales = form.scale_bytes(rows, columns, matrix.tile_row);
  if (scales > 0) require_bytes(matrix.scales, scales, where, "packed scales");
  const bool is_float = y.dtype == DType::kF32 || y.dtype == DType::kBF16;
  require_op(is_float && y.shape == Shape{rows, columns} && y.is_contiguous() && y.memory == where,
             "y must be contiguous F32 or BF16 " + Shape{rows, columns}.text() + ", found " +
                 std::string(name_of(y.dtype)) + " " + y.shape.text());
  require_op(terms.empty() || y.dtype == DType::kBF16, "terms are added only to BF16");
  for (const LowRankTerm& term : terms) require_term(term, rows, columns, where);
}

}  // namespace wan
