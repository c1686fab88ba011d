// How launchers pick element types, check rows and size grids.
#pragma once

#include <cuda_bf16.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tensor/tensor.h"

namespace wan::cuda {

// fmt's headers do not compile under nvcc, so messages of .cu files are put together here.
inline std::string text_of(const char* value) { return value; }
inline std::string text_of(std::string_view value) { return std::string(value); }
inline std::string text_of(std::integral auto value) { return std::to_string(value); }
inline std::string text_of(const Shape& value) { return value.text(); }

/// `pattern` with each {} replaced by the next value.
template <typename... Values>
std::string message(std::string_view pattern, const Values&... values) {
  std::string result;
  const auto up_to_next = [&] {
    const size_t at = std::min(pattern.find("{}"), pattern.size());
    result += pattern.substr(0, at);
    pattern.remove_prefix(std::min(at + 2, pattern.size()));
  };
  ((up_to_next(), result += text_of(values)), ...);
  return result += pattern;
}

/// As require_op, for messages worth building only when they are thrown.
template <typename Describe>
void expect(bool condition, Describe&& describe, std::source_location where = std::source_location::current()) {
  if (!condition) require_op(false, describe(), where);
}

/// Calls `body` with a null pointer of the element type: float or __nv_bfloat16.
template <typename Body>
void with_float_type(const TensorView& view, Body&& body) {
  switch (view.dtype) {
    case DType::kF32: return body(static_cast<float*>(nullptr));
    case DType::kBF16: return body(static_cast<__nv_bfloat16*>(nullptr));
    default: throw Error("F32 or BF16 expected, found " + std::string(name_of(view.dtype)));
  }
}

inline bool is_float(const TensorView& view) { return view.dtype == DType::kF32 || view.dtype == DType::kBF16; }

/// Elements between rows of a matrix; its width when there is one row.
inline int64_t row_stride(const TensorView& rows) { return rows.shape[0] > 1 ? rows.stride(0) : rows.shape[1]; }

/// Whether every row of the matrix can be read 16 bytes at a time, `elements` to a group.
inline bool rows_are_aligned(const TensorView& rows, int64_t elements) {
  return reinterpret_cast<uintptr_t>(rows.data) % 16 == 0 && rows.shape[1] % elements == 0 &&
         (row_stride(rows) * static_cast<int64_t>(size_of(rows.dtype))) % 16 == 0;
}

inline bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Blocks for a grid-stride loop over `work` blocks' worth of items: enough to fill the card several times.
inline unsigned grid_for(int64_t work, int multiprocessors, int per_multiprocessor = 16) {
  return static_cast<unsigned>(std::clamp<int64_t>(work, 1, int64_t{multiprocessors} * per_multiprocessor));
}

}  // namespace wan::cuda
