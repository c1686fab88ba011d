// y = the values of a packed matrix plus sum of factor * (up down), in BF16.
// Algorithm: a block of eight warps goes down a strip of 256 columns, 32 rows a step; a warp makes 32 x 32. The
// products run on tensor cores, operands exact, sums in F32. Slices of 32 of the inner axis lie in shared memory: those
// of down for the whole strip, those of up for a step, in two buffers, so that a step has one barrier. A lane's sums
// are the neighbours that the decoder gives it (expand_terms.cuh): nothing is turned. Blocks are as many as the card
// holds at once and share all steps of all strips evenly. Where the slices of all terms do not fit in shared memory,
// they come in turns, anew in every step.
// Bytes: as without terms (expand.cu), and out of the L2 cache the factors: at rank 64, for all linear layers of an
// A14B expert, up for every strip, 7e9, and down for every block and strip, 2e9 to 9e9 by the size of the matrices.
// Tensor cores: 2 R flops a value, 1.8e12 in all, some 4 ms of an H200. By count 430 instructions a warp for 1024
// values of Q4_K, 6 ms.
// Bound by memory, 7.5 ms, as far as other warps hide what a step waits for. Packed rows of the next step are asked
// into the L2 cache while one is made.
#include "backend/cuda/expand_low_rank.h"

#include <cuda_bf16.h>

#include "backend/cuda/context.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/vector.cuh"
#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr int kThreads = kStripWarps * kLanes;
constexpr int kSliceBytes = 16 * (kDownFragments + 2 * kUpFragments);
constexpr int kFewSlices = 4;  // at a time, where not all fit: of two blocks at once in shared memory
constexpr int kLine = 128;     // bytes of the L2 cache

static_assert(kThreads == kDownUnits && kThreads == 2 * kUpUnits);

/// Whether slices of all terms are in shared memory at once: for turns a lane has too few registers, so apart.
enum class Slices { kAtOnce, kInTurns };

/// How the work is laid out.
struct Layout {
  int64_t steps = 0, items = 0;      // steps of a strip, of all
  int64_t strip_bytes = 0;           // of a packed row
  int32_t slices = 0, resident = 0;  // of all terms; at a time in shared memory
};

/// A place in the inner axes of all terms, slice by slice.
struct Cursor {
  int term = 0, rank = 0;
  __device__ bool advance(const Terms& terms) {  // whether a term ended
    rank += kSliceRank;
    if (rank < terms.pairs[term].rank) return false;
    ++term, rank = 0;
    return true;
  }
};

/// A step: where it begins.
struct Place {
  uint32_t strip;
  int64_t first_row;
  __device__ Place next(int64_t rows) const {
    return first_row + kStepRows < rows ? Place{strip, first_row + kStepRows} : Place{strip + 1, 0};
  }
};

__device__ void multiply(const uint4& a, uint32_t b0, uint32_t b1, bool is_f16, float (&sums)[4]) {
  if (is_f16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
        "%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
        "%2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
  }
}

/// Brings `count` slices from `cursor` on into shared memory: those of up, and of down where asked.
__device__ void stage(const PackedSource& from, const Terms& terms, Cursor cursor, int count, const Place& place,
                      uint4* up, uint4* down) {
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll 1
  for (int slice = 0; slice < count; ++slice) {
    const FactorPair& pair = terms.pairs[cursor.term];
    if (thread / kUpUnits == slice % 2)
      stage_up(pair, cursor.rank, place.first_row, from.rows, thread % kUpUnits, up + slice * kUpFragments);
    if (down != nullptr)
      stage_down(pair, cursor.rank, place.strip * kStripColumns, from.columns, thread, down + slice * kDownFragments);
    cursor.advance(terms);
  }
}

