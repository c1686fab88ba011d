// Attention forward for sm_90a, bf16, head dimension 128, no mask: softmax(scale q k^T) v without writing the scores.
//
// Algorithm. Online softmax over blocks of keys (Milakov & Gimelshein 2018; Dao et al. 2022), scheduled as
// FlashAttention-3 (Shah et al. 2024): one warp copies tiles by TMA; each consumer warpgroup owns 64 queries, keeps its
// scores, probabilities and output in registers, and runs the softmax of one block while the tensor cores work on its
// last probabilities (q k^T is issued before p v) and on the products of the other warpgroup (they take turns at
// issuing). The two blocks of a cluster share a head, and each loads half of every key and value tile for both. Only
// the block with the last keys, done first, is masked, so no length costs more than another.
//
// Scores are taken relative to a reference that need not be the maximum: probabilities are floats, so a common factor
// divides out. The reference is the maximum of the first block; later blocks look at no maximum, only at the row sums,
// which are needed anyway, and move the reference when a sum has grown by 2^40. A score above the reference by more
// than 2^127 would overflow: its row sum is then not finite, the warp marks its tile, and a second launch of the same
// kernel, which does take every block's maximum, computes the marked tiles again. With nothing marked it returns at
// once.
//
// Work: 4 Lq Lk 128 operations a head. Bytes: q and out once, and from L2 keys and values once for every 256 queries:
// at 36,080 tokens and 715 TFLOP/s that is 2.8 TB/s. Bound by the tensor cores at the clock the power limit leaves,
// then by the exponentials: one for 512 operations, at 16 a cycle and multiprocessor half the time of the products.
#include <cuda.h>
#include <cuda_bf16.h>

#include <nv/target>

#include <algorithm>

#include "backend/cuda/attention_sm90.h"
#include "backend/cuda/attention_sm90_parts.cuh"
#include "backend/cuda/attention_sm90_softmax.cuh"
#include "backend/cuda/sm90_ptx.cuh"
#include "backend/cuda/sm90_wgmma.cuh"
#include "backend/cuda/tensor_map.h"
#include "base/error.h"

#pragma nv_diag_suppress 177  // compiled for other architectures the kernel is empty, and its parts are unused

