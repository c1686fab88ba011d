// Tensors: a non-owning strided view, an owner, and an arena that hands out views of one big block.
// Row-major, inner axis last; strides are in elements. Nothing here computes or copies between devices.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>

#include "tensor/dtype.h"

namespace wan {

inline constexpr int kMaxRank = 6;

/// Up to six extents, outermost first.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> extents);
  explicit Shape(std::span<const int64_t> extents);

  int rank() const { return rank_; }
  /// Extent of axis `i`; negative counts from the last.
  int64_t operator[](int i) const { return extents_[static_cast<size_t>(i < 0 ? rank_ + i : i)]; }
  int64_t& operator[](int i) { return extents_[static_cast<size_t>(i < 0 ? rank_ + i : i)]; }
  /// Product of the extents; 1 for rank 0.
  int64_t count() const;
  bool operator==(const Shape& other) const;
  /// For messages: "[2, 3]".
  std::string text() const;
  std::span<const int64_t> extents() const { return {extents_.data(), static_cast<size_t>(rank_)}; }

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

enum class Memory : uint8_t { kHost, kDevice };

/// A typed, strided window on memory somebody else owns. Pass by value.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;
  std::array<int64_t, kMaxRank> strides{};  // elements
  Memory memory = Memory::kHost;

  TensorView() = default;
  /// A contiguous row-major view.
  TensorView(void* data, DType dtype, const Shape& shape, Memory memory);

  bool empty() const { return data == nullptr; }
  int rank() const { return shape.rank(); }
  int64_t count() const { return shape.count(); }
  int64_t stride(int i) const { return strides[static_cast<size_t>(i < 0 ? rank() + i : i)]; }
  bool is_contiguous() const;
  /// Bytes of the elements; for a contiguous view also the extent in memory.
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype); }

  /// Elements [begin, end) of `axis`; a view on the same memory.
  TensorView slice(int axis, int64_t begin, int64_t end) const;
  /// Element `index` of `axis`, that axis removed.
  TensorView select(int axis, int64_t index) const;
  /// Element `index` of the outermost axis, that axis removed.
  TensorView at(int64_t index) const { return select(0, index); }
  /// The same elements under another shape; needs a contiguous view.
  TensorView reshape(const Shape& to) const;
  /// Axes reordered: result axis i is this view's axis `order[i]`. No copy.
  TensorView permute(std::initializer_list<int> order) const;

  /// Typed pointer; throws Error when T's dtype is not this view's.
  template <typename T>
  T* as() const;
};

/// Owns one block of memory through a deleter; move-only. Made by a backend (or `host_tensor`).
class Tensor {
 public:
  Tensor() = default;
  Tensor(TensorView view, std::function<void(void*)> release) : view_(view), release_(std::move(release)) {}
  ~Tensor() { reset(); }
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  const TensorView& view() const { return view_; }
  operator TensorView() const { return view_; }  // NOLINT: a tensor is usable wherever a view is
  const TensorView* operator->() const { return &view_; }
  bool empty() const { return view_.empty(); }
  void reset();

 private:
  TensorView view_;
  std::function<void(void*)> release_;
};

/// Host memory, 64-byte aligned, not initialised. Throws OutOfMemory.
Tensor host_tensor(DType dtype, const Shape& shape);
/// A float32 host tensor holding a copy of `values`.
Tensor host_tensor(std::span<const float> values, const Shape& shape);

/// Hands out aligned views of one block in stack order: what is allocated after `mark` is given back by `release`.
/// Backs everything a denoise step or a decode chunk needs, so that the loop itself allocates nothing.
class Arena {
 public:
  Arena() = default;
  /// Uses `block` (any dtype, contiguous) as storage; does not own it.
  explicit Arena(TensorView block);

  /// Throws OutOfMemory naming `what` when the block is exhausted. Contents are not initialised.
  TensorView allocate(DType dtype, const Shape& shape, const char* what = "arena");
  size_t mark() const { return used_; }
  void release(size_t mark) { used_ = mark; }
  size_t peak() const { return peak_; }
  size_t capacity() const { return capacity_; }
  /// A dry arena has no memory: it hands out views with a null-like address and only counts. Used to size the real one.
  static Arena dry();

  static constexpr size_t kAlignment = 1024;

 private:
  std::byte* base_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = 0;
  size_t peak_ = 0;
  Memory memory_ = Memory::kHost;
};

/// Gives back to the arena, at the end of the scope, all that was allocated in it.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  size_t mark_;
};

template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::kF64;
}
template <>
constexpr DType dtype_of<BF16>() {
  return DType::kBF16;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::kU8;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::kI8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::kI16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::kI64;
}

void require_dtype(const TensorView& view, DType expected);

template <typename T>
T* TensorView::as() const {
  require_dtype(*this, dtype_of<T>());
  return static_cast<T*>(data);
}

}  // namespace wan
