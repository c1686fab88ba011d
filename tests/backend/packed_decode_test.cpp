// What the card's kernels of Backend::expand compute, without a card: their decoders against the host's, bit for bit,
// and products put together from the fragments that a warp would hold.
#include <bit>
#include <cstdint>

// The card's permutation of bytes, as the PTX ISA has it (prmt).
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned which) {
  const uint64_t bytes = uint64_t{high} << 32 | low;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) result |= static_cast<unsigned>(bytes >> 8 * (which >> 4 * i & 7) & 0xff) << 8 * i;
  return result;
}

#include "backend/cuda/expand_terms.cuh"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tensor/packed.h"

namespace wan::cuda {
namespace {

/// Bytes at a multiple of 16, of any bits.
class Memory16 {
 public:
  Memory16(size_t bytes, std::mt19937_64& random) : lines_((bytes + 15) / 16), bytes_(bytes) {
    for (size_t i = 0; i < bytes; ++i) data()[i] = static_cast<uint8_t>(random());
  }
  uint8_t* data() { return reinterpret_cast<uint8_t*>(lines_.data()); }
  TensorView view() { return {data(), DType::kU8, {static_cast<int64_t>(bytes_)}, Memory::kHost}; }

 private:
  std::vector<uint4> lines_;
  size_t bytes_;
};

constexpr int64_t kRows = 5;

/// Any bits, so numbers of every size, zeros of both signs, infinities and NaN among them.
void expect_bits_of_the_host(const PackedForm& form, int64_t columns, int64_t tile_row) {
  SCOPED_TRACE(form.text() + " of " + std::to_string(columns) + " columns");
  std::mt19937_64 random(static_cast<uint64_t>(columns));
  Memory16 values(static_cast<size_t>(kRows) * form.row_bytes(columns), random);
  Memory16 scales(form.scale_bytes(kRows, columns, tile_row), random);
  const PackedMatrix matrix{.form = form,
                            .rows = kRows,
                            .columns = columns,
                            .values = values.view(),
                            .scales = scales.view(),
                            .factor = 0.0371f,
                            .tile_row = tile_row};
  std::vector<float> want(static_cast<size_t>(kRows * columns));
  decode_packed(matrix, 0, kRows, want.data());
  const PackedSource from(matrix);
  const auto expect_value = [&](int64_t row, int64_t column, float got) {
    const float wanted = want[static_cast<size_t>(row * columns + column)];
    if (std::isnan(wanted) && std::isnan(got)) return;
    ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(wanted)) << row << ", " << column << ": " << wanted;
  };
  with_form(form, [&]<typename Form>(Form) {
    for (int64_t row = 0; row < kRows; ++row)
      for (int64_t column = 0; column < columns; ++column) {
        const auto at = static_cast<uint32_t>(column);
        expect_value(row, column, value_at<Form>(from, row, at));
        if (columns % kOctet != 0 || column % kOctet != 0) continue;
        float octet[kOctet];
        decode<Form>(from, Form::fetch(from.row(row), at), at, from.scale_at(row, at), octet);
        for (int i = 0; i < kOctet; ++i) expect_value(row, column + i, octet[i]);
      }
  });
}

TEST(PackedDecode, GivesTheBitsOfTheHostForEveryBlock) {
  for (const BlockType block :
       {BlockType::kQ4_0, BlockType::kQ4_1, BlockType::kQ5_0, BlockType::kQ5_1, BlockType::kQ8_0, BlockType::kQ2K,
        BlockType::kQ3K, BlockType::kQ4K, BlockType::kQ5K, BlockType::kQ6K, BlockType::kIQ4NL, BlockType::kIQ4XS})
    for (const PackedScale scale : {PackedScale::kNone, PackedScale::kRow})
      for (const int64_t columns : {256, 1280}) expect_bits_of_the_host({DType::kF32, block, scale}, columns, 0);
}

TEST(PackedDecode, GivesTheBitsOfTheHostForEveryElementTypeAndScale) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E4M3, DType::kF8E5M2, DType::kI8})
    for (const PackedScale scale : {PackedScale::kNone, PackedScale::kMatrix, PackedScale::kRow, PackedScale::kTile})
      for (const int64_t columns : {320, 136, 7, 1})
        expect_bits_of_the_host({dtype, BlockType::kNone, scale}, columns, 126);
  for (const DType dtype : {DType::kF8E4M3, DType::kU8})
    expect_bits_of_the_host({dtype, BlockType::kNone, PackedScale::kGroup}, 4096, 0);  // every byte of a scale
  expect_bits_of_the_host({DType::kU8, BlockType::kNone, PackedScale::kMatrix}, 42, 0);
}