/// Asks for the packed rows of a step: each of eight threads of a row for one of its lines.
__device__ void prefetch(const PackedSource& from, const Layout& layout, const Place& place) {
  const int64_t row = place.first_row + threadIdx.x / 8;
  if (row >= from.rows) return;
  const int64_t begin = place.strip * layout.strip_bytes;
  const int64_t last = min(begin + layout.strip_bytes, from.row_bytes) - 1;
  const int64_t at = begin + int64_t{threadIdx.x % 8} * kLine;
  if (at < last + kLine) asm volatile("prefetch.global.L2 [%0];" ::"l"(from.row(row) + min(at, last)));
}

/// What a lane makes of a step: eight neighbours of rows g and g + 8 of each group.
template <typename Form>
class Tile {
 public:
  /// Fetches. Beyond the last row or column, what is there: it is not stored.
  __device__ Tile(const PackedSource& from, const Place& place)
      : from_(from), first_row_(place.first_row + threadIdx.x % kLanes / 4) {
    column_ = place.strip * kStripColumns + threadIdx.x / kLanes * kWarpColumns + threadIdx.x % 4 * kOctet;
    is_inside_ = column_ < from.columns;
    if (!is_inside_) column_ = 0;
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      const int64_t row = min(row_of(i), from.rows - 1);
      raw_[i] = Form::fetch(from.row(row), column_);
      scales_[i] = from.scale_at(row, column_);
    }
  }

  __device__ void decode() {
#pragma unroll
    for (int i = 0; i < kParts; ++i) cuda::decode<Form>(from_, raw_[i], column_, scales_[i], values_[i]);
  }

  /// sums += the products of one slice.
  __device__ void multiply_slice(const uint4* up, const uint4* down, bool is_f16) {
    const int warp = static_cast<int>(threadIdx.x) / kLanes, lane = static_cast<int>(threadIdx.x) % kLanes;
#pragma unroll 1  // both steps at once would take more registers than two blocks leave
    for (int step = 0; step < kSliceSteps; ++step) {
      const uint4 first = down[down_fragment(warp, step, 0, lane)], second = down[down_fragment(warp, step, 1, lane)];
#pragma unroll
      for (int group = 0; group < kGroups; ++group) {
        const uint4 a = up[up_fragment(group, step, lane)];
        multiply(a, first.x, first.y, is_f16, sums_[group][0]);
        multiply(a, first.z, first.w, is_f16, sums_[group][1]);
        multiply(a, second.x, second.y, is_f16, sums_[group][2]);
        multiply(a, second.z, second.w, is_f16, sums_[group][3]);
      }
    }
  }

  /// values += factor * sums, which begin anew.
  __device__ void end_term(float factor) {
#pragma unroll
    for (int i = 0; i < kParts; ++i) add_sums(sums_[i / 2], i % 2, factor, values_[i]);
#pragma unroll
    for (int i = 0; i < 16 * kGroups; ++i) sums_[i / 16][i / 4 % 4][i % 4] = 0;
  }

  __device__ void store(__nv_bfloat16* y) const {
    if (!is_inside_) return;
#pragma unroll
    for (int i = 0; i < kParts; ++i)
      if (row_of(i) < from_.rows) store_vector<Cache::kKeep>(y + row_of(i) * from_.columns + column_, values_[i]);
  }

 private:
  static constexpr int kParts = 2 * kGroups;

  __device__ int64_t row_of(int part) const { return first_row_ + part / 2 * kGroupRows + part % 2 * 8; }

  const PackedSource& from_;
  int64_t first_row_;
  uint32_t column_;
  bool is_inside_;
  typename Form::Raw raw_[kParts];
  float scales_[kParts], values_[kParts][kOctet], sums_[kGroups][4][4] = {};
};

