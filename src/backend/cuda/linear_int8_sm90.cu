// Matrix product of int8 rows on Hopper (sm_90a): exact int32 sums, then scales, bias, GELU and one rounding.
//
// A block multiplies tiles of 128 rows of x and 256 of W along all of K; the two blocks of a cluster take neighbouring
// rows of x and share each tile of W (each fetches half and multicasts it). One thread loads, in steps of 128 bytes
// along K through four stages; two warpgroups multiply (wgmma, 64 x 256 sums each) and write. The second starts one
// step after the first, so that one multiplies while the other writes. No conversion is in the loop: both scales wait
// for the end. Tiles are taken in groups of eight clusters along x before the next columns, so that a round's operands
// stay in L2.
//
// In the fragments of wgmma a thread has two of every eight columns. The copy engine permutes the rows of W within each
// 32 (by way of five axes: 2, 4 and 4 rows, see weight_map), so that the columns a thread has are eight neighbours.
//
// 2 M N K operations. H200, 2026-12-03: 1,240 to 1,430 TOP/s at the models' shapes, 1.90 to 2.05 times cuBLASLt's bf16;
// bound by the card's power.
#include <cuda.h>
#include <cuda_bf16.h>

#include <algorithm>
#include <array>

#include "backend/cuda/elementwise.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/linear_int8_sm90.h"
#include "backend/cuda/sm90_ptx.cuh"
#include "backend/cuda/sm90_wgmma_s8.cuh"
#include "backend/cuda/tensor_map.h"

