// One convolution as every algorithm sees it: device pointers, extents and strides in elements. Shapes are checked
// before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace wan::cuda {

inline constexpr size_t kHistoryFrames = 2;  // at most, that lie apart from x

/// The upward shortcut added to a rounded y (Backend::dup_up_add with factor_s 2): x of y's width and height halved,
/// with `channels` as many as y's or twice that. Own kernel, BF16 and enlarging convolutions alone.
struct ConvShortcut {
  const void* x = nullptr;  // null: none
  int64_t channels = 0;
  int64_t factor_t = 1, skipped = 0;  // frames of y for one of x; frames of y left out in front
  int64_t ratio = 1;                  // outputs of one input channel
};

/// y = conv(x) + bias [+ residual].  x [frames_in, height_in, width_in, in_channels] contiguous;
/// residual [frames, height, width, out_channels] contiguous or null.
struct ConvProblem {
  DType dtype = DType::kBF16;
  const void* x = nullptr;
  // kernel_t - 1 frames before x, oldest first, counted in frames_in, each where it lies, or null: x has them
  std::array<const void*, kHistoryFrames> history{};
  const void* weights = nullptr;  // [out_channels, kt, kh, kw, in_channels] in dtype (own kernel, F32: planes)
  const float* bias = nullptr;    // padded with zeros to a multiple of kBiasMultiple
  const void* residual = nullptr;
  void* y = nullptr;
  int64_t frames_in = 0, height_in = 0, width_in = 0, in_channels = 0;
  int64_t frames = 0, height = 0, width = 0, out_channels = 0;  // of y
  int64_t kernel_t = 1, kernel_h = 1, kernel_w = 1;
  int64_t stride_t = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  int64_t y_frame_stride = 0;  // the other axes of y are contiguous
  /// Nearest-neighbour x2 before a 3x3 kernel: x is the small input, weights are [2, 2, out_channels, 2, 2,
  /// in_channels] (output parity y, x first; see sum_upsample_weights) and y is twice as high and wide as x.
  bool upsample = false;
  ConvShortcut shortcut;
};

inline constexpr int64_t kBiasMultiple = 256;

}  // namespace wan::cuda
