#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace wan {

Shape::Shape(std::initializer_list<int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  require_op(extents.size() <= kMaxRank, "a tensor has at most six axes");
  for (size_t i = 0; i < extents.size(); ++i) extents_[i] = extents[i];
}

int64_t Shape::count() const {
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= (*this)[i];
  return product;
}

bool Shape::operator==(const Shape& other) const {
  if (rank_ != other.rank_) return false;
  for (int i = 0; i < rank_; ++i)
    if ((*this)[i] != other[i]) return false;
  return true;
}

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(extents(), ", ")); }

TensorView::TensorView(void* data_in, DType dtype_in, const Shape& shape_in, Memory memory_in)
    : data(data_in), dtype(dtype_in), shape(shape_in), memory(memory_in) {
  int64_t stride = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = stride;
    stride *= shape[i];
  }
}

bool TensorView::is_contiguous() const {
  int64_t expected = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape[i] != 1 && stride(i) != expected) return false;
    expected *= shape[i];
  }
  return true;
}

TensorView TensorView::slice(int axis, int64_t begin, int64_t end) const {
  const int a = axis < 0 ? rank() + axis : axis;
  require_op(a >= 0 && a < rank() && begin >= 0 && begin <= end && end <= shape[a],
             fmt::format("cannot take [{}, {}) of axis {} of {}", begin, end, axis, shape.text()));
  TensorView out = *this;
  out.shape[a] = end - begin;
  out.data = static_cast<std::byte*>(data) + begin * stride(a) * static_cast<int64_t>(size_of(dtype));
  return out;
}

TensorView TensorView::select(int axis, int64_t index) const {
  const int removed = axis < 0 ? rank() + axis : axis;
  TensorView out = slice(removed, index, index + 1);
  std::array<int64_t, kMaxRank> extents{};
  std::array<int64_t, kMaxRank> steps{};
  size_t kept = 0;
  for (int i = 0; i < rank(); ++i) {
    if (i == removed) continue;
    extents[kept] = shape[i];
    steps[kept++] = stride(i);
  }
  out.shape = Shape(std::span<const int64_t>(extents.data(), kept));
  out.strides = steps;
  return out;
}

TensorView TensorView::reshape(const Shape& to) const {
  require_op(is_contiguous() && to.count() == count(), fmt::format("cannot view {} as {}", shape.text(), to.text()));
  return {data, dtype, to, memory};
}

TensorView TensorView::permute(std::initializer_list<int> order) const {
  require_op(static_cast<int>(order.size()) == rank(), "permute needs one entry for each axis");
  TensorView out = *this;
  int i = 0;
  for (int from : order) {
    out.shape[i] = shape[from];
    out.strides[static_cast<size_t>(i)] = stride(from);
    ++i;
  }
  return out;
}

Tensor::Tensor(Tensor&& other) noexcept
    : view_(std::exchange(other.view_, {})), release_(std::exchange(other.release_, nullptr)) {}

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  if (this == &other) return *this;
  reset();
  view_ = std::exchange(other.view_, {});
  release_ = std::exchange(other.release_, nullptr);
  return *this;
}

void Tensor::reset() {
  if (view_.data != nullptr && release_) release_(view_.data);
  view_ = {};
  release_ = nullptr;
}

Tensor host_tensor(DType dtype, const Shape& shape) {
  constexpr size_t kAlign = 64;
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  void* data = std::aligned_alloc(kAlign, (bytes + kAlign) / kAlign * kAlign);
  if (data == nullptr) throw OutOfMemory("host tensor " + shape.text(), bytes, 0);
  return {TensorView(data, dtype, shape, Memory::kHost), [](void* p) { std::free(p); }};
}

Tensor host_tensor(std::span<const float> values, const Shape& shape) {
  require_op(static_cast<int64_t>(values.size()) == shape.count(), "value count differs from " + shape.text());
  Tensor out = host_tensor(DType::kF32, shape);
  std::memcpy(out->data, values.data(), values.size_bytes());
  return out;
}

Arena::Arena(TensorView block)
    : base_(static_cast<std::byte*>(block.data)), capacity_(block.bytes()), memory_(block.memory) {}

Arena Arena::dry() {
  Arena arena;
  arena.capacity_ = SIZE_MAX / 2;
  arena.base_ = reinterpret_cast<std::byte*>(kAlignment);  // never dereferenced
  return arena;
}

TensorView Arena::allocate(DType dtype, const Shape& shape, const char* what) {
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded > capacity_ - used_) throw OutOfMemory(what, bytes, capacity_ - used_);
  std::byte* data = base_ + used_;
  used_ += rounded;
  if (used_ > peak_) peak_ = used_;
  return {data, dtype, shape, memory_};
}

void require_dtype(const TensorView& view, DType expected) {
  if (view.dtype == expected) return;  // in loops over elements: nothing is formatted
  require_op(false, fmt::format("tensor is {}, expected {}", name_of(view.dtype), name_of(expected)));
}

}  // namespace wan
