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
#include "backend/cuda/attention_sm90_softmax.cuh"
#include "backend/cuda/sm90_ptx.cuh"
#include "backend/cuda/sm90_wgmma.cuh"
#include "base/error.h"

#pragma nv_diag_suppress 177  // compiled for other architectures the kernel is empty, and its parts are unused

namespace wan::cuda {
namespace {

using namespace sm90;

constexpr int kHeadDim = 128;
constexpr int kHalf = 64;           // columns of a TMA box: 128 bytes, the widest swizzle
constexpr int kWarpgroup = 128;     // threads
constexpr int kWarpgroupRows = 64;  // queries of one warpgroup, the M of wgmma
constexpr int kRowBytes = kHalf * 2;
constexpr int kKeys = 192;     // of a block: scores, probabilities and output fill 208 of a thread's 240 registers
constexpr int kConsumers = 2;  // warpgroups that compute
constexpr int kCluster = 2;    // blocks that share keys and values
constexpr uint16_t kEveryBlock = (1 << kCluster) - 1;
constexpr int kStages = 2;  // of keys, and of values
constexpr int kRows = kConsumers * kWarpgroupRows;
constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
constexpr int kQueryBytes = kRows * kHeadDim * 2;
constexpr int kKeyBytes = kKeys * kHeadDim * 2;
// q, then the stages of k, then those of v, then the barriers; one KiB spare to align to the swizzle's atom.
constexpr int kSharedBytes = 1024 + kQueryBytes + 2 * kStages * kKeyBytes + (2 + 4 * kStages) * 8;
/// Whether later blocks trust the reference, or take their own maximum.
enum class Pass { kTrusting, kRedo };

struct Params {
  __nv_bfloat16* out;
  int64_t out_stride;
  int q_rows, k_rows;
  int tiles_per_head, tiles;  // of a whole cluster
  float scale_log2;           // scale * log2(e)
  uint32_t* any_marked;       // not 0 when a tile is to be computed again
  uint8_t* marked;            // for each tile one for each warp of its cluster
};
constexpr int kMarks = kCluster * kConsumers * 4;  // of a tile: 16 bytes, read at once

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

/// Position in a ring of stages; the parity flips each time round.
template <int kLength>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void next() {
    if (++stage == kLength) stage = 0, parity ^= 1;
  }
};

struct Place {
  int head, row;
};

__device__ Place place_of(const Params& params, int tile) {
  const int head = tile / params.tiles_per_head;
  const int in_head = tile - head * params.tiles_per_head;
  return {head, (in_head * kCluster + static_cast<int>(cluster_rank())) * kRows};
}

/// Whether this pass computes the tile.
template <Pass kPass>
__device__ bool takes(const Params& params, int tile) {
  if constexpr (kPass == Pass::kTrusting) return true;
  static_assert(kMarks == sizeof(uint4));
  const uint4 marks = reinterpret_cast<const uint4*>(params.marked)[tile];
  return (marks.x | marks.y | marks.z | marks.w) != 0;
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
    const Place place = place_of(params, tile);
    const auto load_key = [&](int block) {
      load_tile(k, shared.key(key.stage), shared.key_full(key.stage), shared.key_empty(key.stage), key.parity,
                place.head, block * kKeys);
      key.next();
    };
    const auto load_value = [&](int block) {
      load_tile(v, shared.value(value.stage), shared.value_full(value.stage), shared.value_empty(value.stage),
                value.parity, place.head, block * kKeys);
      value.next();
    };
    load_key(blocks - 1);
    barrier_wait(shared.query_empty(), query.parity ^ 1);
    barrier_expect(shared.query_full(), kQueryBytes);
    load_box(shared.query(), q, shared.query_full(), place.head * kHeadDim, place.row);
    load_box(shared.query() + kRows * kRowBytes, q, shared.query_full(), place.head * kHeadDim + kHalf, place.row);
    query.next();
    for (int block = blocks - 2; block >= 0; --block) {
      load_key(block);
      load_value(block + 1);
    }
    load_value(0);
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

/// Gives a stage back: one arrival of each warp, at every block that writes to it.
__device__ void release(uint32_t empty) {
  if (threadIdx.x % 32 != 0) return;
  for (uint32_t rank = 0; rank < kCluster; ++rank) barrier_arrive_at(empty, rank);
}

/// Normalises and writes 64 rows. The four lanes that share a row trade words so that each writes 16 bytes.
__device__ void store_rows(float (&o)[kHeadDim / 2], const RowState& state, const Params& params, int head,
                           int first_row) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float sum = state.sum[r];
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    const float inverse = 1.0f / sum;
    const int row = first_row + lane / 4 + 8 * r;
    __nv_bfloat16* to = params.out + row * params.out_stride + head * kHeadDim + lane % 4 * 8;
#pragma unroll
    for (int group = 0; group < 4; ++group) {  // 32 columns: word j of this lane is columns 8 * j + 2 * (lane % 4)
      uint32_t word[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int i = 16 * group + 4 * j + 2 * r;
        word[j] = pack_bf16(o[i] * inverse, o[i + 1] * inverse);
      }
#pragma unroll
      for (int bit = 1; bit <= 2; bit *= 2) {  // transpose of 4 x 4 words over the four lanes
        const bool upper = (lane & bit) != 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if ((j & bit) != 0) continue;
          const uint32_t got = __shfl_xor_sync(~0u, upper ? word[j] : word[j | bit], bit);
          if (upper) {
            word[j] = got;
          } else {
            word[j | bit] = got;
          }
        }
      }
      if (row < params.q_rows)
        *reinterpret_cast<uint4*>(to + 32 * group) = make_uint4(word[0], word[1], word[2], word[3]);
    }
  }
}

