// Implicit matrix product for channels-last convolution on Hopper (sm_90a): bf16 operands, fp32 sums.
//
// A block owns 128 output pixels (frames x rows x columns) and kN output channels; the two blocks of a cluster take
// neighbouring pixels and share each weight tile (each fetches half and multicasts it). For one kernel frame, one
// 64-channel slice and one kernel column, the copy engine brings a slab of the input: the block's rows plus the
// kernel's reach, out-of-range pixels read as zero, which is the convolution's padding. The kernel rows are then the
// same slab read one pixel row further on, so a 3x3x3 kernel moves 2.4 times less input than one load a tap. One warp
// loads slabs, one loads weights, two warpgroups multiply (wgmma, 64 pixels x kN each), add bias and residual and round
// once.
//
// F32 operands arrive as two bf16 planes, high and low part, and three products: high high, high low, low high; what is
// left out is 2^-16 of a product, a 32nd of what TF32 loses. The tensor cores truncate when they add, so long sums are
// taken in pieces and the pieces added in full fp32.
//
// Bound by the tensor cores (2 * pixels * Co * Ci * taps operations) when Co and Ci are a few hundred, and there by the
// card's power; for 12 output channels by L2 (slabs of 20 KiB for three taps).
#include <cuda.h>
#include <cuda_bf16.h>

#include <nv/target>

#include "backend/cuda/context.h"
#include "backend/cuda/conv_hopper_kernel.h"
#include "backend/cuda/sm90_ptx.cuh"
#include "backend/cuda/sm90_wgmma.cuh"