namespace wan::cuda {
namespace {

using namespace sm90;

constexpr int kHalf = 64;  // columns of a TMA box: 128 bytes, the widest swizzle
constexpr int kRowBytes = kHalf * 2;
constexpr int kKeys = 192;     // of a block: scores, probabilities and output fill 208 of a thread's 240 registers
constexpr int kConsumers = 2;  // warpgroups that compute
constexpr int kStages = 2;     // of keys, and of values
constexpr int kRows = kConsumers * kWarpgroupRows;
constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
constexpr int kQueryBytes = kRows * kHeadDim * 2;
constexpr int kKeyBytes = kKeys * kHeadDim * 2;
// q, then the stages of k, then those of v, then the barriers; one KiB spare to align to the swizzle's atom.
constexpr int kSharedBytes = 1024 + kQueryBytes + 2 * kStages * kKeyBytes + (2 + 4 * kStages) * 8;

struct Params {
  __nv_bfloat16* out;
  int64_t out_stride;
  int q_rows, k_rows;
  int tiles_per_head, tiles;  // of a whole cluster
  float scale_log2;           // scale * log2(e)
  Marks<kConsumers> marks;
};

/// Addresses of a block's shared memory.
struct Shared {
  uint32_t base;
  __device__ uint32_t query() const { return base; }
  __device__ uint32_t key(int stage) const { return base + kQueryBytes + stage * kKeyBytes; }
  __device__ uint32_t value(int stage) const { return key(kStages) + stage * kKeyBytes; }
  __device__ uint32_t barrier(int index) const { return value(kStages) + index * 8; }
  __device__ uint32_t query_full() const { return barrier(0); }
  __device__ uint32_t query_empty() const { return barrier(1); }
  __device__ uint32_t key_full(int stage) const { return barrier(2 + stage); }
  __device__ uint32_t key_empty(int stage) const { return barrier(2 + kStages + stage); }
  __device__ uint32_t value_full(int stage) const { return barrier(2 + 2 * kStages + stage); }
  __device__ uint32_t value_empty(int stage) const { return barrier(2 + 3 * kStages + stage); }
};

struct Tile {
  int head, row;
};

__device__ Tile tile_at(const Params& params, int tile) {
  const int head = tile / params.tiles_per_head;
  const int in_head = tile - head * params.tiles_per_head;
  return {head, (in_head * kCluster + static_cast<int>(cluster_rank())) * kRows};
}

/// Whether this pass computes the tile.
template <Pass kPass>
__device__ bool takes(const Params& params, int tile) {
  if constexpr (kPass == Pass::kTrusting) return true;
  return params.marks.has(tile);
}

// ---- producer --------------------------------------------------------------------------------------------

/// One tile of keys or values: each of the two blocks loads its half of the head dimension, for both.
__device__ void load_tile(const CUtensorMap& map, uint32_t to, uint32_t full, uint32_t empty, uint32_t parity, int head,
                          int row) {
  barrier_wait(empty, parity ^ 1);
  barrier_expect(full, kKeyBytes);
  constexpr uint32_t kHalfBytes = kKeyBytes / 2;
  const uint32_t rank = cluster_rank();
  load_box_multicast(to + rank * kHalfBytes, map, full, head * kHeadDim + static_cast<int>(rank) * kHalf, row,
                     kEveryBlock);
}

template <Pass kPass>
__device__ void produce(const Shared& shared, const CUtensorMap& q, const CUtensorMap& k, const CUtensorMap& v,
                        const Params& params) {
  Ring<kStages> key, value;
  Ring<1> query;
  const int blocks = (params.k_rows + kKeys - 1) / kKeys;
  for (int tile = blockIdx.x / kCluster; tile < params.tiles; tile += gridDim.x / kCluster) {
    if (!takes<kPass>(params, tile)) continue;
    const Tile place = tile_at(params, tile);
    for (int block = blocks - 1; block >= -1; --block) {  // each load written once: the warp has few registers
      if (block >= 0) {
        load_tile(k, shared.key(key.stage), shared.key_full(key.stage), shared.key_empty(key.stage), key.parity,
                  place.head, block * kKeys);
        key.next();
      }
      if (block == blocks - 1) {
        barrier_wait(shared.query_empty(), query.parity ^ 1);
        barrier_expect(shared.query_full(), kQueryBytes);
        load_box(shared.query(), q, shared.query_full(), place.head * kHeadDim, place.row);
        load_box(shared.query() + kRows * kRowBytes, q, shared.query_full(), place.head * kHeadDim + kHalf, place.row);
        query.next();
      } else {
        load_tile(v, shared.value(value.stage), shared.value_full(value.stage), shared.value_empty(value.stage),
                  value.parity, place.head, (block + 1) * kKeys);
        value.next();
      }
    }
  }
}

// ---- consumers

/// s = q k^T for 64 queries; issued, not finished.
__device__ void issue_scores(uint32_t query, uint32_t key, float (&s)[kKeys / 2]) {
  products_begin();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int step = 0; step < kHalf / 16; ++step) {
      Wgmma<kKeys>::run(s, operand(query + half * kRows * kRowBytes + step * 32),
                        operand(key + half * kKeys * kRowBytes + step * 32), half + step > 0);
    }
  }
  products_commit();
}

/// o += p v; issued, not finished.
__device__ void issue_values(const uint32_t (&p)[kKeys / 4], uint32_t value, float (&o)[kHeadDim / 2]) {
  products_begin();
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step) {
    add_product_of_registers(o, p + 4 * step, operand(value + step * 16 * kRowBytes, kKeys * kRowBytes));
  }
  products_commit();
}

__device__ __forceinline__ void normalise(float (&o)[kHeadDim / 2], const RowState& state) {
  const float inverse[2] = {1.0f / row_sum(state.sum[0]), 1.0f / row_sum(state.sum[1])};
#pragma unroll
  for (int i = 0; i < kHeadDim / 2; ++i) o[i] *= inverse[i / 2 % 2];
}

/// Whether the sums are; false for NaN.
__device__ __forceinline__ bool is_finite(const RowState& state) {
  return state.sum[0] < INFINITY && state.sum[1] < INFINITY;
}

/// One block of keys into the running result: s and o are this block's scores and the output so far, p the
/// probabilities of the block before, whose product with its values is issued together with this block's scores.
struct Work {
  float s[kKeys / 2];
  float o[kHeadDim / 2];
  uint32_t p[kKeys / 4];
  RowState state;
};