template <typename Form, Slices kSlices>
__global__ void __launch_bounds__(kThreads, 2)
    expand_low_rank_kernel(const __grid_constant__ PackedSource from, const __grid_constant__ Terms terms,
                           __nv_bfloat16* y, const __grid_constant__ Layout layout) {
  extern __shared__ uint4 memory[];
  uint4* const down = memory;
  uint4* const ups = memory + layout.resident * kDownFragments;
  constexpr bool kInTurns = kSlices == Slices::kInTurns;
  int64_t item = layout.items * blockIdx.x / gridDim.x;
  const int64_t end = layout.items * (blockIdx.x + 1) / gridDim.x;
  Place place{static_cast<uint32_t>(item / layout.steps), item % layout.steps * kStepRows};
  uint32_t staged = UINT32_MAX;  // the strip whose slices of down are in shared memory
  uint4* up = ups;
  for (; item < end; ++item, place = place.next(from.rows)) {
    if (item + 1 < end) prefetch(from, layout, place.next(from.rows));
    Tile<Form> tile(from, place);
    const bool needs_down = kInTurns || staged != place.strip;
    if (needs_down) __syncthreads();  // all have left what is overwritten
    up = up == ups ? ups + layout.resident * kUpFragments : ups;
    Cursor cursor;
    stage(from, terms, cursor, min(layout.resident, layout.slices), place, up, needs_down ? down : nullptr);
    staged = place.strip;
    __syncthreads();  // also: all have left the other buffer of up
    tile.decode();
#pragma unroll 1
    for (int slice = 0, in_turn = 0; slice < layout.slices; ++slice, ++in_turn) {
      if (kInTurns && in_turn == layout.resident) {
        __syncthreads();
        stage(from, terms, cursor, min(layout.resident, layout.slices - slice), place, up, down);
        __syncthreads();
        in_turn = 0;
      }
      const FactorPair& pair = terms.pairs[cursor.term];
      tile.multiply_slice(up + in_turn * kUpFragments, down + in_turn * kDownFragments, pair.is_f16);
      if (cursor.advance(terms)) tile.end_term(pair.factor);
    }
    tile.store(y);
  }
}

/// What the current card has.
struct Card {
  int multiprocessors = 0;
  int block_bytes = 0;  // shared memory that a block may have
};

Card current_card() {
  int device = 0;
  Card card;
  check(cudaGetDevice(&device));
  check(cudaDeviceGetAttribute(&card.multiprocessors, cudaDevAttrMultiProcessorCount, device));
  check(cudaDeviceGetAttribute(&card.block_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return card;
}

Layout layout_of(const PackedForm& form, const PackedSource& from, const Terms& terms, const Card& card) {
  Layout layout;
  layout.steps = ceil_div(from.rows, kStepRows);
  layout.items = layout.steps * ceil_div(from.columns, kStripColumns);
  layout.strip_bytes = static_cast<int64_t>(form.row_bytes(kStripColumns));
  int64_t slices = 0;
  for (int i = 0; i < terms.count; ++i) slices += ceil_div(terms.pairs[i].rank, kSliceRank);
  expect(slices <= INT32_MAX, [&] { return message("terms of {} slices are too many", slices); });
  layout.slices = static_cast<int32_t>(slices);
  layout.resident = slices * kSliceBytes <= card.block_bytes ? layout.slices : kFewSlices;
  return layout;
}

}  // namespace

void expand_low_rank(cudaStream_t stream, const PackedForm& form, const PackedSource& from, const Terms& terms,
                     __nv_bfloat16* y) {
  const Card card = current_card();
  const Layout layout = layout_of(form, from, terms, card);
  const int bytes = layout.resident * kSliceBytes;
  with_form(form, [&]<typename Form>(Form) {
    const auto kernel = layout.slices > layout.resident ? expand_low_rank_kernel<Form, Slices::kInTurns>
                                                        : expand_low_rank_kernel<Form, Slices::kAtOnce>;
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, card.block_bytes));
    int at_once = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&at_once, kernel, kThreads, static_cast<size_t>(bytes)));
    const int64_t blocks = std::min(layout.items, int64_t{card.multiprocessors} * std::max(at_once, 1));
    kernel<<<static_cast<unsigned>(blocks), kThreads, static_cast<size_t>(bytes), stream>>>(from, terms, y, layout);
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