namespace wan::cuda {
namespace {

using namespace sm90;
using Args = HopperConvArgs;

constexpr int kSliceChannels = kConvSliceChannels;
constexpr int kCluster = kConvCluster;
constexpr uint16_t kEveryBlock = (1 << kCluster) - 1;
constexpr int kRowBytes = 2 * kSliceChannels;
constexpr int kWarpgroup = 128;
constexpr int kConsumers = 2;  // warpgroups
constexpr int kThreads = (1 + kConsumers) * kWarpgroup;
constexpr int kChunk = 32;     // channels staged at a time when a tile is written
constexpr int kStageRow = 40;  // floats a staged row takes: no bank conflicts between rows
constexpr int kAlignment = 1024;
constexpr int kSlabsAPiece = 8;  // of a sum taken in pieces: at most 96 truncated additions

/// One kernel variant: type of y, tile width, pixels of a slab, and how many stages fit beside the output staging.
template <typename Y, int kWidth, int kPixels, int kSlabs, int kWeights>
struct Plan {
  using Value = Y;
  static constexpr int kN = kWidth;
  static constexpr bool kPieces = sizeof(Y) == 4;
  static constexpr int kSlabBytes = kPixels * kRowBytes;
  static constexpr int kWeightBytes = kN * kRowBytes;
  static constexpr int kSlabStages = kSlabs;
  static constexpr int kWeightStages = kWeights;
  static constexpr int kStagingAt = kSlabStages * kSlabBytes + kWeightStages * kWeightBytes;
  static constexpr int kBarriersAt = kStagingAt + kConsumers * 64 * kStageRow * 4;
  static constexpr int kBytes = kBarriersAt + 16 * (kSlabStages + kWeightStages) + kAlignment;
  static_assert(kBytes <= 227 * 1024);
};

/// A ring of buffers: which one is next and the parity of its barriers.
template <int kStages>
struct Ring {
  int stage = 0, parity = 0;
  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

struct Buffers {
  uint32_t slabs, weights;                                    // shared addresses
  uint32_t slab_full, slab_empty, weight_full, weight_empty;  // barriers, 8 bytes each
};

struct TileOrigin {
  int t, h, w;  // first pixel
  int parity;   // 2 * (odd output row) + (odd output column)
  int channel;  // first output channel, within the parity
  int end;      // the channel after the last of the tile
};

/// One step of the sum over the kernel and the input channels.
struct Step {
  int kt, slice, kw;
  bool low_input, low_weights;
};

/// `turn`: of this launch; a tile in parts takes as many turns, `width` channels each.
__device__ __forceinline__ TileOrigin tile_origin(const Args& args, int turn, int rank, int width) {
  const int tile = args.first_tile + turn / args.parts;
  const int channel_tile = tile % args.channel_tiles;
  int pixels = tile / args.channel_tiles * kCluster + rank;
  TileOrigin origin;
  origin.parity = channel_tile / args.channel_tiles_each;
  origin.channel = channel_tile % args.channel_tiles_each * args.tile_channels;
  origin.end = min(origin.channel + args.tile_channels, args.out_channels);
  origin.channel += turn % args.parts * width;
  origin.t = pixels % args.tiles_t * args.tile_t;
  pixels /= args.tiles_t;
  origin.w = pixels % args.tiles_w * args.tile_w;
  origin.h = pixels / args.tiles_w * args.tile_h;  // beyond the last row for the odd block of the last cluster
  return origin;
}

/// Calls `body(step)` for every step in the order both producers and the consumers share.
template <typename Body>
__device__ __forceinline__ void for_each_step(const Args& args, Body body) {
  for (int product = 0; product < (args.split ? 3 : 1); ++product)
    for (int kt = 0; kt < args.kernel_t; ++kt)
      for (int slice = 0; slice < args.slices; ++slice)
        for (int kw = 0; kw < args.kernel_w; ++kw) body(Step{kt, slice, kw, product == 2, product == 1});
}

template <typename P>
__device__ void produce_slabs(const Args& args, const HopperConvMaps& maps, const Buffers& buffers, int rank,
                              int tiles) {
  Ring<P::kSlabStages> ring;
  for (int tile = blockIdx.x / kCluster; tile < tiles; tile += gridDim.x / kCluster) {
    const TileOrigin origin = tile_origin(args, tile, rank, P::kN);
    const int h0 = origin.h * args.stride_h - (args.upsample ? 1 - origin.parity / 2 : args.pad_top);
    const int w0 = origin.w * args.stride_w - (args.upsample ? 1 - origin.parity % 2 : args.pad_left);
    for_each_step(args, [&](const Step& step) {
      const int frame = origin.t * args.stride_t + step.kt - args.history_frames;
      const bool past = frame < 0;
      const CUtensorMap& map = past ? maps.history[frame + args.history_frames] : maps.input;
      for (int kh = 0; kh < args.kernel_h; kh += args.slab_taps) {
        const uint32_t full = buffers.slab_full + 8 * ring.stage;
        barrier_wait(buffers.slab_empty + 8 * ring.stage, ring.parity ^ 1);
        barrier_expect(full, args.slab_bytes);
        load_box(buffers.slabs + ring.stage * P::kSlabBytes, map, full, step.slice * kSliceChannels, w0 + step.kw,
                 h0 + kh, past ? 0 : frame + (step.low_input ? args.low_frames : 0));
        ring.advance();
      }
    });
  }
}

template <typename P>
__device__ void produce_weights(const Args& args, const CUtensorMap& map, const Buffers& buffers, int rank, int tiles) {
  constexpr int kHalf = P::kN / kCluster;
  Ring<P::kWeightStages> ring;
  for (int tile = blockIdx.x / kCluster; tile < tiles; tile += gridDim.x / kCluster) {
    const TileOrigin origin = tile_origin(args, tile, rank, P::kN);
    const int row = origin.parity * args.out_channels + origin.channel + rank * kHalf;
    for_each_step(args, [&](const Step& step) {
      for (int kh = 0; kh < args.kernel_h; ++kh) {
        const uint32_t full = buffers.weight_full + 8 * ring.stage;
        barrier_wait(buffers.weight_empty + 8 * ring.stage, ring.parity ^ 1);
        barrier_expect(full, P::kWeightBytes);
        load_box_multicast(buffers.weights + ring.stage * P::kWeightBytes + rank * kHalf * kRowBytes, map, full,
                           step.slice * kSliceChannels, (step.kt * args.kernel_h + kh) * args.kernel_w + step.kw,
                           row + (step.low_weights ? args.low_rows : 0), kEveryBlock);
        ring.advance();
      }
    });
  }
}

/// A consuming warpgroup: its place in the rings, and the buffers its running products still read.
template <typename P>
struct Consumer {
  const Args& args;
  Buffers buffers;
  uint64_t slab_operand, weight_operand;  // of the rings' first buffers; addresses in them count 16 bytes
  int peer;                               // warp 0 tells block 0, warp 1 block 1
  bool signals;                           // one thread of such a warp
  Ring<P::kSlabStages> slab_ring;
  Ring<P::kWeightStages> weight_ring;
  int busy_weights = -1, busy_slab = -1;

