// Attention forward for sm_90a in 8 bits, head dimension 128, no mask, on operands of Backend::quantize_attention:
// scores by int8 products, exact; probabilities and values in bf16 or in E4M3.
//
// Algorithm. That of attention_sm90.cu, with the same cluster, ring of stages and redo of tiles whose sums overflow;
// what differs in the softmax says attention8_sm90_softmax.cuh. Each of the two blocks of a cluster loads half the rows
// of every tile of keys for both.
//   bf16: two warpgroups, blocks of 192 keys. The scores of a block are issued together with the product of the last
//   block's probabilities, and the warpgroups take turns, as in attention_sm90.cu.
//   E4M3: three warpgroups, blocks of 128 keys. Scores, softmax and values of a block follow each other, and the other
//   warpgroups keep the tensor cores busy meanwhile. A probability may be at most 448, hence the low limit on sums.
//
// Work: 4 Lq Lk 128 operations a head, half of them at the int8 rate, the others at that of bf16 or E4M3. Bound by the
// softmax: an exponential, a multiplication and an addition a score beside its conversion.
#include <cuda.h>
#include <cuda_bf16.h>

#include <algorithm>

#include "backend/attention8_contract.h"
#include "backend/cuda/attention8_sm90.h"
#include "backend/cuda/attention8_sm90_softmax.cuh"
#include "backend/cuda/attention_sm90_parts.cuh"
#include "backend/cuda/launch.h"
#include "backend/cuda/sm90_ptx.cuh"
#include "backend/cuda/sm90_wgmma.cuh"
#include "backend/cuda/sm90_wgmma_e4m3.cuh"
#include "backend/cuda/sm90_wgmma_s8.cuh"
#include "backend/cuda/tensor_map.h"

