// Chooses tiles for the Hopper convolution kernel and describes its operands to the tensor copy engine.
#include "backend/cuda/conv_hopper.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "backend/cuda/conv_hopper_kernel.h"
#include "backend/cuda/tensor_map.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

/// A map of `extents` (innermost first, contiguous bf16) read in boxes of `box` elements spaced `steps` apart.
template <size_t kRank>
CUtensorMap tensor_map(const void* data, const std::array<cuuint64_t, kRank>& extents,
                       const std::array<cuuint32_t, kRank>& box, const std::array<cuuint32_t, kRank>& steps) {
  std::array<cuuint64_t, kRank - 1> strides{};
  cuuint64_t bytes = 2;
  for (size_t i = 0; i + 1 < kRank; ++i) strides[i] = bytes *= extents[i];
  CUtensorMap map{};
  const CUresult result =
      encode_tiled()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, kRank, const_cast<void*>(data), extents.data(),
                     strides.data(), box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE,
                     CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw Error(fmt::format("the driver refuses a tensor map of a convolution (CUresult {}; innermost extents {} x {})",
                            static_cast<int>(result), extents[0], extents[1]));
  return map;
}

constexpr int64_t kInputWidth = 32;   // what bringing a tile's input costs, in output channels
constexpr double kEndingWorth = 0.9;  // of a round, some 65 us at 256 channels: a launch of its own takes about 5

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// Pairs of multiprocessors always share a cluster's hardware, so a card runs half as many clusters as it has of them.
int64_t clusters_of(const Context& context) { return std::max(1, context.multiprocessors / kConvCluster); }
cuuint64_t u64(int64_t value) { return static_cast<cuuint64_t>(value); }
cuuint32_t u32(int64_t value) { return static_cast<cuuint32_t>(value); }
int log2_of(int64_t power) { return power <= 1 ? 0 : 1 + log2_of(power / 2); }

/// How 128 output pixels are taken together.
struct PixelTile {
  int64_t t = 0, h = 0, w = 0;
  int64_t count = 0;     // tiles that cover the output
  bool slab = false;     // one slab serves all kernel rows: one frame of 8 x 16 or 16 x 8 pixels
  double penalty = 1.0;  // time of a step against one of a slab
};

std::vector<PixelTile> pixel_tiles(const ConvProblem& p, const HopperConvArgs& args) {
  std::vector<PixelTile> tiles;
  for (int64_t w = 1; w <= kConvTilePixels; w *= 2)
    for (int64_t h = 1; w * h <= kConvTilePixels; h *= 2) {
      PixelTile tile{kConvTilePixels / (w * h), h, w};
      if (args.history_frames > 0 && tile.t > 1) continue;  // a box lies in one tensor
      if (w * p.stride_w > 256 || h * p.stride_h > 256 || tile.t * p.stride_t > 256) continue;
      tile.count = ceil_div(args.frames, tile.t) * ceil_div(args.height, h) * ceil_div(args.width, w);
      tile.slab = tile.t == 1 && p.stride_h == 1 && w >= 8 && (h + args.kernel_h - 1) * w <= kConvSlabPixels;
      // H100 80GB HBM3, 1024 channels at 44 x 80: 0.70 us a step with one load a tap, 0.60 us with slabs. Narrow rows
      // cost the copy engine a little more.
      tile.penalty = (tile.slab || args.kernel_h == 1 ? 1.0 : 1.15) * (w < 8 ? 1.02 : 1.0);
      tiles.push_back(tile);
    }
  return tiles;
}

void use_pixel_tile(const PixelTile& tile, HopperConvArgs& args) {
  args.tile_t = static_cast<int>(tile.t);
  args.tile_h = static_cast<int>(tile.h);
  args.tile_w = static_cast<int>(tile.w);
  args.slab_taps = tile.slab ? args.kernel_h : 1;
  args.pixel_tiles = static_cast<int>(tile.count);
  args.log_w = log2_of(tile.w);
  args.log_hw = log2_of(tile.w * tile.h);
  args.tiles_t = static_cast<int>(ceil_div(args.frames, tile.t));
  args.tiles_w = static_cast<int>(ceil_div(args.width, tile.w));
  args.slab_bytes = (args.tile_h + args.slab_taps - 1) * args.tile_w * args.tile_t * 2 * kConvSliceChannels;
}

