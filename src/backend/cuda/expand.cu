// y = the values of a packed matrix, with terms or without: which kernel does it, and the kernel without terms.
// Algorithm: a warp takes 256 columns of four rows, a lane eight neighbours of each. What the four rows need is fetched
// first, so that loads of all are under way; then each is decoded and stored, 16 bytes of BF16 a lane. What lanes share
// (the head of a block, a scale) comes from the L1 cache. y is stored to stay: the product that follows reads it.
// Bytes: those of the file and y, once each. All linear layers of an A14B expert are 14.0e9 values: of Q4_K 7.9e9
// bytes, of BF16 y 28.1e9; together 7.5 ms of an H200's 4.8e12 byte/s. By count some 70 instructions for a lane's eight
// values of Q4_K, 3.8e9 a warp for all layers, 4 ms of the card's 9.2e11 a second. Bound by memory.
// With terms: expand_low_rank.cu. Where y or its rows are not made of 16 bytes, one value a thread does both.
#include "backend/cuda/expand.h"

#include "backend/cuda/context.h"
#include "backend/cuda/expand_low_rank.h"
#include "backend/cuda/expand_terms.cuh"
#include "backend/cuda/launch.h"
#include "backend/cuda/vector.cuh"
#include "backend/expand_contract.h"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kLanes;
constexpr int kRows = 4;  // of a warp
constexpr int kColumns = kLanes * kOctet;

static_assert(kOctet == kVector);

template <typename Form, typename Y>
__global__ void __launch_bounds__(kThreads) expand_kernel(const PackedSource from, Y* y, const unsigned strips) {
  const unsigned item = blockIdx.x * kWarps + threadIdx.x / kLanes;  // neighbouring warps: neighbouring columns
  const int64_t first_row = int64_t{item / strips} * kRows;
  const uint32_t column = item % strips * kColumns + threadIdx.x % kLanes * kOctet;
  if (column >= from.columns || first_row >= from.rows) return;
  typename Form::Raw raw[kRows];
  float scale[kRows];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int64_t row = min(first_row + i, from.rows - 1);  // beyond the last row: that one again
    raw[i] = Form::fetch(from.row(row), column);
    scale[i] = from.scale_at(row, column);
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    if (first_row + i >= from.rows) return;
    float values[kOctet];
    decode<Form>(from, raw[i], column, scale[i], values);
    store_vector<Cache::kKeep>(y + (first_row + i) * from.columns + column, values);
  }
}

__device__ float value_of(uint16_t bits, bool is_f16) {
  return is_f16 ? half_of(bits) : std::bit_cast<float>(uint32_t{bits} << 16);
}

/// The sum runs over the inner axis from its beginning.
__device__ float term_at(const FactorPair& pair, int64_t row, uint32_t column, uint32_t columns) {
  float sum = 0;
  for (int k = 0; k < pair.rank; ++k)
    sum = __fmaf_rn(value_of(pair.up[row * pair.rank + k], pair.is_f16),
                    value_of(pair.down[int64_t{k} * columns + column], pair.is_f16), sum);
  return pair.factor * sum;
}

template <typename Form, typename Y>
__global__ void __launch_bounds__(kThreads)
    expand_each_kernel(const PackedSource from, const __grid_constant__ Terms terms, Y* y) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t row = index / from.columns;
  if (row >= from.rows) return;
  const auto column = static_cast<uint32_t>(index % from.columns);
  float value = value_at<Form>(from, row, column);
  for (int i = 0; i < terms.count; ++i) value += term_at(terms.pairs[i], row, column, from.columns);
  y[index] = from_float<Y>(value);
}

unsigned blocks_for(int64_t blocks, const TensorView& y) {
  expect(blocks <= INT32_MAX / kWarps, [&] { return message("a matrix of {} is too large", y.shape); });
  return static_cast<unsigned>(blocks);
}

template <typename Form>
void expand_values(cudaStream_t stream, const PackedSource& from, const TensorView& y) {
  const int64_t strips = ceil_div(from.columns, kColumns);
  const unsigned blocks = blocks_for(ceil_div(strips * ceil_div(from.rows, kRows), kWarps), y);
  with_float_type(y, [&]<typename Y>(Y*) {
    expand_kernel<Form><<<blocks, kThreads, 0, stream>>>(from, static_cast<Y*>(y.data), static_cast<unsigned>(strips));
  });
}

template <typename Form>
void expand_each(cudaStream_t stream, const PackedSource& from, const Terms& terms, const TensorView& y) {
  const unsigned blocks = blocks_for(ceil_div(y.count(), kThreads), y);
  with_float_type(y, [&]<typename Y>(Y*) {
    expand_each_kernel<Form><<<blocks, kThreads, 0, stream>>>(from, terms, static_cast<Y*>(y.data));
  });
}

Terms terms_of(std::span<const LowRankTerm> list) {
  Terms terms;
  for (const LowRankTerm& term : list) {
    const int64_t rank = term.up.shape[1];
    if (rank == 0) continue;
    expect(terms.count < kMostTerms && rank <= INT32_MAX / 2, [&] {
      return message("at most {} terms of at most {} rows each are added at once, found {}", kMostTerms, INT32_MAX / 2,
                     std::ssize(list));
    });
    terms.pairs[terms.count++] = {.up = static_cast<const uint16_t*>(term.up.data),
                                  .down = static_cast<const uint16_t*>(term.down.data),
                                  .factor = term.factor,
                                  .rank = static_cast<int32_t>(rank),
                                  .is_f16 = term.up.dtype == DType::kF16,
                                  .up_aligned = is_aligned(term.up.data) && rank % kOctet == 0,
                                  .down_aligned = is_aligned(term.down.data)};
  }
  return terms;
}

}  // namespace

void expand(cudaStream_t stream, const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y) {
  require_expandable(matrix, terms, y, Memory::kDevice);
  if (y.count() == 0) return;
  expect(is_aligned(matrix.values.data) && is_aligned(matrix.scales.data), [] {
    return std::string("packed values and their scales must begin at a multiple of 16 bytes, found others");
  });
  expect(matrix.columns <= INT32_MAX, [&] { return message("a matrix of {} is too large", y.shape); });
  const PackedSource from(matrix);
  const Terms list = terms_of(terms);
  const bool in_octets = matrix.columns % kOctet == 0 && is_aligned(y.data);
  if (in_octets && list.count > 0) {
    expand_low_rank(stream, matrix.form, from, list, static_cast<__nv_bfloat16*>(y.data));
  } else {
    with_form(matrix.form, [&]<typename Form>(Form) {
      if (in_octets) return expand_values<Form>(stream, from, y);
      expand_each<Form>(stream, from, list, y);
    });
  }
  check(cudaGetLastError());
}

}  // namespace wan::cuda
