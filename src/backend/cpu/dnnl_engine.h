// The CPU backend's share of oneDNN: one engine, one stream, and the primitives it has made, by shape.
// Included by the files that compute with oneDNN, by no header.
#pragma once

#include <array>
#include <dnnl.hpp>
#include <map>

#include "backend/cpu/cpu_backend.h"

namespace wan::cpu {

/// One BF16 x BF16 -> F32 product: x [m, k] with a row stride, W [n, k] and out [m, n] contiguous.
struct MatmulKey {
  int64_t m, n, k, row_stride;
  auto operator<=>(const MatmulKey&) const = default;
};

/// One frame of a convolution: kernel_t input frames of height x width make one output frame.
struct ConvKey {
  int64_t in_channels, out_channels, kernel_t, kernel_h, kernel_w, height, width;
  int64_t stride_h, stride_w, pad_top, pad_bottom, pad_left, pad_right;
  auto operator<=>(const ConvKey&) const = default;
};

struct Dnnl {
  Dnnl();
  /// The primitive for this shape, made on first use.
  const dnnl::matmul& matmul(const MatmulKey& key);
  const dnnl::convolution_forward::primitive_desc& conv_desc(const ConvKey& key);
  const dnnl::convolution_forward& conv(const ConvKey& key);
  dnnl::memory memory(const dnnl::memory::desc& desc, const void* data) const;

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  bool multiplies_bf16 = false;  // whether this processor's kernels take BF16 operands

 private:
  struct Conv {
    dnnl::convolution_forward::primitive_desc desc;
    dnnl::convolution_forward primitive;
  };
  const Conv& conv_entry(const ConvKey& key);

  std::map<MatmulKey, dnnl::matmul> matmuls_;
  std::map<ConvKey, Conv> convs_;
};

dnnl::memory::desc matrix_desc(int64_t rows, int64_t columns, dnnl::memory::data_type type, int64_t row_stride,
                               int64_t column_stride);

}  // namespace wan::cpu