namespace wan::cuda {
namespace {

using namespace sm90;

constexpr int kCluster = 2;      // blocks, with neighbouring rows of x
constexpr int kWarpgroup = 128;  // threads
constexpr int kConsumers = 2;    // warpgroups, of 64 rows each
constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
constexpr int kM = 64 * kConsumers, kN = 256;  // of a block's tile
constexpr int kStep = 128;                     // bytes along K: one row of the 128-byte swizzle
constexpr int kStages = 4;
constexpr int kXBytes = kM * kStep, kWeightBytes = kN * kStep, kStageBytes = kXBytes + kWeightBytes;
constexpr int kHalf = kN / kCluster;               // rows of W that a block fetches
constexpr int kPermuted = 32;                      // rows of W that are permuted among themselves
constexpr int kVectorsAt = kStages * kStageBytes;  // the tile's weight scales, F32, and bias, BF16
constexpr int kBiasAt = kN * 4;
constexpr int kBarriersAt = kVectorsAt + kN * 6;
constexpr int kBytes = kBarriersAt + 8 * (2 * kStages + 2);
constexpr int kGroup = 8;  // clusters along x that are taken together
static_assert(kBytes <= 227 * 1024);

struct Maps {
  CUtensorMap x, weight;
};

struct Args {
  int m = 0, n = 0, steps = 0;   // steps along K
  int m_tiles = 0, n_tiles = 0;  // of a cluster
  int64_t y_stride = 0;
  const float *x_scale = nullptr, *weight_scale = nullptr;
  const __nv_bfloat16* bias = nullptr;
  void* y = nullptr;
};

enum class Gelu { kNo, kYes };

/// Barriers and buffers in shared memory.
struct Buffers {
  uint32_t base = 0;
  uint32_t full = 0, empty = 0;                  // of the stages
  uint32_t vectors_full = 0, vectors_empty = 0;  // of what kVectorsAt holds
};

/// Stages in their order, again and again.
struct Ring {
  int stage = 0, parity = 0;
  __device__ __forceinline__ void advance() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

/// Tiles of a cluster, in the order they are taken.
struct Place {
  int m, n;
};
__device__ __forceinline__ Place place_of(const Args& args, int tile) {
  const int in_group = kGroup * args.n_tiles, group = tile / in_group, first = group * kGroup;
  const int rows = min(kGroup, args.m_tiles - first), rest = tile - group * in_group;
  return {first + rest % rows, rest / rows};
}

// ---- loading -------------------------------------------------------------------------------------------------------

/// The tile's scales and bias.
__device__ void load_vectors(const Args& args, const Buffers& buffers, int column) {
  const int columns = min(kN, args.n - column);
  const uint32_t to = buffers.base + kVectorsAt;
  barrier_expect(buffers.vectors_full, static_cast<uint32_t>(columns) * (args.bias != nullptr ? 6 : 4));
  load_bytes(to, args.weight_scale + column, static_cast<uint32_t>(columns) * 4, buffers.vectors_full);
  if (args.bias != nullptr)
    load_bytes(to + kBiasAt, args.bias + column, static_cast<uint32_t>(columns) * 2, buffers.vectors_full);
}

__device__ void produce(const Maps& maps, const Args& args, const Buffers& buffers, int rank) {
  constexpr uint16_t kEveryBlock = (1 << kCluster) - 1;
  Ring ring;
  int vectors_parity = 1;
  const int vectors_step = min(kStages, args.steps - 1);  // by then the tile before has been written, or nearly
  for (int tile = static_cast<int>(blockIdx.x) / kCluster; tile < args.m_tiles * args.n_tiles;
       tile += static_cast<int>(gridDim.x) / kCluster) {
    const Place place = place_of(args, tile);
    const int row = (place.m * kCluster + rank) * kM, column = place.n * kN;
    for (int step = 0; step < args.steps; ++step) {
      const uint32_t at = buffers.base + ring.stage * kStageBytes, full = buffers.full + 8 * ring.stage;
      barrier_wait(buffers.empty + 8 * ring.stage, ring.parity ^ 1);
      barrier_expect(full, kStageBytes);
      load_box(at, maps.x, full, step * kStep, row);
      load_box_multicast(at + kXBytes + rank * kHalf * kStep, maps.weight, full, step * kStep, 0, 0, 0,
                         column / kPermuted + rank * (kHalf / kPermuted), kEveryBlock);
      ring.advance();
      if (step == vectors_step) {
        barrier_wait(buffers.vectors_empty, vectors_parity);
        vectors_parity ^= 1;
        load_vectors(args, buffers, column);
      }
    }
  }
}

// ---- multiplying ---------------------------------------------------------------------------------------------------

__device__ __forceinline__ void sums_wait(int (&sums)[kN / 2]) {
  products_wait<0>();
#pragma unroll
  for (int i = 0; i < kN / 2; ++i) asm volatile("" : "+r"(sums[i])::"memory");
}

/// A warpgroup's way through the stages. Warp i of it tells block i of the cluster which buffers are free.
struct Consumer {
  const Buffers& buffers;
  uint64_t x, weight;  // operands in stage 0
  int warp;
  bool signals;
  Ring ring{};
  int busy = -1;  // the stage that is being multiplied

  __device__ __forceinline__ void release() {
    if (signals && busy >= 0) barrier_arrive_at(buffers.empty + 8 * busy, warp);
  }

