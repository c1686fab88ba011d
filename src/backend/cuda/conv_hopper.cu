// Implicit matrix product for channels-last convolution on Hopper (sm_90a), bf16 in, fp32 sums, bf16 out.
//
// A block owns 128 output pixels (frames x rows x columns) and kN output channels; two blocks of a cluster take
// neighbouring pixels and share each weight tile (each fetches half and multicasts it). For one kernel frame, one
// 64-channel slice and one kernel column, the copy engine brings a slab of the input: the block's rows plus the
// kernel's reach, out-of-range pixels read as zero, which is the convolution's padding. The kernel rows then are the
// same slab, read one pixel row further on, so a 3x3x3 kernel moves 2.4 times less input from L2 than one load a tap.
// One warp loads slabs, one loads weights, two warpgroups multiply (wgmma, 64 pixels x kN each) and then add bias and
// residual and round once.
//
// Bound by the tensor cores (2 * pixels * Co * Ci * taps operations) when Co and Ci are a few hundred; for 12 output
// channels by L2: slabs of 20 KiB a 3 taps.
#include "backend/cuda/context.h"
#include "backend/cuda/conv_hopper_kernel.h"
#include "backend/cuda/conv_wgmma.cuh"

namespace wan::cuda {
namespace {

using Args = HopperConvArgs;

constexpr int kSliceChannels = kConvSliceChannels;
constexpr int kCluster = kConvCluster;
constexpr int kRowBytes = 2 * kSliceChannels;
constexpr int kSlabBytes = kConvSlabRows * kRowBytes;
constexpr int kWarpgroup = 128;
constexpr int kConsumers = 2;  // warpgroups
constexpr int kThreads = (1 + kConsumers) * kWarpgroup;
constexpr int kChunk = 32;     // channels staged at a time when a tile is written
constexpr int kStageRow = 40;  // floats a staged row takes: no bank conflicts between rows
constexpr int kAlignment = 1024;

/// Shared memory of a tile width: as many stages as fit beside the output staging.
template <int kN>
struct Plan {
  static constexpr int kWeightBytes = kN * kRowBytes;
  static constexpr int kSlabStages = kN >= 96 ? 3 : 6;
  static constexpr int kWeightStages = kN == 256 ? 4 : kN == 192 ? 5 : 8;
  static constexpr int kStagingBytes = kConsumers * 64 * kStageRow * 4;
  static constexpr int kBytes = kSlabStages * kSlabBytes + kWeightStages * kWeightBytes + kStagingBytes +
                                16 * (kSlabStages + kWeightStages) + kAlignment;
  static_assert(kBytes <= 227 * 1024);
};

// ---- PTX
// ---------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ __forceinline__ void barrier_init(uint32_t barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count));
}

__device__ __forceinline__ void barrier_expect(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

__device__ __forceinline__ void barrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void barrier_arrive_at(uint32_t barrier, int block) {
  asm volatile(
      "{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n}\n" ::"r"(barrier),
      "r"(block)
      : "memory");
}

__device__ __forceinline__ void barrier_wait(uint32_t barrier, int parity) {
  asm volatile(
      "{\n.reg .pred done;\nwait:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra ready;\nbra "
      "wait;\n"
      "ready:\n}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

__device__ __forceinline__ void load_slab(uint32_t to, const CUtensorMap& map, uint32_t barrier, int c, int w, int h,
                                          int t) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], "
      "[%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(c), "r"(w), "r"(h), "r"(t)
      : "memory");
}

__device__ __forceinline__ void load_weights(uint32_t to, const CUtensorMap& map, uint32_t barrier, int c, int tap,
                                             int row) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(c), "r"(tap), "r"(row), "h"(static_cast<uint16_t>((1 << kCluster) - 1))
      : "memory");
}

__device__ __forceinline__ int cluster_rank() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
}

__device__ __forceinline__ void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n" ::: "memory");
}

/// K-major tile, 128-byte swizzle, groups of 8 rows 1024 bytes apart. Source: PTX ISA, "Matrix descriptor format".
__device__ __forceinline__ uint64_t descriptor(uint32_t address) {
  return (uint64_t{1} << 62) | (uint64_t{1024 >> 4} << 32) | (uint64_t{1} << 16) | ((address & 0x3FFFF) >> 4);
}

// ---- the kernel's parts
// ------------------------------------------------------------------------------------------------

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
};