__device__ void first_block(const Shared& shared, const Params& params, uint32_t query, Ring<kStages>& key, int valid,
                            Work& work) {
  float shrink[2];
  barrier_wait(shared.key_full(key.stage), key.parity);
  issue_scores(query, shared.key(key.stage), work.s);
  products_wait<0>(work.s);
  release(shared.key_empty(key.stage));
  key.next();
  mask_tail(work.s, valid);
  follow_maximum(work.s, params.scale_log2, work.state, shrink);
  exponentials(work.s, params.scale_log2, work.state);
  pack(work.s, work.p);
#pragma unroll
  for (int i = 0; i < kHeadDim / 2; ++i) work.o[i] = 0.0f;
}

template <Pass kPass>
__device__ void next_block(const Shared& shared, const Params& params, uint32_t query, const Turns<kConsumers>& turns,
                           Ring<kStages>& key, Ring<kStages>& value, Work& work) {
  float shrink[2];
  barrier_wait(shared.key_full(key.stage), key.parity);
  turns.wait();
  issue_scores(query, shared.key(key.stage), work.s);
  barrier_wait(shared.value_full(value.stage), value.parity);
  issue_values(work.p, shared.value(value.stage), work.o);
  turns.pass();
  products_wait<1>(work.s);
  release(shared.key_empty(key.stage));
  key.next();
  if constexpr (kPass == Pass::kRedo) follow_maximum(work.s, params.scale_log2, work.state, shrink);
  exponentials(work.s, params.scale_log2, work.state);
  if constexpr (kPass == Pass::kTrusting) follow_sum(work.s, work.state, shrink);
  products_wait<0>(work.o);
  release(shared.value_empty(value.stage));
  value.next();
#pragma unroll
  for (int i = 0; i < kKeys / 2; ++i) asm volatile("" : "+f"(work.s[i])::"memory");  // not packed before p is free
  pack(work.s, work.p);
  rescale(work.o, shrink);
}

template <Pass kPass>
__device__ void consume(const Shared& shared, const Params& params, uint32_t consumer) {
  Ring<kStages> key, value;
  Ring<1> query;
  const Turns<kConsumers> turns(consumer);
  const uint32_t own_query = shared.query() + consumer * kWarpgroupRows * kRowBytes;
  const int blocks = (params.k_rows + kKeys - 1) / kKeys;
  for (int tile = blockIdx.x / kCluster; tile < params.tiles; tile += gridDim.x / kCluster) {
    if (!takes<kPass>(params, tile)) continue;
    Work work;
    barrier_wait(shared.query_full(), query.parity);
    query.next();
    first_block(shared, params, own_query, key, params.k_rows - (blocks - 1) * kKeys, work);
    for (int block = blocks - 2; block >= 0; --block)
      next_block<kPass>(shared, params, own_query, turns, key, value, work);
    if (threadIdx.x % 32 == 0) barrier_arrive(shared.query_empty());
    barrier_wait(shared.value_full(value.stage), value.parity);
    issue_values(work.p, shared.value(value.stage), work.o);
    products_wait<0>(work.o);
    release(shared.value_empty(value.stage));
    value.next();
    const Tile place = tile_at(params, tile);
    const int warp_row = static_cast<int>(consumer) * kWarpgroupRows + static_cast<int>(threadIdx.x) / 32 % 4 * 16;
    normalise(work.o, work.state);
    store_rows(work.o, {params.out, params.out_stride, params.q_rows, place.head, place.row + warp_row});
    if constexpr (kPass == Pass::kTrusting) params.marks.set(tile, consumer, !is_finite(work.state));
  }
}