  /// Tells the next warpgroup, where there is one, to begin once the first step is on its way.
  __device__ __forceinline__ void multiply_tile(int steps, bool wakes_next, int (&sums)[kN / 2]) {
    for (int step = 0; step < steps; ++step) {
      barrier_wait(buffers.full + 8 * ring.stage, ring.parity);
      const uint64_t offset = ring.stage * (kStageBytes / 16);
      products_begin();
#pragma unroll
      for (int k = 0; k < kStep / 32; ++k) multiply_s8(sums, x + offset + 2 * k, weight + offset + 2 * k, step | k);
      products_commit();
      products_wait<1>();
      release();
      busy = ring.stage;
      ring.advance();
      if (wakes_next && step == 0) named_arrive<2 * kWarpgroup>(1);
    }
    sums_wait(sums);
    release();
    busy = -1;
  }
};

// ---- writing -------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// GELU by tanh of two values as x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3), with one reciprocal for
/// both: the exponent is clamped where their product would overflow, far below a rounding of 0.5 x (1 + tanh(u)).
__device__ __forceinline__ void gelu_pair(float& a, float& b) {
  constexpr double kExponent = -2 * 0.7978845608028654 * 1.4426950408889634;
  constexpr float kLinear = static_cast<float>(kExponent), kCubic = static_cast<float>(kExponent * 0.044715);
  constexpr float kLargest = 60;
  const float p = 1.0f + exp2_fast(fminf(a * fmaf(kCubic, a * a, kLinear), kLargest));
  const float q = 1.0f + exp2_fast(fminf(b * fmaf(kCubic, b * b, kLinear), kLargest));
  const float r = reciprocal(p * q);
  a *= r * q;
  b *= r * p;
}

__device__ __forceinline__ void store_eight(const float (&v)[8], __nv_bfloat16* y) {
  *reinterpret_cast<uint4*>(y) =
      make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7]));
}
__device__ __forceinline__ void store_eight(const float (&v)[8], float* y) {
  reinterpret_cast<float4*>(y)[0] = make_float4(v[0], v[1], v[2], v[3]);
  reinterpret_cast<float4*>(y)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

/// Eight neighbouring columns of one row.
template <Gelu kGelu, typename Y>
__device__ __forceinline__ void write_eight(const int (&sums)[8], float row_scale, const float4 (&scales)[2],
                                            const uint4& bias, Y* y) {
  const float scale[8] = {scales[0].x, scales[0].y, scales[0].z, scales[0].w,
                          scales[1].x, scales[1].y, scales[1].z, scales[1].w};
  const uint32_t words[4] = {bias.x, bias.y, bias.z, bias.w};
  float v[8];
#pragma unroll
  for (int i = 0; i < 8; i += 2) {
    const uint32_t pair = words[i / 2];
    v[i] = __fmaf_rn(__fmul_rn(__int2float_rn(sums[i]), row_scale), scale[i], __uint_as_float(pair << 16));
    v[i + 1] =
        __fmaf_rn(__fmul_rn(__int2float_rn(sums[i + 1]), row_scale), scale[i + 1], __uint_as_float(pair & 0xffff0000u));
    if constexpr (kGelu == Gelu::kYes) gelu_pair(v[i], v[i + 1]);
  }
  store_eight(v, y);
}

/// A thread's two rows of a tile: `row` and `row` + 8, and their scales.
struct Rows {
  int row;
  float scales[2];
};

__device__ __forceinline__ Rows rows_of(const Args& args, int row) {
  return {row,
          {row < args.m ? __ldg(args.x_scale + row) : 0.0f, row + 8 < args.m ? __ldg(args.x_scale + row + 8) : 0.0f}};
}

template <Gelu kGelu, typename Y>
__device__ __forceinline__ void write_tile(const Args& args, const uint8_t* vectors, const Rows& rows, int column,
                                           const int (&d)[kN / 2]) {
  const int quarter = static_cast<int>(threadIdx.x) % 4;
  const auto* scales = reinterpret_cast<const float4*>(vectors) + 2 * quarter;
  const auto* biases = reinterpret_cast<const uint4*>(vectors + kBiasAt) + quarter;
  Y* y = static_cast<Y*>(args.y) + rows.row * args.y_stride + column + 8 * quarter;
#pragma unroll
  for (int c = 0; c < kN / kPermuted; ++c) {
    if (column + kPermuted * c >= args.n) break;
    const float4 scale[2] = {scales[8 * c], scales[8 * c + 1]};
    const uint4 bias = args.bias != nullptr ? biases[4 * c] : make_uint4(0, 0, 0, 0);
    const int upper[8] = {d[16 * c],     d[16 * c + 1], d[16 * c + 4],  d[16 * c + 5],
                          d[16 * c + 8], d[16 * c + 9], d[16 * c + 12], d[16 * c + 13]};
    const int lower[8] = {d[16 * c + 2],  d[16 * c + 3],  d[16 * c + 6],  d[16 * c + 7],
                          d[16 * c + 10], d[16 * c + 11], d[16 * c + 14], d[16 * c + 15]};
    if (rows.row < args.m) write_eight<kGelu>(upper, rows.scales[0], scale, bias, y + kPermuted * c);
    if (rows.row + 8 < args.m)
      write_eight<kGelu>(lower, rows.scales[1], scale, bias, y + 8 * args.y_stride + kPermuted * c);
  }
}

template <Gelu kGelu, typename Y>
__device__ __forceinline__ void consume(const Args& args, const Buffers& buffers, const uint8_t* vectors, int rank) {
  const int thread = static_cast<int>(threadIdx.x), warpgroup = thread / kWarpgroup, warp = thread % kWarpgroup / 32;
  const int first = static_cast<int>(blockIdx.x) / kCluster, tiles = args.m_tiles * args.n_tiles;
  Consumer consumer{buffers, operand(buffers.base + warpgroup * 64 * kStep), operand(buffers.base + kXBytes), warp,
                    thread % 32 == 0 && warp < kCluster};
  int vectors_parity = 0;
  if (warpgroup == 1 && first < tiles) named_sync<2 * kWarpgroup>(1);
  for (int tile = first; tile < tiles; tile += static_cast<int>(gridDim.x) / kCluster) {
    const Place place = place_of(args, tile);
    const Rows rows = rows_of(args, (place.m * kCluster + rank) * kM + warpgroup * 64 + warp * 16 + thread % 32 / 4);
    int sums[kN / 2];
    consumer.multiply_tile(args.steps, warpgroup == 0 && tile == first, sums);
    barrier_wait(buffers.vectors_full, vectors_parity);
    vectors_parity ^= 1;
    write_tile<kGelu, Y>(args, vectors, rows, place.n * kN, sums);
    named_sync<kWarpgroup>(2 + warpgroup);
    if (thread % kWarpgroup == 0) barrier_arrive(buffers.vectors_empty);
  }
}

// ---- kernel --------------------------------------------------------------------------------------------------------

__device__ __forceinline__ Buffers init_buffers(uint32_t base) {
  Buffers buffers;
  buffers.base = base;
  buffers.full = base + kBarriersAt;
  buffers.empty = buffers.full + 8 * kStages;
  buffers.vectors_full = buffers.empty + 8 * kStages;
  buffers.vectors_empty = buffers.vectors_full + 8;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      barrier_init(buffers.full + 8 * i, 1);
      barrier_init(buffers.empty + 8 * i, kConsumers * kCluster);
    }
    barrier_init(buffers.vectors_full, 1);
    barrier_init(buffers.vectors_empty, kConsumers);
    barrier_init_fence();
  }
  return buffers;
}

