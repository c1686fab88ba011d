#include "backend/attention8_contract.h"

#include <string>

#include "base/error.h"

namespace wan {
namespace {

int64_t round_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }

/// Sums of k's runs and the mean, or sums, least and largest of v's runs, and the factor: by channel.
int64_t scratch_floats(int64_t keys, int64_t heads, AttentionForm form) {
  const int64_t lines = form == AttentionForm::k8And8 ? 3 : 1;
  return heads * kAttention8Dim * (1 + lines * attention8_runs(keys));
}

std::string text(const TensorView& view) { return std::string(name_of(view.dtype)) + " " + view.shape.text(); }

/// Rows of whole heads, F32 or BF16, 16 bytes or a multiple apart.
void require_head_rows(const TensorView& rows, const Shape& shape, Memory where, const std::string& name) {
  const bool is_float = rows.dtype == DType::kF32 || rows.dtype == DType::kBF16;
  require_op(is_float && rows.shape == shape && rows.stride(1) == 1 && rows.memory == where,
             name + " must be F32 or BF16 rows " + shape.text() + " with unit inner stride, found " + text(rows));
  const int64_t stride = rows.shape[0] > 1 ? rows.stride(0) * static_cast<int64_t>(size_of(rows.dtype)) : 0;
  require_op(reinterpret_cast<uintptr_t>(rows.data) % 16 == 0 && stride % 16 == 0,
             name + "'s rows must begin at multiples of 16 bytes, found a row each " + std::to_string(stride) +
                 " bytes from an address that is " + std::to_string(reinterpret_cast<uintptr_t>(rows.data) % 16) +
                 " beyond such a multiple");
}

void require_part(const TensorView& part, DType dtype, const Shape& shape, Memory where, const std::string& name) {
  require_op(part.dtype == dtype && part.shape == shape && part.is_contiguous() && part.memory == where,
             "a." + name + " must be contiguous " + std::string(name_of(dtype)) + " " + shape.text() + ", found " +
                 text(part));
}

/// Everything but the v of k8And16.
void require_parts(const Attention8& a, Memory where) {
  require_op(a.q.rank() == 2 && a.k.rank() == 2 && a.q_scale.rank() == 2 && a.heads() > 0 && a.k.shape[0] > 0,
             "a must come from allocate_attention8, found q " + text(a.q) + ", q_scale " + text(a.q_scale) + " and k " +
                 text(a.k));
  const int64_t queries = a.q.shape[0], keys = a.k.shape[0], heads = a.heads(), width = heads * kAttention8Dim;
  require_part(a.q, DType::kI8, {queries, width}, where, "q");
  require_part(a.q_scale, DType::kF32, {heads, queries}, where, "q_scale");
  require_part(a.k, DType::kI8, {keys, width}, where, "k");
  require_part(a.k_scale, DType::kF32, {heads, round_up(attention8_scales(keys), kAttention8ScaleRow)}, where,
               "k_scale");
  if (a.form == AttentionForm::k8And16) return;
  require_part(a.v, DType::kF8E4M3, {width, round_up(keys, kAttention8ValueRow)}, where, "v");
  require_part(a.v_scale, DType::kF32, {width}, where, "v_scale");
  require_part(a.v_mean, DType::kF32, {width}, where, "v_mean");
}

}  // namespace

Attention8 allocate_attention8(Arena& arena, int64_t queries, int64_t keys, int64_t heads, AttentionForm form) {
  require_op(queries >= 0 && keys > 0 && heads > 0, "attention needs at least one key and one head, found " +
                                                        std::to_string(queries) + " queries, " + std::to_string(keys) +
                                                        " keys and " + std::to_string(heads) + " heads");
  constexpr const char* kWhat = "attention in 8 bits";
  const int64_t width = heads * kAttention8Dim;
  const auto make = [&](DType dtype, const Shape& shape) { return arena.allocate(dtype, shape, kWhat); };
  Attention8 a;
  a.form = form;
  a.q = make(DType::kI8, {queries, width});
  a.q_scale = make(DType::kF32, {heads, queries});
  a.k = make(DType::kI8, {keys, width});
  a.k_scale = make(DType::kF32, {heads, round_up(attention8_scales(keys), kAttention8ScaleRow)});
  if (form == AttentionForm::k8And8) {
    a.v = make(DType::kF8E4M3, {width, round_up(keys, kAttention8ValueRow)});
    a.v_scale = make(DType::kF32, {width});
    a.v_mean = make(DType::kF32, {width});
  }
  a.scratch = make(DType::kF32, {scratch_floats(keys, heads, form)});
  return a;
}

void require_quantizable_attention(TensorView q, TensorView k, TensorView v, const Attention8& a, Memory where) {
  require_parts(a, where);
  const int64_t queries = a.q.shape[0], keys = a.k.shape[0], width = a.q.shape[1];
  require_head_rows(q, {queries, width}, where, "q");
  require_head_rows(k, {keys, width}, where, "k");
  require_head_rows(v, {keys, width}, where, "v");
  require_op(k.dtype == q.dtype && v.dtype == q.dtype,
             "q, k and v must share a dtype, found " + text(q) + ", " + text(k) + " and " + text(v));
  require_part(a.scratch, DType::kF32, {scratch_floats(keys, a.heads(), a.form)}, where, "scratch");
}

void require_attention8(const Attention8& a, float scale, TensorView y, Memory where) {
  require_parts(a, where);
  if (a.form == AttentionForm::k8And16) require_head_rows(a.v, a.k.shape, where, "a.v");
  require_head_rows(y, a.q.shape, where, "y");
  require_op(scale > 0, "scale must be above 0, found " + std::to_string(scale));
}

}  // namespace wan