namespace wan::cuda {
namespace {

using namespace sm90;

constexpr int kRowBytes = 128;  // of every tile in shared memory: the widest swizzle
static_assert(kScaleKeys == kAttention8ScaleKeys && kHeadDim == kAttention8Dim);

enum class Schedule { kOverlapping, kInTurn };  // a block's scores and the last one's values, or all of a block

/// Probabilities and values in bf16.
struct With16 {
  static constexpr int kKeys = 192, kConsumers = 2, kKeyStages = 2, kValueStages = 3;
  static constexpr int kValueBytes = 2;
  static constexpr Schedule kSchedule = Schedule::kOverlapping;
  static constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
  static constexpr int kTop = 0;            // the largest probability of a first block is at most 2^kTop
  static constexpr float kGrown = 0x1p40f;  // a thread's sum of a block after which the reference moves
};

/// In E4M3.
struct With8 {
  static constexpr int kKeys = 128, kConsumers = 3, kKeyStages = 4, kValueStages = 4;
  static constexpr int kValueBytes = 1;
  static constexpr Schedule kSchedule = Schedule::kInTurn;
  static constexpr int kProducerRegisters = 32, kConsumerRegisters = 160;
  static constexpr int kTop = 3;
  static constexpr float kGrown = kE4m3Top;  // no probability is above it then
};

template <typename Form>
struct Sizes {
  static constexpr int kRows = Form::kConsumers * kWarpgroupRows;
  static constexpr int kThreads = (Form::kConsumers + 1) * kWarpgroup;
  static constexpr int kScales = Form::kKeys / kScaleKeys;  // of a block of keys
  static constexpr int kQueryBytes = kRows * kRowBytes;
  static constexpr int kKeyBytes = Form::kKeys * kRowBytes;
  static constexpr int kValueBytes = Form::kKeys * kHeadDim * Form::kValueBytes;
  // q, then the stages of k, then those of v, then the barriers; one KiB spare to align to the swizzle's atom.
  static constexpr int kShared = 1024 + kQueryBytes + Form::kKeyStages * kKeyBytes + Form::kValueStages * kValueBytes +
                                 (2 + 2 * Form::kKeyStages + 2 * Form::kValueStages) * 8;
  static_assert(kShared <= 227 * 1024);
  static_assert(kAttention8ScaleRow % kScales == 0, "a block of keys has its scales whole");
};

template <typename Form>
struct Params {
  __nv_bfloat16* out;
  int64_t out_stride;
  int q_rows, k_rows;
  int tiles_per_head, tiles;  // of a whole cluster
  float scale_log2;           // scale * log2(e)
  const float* q_scale;       // [heads, q_rows]
  const float* k_scale;       // [heads, k_scales], of every kScaleKeys
  int k_scales;
  const float *v_scale, *v_mean;  // [heads, kHeadDim], of E4M3
  Marks<Form::kConsumers> marks;
};

/// Addresses of a block's shared memory.
template <typename Form>
struct Shared {
  using S = Sizes<Form>;
  uint32_t base;
  __device__ uint32_t query() const { return base; }
  __device__ uint32_t key(int stage) const { return base + S::kQueryBytes + stage * S::kKeyBytes; }
  __device__ uint32_t value(int stage) const { return key(Form::kKeyStages) + stage * S::kValueBytes; }
  __device__ uint32_t barrier(int index) const { return value(Form::kValueStages) + index * 8; }
  __device__ uint32_t query_full() const { return barrier(0); }
  __device__ uint32_t query_empty() const { return barrier(1); }
  __device__ uint32_t key_full(int stage) const { return barrier(2 + stage); }
  __device__ uint32_t key_empty(int stage) const { return barrier(2 + Form::kKeyStages + stage); }
  __device__ uint32_t value_full(int stage) const { return barrier(2 + 2 * Form::kKeyStages + stage); }
  __device__ uint32_t value_empty(int stage) const {
    return barrier(2 + 2 * Form::kKeyStages + Form::kValueStages + stage);
  }
};

struct Tile {
  int head, row;
};

template <typename Form>
__device__ Tile tile_at(const Params<Form>& params, int tile) {
  const int head = tile / params.tiles_per_head;
  const int in_head = tile - head * params.tiles_per_head;
  return {head, (in_head * kCluster + static_cast<int>(cluster_rank())) * Sizes<Form>::kRows};
}

/// Whether this pass computes the tile.
template <typename Form, Pass kPass>
__device__ bool takes(const Params<Form>& params, int tile) {
  if constexpr (kPass == Pass::kTrusting) return true;
  return params.marks.has(tile);
}

// ---- producer ------------------------------------------------------------------------------------------------------

template <typename Form, Pass kPass>
__device__ void produce(const Shared<Form>& shared, const CUtensorMap& q, const CUtensorMap& k, const CUtensorMap& v,
                        const Params<Form>& params) {
  using S = Sizes<Form>;
  Ring<Form::kKeyStages> key;
  Ring<Form::kValueStages> value;
  Ring<1> query;
  const int rank = static_cast<int>(cluster_rank());
  const int blocks = (params.k_rows + Form::kKeys - 1) / Form::kKeys;
  for (int tile = blockIdx.x / kCluster; tile < params.tiles; tile += gridDim.x / kCluster) {
    if (!takes<Form, kPass>(params, tile)) continue;
    const Tile place = tile_at(params, tile);
    const int column = place.head * kHeadDim;
    for (int block = blocks - 1; block >= -1; --block) {  // each load written once: the warp has few registers
      if (block >= 0) {
        const uint32_t full = shared.key_full(key.stage);
        barrier_wait(shared.key_empty(key.stage), key.parity ^ 1);
        barrier_expect(full, S::kKeyBytes);
        load_box_multicast(shared.key(key.stage) + rank * (S::kKeyBytes / 2), k, full, column,
                           block * Form::kKeys + rank * (Form::kKeys / 2), kEveryBlock);
        key.next();
      }
      if (block == blocks - 1) {
        barrier_wait(shared.query_empty(), query.parity ^ 1);
        barrier_expect(shared.query_full(), S::kQueryBytes);
        load_box(shared.query(), q, shared.query_full(), column, place.row);
        query.next();
        continue;
      }
      const uint32_t full = shared.value_full(value.stage),
                     to = shared.value(value.stage) + rank * (S::kValueBytes / 2);
      const int half = column + rank * (kHeadDim / 2), row = (block + 1) * Form::kKeys;
      barrier_wait(shared.value_empty(value.stage), value.parity ^ 1);
      barrier_expect(full, S::kValueBytes);
      if constexpr (Form::kValueBytes == 2)
        load_box_multicast(to, v, full, half, row, kEveryBlock);
      else
        load_box_multicast(to, v, full, row, half, kEveryBlock);  // transposed
      value.next();
    }
  }
}

// ---- consumers -----------------------------------------------------------------------------------------------------

/// s and o are a block's scores, then its probabilities as floats, and the output so far; p the probabilities that meet
/// their values next.
template <typename Form>
struct Work {
  int s[Form::kKeys / 2];
  float o[kHeadDim / 2];
  uint32_t p[Form::kKeys / 8 * Form::kValueBytes];
  Rows8 rows;
};

/// s += q k^T for 64 queries; issued, not finished.
template <int kCount>
__device__ __forceinline__ void issue_scores(uint32_t query, uint32_t key, int (&s)[kCount]) {
  products_begin();
#pragma unroll
  for (int step = 0; step < kHeadDim / 32; ++step)
    multiply_s8(s, operand(query + step * 32), operand(key + step * 32), 1);
  products_commit();
}

/// o += p v; issued, not finished.
template <typename Form>
__device__ __forceinline__ void issue_values(uint32_t value, Work<Form>& work) {
  products_begin();
  if constexpr (Form::kValueBytes == 2) {
#pragma unroll
    for (int step = 0; step < Form::kKeys / 16; ++step)
      add_product_of_registers(work.o, work.p + 4 * step,
                               operand(value + step * 16 * kRowBytes, Form::kKeys * kRowBytes));
  } else {
    static_assert(Form::kValueBytes == 2 || Form::kKeys == kRowBytes);
#pragma unroll
    for (int step = 0; step < Form::kKeys / 32; ++step)
      add_product_e4m3(work.o, work.p + 4 * step, operand(value + step * 32));
  }
  products_commit();
}

/// The scales of a block of keys.
template <typename Form>
struct KeyScales {
  float each[Sizes<Form>::kScales];
  __device__ KeyScales(const Params<Form>& params, int head, int block) {
    const float* from = params.k_scale + static_cast<int64_t>(head) * params.k_scales + block * Sizes<Form>::kScales;
#pragma unroll
    for (int i = 0; i < Sizes<Form>::kScales; ++i) each[i] = __ldg(from + i);
  }
};

template <typename Form>
__device__ __forceinline__ void first_block(const Shared<Form>& shared, const Params<Form>& params, uint32_t query,
                                            Ring<Form::kKeyStages>& key, int head, int blocks, Work<Form>& work) {
  float shrink[2];
  const KeyScales<Form> scales(params, head, blocks - 1);
  offset(work.s);
  barrier_wait(shared.key_full(key.stage), key.parity);
  issue_scores(query, shared.key(key.stage), work.s);
  products_wait<0>();
  settle(work.s);
  release(shared.key_empty(key.stage));
  key.next();
  follow_maximum(work.s, scales.each, params.k_rows - (blocks - 1) * Form::kKeys, Form::kTop, work.rows, shrink);
  pack(work.s, work.p);
  offset(work.s);
#pragma unroll
  for (int i = 0; i < kHeadDim / 2; ++i) work.o[i] = 0.0f;
}

template <typename Form>
__device__ __forceinline__ void add_values(const Shared<Form>& shared, Ring<Form::kValueStages>& value,
                                           Work<Form>& work) {
  barrier_wait(shared.value_full(value.stage), value.parity);
  issue_values(shared.value(value.stage), work);
  offset(work.s);
  products_wait<0>(work.o);
  release(shared.value_empty(value.stage));
  value.next();
}

/// The softmax of a block; `shrink` is what earlier results must be multiplied by.
template <typename Form, Pass kPass>
__device__ __forceinline__ void softmax(const KeyScales<Form>& scales, Work<Form>& work, float (&shrink)[2]) {
  if constexpr (kPass == Pass::kRedo) {
    follow_maximum(work.s, scales.each, Form::kKeys, Form::kTop, work.rows, shrink);
  } else {
    float own[2];
    exponentials(work.s, scales.each, work.rows, own);
    follow_sum(work.s, Form::kGrown, Form::kTop, work.rows, own, shrink);
  }
}

/// One block of keys, whose scores are issued together with the last one's values.
template <typename Form, Pass kPass>
__device__ __forceinline__ void overlapping_block(const Shared<Form>& shared, const Params<Form>& params,
                                                  uint32_t query, const Turns<Form::kConsumers>& turns,
                                                  Ring<Form::kKeyStages>& key, Ring<Form::kValueStages>& value,
                                                  int head, int block, Work<Form>& work) {
  float shrink[2];
  const KeyScales<Form> scales(params, head, block);
  barrier_wait(shared.key_full(key.stage), key.parity);
  turns.wait();
  issue_scores(query, shared.key(key.stage), work.s);
  barrier_wait(shared.value_full(value.stage), value.parity);
  issue_values(shared.value(value.stage), work);
  turns.pass();
  products_wait<1>();
  settle(work.s);
  release(shared.key_empty(key.stage));
  key.next();
  softmax<Form, kPass>(scales, work, shrink);
  products_wait<0>(work.o);
  release(shared.value_empty(value.stage));
  value.next();
  settle(work.s);  // not packed before p is free
  pack(work.s, work.p);
  offset(work.s);
  rescale(work.o, shrink);
}

/// Scores, softmax and values of one block, one after the other.
template <typename Form, Pass kPass>
__device__ __forceinline__ void block_in_turn(const Shared<Form>& shared, const Params<Form>& params, uint32_t query,
                                              Ring<Form::kKeyStages>& key, Ring<Form::kValueStages>& value, int head,
                                              int block, Work<Form>& work) {
  float shrink[2];
  const KeyScales<Form> scales(params, head, block);
  barrier_wait(shared.key_full(key.stage), key.parity);
  issue_scores(query, shared.key(key.stage), work.s);
  products_wait<0>();
  settle(work.s);
  release(shared.key_empty(key.stage));
  key.next();
  softmax<Form, kPass>(scales, work, shrink);
  pack(work.s, work.p);
  rescale(work.o, shrink);
  add_values(shared, value, work);
}

/// Divides by the sums, and brings E4M3 values back to their scale and mean.
template <typename Form>
__device__ __forceinline__ void normalise(const Params<Form>& params, int head, Work<Form>& work) {
  const float inverse[2] = {1.0f / row_sum(work.rows.sum[0]), 1.0f / row_sum(work.rows.sum[1])};
#pragma unroll
  for (int i = 0; i < kHeadDim / 2; ++i) {
    work.o[i] *= inverse[i / 2 % 2];
    if constexpr (Form::kValueBytes == 1) {
      const int column = head * kHeadDim + i / 4 * 8 + 2 * (threadIdx.x % 4) + i % 2;
      work.o[i] = fmaf(work.o[i], __ldg(params.v_scale + column), __ldg(params.v_mean + column));
    }
  }
}

/// Whether a row of this thread is to be computed again: its sum is not finite, or its steps are coarse.
template <typename Form>
__device__ bool is_doubtful(const Params<Form>& params, int head, const Rows8& rows) {
  const float* scales = params.k_scale + static_cast<int64_t>(head) * params.k_scales;
  float largest = 0.0f;
  for (int i = static_cast<int>(threadIdx.x) % 32; i < params.k_scales; i += 32) largest = fmaxf(largest, scales[i]);
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, lanes));
  const auto is_sound = [&](int r) { return rows.sum[r] < INFINITY && rows.scale[r] * largest <= kCoarseStep; };
  return !is_sound(0) || !is_sound(1);
}

