// What the Hopper convolution kernel is told, and the host's side of its launch.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backend/cuda/conv_problem.h"

namespace wan::cuda {

inline constexpr int kConvTilePixels = 128;
inline constexpr int kConvSliceChannels = 64;  // 128 bytes: one row of the 128-byte swizzle
inline constexpr int kConvSlabPixels = 160;    // pixels of the largest slab: (8 + 2) x 16, or (16 + 2) x 8
inline constexpr int kConvCluster = 2;

struct HopperConvArgs {
  int pixel_tiles = 0, tiles_t = 0, tiles_w = 0;  // pixel tiles: t fastest, then w, then h
  int tile_t = 0, tile_h = 0, tile_w = 0, log_w = 0, log_hw = 0;
  int frames = 0, height = 0, width = 0, out_channels = 0;
  int kernel_t = 0, kernel_h = 0, kernel_w = 0, slices = 0;
  int stride_t = 0, stride_h = 0, stride_w = 0, pad_top = 0, pad_left = 0;
  int slab_taps = 0;  // kernel rows read from one slab: kernel_h, or 1
  int slab_bytes = 0;
  int channel_tiles = 0, channel_tiles_each = 0;  // all, and those of one output parity
  int tile_channels = 0;  // output channels of a tile, shared out to `parts` blocks of the variant's width
  int parts = 1;
  int first_tile = 0, tiles = 0;  // those of this launch: pairs of pixel tiles, channel tiles fastest
  const float* bias = nullptr;
  const void* residual = nullptr;
  const void* shortcut = nullptr;  // ConvShortcut's x; `vector` holds with it
  int shortcut_channels = 0, shortcut_factor_t = 1, shortcut_skipped = 0, shortcut_ratio = 1;
  void* y = nullptr;
  int64_t y_frame = 0, y_row = 0, y_pixel = 0;  // strides, elements
  int64_t parity_row = 0, parity_column = 0;    // offsets of the odd output pixels when enlarging
  int history_frames = 0;                       // that lie apart, before the input's own
  bool upsample = false, vector = false;
  bool split = false;                // F32: operands are two bf16 planes, products the three that matter
  int low_frames = 0, low_rows = 0;  // where the planes of low parts begin: frame of x, row of weights
};

/// A kernel variant: output channels a tile is wide, input pixels a slab holds at most, dtype of y.
struct HopperConvVariant {
  int width = 256;      // 256, 192, 128, 96, 64 or 16; with `split` 128 or 64
  int slab_pixels = 0;  // kConvSlabPixels or kConvTilePixels
  bool split = false;
};

/// The operands as the copy engine reads them. Of frames apart there are `history_frames`, the others are not read.
struct HopperConvMaps {
  CUtensorMap input, history[kHistoryFrames], weights;
};

void launch_hopper_conv(const HopperConvVariant& variant, int clusters, cudaStream_t stream, const HopperConvMaps& maps,
                        const HopperConvArgs& args);

}  // namespace wan::cuda