  /// The products that read these are done: they may be refilled, the weights' in both blocks.
  __device__ __forceinline__ void release() {
    if (signals && busy_weights >= 0) barrier_arrive_at(buffers.weight_empty + 8 * busy_weights, peer);
    if (signals && peer == 0 && busy_slab >= 0) barrier_arrive(buffers.slab_empty + 8 * busy_slab);
    busy_weights = busy_slab = -1;
  }

  /// Adds the products of one slab with its kernel rows, or with `keep` false starts the sum anew.
  __device__ __forceinline__ void multiply_slab(float (&sums)[P::kN / 2], bool keep) {
    barrier_wait(buffers.slab_full + 8 * slab_ring.stage, slab_ring.parity);
    for (int tap = 0; tap < args.slab_taps; ++tap) {
      barrier_wait(buffers.weight_full + 8 * weight_ring.stage, weight_ring.parity);
      const uint64_t a = slab_operand + slab_ring.stage * (P::kSlabBytes / 16) + tap * args.tile_w * (kRowBytes / 16);
      const uint64_t b = weight_operand + weight_ring.stage * (P::kWeightBytes / 16);
      products_begin();
#pragma unroll
      for (int k = 0; k < kSliceChannels / 16; ++k) Wgmma<P::kN>::run(sums, a + 2 * k, b + 2 * k, keep || tap + k != 0);
      products_commit();
      products_wait<1>();  // for all but those committed last; the sums stay in flight
      release();
      busy_weights = weight_ring.stage;
      weight_ring.advance();
    }
    busy_slab = slab_ring.stage;
    slab_ring.advance();
  }