template <Pass kPass>
__device__ void attention_block(const CUtensorMap& q, const CUtensorMap& k, const CUtensorMap& v,
                                const Params& params) {
  if (kPass == Pass::kRedo && *params.marks.any == 0) return;
  extern __shared__ unsigned char memory[];
  const Shared shared{(shared_address(memory) + 1023) & ~1023u};
  if (threadIdx.x == 0) {
    barrier_init(shared.query_full(), 1);
    barrier_init(shared.query_empty(), 4 * kConsumers);
    for (int stage = 0; stage < kStages; ++stage) {
      barrier_init(shared.key_full(stage), 1);
      barrier_init(shared.value_full(stage), 1);
      barrier_init(shared.key_empty(stage), 4 * kConsumers * kCluster);
      barrier_init(shared.value_empty(stage), 4 * kConsumers * kCluster);
    }
    barrier_init_fence();
  }
  cluster_sync();
  const uint32_t warpgroup = __shfl_sync(~0u, threadIdx.x / kWarpgroup, 0);
  if (warpgroup == 0) {
    give_registers<kProducerRegisters>();
    if (threadIdx.x == 0) produce<kPass>(shared, q, k, v, params);
  } else {
    take_registers<kConsumerRegisters>();
    consume<kPass>(shared, params, warpgroup - 1);
  }
  __syncwarp();
  // The other block may still write to this one's shared memory and arrive at its barriers.
  cluster_sync();
}

template <Pass kPass>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    attention_kernel(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap k,
                     const __grid_constant__ CUtensorMap v, const Params params) {
  NV_IF_ELSE_TARGET(NV_HAS_FEATURE_SM_90a, (attention_block<kPass>(q, k, v, params);), (__trap();))
}

// ---- host ------------------------------------------------------------------------------------------------

/// Rows of bf16 [rows, columns], loaded in boxes of `box_rows` x 64 with the 128-byte swizzle.
CUtensorMap row_map(const void* data, int64_t rows, int64_t columns, int64_t stride, int box_rows) {
  CUtensorMap map;
  const cuuint64_t extents[2] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(stride) * 2};
  const cuuint32_t box[2] = {kHalf, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult status = encode_tiled()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(data), extents,
                                         strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                         CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require_op(status == CUDA_SUCCESS, "the driver refused the tensor map of an attention operand");
  return map;
}

}  // namespace

bool sm90_attention_accepts(const Context& context, const AttentionCall& call) {
  const bool aligned = common_alignment(call.q, call.q_stride, call.dtype) >= 16 &&
                       common_alignment(call.k, call.k_stride, call.dtype) >= 16 &&
                       common_alignment(call.v, call.v_stride, call.dtype) >= 16 &&
                       common_alignment(call.out, call.out_stride, call.dtype) >= 16;
  constexpr int64_t kMaxRows = int64_t{1} << 30;  // rows and tiles are counted in int
  return context.capability == 90 && call.dtype == DType::kBF16 && call.head_dim == kHeadDim && aligned &&
         call.scale > 0.0f && call.q_rows * call.heads < kMaxRows && call.k_rows < kMaxRows;
}

void sm90_attention(Context& context, const AttentionCall& call) {
  const int64_t columns = call.heads * kHeadDim;
  const CUtensorMap q = row_map(call.q, call.q_rows, columns, call.q_stride, kRows);
  const CUtensorMap k = row_map(call.k, call.k_rows, columns, call.k_stride, kKeys);
  const CUtensorMap v = row_map(call.v, call.k_rows, columns, call.v_stride, kKeys);
  constexpr float kLog2E = 1.4426950408889634f;
  constexpr int kClusterRows = kRows * kCluster;
  const int tiles_per_head = static_cast<int>((call.q_rows + kClusterRows - 1) / kClusterRows);
  const int tiles = tiles_per_head * static_cast<int>(call.heads);
  constexpr size_t kMarks = Marks<kConsumers>::kOfTile;
  auto* marks = static_cast<uint8_t*>(context.scratch.reserve(kMarks + static_cast<size_t>(tiles) * kMarks));
  const Params params{static_cast<__nv_bfloat16*>(call.out),
                      call.out_stride,
                      static_cast<int>(call.q_rows),
                      static_cast<int>(call.k_rows),
                      tiles_per_head,
                      tiles,
                      call.scale * kLog2E,
                      {reinterpret_cast<uint32_t*>(marks), marks + kMarks}};
  const int blocks = std::min(context.multiprocessors / kCluster, tiles) * kCluster;
  check(cudaMemsetAsync(params.marks.any, 0, sizeof *params.marks.any, context.compute));
  for (const auto kernel : {attention_kernel<Pass::kTrusting>, attention_kernel<Pass::kRedo>}) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes));
    kernel<<<blocks, kThreads, kSharedBytes, context.compute>>>(q, k, v, params);
    check(cudaGetLastError());
  }
}

}  // namespace wan::cuda
