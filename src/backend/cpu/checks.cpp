#include "backend/cpu/checks.h"

#include <string>

#include "base/error.h"

namespace wan::cpu {
namespace {

std::string found(const TensorView& view) {
  return ", found " + std::string(name_of(view.dtype)) + " " + view.shape.text();
}

void check(bool condition, const TensorView& view, const char* name, const std::string& expected) {
  if (!condition) throw Error(std::string(name) + " must be " + expected + found(view));
}

bool is_float(const TensorView& view) { return view.dtype == DType::kF32 || view.dtype == DType::kBF16; }

}  // namespace

void require_float(const TensorView& view, const char* name) {
  check(is_float(view), view, name, "F32 or BF16");
  check(view.memory == Memory::kHost, view, name, "in host memory");
}

void require_packed(const TensorView& view, const char* name) {
  require_float(view, name);
  check(view.is_contiguous(), view, name, "contiguous");
}

void require_rows(const TensorView& view, const char* name) {
  require_float(view, name);
  check(view.rank() == 2 && (view.stride(1) == 1 || view.shape[1] == 1), view, name, "rows [L, D] with inner stride 1");
}

void require_vector(const TensorView& view, int64_t count, const char* name) {
  require_packed(view, name);
  check(view.rank() == 1 && view.shape[0] == count, view, name, "[" + std::to_string(count) + "]");
}

void require_shape(const TensorView& view, const Shape& shape, const char* name) {
  check(view.shape == shape, view, name, "of shape " + shape.text());
}

void require_indices(const TensorView& view, int64_t count, int64_t limit, const char* name) {
  check(view.dtype == DType::kI32 && view.is_contiguous() && view.shape == Shape{count}, view, name,
        "I32 [" + std::to_string(count) + "]");
  const int32_t* index = view.as<int32_t>();
  for (int64_t i = 0; i < count; ++i)
    check(index[i] >= 0 && index[i] < limit, view, name, "indices below " + std::to_string(limit));
}

}  // namespace wan::cpu