template <typename Form, Pass kPass>
__device__ void consume(const Shared<Form>& shared, const Params<Form>& params, uint32_t consumer) {
  constexpr bool kOverlaps = Form::kSchedule == Schedule::kOverlapping;
  Ring<Form::kKeyStages> key;
  Ring<Form::kValueStages> value;
  Ring<1> query;
  const uint32_t own_query = shared.query() + consumer * kWarpgroupRows * kRowBytes;
  const int blocks = (params.k_rows + Form::kKeys - 1) / Form::kKeys;
  const int warp_row = static_cast<int>(consumer) * kWarpgroupRows + static_cast<int>(threadIdx.x) / 32 % 4 * 16;
  const auto run = [&](auto&& next_block) {
    for (int tile = blockIdx.x / kCluster; tile < params.tiles; tile += gridDim.x / kCluster) {
      if (!takes<Form, kPass>(params, tile)) continue;
      const Tile place = tile_at(params, tile);
      Work<Form> work;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int row = min(place.row + warp_row + static_cast<int>(threadIdx.x) % 32 / 4 + 8 * r, params.q_rows - 1);
        work.rows.scale[r] =
            __ldg(params.q_scale + static_cast<int64_t>(place.head) * params.q_rows + row) * params.scale_log2;
      }
      barrier_wait(shared.query_full(), query.parity);
      query.next();
      first_block(shared, params, own_query, key, place.head, blocks, work);
      if constexpr (!kOverlaps) add_values(shared, value, work);
      for (int block = blocks - 2; block >= 0; --block) next_block(place.head, block, work);
      if (threadIdx.x % 32 == 0) barrier_arrive(shared.query_empty());
      if constexpr (kOverlaps) add_values(shared, value, work);
      if constexpr (kPass == Pass::kTrusting)
        params.marks.set(tile, consumer, is_doubtful(params, place.head, work.rows));
      normalise(params, place.head, work);
      store_rows(work.o, {params.out, params.out_stride, params.q_rows, place.head, place.row + warp_row});
    }
  };
  if constexpr (kOverlaps) {
    const Turns<Form::kConsumers> turns(consumer);
    run([&](int head, int block, Work<Form>& work) {
      overlapping_block<Form, kPass>(shared, params, own_query, turns, key, value, head, block, work);
    });
  } else {
    run([&](int head, int block, Work<Form>& work) {
      block_in_turn<Form, kPass>(shared, params, own_query, key, value, head, block, work);
    });
  }
}