/// Notes whether this warp's rows are to be computed again.
__device__ void mark(const Params& params, int tile, uint32_t consumer, const RowState& state) {
  const bool finite = state.sum[0] < INFINITY && state.sum[1] < INFINITY;  // false for NaN
  const bool again = __any_sync(~0u, !finite);
  if (threadIdx.x % 32 != 0) return;
  const uint32_t warp = (cluster_rank() * kConsumers + consumer) * 4 + threadIdx.x / 32 % 4;
  params.marked[static_cast<int64_t>(tile) * kMarks + warp] = again;
  if (again) *params.any_marked = 1;
}

/// Waits for this warpgroup's turn to issue products, and gives the turn to the next: named barriers 1 and up.
struct Turns {
  uint32_t own, next;
  __device__ explicit Turns(uint32_t consumer) : own(1 + consumer), next(1 + (consumer + 1) % kConsumers) {
    if (consumer == kConsumers - 1) pass();  // the first may begin
  }
  __device__ void wait() const { named_sync<2 * kWarpgroup>(own); }
  __device__ void pass() const { named_arrive<2 * kWarpgroup>(next); }
};

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
__device__ void next_block(const Shared& shared, const Params& params, uint32_t query, const Turns& turns,
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
  const Turns turns(consumer);
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
    const Place place = place_of(params, tile);
    const int warp_row = static_cast<int>(consumer) * kWarpgroupRows + static_cast<int>(threadIdx.x) / 32 % 4 * 16;
    store_rows(work.o, work.state, params, place.head, place.row + warp_row);
    if constexpr (kPass == Pass::kTrusting) mark(params, tile, consumer, work.state);
  }
}

template <Pass kPass>
__device__ void attention_block(const CUtensorMap& q, const CUtensorMap& k, const CUtensorMap& v,
                                const Params& params) {
  if (kPass == Pass::kRedo && *params.any_marked == 0) return;
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

using EncodeTiled = decltype(&cuTensorMapEncodeTiled);

/// The driver's function, found through the runtime so that the program starts without a driver.
EncodeTiled encode_tiled() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found));
  require_op(found == cudaDriverEntryPointSuccess,
             "the driver has no cuTensorMapEncodeTiled: CUDA 12 or newer is needed");
  return reinterpret_cast<EncodeTiled>(function);
}

/// Rows of bf16 [rows, columns], loaded in boxes of `box_rows` x 64 with the 128-byte swizzle.
CUtensorMap row_map(EncodeTiled encode, const void* data, int64_t rows, int64_t columns, int64_t stride, int box_rows) {
  CUtensorMap map;
  const cuuint64_t extents[2] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(stride) * 2};
  const cuuint32_t box[2] = {kHalf, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult status = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(data), extents, strides,
                                 box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
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
  static const EncodeTiled encode = encode_tiled();
  const int64_t columns = call.heads * kHeadDim;
  const CUtensorMap q = row_map(encode, call.q, call.q_rows, columns, call.q_stride, kRows);
  const CUtensorMap k = row_map(encode, call.k, call.k_rows, columns, call.k_stride, kKeys);
  const CUtensorMap v = row_map(encode, call.v, call.k_rows, columns, call.v_stride, kKeys);
  constexpr float kLog2E = 1.4426950408889634f;
  constexpr int kClusterRows = kRows * kCluster;
  const int tiles_per_head = static_cast<int>((call.q_rows + kClusterRows - 1) / kClusterRows);
  const int tiles = tiles_per_head * static_cast<int>(call.heads);
  auto* marks = static_cast<uint8_t*>(context.scratch.reserve(kMarks + static_cast<size_t>(tiles) * kMarks));
  const Params params{static_cast<__nv_bfloat16*>(call.out),
                      call.out_stride,
                      static_cast<int>(call.q_rows),
                      static_cast<int>(call.k_rows),
                      tiles_per_head,
                      tiles,
                      call.scale * kLog2E,
                      reinterpret_cast<uint32_t*>(marks),
                      marks + kMarks};
  const int blocks = std::min(context.multiprocessors / kCluster, tiles) * kCluster;
  check(cudaMemsetAsync(params.any_marked, 0, sizeof *params.any_marked, context.compute));
  for (const auto kernel : {attention_kernel<Pass::kTrusting>, attention_kernel<Pass::kRedo>}) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes));
    kernel<<<blocks, kThreads, kSharedBytes, context.compute>>>(q, k, v, params);
    check(cudaGetLastError());
  }
}

}  // namespace wan::cuda