__device__ __forceinline__ TileOrigin tile_origin(const Args& args, int tile, int rank, int width) {
  const int channel_tile = tile % args.channel_tiles;
  int pixels = tile / args.channel_tiles * kCluster + rank;
  TileOrigin origin;
  origin.parity = channel_tile / args.channel_tiles_each;
  origin.channel = channel_tile % args.channel_tiles_each * width;
  origin.t = pixels % args.tiles_t * args.tile_t;
  pixels /= args.tiles_t;
  origin.w = pixels % args.tiles_w * args.tile_w;
  origin.h = pixels / args.tiles_w * args.tile_h;  // beyond the last row for the odd block of the last cluster
  return origin;
}

template <int kN>
__device__ void produce_slabs(const Args& args, const CUtensorMap& map, const Buffers& buffers, int rank, int tiles) {
  Ring<Plan<kN>::kSlabStages> ring;
  for (int tile = blockIdx.x / kCluster; tile < tiles; tile += gridDim.x / kCluster) {
    const TileOrigin origin = tile_origin(args, tile, rank, kN);
    const int h0 = origin.h * args.stride_h - (args.upsample ? 1 - origin.parity / 2 : args.pad_top);
    const int w0 = origin.w * args.stride_w - (args.upsample ? 1 - origin.parity % 2 : args.pad_left);
    for (int kt = 0; kt < args.kernel_t; ++kt)
      for (int slice = 0; slice < args.slices; ++slice)
        for (int kw = 0; kw < args.kernel_w; ++kw)
          for (int kh = 0; kh < args.kernel_h; kh += args.slab_taps) {
            const uint32_t full = buffers.slab_full + 8 * ring.stage;
            barrier_wait(buffers.slab_empty + 8 * ring.stage, ring.parity ^ 1);
            barrier_expect(full, args.slab_bytes);
            load_slab(buffers.slabs + ring.stage * kSlabBytes, map, full, slice * kSliceChannels, w0 + kw, h0 + kh,
                      origin.t * args.stride_t + kt);
            ring.advance();
          }
  }
}

template <int kN>
__device__ void produce_weights(const Args& args, const CUtensorMap& map, const Buffers& buffers, int rank, int tiles) {
  constexpr int kHalf = kN / kCluster;
  Ring<Plan<kN>::kWeightStages> ring;
  for (int tile = blockIdx.x / kCluster; tile < tiles; tile += gridDim.x / kCluster) {
    const TileOrigin origin = tile_origin(args, tile, rank, kN);
    const int row = origin.parity * args.out_channels + origin.channel + rank * kHalf;
    for (int kt = 0; kt < args.kernel_t; ++kt)
      for (int slice = 0; slice < args.slices; ++slice)
        for (int kw = 0; kw < args.kernel_w; ++kw)
          for (int kh = 0; kh < args.kernel_h; ++kh) {
            const uint32_t full = buffers.weight_full + 8 * ring.stage;
            barrier_wait(buffers.weight_empty + 8 * ring.stage, ring.parity ^ 1);
            barrier_expect(full, Plan<kN>::kWeightBytes);
            load_weights(buffers.weights + ring.stage * Plan<kN>::kWeightBytes + rank * kHalf * kRowBytes, map, full,
                         slice * kSliceChannels, (kt * args.kernel_h + kh) * args.kernel_w + kw, row);
            ring.advance();
          }
  }
}

/// Sums of one tile: 64 pixels x kN channels in the fragment layout. The rings go on from tile to tile.
template <int kN>
__device__ __forceinline__ void multiply_tile(const Args& args, const Buffers& buffers, int warpgroup, bool signals,
                                              int peer, Ring<Plan<kN>::kSlabStages>& slab_ring,
                                              Ring<Plan<kN>::kWeightStages>& weight_ring, float (&sums)[kN / 2]) {
  const int slabs = args.kernel_t * args.slices * args.kernel_w * (args.kernel_h / args.slab_taps);
  int last_weight = -1, last_slab = -1;
  for (int slab = 0; slab < slabs; ++slab) {
    barrier_wait(buffers.slab_full + 8 * slab_ring.stage, slab_ring.parity);
    for (int tap = 0; tap < args.slab_taps; ++tap) {
      barrier_wait(buffers.weight_full + 8 * weight_ring.stage, weight_ring.parity);
      const uint64_t a =
          descriptor(buffers.slabs + slab_ring.stage * kSlabBytes + (warpgroup * 64 + tap * args.tile_w) * kRowBytes);
      const uint64_t b = descriptor(buffers.weights + weight_ring.stage * Plan<kN>::kWeightBytes);
      asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
#pragma unroll
      for (int k = 0; k < kSliceChannels / 16; ++k) Wgmma<kN>::run(sums, a + 2 * k, b + 2 * k, slab + tap + k != 0);
      asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 1;\n" ::: "memory");
      // The product before this one is done: its buffers may be refilled, the weights' in both blocks.
      if (signals && last_weight >= 0) barrier_arrive_at(buffers.weight_empty + 8 * last_weight, peer);
      if (peer == 0 && signals && last_slab >= 0) barrier_arrive(buffers.slab_empty + 8 * last_slab);
      last_slab = -1;
      last_weight = weight_ring.stage;
      weight_ring.advance();
    }
    last_slab = slab_ring.stage;
    slab_ring.advance();
  }
  asm volatile("wgmma.wait_group.sync.aligned 0;\n" ::: "memory");
  if (signals) barrier_arrive_at(buffers.weight_empty + 8 * last_weight, peer);
  if (peer == 0 && signals) barrier_arrive(buffers.slab_empty + 8 * last_slab);
}