// ---- kernel --------------------------------------------------------------------------------------------------------

template <typename Form, Pass kPass>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(Sizes<Form>::kThreads, 1)
    attention8_kernel(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap k,
                      const __grid_constant__ CUtensorMap v, const Params<Form> params) {
  if (kPass == Pass::kRedo && *params.marks.any == 0) return;
  extern __shared__ unsigned char memory[];
  const Shared<Form> shared{(shared_address(memory) + 1023) & ~1023u};
  if (threadIdx.x == 0) {
    constexpr uint32_t kWarps = 4 * Form::kConsumers;
    barrier_init(shared.query_full(), 1);
    barrier_init(shared.query_empty(), kWarps);
    for (int stage = 0; stage < Form::kKeyStages; ++stage) {
      barrier_init(shared.key_full(stage), 1);
      barrier_init(shared.key_empty(stage), kWarps * kCluster);
    }
    for (int stage = 0; stage < Form::kValueStages; ++stage) {
      barrier_init(shared.value_full(stage), 1);
      barrier_init(shared.value_empty(stage), kWarps * kCluster);
    }
    barrier_init_fence();
  }
  cluster_sync();
  const uint32_t warpgroup = __shfl_sync(~0u, threadIdx.x / kWarpgroup, 0);
  if (warpgroup == 0) {
    give_registers<Form::kProducerRegisters>();
    if (threadIdx.x == 0) produce<Form, kPass>(shared, q, k, v, params);
  } else {
    take_registers<Form::kConsumerRegisters>();
    consume<Form, kPass>(shared, params, warpgroup - 1);
  }
  __syncwarp();
  // The other block may still write to this one's shared memory and arrive at its barriers.
  cluster_sync();
}

