#include "backend/int8_contract.h"

#include <cmath>
#include <string>

#include "base/error.h"

namespace wan {
namespace {

std::string text(const TensorView& view) { return std::string(name_of(view.dtype)) + " " + view.shape.text(); }

void require_float_rows(const TensorView& rows, Memory where, const char* name) {
  const bool is_float = rows.dtype == DType::kF32 || rows.dtype == DType::kBF16;
  require_op(is_float && rows.rank() == 2 && (rows.stride(1) == 1 || rows.shape[1] == 1) && rows.memory == where,
             std::string(name) + " must be F32 or BF16 rows with unit inner stride, found " + text(rows));
}

void require_int8_rows(const Int8Rows& rows, int64_t count, int64_t k, Memory where, const std::string& name) {
  require_op(rows.values.dtype == DType::kI8 && rows.values.shape == Shape{count, k} && rows.values.is_contiguous() &&
                 rows.values.memory == where,
             name + "'s values must be contiguous I8 " + Shape{count, k}.text() + ", found " + text(rows.values));
  require_op(rows.scale.dtype == DType::kF32 && rows.scale.shape == Shape{count} && rows.scale.is_contiguous() &&
                 rows.scale.memory == where,
             name + "'s scale must be contiguous F32 " + Shape{count}.text() + ", found " + text(rows.scale));
}

void require_length(int64_t k) {
  require_op(k > 0 && k <= kInt8MaxLength,
             "rows must have 1 to " + std::to_string(kInt8MaxLength) + " elements, found " + std::to_string(k));
}

}  // namespace

int hadamard_block(int64_t k) {
  constexpr int kLargest = 128;
  int block = 1;
  while (block < kLargest && k % (2 * block) == 0) block *= 2;
  return block;
}

float int8_scale_factor(int block) { return static_cast<float>(1 / (std::sqrt(double{1} * block) * kInt8Top)); }

void require_quantizable(TensorView x, const Int8Rows& q, Memory where) {
  require_float_rows(x, where, "x");
  require_length(x.shape[1]);
  require_int8_rows(q, x.shape[0], x.shape[1], where, "q");
}

void require_linear_int8(const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                         TensorView y, Memory where) {
  require_op(x.values.rank() == 2 && weight.values.rank() == 2,
             "the values of x and weight must be matrices, found " + text(x.values) + " and " + text(weight.values));
  const int64_t m = x.values.shape[0], n = weight.values.shape[0], k = x.values.shape[1];
  require_length(k);
  require_int8_rows(x, m, k, where, "x");
  require_int8_rows(weight, n, k, where, "weight");
  require_float_rows(y, where, "y");
  require_op(y.shape == Shape{m, n}, "y must be " + Shape{m, n}.text() + ", found " + text(y));
  require_op(bias.empty() || ((bias.dtype == DType::kBF16 || bias.dtype == DType::kF32) && bias.shape == Shape{n} &&
                              bias.is_contiguous() && bias.memory == where),
             "bias must be contiguous F32 or BF16 " + Shape{n}.text() + " or empty, found " + text(bias));
  require_op(activation == Activation::kNone || activation == Activation::kGeluTanh,
             "activation must be none or GELU by tanh");
}

}  // namespace wan