__device__ __forceinline__ void add_bf16x8(float (&values)[8], uint4 packed) {
  const uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] += __uint_as_float(words[i] << 16);
    values[2 * i + 1] += __uint_as_float(words[i] & 0xffff0000u);
  }
}

__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

/// Eight channels of one pixel: adds bias and residual, rounds, writes. `valid` channels exist.
__device__ __forceinline__ void write_channels(const Args& args, float (&values)[8], const float* bias, uint4 residual,
                                               const __nv_bfloat16* residual_at, __nv_bfloat16* y, int valid) {
  const float4 low = __ldg(reinterpret_cast<const float4*>(bias)),
               high = __ldg(reinterpret_cast<const float4*>(bias) + 1);
  const float added[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] += added[i];
  if (args.vector) {
    if (args.residual != nullptr) add_bf16x8(values, residual);
    *reinterpret_cast<uint4*>(y) = make_uint4(pack_bf16(values[0], values[1]), pack_bf16(values[2], values[3]),
                                              pack_bf16(values[4], values[5]), pack_bf16(values[6], values[7]));
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (i >= valid) break;
    if (args.residual != nullptr) values[i] += __bfloat162float(residual_at[i]);
    y[i] = __float2bfloat16_rn(values[i]);
  }
}

/// Writes a warpgroup's 64 pixels. Each warp turns its own 16 rows around in shared memory, 32 channels at a time, so
/// that four lanes write 64 contiguous bytes of a pixel.
template <int kN>
__device__ __forceinline__ void write_tile(const Args& args, const TileOrigin& origin, int warpgroup, float* staging,
                                           const float (&sums)[kN / 2]) {
  constexpr int kColumns = kN < kChunk ? kN : kChunk;
  const int warp = threadIdx.x % kWarpgroup / 32, lane = threadIdx.x % 32;
  float* rows = staging + (warpgroup * 64 + warp * 16) * kStageRow;
  int64_t y_at[2], residual_at[2];
  bool inside[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int row = warpgroup * 64 + warp * 16 + lane / 4 + 8 * i;
    const int t = origin.t + (row >> args.log_hw), h = origin.h + ((row >> args.log_w) & (args.tile_h - 1)),
              w = origin.w + (row & (args.tile_w - 1));
    inside[i] = t < args.frames && h < args.height && w < args.width;
    y_at[i] = t * args.y_frame + h * args.y_row + w * args.y_pixel + origin.parity / 2 * args.parity_row +
              origin.parity % 2 * args.parity_column;
    const int64_t row_of_y = args.upsample ? 2 * h + origin.parity / 2 : h;
    const int64_t column_of_y = args.upsample ? 2 * w + origin.parity % 2 : w;
    const int64_t scale = args.upsample ? 2 : 1;
    residual_at[i] = ((t * args.height * scale + row_of_y) * (args.width * scale) + column_of_y) * args.out_channels;
  }
#pragma unroll
  for (int chunk = 0; chunk < kN / kColumns; ++chunk) {
    const int channel = origin.channel + chunk * kColumns + lane % 4 * 8;
    const bool active = lane % 4 * 8 < kColumns && channel < args.out_channels;
    uint4 residual[2] = {};
#pragma unroll
    for (int i = 0; i < 2; ++i)
      if (args.vector && args.residual != nullptr && active && inside[i])
        residual[i] = *reinterpret_cast<const uint4*>(args.residual + residual_at[i] + channel);
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
      if (!active || !inside[i]) continue;
      const float4* from = reinterpret_cast<const float4*>(rows + (lane / 4 + 8 * i) * kStageRow + lane % 4 * 8);
      const float4 low = from[0], high = from[1];
      float values[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      write_channels(args, values, args.bias + channel, residual[i], args.residual + residual_at[i] + channel,
                     args.y + y_at[i] + channel, args.out_channels - channel);
    }
    __syncwarp();
  }
}