HopperConvArgs make_args(const ConvProblem& p) {
  HopperConvArgs args;
  const int64_t scale = p.upsample ? 2 : 1;
  args.frames = static_cast<int>(p.frames);
  args.height = static_cast<int>(p.height / scale);
  args.width = static_cast<int>(p.width / scale);
  args.out_channels = static_cast<int>(p.out_channels);
  args.kernel_t = static_cast<int>(p.kernel_t);
  args.kernel_h = static_cast<int>(p.upsample ? 2 : p.kernel_h);
  args.kernel_w = static_cast<int>(p.upsample ? 2 : p.kernel_w);
  args.slices = static_cast<int>(ceil_div(p.in_channels, kConvSliceChannels));
  args.stride_t = static_cast<int>(p.stride_t);
  args.stride_h = static_cast<int>(p.stride_h);
  args.stride_w = static_cast<int>(p.stride_w);
  args.pad_top = static_cast<int>(p.pad_top);
  args.pad_left = static_cast<int>(p.pad_left);
  args.bias = p.bias;
  args.residual = p.residual;
  args.shortcut = p.shortcut.x;
  args.shortcut_channels = static_cast<int>(p.shortcut.channels);
  args.shortcut_factor_t = static_cast<int>(p.shortcut.factor_t);
  args.shortcut_skipped = static_cast<int>(p.shortcut.skipped);
  args.shortcut_ratio = static_cast<int>(p.shortcut.ratio);
  args.y = p.y;
  args.y_frame = p.y_frame_stride;
  args.y_row = scale * p.width * p.out_channels;
  args.y_pixel = scale * p.out_channels;
  args.parity_row = p.width * p.out_channels;
  args.parity_column = p.out_channels;
  args.history_frames = p.history.front() != nullptr ? static_cast<int>(p.kernel_t - 1) : 0;
  args.upsample = p.upsample;
  args.split = p.dtype == DType::kF32;
  args.low_frames = static_cast<int>(p.frames_in);
  args.low_rows = static_cast<int>(p.out_channels * (p.upsample ? 4 : 1));
  const auto aligned = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; };
  args.vector = p.out_channels % 8 == 0 && p.y_frame_stride % 8 == 0 && aligned(p.y) && aligned(p.residual);
  return args;
}

CUtensorMap input_map(const ConvProblem& p, const HopperConvArgs& args, const void* data, int64_t frames) {
  return tensor_map<4>(data,
                       {u64(p.in_channels), u64(p.width_in), u64(p.height_in), u64(frames * (args.split ? 2 : 1))},
                       {kConvSliceChannels, u32(args.tile_w * args.stride_w),
                        u32((args.tile_h + args.slab_taps - 1) * args.stride_h), u32(args.tile_t * args.stride_t)},
                       {1, u32(args.stride_w), u32(args.stride_h), u32(args.stride_t)});
}

CUtensorMap weight_map(const ConvProblem& p, const HopperConvArgs& args, int width) {
  const int64_t taps = int64_t{args.kernel_t} * args.kernel_h * args.kernel_w;
  return tensor_map<3>(p.weights, {u64(p.in_channels), u64(taps), u64(args.low_rows * int64_t{args.split ? 2 : 1})},
                       {kConvSliceChannels, 1, u32(width / kConvCluster)}, {1, 1, 1});
}

