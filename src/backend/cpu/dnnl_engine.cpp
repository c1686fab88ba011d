#include "backend/cpu/dnnl_engine.h"

#include <string>
#include <string_view>

#include "base/error.h"

namespace wan::cpu {
namespace {

// Prompt lengths and picture sizes vary between requests; a cache that ever reaches this is emptied.
constexpr size_t kMostPrimitives = 256;

using Type = dnnl::memory::data_type;
using Format = dnnl::memory::format_tag;

dnnl::matmul::primitive_desc bf16_matmul_desc(const MatmulKey& key, const dnnl::engine& engine) {
  return {dnnl::matmul::desc(matrix_desc(key.m, key.k, Type::bf16, key.row_stride, 1),
                             matrix_desc(key.k, key.n, Type::bf16, 1, key.k),
                             matrix_desc(key.m, key.n, Type::f32, key.n, 1)),
          engine};
}

/// Two-dimensional where the kernel spans one frame: oneDNN has more kernels for those.
dnnl::convolution_forward::desc conv_problem(const ConvKey& key) {
  const int64_t out_height = (key.height + key.pad_top + key.pad_bottom - key.kernel_h) / key.stride_h + 1;
  const int64_t out_width = (key.width + key.pad_left + key.pad_right - key.kernel_w) / key.stride_w + 1;
  dnnl::memory::dims source{1, key.in_channels}, weights{key.out_channels, key.in_channels},
      target{1, key.out_channels};
  dnnl::memory::dims strides, before, after;
  const bool volume = key.kernel_t > 1;
  const auto axis = [&](int64_t in, int64_t kernel, int64_t out, int64_t stride, int64_t pad_before,
                        int64_t pad_after) {
    source.push_back(in);
    weights.push_back(kernel);
    target.push_back(out);
    strides.push_back(stride);
    before.push_back(pad_before);
    after.push_back(pad_after);
  };
  if (volume) axis(key.kernel_t, key.kernel_t, 1, 1, 0, 0);
  axis(key.height, key.kernel_h, out_height, key.stride_h, key.pad_top, key.pad_bottom);
  axis(key.width, key.kernel_w, out_width, key.stride_w, key.pad_left, key.pad_right);
  const Format last = volume ? Format::ndhwc : Format::nhwc;
  return {dnnl::prop_kind::forward_inference,
          dnnl::algorithm::convolution_direct,
          dnnl::memory::desc(source, Type::f32, last),
          dnnl::memory::desc(weights, Type::f32, Format::any),
          dnnl::memory::desc({key.out_channels}, Type::f32, Format::a),
          dnnl::memory::desc(target, Type::f32, last),
          strides,
          before,
          after};
}

/// oneDNN's first kernel whose sums are in one order whatever the picture's size and the number of threads, so that a
/// part of a picture gets the bits of the whole. Batch-reduce kernels ("brgconv", "brgconv_1x1") are not: they cut the
/// channels by the size, and go over the taps within each cut. With AVX-512 most convolutions of the VAE take 5 to 35 %
/// longer without them, those of 1,024 channels less.
dnnl::convolution_forward::primitive_desc conv_kernel(const ConvKey& key, const dnnl::engine& engine) {
  const dnnl::convolution_forward::desc problem = conv_problem(key);  // `next_impl` reads it
  dnnl::convolution_forward::primitive_desc desc(problem, engine);
  while (std::string_view(desc.impl_info_str()).starts_with("brg") && desc.next_impl()) {
  }
  return desc;
}

}  // namespace

dnnl::memory::desc matrix_desc(int64_t rows, int64_t columns, dnnl::memory::data_type type, int64_t row_stride,
                               int64_t column_stride) {
  return {{rows, columns}, type, dnnl::memory::dims{row_stride, column_stride}};
}

Dnnl::Dnnl() {
  try {
    bf16_matmul_desc({64, 64, 64, 64}, engine);
    multiplies_bf16 = true;
  } catch (const dnnl::error&) {
    multiplies_bf16 = false;
  }
}

const dnnl::matmul& Dnnl::matmul(const MatmulKey& key) {
  const auto found = matmuls_.find(key);
  if (found != matmuls_.end()) return found->second;
  if (matmuls_.size() >= kMostPrimitives) matmuls_.clear();
  try {
    return matmuls_.emplace(key, dnnl::matmul(bf16_matmul_desc(key, engine))).first->second;
  } catch (const dnnl::error& error) {
    throw Error("oneDNN refused a BF16 product of " + Shape{key.m, key.n, key.k}.text() + ": " + error.what());
  }
}

const Dnnl::Conv& Dnnl::conv_entry(const ConvKey& key) {
  const auto found = convs_.find(key);
  if (found != convs_.end()) return found->second;
  if (convs_.size() >= kMostPrimitives) convs_.clear();
  try {
    const dnnl::convolution_forward::primitive_desc desc = conv_kernel(key, engine);
    return convs_.emplace(key, Conv{desc, dnnl::convolution_forward(desc)}).first->second;
  } catch (const dnnl::error& error) {
    throw Error("oneDNN refused a convolution of " + std::to_string(key.in_channels) + " to " +
                std::to_string(key.out_channels) + " channels on " + std::to_string(key.height) + " x " +
                std::to_string(key.width) + ": " + error.what());
  }
}

const dnnl::convolution_forward::primitive_desc& Dnnl::conv_desc(const ConvKey& key) { return conv_entry(key).desc; }
const dnnl::convolution_forward& Dnnl::conv(const ConvKey& key) { return conv_entry(key).primitive; }

dnnl::memory Dnnl::memory(const dnnl::memory::desc& desc, const void* data) const {
  return {desc, engine, const_cast<void*>(data)};  // oneDNN takes inputs and outputs alike
}

}  // namespace wan::cpu