template <int kN>
__device__ Buffers init_buffers(uint32_t base) {
  Buffers buffers;
  buffers.slabs = base;
  buffers.weights = buffers.slabs + Plan<kN>::kSlabStages * kSlabBytes;
  buffers.slab_full = buffers.weights + Plan<kN>::kWeightStages * Plan<kN>::kWeightBytes + Plan<kN>::kStagingBytes;
  buffers.slab_empty = buffers.slab_full + 8 * Plan<kN>::kSlabStages;
  buffers.weight_full = buffers.slab_empty + 8 * Plan<kN>::kSlabStages;
  buffers.weight_empty = buffers.weight_full + 8 * Plan<kN>::kWeightStages;
  if (threadIdx.x == 0) {
    for (int i = 0; i < Plan<kN>::kSlabStages; ++i) {
      barrier_init(buffers.slab_full + 8 * i, 1);
      barrier_init(buffers.slab_empty + 8 * i, kConsumers);
    }
    for (int i = 0; i < Plan<kN>::kWeightStages; ++i) {
      barrier_init(buffers.weight_full + 8 * i, 1);
      barrier_init(buffers.weight_empty + 8 * i, kConsumers * kCluster);
    }
    asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
  }
  return buffers;
}

template <int kN>
__device__ __forceinline__ void run_block(const CUtensorMap& input, const CUtensorMap& weights, const Args& args) {
  extern __shared__ uint8_t shared[];
  const uint32_t unaligned = shared_address(shared);
  const uint32_t base = (unaligned + kAlignment - 1) / kAlignment * kAlignment;
  const Buffers buffers = init_buffers<kN>(base);
  const int rank = cluster_rank();
  const int tiles = (args.pixel_tiles + kCluster - 1) / kCluster * args.channel_tiles;
  cluster_sync();
  if (threadIdx.x < kWarpgroup) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;\n");
    if (threadIdx.x == 0) produce_slabs<kN>(args, input, buffers, rank, tiles);
    if (threadIdx.x == 32) produce_weights<kN>(args, weights, buffers, rank, tiles);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;\n");
    const int warpgroup = threadIdx.x / kWarpgroup - 1;
    const int peer = threadIdx.x % kWarpgroup / 32;  // warp 0 signals block 0, warp 1 block 1
    const bool signals = threadIdx.x % 32 == 0 && peer < kCluster;
    float* staging = reinterpret_cast<float*>(shared + (base - unaligned) + Plan<kN>::kSlabStages * kSlabBytes +
                                              Plan<kN>::kWeightStages * Plan<kN>::kWeightBytes);
    Ring<Plan<kN>::kSlabStages> slab_ring;
    Ring<Plan<kN>::kWeightStages> weight_ring;
    for (int tile = blockIdx.x / kCluster; tile < tiles; tile += gridDim.x / kCluster) {
      const TileOrigin origin = tile_origin(args, tile, rank, kN);
      float sums[kN / 2];
      multiply_tile<kN>(args, buffers, warpgroup, signals, peer, slab_ring, weight_ring, sums);
      write_tile<kN>(args, origin, warpgroup, staging, sums);
    }
  }
  cluster_sync();  // a block must not leave while the other still signals it or multicasts into it
}

template <int kN>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    conv_kernel(const __grid_constant__ CUtensorMap input, const __grid_constant__ CUtensorMap weights,
                const __grid_constant__ Args args) {
  if constexpr (kN > 0 && kCompilesForHopper) run_block<kN>(input, weights, args);
}

template <int kN>
void launch(int blocks, cudaStream_t stream, const CUtensorMap& input, const CUtensorMap& weights, const Args& args) {
  check(cudaFuncSetAttribute(conv_kernel<kN>, cudaFuncAttributeMaxDynamicSharedMemorySize, Plan<kN>::kBytes));
  conv_kernel<kN><<<blocks, kThreads, Plan<kN>::kBytes, stream>>>(input, weights, args);
  check(cudaGetLastError());
}

}  // namespace

void launch_hopper_conv(int width, int blocks, cudaStream_t stream, const CUtensorMap& input,
                        const CUtensorMap& weights, const HopperConvArgs& args) {
  switch (width) {
    case 256: return launch<256>(blocks, stream, input, weights, args);
    case 192: return launch<192>(blocks, stream, input, weights, args);
    case 128: return launch<128>(blocks, stream, input, weights, args);
    case 96: return launch<96>(blocks, stream, input, weights, args);
    case 64: return launch<64>(blocks, stream, input, weights, args);
    default: return launch<16>(blocks, stream, input, weights, args);
  }
}

}  // namespace wan::cuda