/// mma.m16n8k16: sums += a b, by the PTX ISA's places of fragments of all 32 lanes.
void multiply(const uint4 (&a)[kLanes], const uint32_t (&b)[kLanes][2], float (&sums)[kLanes][4]) {
  float left[16][16], right[16][8];
  const auto value = [](uint32_t word, int upper) { return std::bit_cast<float>(word >> 16 * upper << 16); };
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint32_t words[] = {a[lane].x, a[lane].y, a[lane].z, a[lane].w};
    const int group = lane / 4, in_group = lane % 4;
    for (int i = 0; i < 8; ++i) {
      const int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
      left[row][in_group * 2 + i % 2 + (i < 4 ? 0 : 8)] = value(words[i / 2], i % 2);
    }
    for (int i = 0; i < 4; ++i) right[in_group * 2 + i % 2 + (i < 2 ? 0 : 8)][group] = value(b[lane][i / 2], i % 2);
  }
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i)
      for (int k = 0; k < 16; ++k)
        sums[lane][i] += left[lane / 4 + (i < 2 ? 0 : 8)][k] * right[k][lane % 4 * 2 + i % 2];
}

struct Product {
  int64_t rows, columns, first_row;
  int rank;
  uint32_t first_column;
};

/// One step's product, warp by warp, as the kernel puts it together. Small whole numbers: every order of a sum is
/// exact.
void expect_product(const Product& at) {
  SCOPED_TRACE(std::to_string(at.rows) + " x " + std::to_string(at.columns) + ", rank " + std::to_string(at.rank));
  std::mt19937_64 random(5);
  const auto small = [&](size_t count) {
    std::vector<uint4> lines(count / 8 + 1);
    auto* bits = reinterpret_cast<uint16_t*>(lines.data());
    for (size_t i = 0; i < count; ++i) bits[i] = to_bf16(static_cast<float>(random() % 15) - 7).bits;
    return lines;
  };
  const auto up = small(static_cast<size_t>(at.rows * at.rank)),
             down = small(static_cast<size_t>(at.rank * at.columns));
  const FactorPair pair{.up = reinterpret_cast<const uint16_t*>(up.data()),
                        .down = reinterpret_cast<const uint16_t*>(down.data()),
                        .factor = -0.5f,
                        .rank = at.rank,
                        .is_f16 = false,
                        .up_aligned = at.rank % kOctet == 0,
                        .down_aligned = true};
  float sums[kStripWarps][kGroups][4][kLanes][4] = {};
  for (int rank = 0; rank < at.rank; rank += kSliceRank) {
    // What the kernel does not write shows as NaN.
    std::vector<uint4> ups(kUpFragments, {~0u, ~0u, ~0u, ~0u}), downs(kDownFragments, {~0u, ~0u, ~0u, ~0u});
    for (int unit = 0; unit < kUpUnits; ++unit) stage_up(pair, rank, at.first_row, at.rows, unit, ups.data());
    for (int unit = 0; unit < kDownUnits; ++unit)
      stage_down(pair, rank, at.first_column, static_cast<uint32_t>(at.columns), unit, downs.data());
    for (int warp = 0; warp < kStripWarps; ++warp)
      for (int step = 0; step < kSliceSteps; ++step)
        for (int group = 0; group < kGroups; ++group) {
          uint4 a[kLanes];
          for (int lane = 0; lane < kLanes; ++lane) a[lane] = ups[static_cast<size_t>(up_fragment(group, step, lane))];
          for (int product = 0; product < 4; ++product) {
            uint32_t b[kLanes][2];
            for (int lane = 0; lane < kLanes; ++lane) {
              const uint4& both = downs[static_cast<size_t>(down_fragment(warp, step, product / 2, lane))];
              b[lane][0] = product % 2 == 0 ? both.x : both.z;
              b[lane][1] = product % 2 == 0 ? both.y : both.w;
            }
            multiply(a, b, sums[warp][group][product]);
          }
        }
  }
  const auto element = [](const uint16_t* from, int64_t index) { return to_float(BF16{from[index]}); };
  for (int warp = 0; warp < kStripWarps; ++warp)
    for (int group = 0; group < kGroups; ++group)
      for (int lane = 0; lane < kLanes; ++lane)
        for (int lower = 0; lower < 2; ++lower) {
          float own[4][4], values[kOctet] = {1, 2, 3, 4, 5, 6, 7, 8};
          for (int product = 0; product < 4; ++product)
            for (int i = 0; i < 4; ++i) own[product][i] = sums[warp][group][product][lane][i];
          add_sums(own, lower, pair.factor, values);
          const int64_t row = at.first_row + group * kGroupRows + lower * 8 + lane / 4;
          const int64_t column = at.first_column + warp * kWarpColumns + lane % 4 * kOctet;
          for (int i = 0; i < kOctet; ++i) {
            float want = 0;
            if (row < at.rows && column < at.columns)
              for (int64_t k = 0; k < at.rank; ++k)
                want += element(pair.up, row * at.rank + k) * element(pair.down, k * at.columns + column + i);
            ASSERT_EQ(values[i], static_cast<float>(i + 1) - 0.5f * want) << row << ", " << column + i;
          }
        }
}

TEST(ExpandTerms, FragmentsMakeTheProductInNeighbours) {
  for (const int rank : {1, 5, 8, 16, 24, 32, 64, 80}) {
    expect_product({.rows = 70, .columns = 512, .first_row = 32, .rank = rank, .first_column = 256});
    expect_product({.rows = 70, .columns = 520, .first_row = 64, .rank = rank, .first_column = 512});
    expect_product({.rows = 3, .columns = 40, .first_row = 0, .rank = rank, .first_column = 0});
  }
}

}  // namespace
}  // namespace wan::cuda