// ---- host ----------------------------------------------------------------------------------------------------------

/// Rows of `columns` elements, loaded in boxes of `box_rows` x 128 bytes with the 128-byte swizzle.
CUtensorMap row_map(const TensorView& rows, int box_rows) {
  const auto element = static_cast<cuuint64_t>(size_of(rows.dtype));
  const cuuint64_t extents[2] = {static_cast<cuuint64_t>(rows.shape[1]), static_cast<cuuint64_t>(rows.shape[0])};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(row_stride(rows)) * element};
  const cuuint32_t box[2] = {static_cast<cuuint32_t>(kRowBytes / element), static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUtensorMapDataType type =
      rows.dtype == DType::kBF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_UINT8;
  CUtensorMap map;
  const CUresult status =
      encode_tiled()(&map, type, 2, rows.data, extents, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                     CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  expect(status == CUDA_SUCCESS, [&] {
    return message("the driver refuses a tensor map of attention in 8 bits (CUresult {}; rows {})",
                   static_cast<int>(status), rows.shape);
  });
  return map;
}

template <typename Form>
void launch(Context& context, const Attention8& a, float scale, const TensorView& y) {
  using S = Sizes<Form>;
  constexpr float kLog2E = 1.4426950408889634f;
  constexpr size_t kMarks = Marks<Form::kConsumers>::kOfTile;
  const CUtensorMap q = row_map(a.q, S::kRows), k = row_map(a.k, Form::kKeys / 2),
                    v = row_map(a.v, Form::kValueBytes == 2 ? Form::kKeys : kHeadDim / 2);
  Params<Form> params{};
  params.out = static_cast<__nv_bfloat16*>(y.data);
  params.out_stride = row_stride(y);
  params.q_rows = static_cast<int>(a.q.shape[0]);
  params.k_rows = static_cast<int>(a.k.shape[0]);
  params.tiles_per_head = static_cast<int>(ceil_div(params.q_rows, S::kRows * kCluster));
  params.tiles = params.tiles_per_head * static_cast<int>(a.heads());
  params.scale_log2 = scale * kLog2E;
  params.q_scale = a.q_scale.as<float>();
  params.k_scale = a.k_scale.as<float>();
  params.k_scales = static_cast<int>(a.k_scale.shape[1]);
  params.v_scale = static_cast<const float*>(a.v_scale.data);
  params.v_mean = static_cast<const float*>(a.v_mean.data);
  // The flag has a tile's place, so that the marks behind it are aligned.
  auto* marks = static_cast<uint8_t*>(context.scratch.reserve(kMarks + static_cast<size_t>(params.tiles) * kMarks));
  params.marks = {reinterpret_cast<uint32_t*>(marks), marks + kMarks};
  const auto blocks = static_cast<unsigned>(std::min(context.multiprocessors / kCluster, params.tiles) * kCluster);
  check(cudaMemsetAsync(params.marks.any, 0, sizeof *params.marks.any, context.compute));
  for (const auto kernel : {attention8_kernel<Form, Pass::kTrusting>, attention8_kernel<Form, Pass::kRedo>}) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, S::kShared));
    kernel<<<blocks, S::kThreads, S::kShared, context.compute>>>(q, k, v, params);
    check(cudaGetLastError());
  }
}

}  // namespace

void attention8(Context& context, const Attention8& a, float scale, TensorView y) {
  require_hopper(context);
  require_attention8(a, scale, y, Memory::kDevice);
  require_op(y.dtype == DType::kBF16 && (a.form == AttentionForm::k8And8 || a.v.dtype == DType::kBF16),
             "attention in 8 bits on CUDA takes values and makes rows in BF16");
  constexpr int64_t kMostRows = int64_t{1} << 30;  // rows and tiles are counted in int
  expect(a.q.shape[0] * a.heads() < kMostRows && a.k.shape[0] < kMostRows,
         [&] { return message("attention of {} to {} is too large", a.q.shape, a.k.shape); });
  if (y.count() == 0) return;
  if (a.form == AttentionForm::k8And16) return launch<With16>(context, a, scale, y);
  launch<With8>(context, a, scale, y);
}

}  // namespace wan::cuda