  /// Sums of one tile: 64 pixels x kN channels in the fragment layout.
  __device__ __forceinline__ void multiply_tile(float (&sums)[P::kN / 2]) {
    const int slabs =
        (args.split ? 3 : 1) * args.kernel_t * args.slices * args.kernel_w * (args.kernel_h / args.slab_taps);
    if constexpr (P::kPieces) {
#pragma unroll
      for (int i = 0; i < P::kN / 2; ++i) sums[i] = 0.0f;
      for (int first = 0; first < slabs; first += kSlabsAPiece) {
        float piece[P::kN / 2];
        const int count = min(kSlabsAPiece, slabs - first);
        for (int slab = 0; slab < count; ++slab) multiply_slab(piece, slab != 0);
        products_wait<0>(piece);
        release();
#pragma unroll
        for (int i = 0; i < P::kN / 2; ++i) sums[i] += piece[i];
      }
    } else {
      for (int slab = 0; slab < slabs; ++slab) multiply_slab(sums, slab != 0);
      products_wait<0>(sums);
      release();
    }
  }
};

// ---- output
// ------------------------------------------------------------------------------------------------------------

/// Eight channels as they lie in memory.
template <typename T>
struct Eight {
  uint4 part[sizeof(T) / 2];
};

/// Where the shortcut of a tile's pixel lies, and which of two neighbouring channels an output takes.
struct ShortcutPlace {
  int64_t at = 0;
  bool odd = false;
};

/// Eight outputs' shortcut: their channels, or every other of twice as many.
__device__ __forceinline__ Eight<__nv_bfloat16> load_shortcut(const Args& args, const ShortcutPlace& place,
                                                              int channel) {
  const auto* from = static_cast<const __nv_bfloat16*>(args.shortcut) + place.at;
  if (args.shortcut_channels == args.out_channels) return {{__ldg(reinterpret_cast<const uint4*>(from + channel))}};
  const uint4 low = __ldg(reinterpret_cast<const uint4*>(from + 2 * channel)),
              high = __ldg(reinterpret_cast<const uint4*>(from + 2 * channel) + 1);
  const uint32_t pick = place.odd ? 0x7632u : 0x5410u;
  return {{make_uint4(__byte_perm(low.x, low.y, pick), __byte_perm(low.z, low.w, pick),
                      __byte_perm(high.x, high.y, pick), __byte_perm(high.z, high.w, pick))}};
}

__device__ __forceinline__ void add_eight(float (&values)[8], const Eight<__nv_bfloat16>& packed) {
  const uint32_t words[4] = {packed.part[0].x, packed.part[0].y, packed.part[0].z, packed.part[0].w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] += __uint_as_float(words[i] << 16);
    values[2 * i + 1] += __uint_as_float(words[i] & 0xffff0000u);
  }
}

__device__ __forceinline__ void add_eight(float (&values)[8], const Eight<float>& packed) {
  const uint4 low = packed.part[0], high = packed.part[1];
  const uint32_t words[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] += __uint_as_float(words[i]);
}

__device__ __forceinline__ void store_eight(const float (&values)[8], __nv_bfloat16* y) {
  *reinterpret_cast<uint4*>(y) = make_uint4(pack_bf16(values[0], values[1]), pack_bf16(values[2], values[3]),
                                            pack_bf16(values[4], values[5]), pack_bf16(values[6], values[7]));
}

__device__ __forceinline__ void store_eight(const float (&values)[8], float* y) {
  reinterpret_cast<float4*>(y)[0] = make_float4(values[0], values[1], values[2], values[3]);
  reinterpret_cast<float4*>(y)[1] = make_float4(values[4], values[5], values[6], values[7]);
}

__device__ __forceinline__ void add_one(float& value, __nv_bfloat16 other) { value += __bfloat162float(other); }
__device__ __forceinline__ void add_one(float& value, float other) { value += other; }
__device__ __forceinline__ void store_one(float value, __nv_bfloat16* y) { *y = __float2bfloat16_rn(value); }
__device__ __forceinline__ void store_one(float value, float* y) { *y = value; }

/// Eight channels of one pixel: adds bias and residual, rounds, writes. `valid` channels exist.
template <typename T>
__device__ __forceinline__ void write_channels(const Args& args, float (&values)[8], const float* bias,
                                               const Eight<T>& residual, const T* residual_at, T* y, int valid) {
  const float4 low = __ldg(reinterpret_cast<const float4*>(bias)),
               high = __ldg(reinterpret_cast<const float4*>(bias) + 1);
  const float added[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] += added[i];
  if (args.vector) {
    if constexpr (sizeof(T) == 2) {
      if (args.shortcut != nullptr) {  // added to what is rounded already, as in a pass of its own
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = __bfloat162float(__float2bfloat16_rn(values[i]));
      }
    }
    if (args.residual != nullptr || args.shortcut != nullptr) add_eight(values, residual);
    store_eight(values, y);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (i >= valid) break;
    if (args.residual != nullptr) add_one(values[i], residual_at[i]);
    store_one(values[i], y + i);
  }
}

/// Where a tile's pixel lies in y and in the residual, in elements.
struct PixelPlace {
  int64_t y = 0, residual = 0;
  bool inside = false;
};

__device__ __forceinline__ PixelPlace place_of(const Args& args, const TileOrigin& origin, int row) {
  const int t = origin.t + (row >> args.log_hw), h = origin.h + ((row >> args.log_w) & (args.tile_h - 1)),
            w = origin.w + (row & (args.tile_w - 1));
  const int odd_row = origin.parity / 2, odd_column = origin.parity % 2;
  const int64_t scale = args.upsample ? 2 : 1;
  PixelPlace place;
  place.inside = t < args.frames && h < args.height && w < args.width;
  place.y = t * args.y_frame + h * args.y_row + w * args.y_pixel + odd_row * args.parity_row +
            odd_column * args.parity_column;
  place.residual = ((t * args.height * scale + h * scale + odd_row) * (args.width * scale) + w * scale + odd_column) *
                   args.out_channels;
  return place;
}

__device__ __forceinline__ ShortcutPlace shortcut_of(const Args& args, const TileOrigin& origin, int row) {
  const int t = origin.t + (row >> args.log_hw) + args.shortcut_skipped;
  const int h = origin.h + ((row >> args.log_w) & (args.tile_h - 1)), w = origin.w + (row & (args.tile_w - 1));
  const int from = t / args.shortcut_factor_t;
  const int place = (t - from * args.shortcut_factor_t) * 4 + origin.parity;
  return {((static_cast<int64_t>(from) * args.height + h) * args.width + w) * args.shortcut_channels,
          place >= args.shortcut_ratio};
}

/// Writes a warpgroup's 64 pixels. Each warp turns its own 16 rows around in shared memory, 32 channels at a time, so
/// that four lanes write neighbouring channels of a pixel.
template <typename P>
__device__ __forceinline__ void write_tile(const Args& args, const TileOrigin& origin, int warpgroup, float* staging,
                                           const float (&sums)[P::kN / 2]) {
  using T = typename P::Value;
  constexpr int kColumns = P::kN < kChunk ? P::kN : kChunk;
  const int warp = threadIdx.x % kWarpgroup / 32, lane = threadIdx.x % 32;
  const int first_row = warpgroup * 64 + warp * 16;
  float* rows = staging + first_row * kStageRow;
  const auto* all_residual = static_cast<const T*>(args.residual);
  auto* all_y = static_cast<T*>(args.y);
  const PixelPlace places[2] = {place_of(args, origin, first_row + lane / 4),
                                place_of(args, origin, first_row + lane / 4 + 8)};
  ShortcutPlace shortcuts[2];
  if constexpr (sizeof(T) == 2) {
    if (args.shortcut != nullptr) {
      shortcuts[0] = shortcut_of(args, origin, first_row + lane / 4);
      shortcuts[1] = shortcut_of(args, origin, first_row + lane / 4 + 8);
    }
  }
#pragma unroll
  for (int chunk = 0; chunk < P::kN / kColumns; ++chunk) {
    const int channel = origin.channel + chunk * kColumns + lane % 4 * 8;
    const bool active = lane % 4 * 8 < kColumns && channel < origin.end;
    Eight<T> residual[2] = {};
#pragma unroll
    for (int i = 0; i < 2; ++i)
      if (args.vector && args.residual != nullptr && active && places[i].inside)
        residual[i] = *reinterpret_cast<const Eight<T>*>(all_residual + places[i].residual + channel);
    if constexpr (sizeof(T) == 2) {
#pragma unroll
      for (int i = 0; i < 2; ++i)
        if (args.shortcut != nullptr && active && places[i].inside)
          residual[i] = load_shortcut(args, shortcuts[i], channel);
    }
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j) {
      const int at = (chunk * (kColumns / 8) + j) * 4;
      float* cell = rows + lane / 4 * kStageRow + j * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(cell) = make_float2(sums[at], sums[at + 1]);
      *reinterpret_cast<float2*>(cell + 8 * kStageRow) = make_float2(sums[at + 2], sums[at + 3]);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (!active || !places[i].inside) continue;
      const auto* from = reinterpret_cast<const float4*>(rows + (lane / 4 + 8 * i) * kStageRow + lane % 4 * 8);
      const float4 low = from[0], high = from[1];
      float values[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      write_channels<T>(args, values, args.bias + channel, residual[i], all_residual + places[i].residual + channel,
                        all_y + places[i].y + channel, origin.end - channel);
    }
    __syncwarp();
  }
}

// ---- kernel
// ------------------------------------------------------------------------------------------------------------

template <typename P>
__device__ Buffers init_buffers(uint32_t base) {
  Buffers buffers;
  buffers.slabs = base;
  buffers.weights = base + P::kSlabStages * P::kSlabBytes;
  buffers.slab_full = base + P::kBarriersAt;
  buffers.slab_empty = buffers.slab_full + 8 * P::kSlabStages;
  buffers.weight_full = buffers.slab_empty + 8 * P::kSlabStages;
  buffers.weight_empty = buffers.weight_full + 8 * P::kWeightStages;
  if (threadIdx.x == 0) {
    for (int i = 0; i < P::kSlabStages; ++i) {
      barrier_init(buffers.slab_full + 8 * i, 1);
      barrier_init(buffers.slab_empty + 8 * i, kConsumers);
    }
    for (int i = 0; i < P::kWeightStages; ++i) {
      barrier_init(buffers.weight_full + 8 * i, 1);
      barrier_init(buffers.weight_empty + 8 * i, kConsumers * kCluster);
    }
    barrier_init_fence();
  }
  return buffers;
}

template <typename P>
__device__ __forceinline__ void run_block(const HopperConvMaps& maps, const Args& args) {
  extern __shared__ uint8_t shared[];
  const uint32_t unaligned = shared_address(shared);
  uint32_t base = (unaligned + kAlignment - 1) / kAlignment * kAlignment;
  asm volatile("" : "+r"(base));  // keeps the sum in a register instead of working it out again at every step
  const Buffers buffers = init_buffers<P>(base);
  const int rank = static_cast<int>(cluster_rank());
  const int tiles = args.tiles * args.parts;
  cluster_sync();
  if (threadIdx.x < kWarpgroup) {
    give_registers<40>();
    if (threadIdx.x == 0) produce_slabs<P>(args, maps, buffers, rank, tiles);
    if (threadIdx.x == 32) produce_weights<P>(args, maps.weights, buffers, rank, tiles);
  } else {
    take_registers<232>();
    const int warpgroup = threadIdx.x / kWarpgroup - 1;
    const int peer = threadIdx.x % kWarpgroup / 32;
    Consumer<P> consumer{args,
                         buffers,
                         operand(buffers.slabs + warpgroup * 64 * kRowBytes),
                         operand(buffers.weights),
                         peer,
                         threadIdx.x % 32 == 0 && peer < kCluster};
    auto* staging = reinterpret_cast<float*>(shared + (base - unaligned) + P::kStagingAt);
    for (int tile = blockIdx.x / kCluster; tile < tiles; tile += gridDim.x / kCluster) {
      float sums[P::kN / 2];
      consumer.multiply_tile(sums);
      write_tile<P>(args, tile_origin(args, tile, rank, P::kN), warpgroup, staging, sums);
    }
  }
  __syncwarp();
  cluster_sync();  // a block must not leave while the other still signals it or multicasts into it
}

template <typename P>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    conv_kernel(const __grid_constant__ HopperConvMaps maps, const __grid_constant__ Args args) {
  NV_IF_ELSE_TARGET(NV_HAS_FEATURE_SM_90a, (run_block<P>(maps, args);), (__trap();))
}

// ---- host
// --------------------------------------------------------------------------------------------------------------

/// Calls `body` with the variant's Plan.
template <typename Body>
void with_plan(const HopperConvVariant& variant, Body body) {
  using B = __nv_bfloat16;
  const bool tall = variant.slab_pixels > kConvTilePixels;
  if (variant.split) {
    if (variant.width == 64) return body(Plan<float, 64, kConvSlabPixels, 6, 8>());
    return body(Plan<float, 128, kConvSlabPixels, 4, 7>());
  }
  switch (variant.width) {
    case 256: return tall ? body(Plan<B, 256, kConvSlabPixels, 3, 4>()) : body(Plan<B, 256, kConvTilePixels, 4, 4>());
    case 192: return tall ? body(Plan<B, 192, kConvSlabPixels, 3, 5>()) : body(Plan<B, 192, kConvTilePixels, 4, 5>());
    case 128: return body(Plan<B, 128, kConvSlabPixels, 4, 7>());
    case 96: return body(Plan<B, 96, kConvSlabPixels, 4, 8>());
    case 64: return body(Plan<B, 64, kConvSlabPixels, 6, 8>());
    default: return body(Plan<B, 16, kConvSlabPixels, 8, 8>());
  }
}

}  // namespace

void launch_hopper_conv(const HopperConvVariant& variant, int clusters, cudaStream_t stream, const HopperConvMaps& maps,
                        const HopperConvArgs& args) {
  with_plan(variant, [&]<typename P>(P) {
    check(cudaFuncSetAttribute(conv_kernel<P>, cudaFuncAttributeMaxDynamicSharedMemorySize, P::kBytes));
    conv_kernel<P><<<static_cast<unsigned>(clusters * kCluster), kThreads, P::kBytes, stream>>>(maps, args);
    check(cudaGetLastError());
  });
}

}  // namespace wan::cuda