template <Gelu kGelu, typename Y>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    int8_kernel(const __grid_constant__ Maps maps, const __grid_constant__ Args args) {
  extern __shared__ __align__(1024) uint8_t shared[];
  uint32_t base = shared_address(shared);
  asm volatile("" : "+r"(base));   // keeps the address in a register instead of working it out again at every step
  if (base % 1024 != 0) __trap();  // the swizzle goes by addresses
  const Buffers buffers = init_buffers(base);
  const int rank = static_cast<int>(cluster_rank());
  cluster_sync();
  if (threadIdx.x >= kConsumers * kWarpgroup) {
    give_registers<40>();
    if (threadIdx.x == kConsumers * kWarpgroup) produce(maps, args, buffers, rank);
  } else {
    take_registers<232>();
    consume<kGelu, Y>(args, buffers, shared + kVectorsAt, rank);
  }
  __syncwarp();
  cluster_sync();  // a block must not leave while the other still signals it or multicasts into it
}

// ---- host ----------------------------------------------------------------------------------------------------------

template <size_t kRank>
CUtensorMap byte_map(const void* data, const std::array<cuuint64_t, kRank>& extents,
                     const std::array<cuuint64_t, kRank - 1>& strides, const std::array<cuuint32_t, kRank>& box) {
  std::array<cuuint32_t, kRank> steps;
  steps.fill(1);
  CUtensorMap map{};
  const CUresult result =
      encode_tiled()(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, kRank, const_cast<void*>(data), extents.data(),
                     strides.data(), box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE,
                     CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  expect(result == CUDA_SUCCESS, [&] {
    return message("the driver refuses a tensor map of int8 rows (CUresult {}; {} bytes a row)",
                   static_cast<int>(result), extents[0]);
  });
  return map;
}

CUtensorMap x_map(const TensorView& x) {
  const auto rows = static_cast<cuuint64_t>(x.shape[0]), k = static_cast<cuuint64_t>(x.shape[1]);
  return byte_map<2>(x.data, {k, rows}, {k}, {kStep, kM});
}

/// Row 8 j + 2 q + e of each 32 in shared memory is row 8 q + 2 j + e of W: e, q and j are the axes behind K, then the
/// 32s. Of column pair q of the eights j, which are a thread's in a fragment, that makes eight neighbours.
CUtensorMap weight_map(const TensorView& weight) {
  const auto rows = static_cast<cuuint64_t>(weight.shape[0]), k = static_cast<cuuint64_t>(weight.shape[1]);
  return byte_map<5>(weight.data, {k, 2, 4, 4, rows / kPermuted}, {k, 8 * k, 2 * k, kPermuted * k},
                     {kStep, 2, 4, 4, kHalf / kPermuted});
}

template <Gelu kGelu, typename Y>
void launch(const Context& context, const Maps& maps, const Args& args) {
  // Pairs of multiprocessors always share a cluster's hardware, so a card runs half as many clusters as it has of them.
  const int clusters = std::min(args.m_tiles * args.n_tiles, std::max(1, context.multiprocessors / kCluster));
  check(cudaFuncSetAttribute(int8_kernel<kGelu, Y>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  int8_kernel<kGelu, Y><<<static_cast<unsigned>(clusters * kCluster), kThreads, kBytes, context.compute>>>(maps, args);
  check(cudaGetLastError());
}

}  // namespace

bool sm90_linear_int8_accepts(const Context& context, const Int8Rows& x, const Int8Rows& weight, TensorView bias,
                              TensorView y) {
  constexpr int64_t kMostRows = int64_t{1} << 30;
  return context.capability == 90 && (bias.empty() || bias.dtype == DType::kBF16) && x.values.shape[1] % 16 == 0 &&
         y.shape[1] % kPermuted == 0 && y.shape[0] < kMostRows && y.shape[1] < kMostRows && is_aligned(x.values.data) &&
         is_aligned(weight.values.data) && is_aligned(weight.scale.data) && is_aligned(bias.data) &&
         rows_are_aligned(y, 8);
}

void sm90_linear_int8(Context& context, const Int8Rows& x, const Int8Rows& weight, TensorView bias,
                      Activation activation, TensorView y) {
  Args args{.m = static_cast<int>(y.shape[0]), .n = static_cast<int>(y.shape[1])};
  args.steps = static_cast<int>(ceil_div(x.values.shape[1], kStep));
  args.m_tiles = static_cast<int>(ceil_div(args.m, kM * kCluster));
  args.n_tiles = static_cast<int>(ceil_div(args.n, kN));
  expect(int64_t{args.m_tiles} * args.n_tiles <= INT32_MAX / 2,
         [&] { return message("a product of {} is too large", y.shape); });
  args.y_stride = row_stride(y);
  args.x_scale = x.scale.as<float>();
  args.weight_scale = weight.scale.as<float>();
  args.bias = static_cast<const __nv_bfloat16*>(bias.data);
  args.y = y.data;
  const Maps maps{x_map(x.values), weight_map(weight.values)};
  const bool has_gelu = activation == Activation::kGeluTanh;
  if (y.dtype == DType::kBF16) {
    if (has_gelu) return launch<Gelu::kYes, __nv_bfloat16>(context, maps, args);
    return launch<Gelu::kNo, __nv_bfloat16>(context, maps, args);
  }
  launch<Gelu::kNo, float>(context, maps, args);
  if (has_gelu) activate_rows(context, y, activation, y);  // to F32's own accuracy
}

}  // namespace wan::cuda