/// Sets the pixel tile and returns the variant that together finish first: rounds of clusters times the time of a tile,
/// narrow tiles being bound by their input.
HopperConvVariant choose_tiles(const Context& context, const ConvProblem& p, HopperConvArgs& args) {
  HopperConvVariant best;
  PixelTile best_tile;
  double best_cost = 0;
  for (const PixelTile& tile : pixel_tiles(p, args))
    for (const int width : {256, 192, 128, 96, 64, 16}) {
      if (args.split && width != 128 && width != 64) continue;
      const int64_t pairs = ceil_div(tile.count, kConvCluster) * ceil_div(p.out_channels, width) * (p.upsample ? 4 : 1);
      const int64_t rounds = ceil_div(pairs, clusters_of(context));
      const double cost = static_cast<double>(rounds * (width + kInputWidth)) * tile.penalty;
      if (best_cost != 0 && cost >= best_cost) continue;
      best_cost = cost;
      best_tile = tile;
      best.width = width;
    }
  use_pixel_tile(best_tile, args);
  best.slab_pixels = args.slab_taps > 1 ? kConvSlabPixels : kConvTilePixels;
  best.split = args.split;
  return best;
}

/// The last tiles, that are too few for all clusters at once, in narrower parts.
struct Ending {
  int64_t tiles = 0;
  HopperConvVariant variant;
};

/// Parts where they finish sooner than the tiles whole would: by rounds of clusters, as choose_tiles counts them.
Ending choose_ending(const Context& context, const HopperConvVariant& variant, int64_t tiles) {
  const int64_t clusters = clusters_of(context), left = tiles % clusters;
  Ending best{0, variant};
  if (variant.split || tiles < clusters || left == 0) return best;
  double best_cost = kEndingWorth * (variant.width + kInputWidth);
  for (const int width : {128, 96, 64}) {
    if (2 * width > variant.width + 64) continue;
    const int64_t rounds = ceil_div(left * ceil_div(variant.width, width), clusters);
    const double cost = static_cast<double>(rounds) * (width + kInputWidth);
    if (cost >= best_cost) continue;
    best_cost = cost;
    best = {left, variant};
    best.variant.width = width;
    best.variant.slab_pixels = kConvSlabPixels;
  }
  return best;
}

}  // namespace

bool hopper_conv_accepts(const Context& context, const ConvProblem& p) {
  const auto aligned = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; };
  return context.capability == 90 && p.in_channels % 8 == 0 && aligned(p.x) &&
         std::ranges::all_of(p.history, aligned) && aligned(p.weights) && p.stride_t <= 8 && p.stride_h <= 8 &&
         p.stride_w <= 8;
}

void run_hopper_conv(const Context& context, const ConvProblem& p) {
  HopperConvArgs args = make_args(p);
  const HopperConvVariant variant = choose_tiles(context, p, args);
  args.channel_tiles_each = static_cast<int>(ceil_div(p.out_channels, variant.width));
  args.channel_tiles = args.channel_tiles_each * (p.upsample ? 4 : 1);
  args.tile_channels = variant.width;
  const int64_t past = args.history_frames;
  HopperConvMaps maps{input_map(p, args, p.x, p.frames_in - past), {}, {}};
  for (int64_t i = 0; i < past; ++i) maps.history[i] = input_map(p, args, p.history[static_cast<size_t>(i)], 1);
  const auto launch = [&](int64_t first, int64_t count, const HopperConvVariant& as) {
    if (count == 0) return;
    args.first_tile = static_cast<int>(first);
    args.tiles = static_cast<int>(count);
    args.parts = static_cast<int>(ceil_div(variant.width, as.width));
    maps.weights = weight_map(p, args, as.width);
    const int64_t clusters = std::min(count * args.parts, clusters_of(context));
    launch_hopper_conv(as, static_cast<int>(clusters), context.compute, maps, args);
  };
  const int64_t tiles = ceil_div(args.pixel_tiles, kConvCluster) * args.channel_tiles;
  const Ending ending = choose_ending(context, variant, tiles);
  launch(0, tiles - ending.tiles, variant);
  launch(tiles - ending.tiles, ending.tiles, ending.variant);
}

}  // namespace wan::cuda
