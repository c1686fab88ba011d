// What eight neighbouring values of each of ggml's blocks are: the bits of tensor/blocks.cpp, which says where fields
// lie. A form has fetch, which only reads, so that a thread can have several rows under way, and decode, which only
// computes. Every product of a block is exact in F32 (11 bits of a half, at most 12 of a scale and a code): that
// the compiler fuses it with the sum behind it changes no bit. Blocks begin at multiples of their size, so of the sizes
// 18, 22, 34, 110 and 210 only two bytes may be read at once.
#pragma once

#include "backend/cuda/packed_octet.cuh"
#include "tensor/blocks.h"

namespace wan::cuda {

/// Where eight values lie in a block of 32 whose bytes hold the values 0 .. 15 in their low nibbles.
struct In32 {
  size_t block;
  unsigned first, byte, shift;
  __device__ explicit In32(uint32_t column)
      : block(column / 32), first(column % 32), byte(column % 16), shift(column % 32 / 16 * 4) {}
};

/// Where eight values lie in a block of 256: in sub-block `part` of 32, from value `first` of it on.
struct In256 {
  size_t block;
  unsigned part, first;
  __device__ explicit In256(uint32_t column) : block(column / 256), part(column % 256 / 32), first(column % 32) {}
};

template <BlockType kType>
struct BlockForm;

template <>
struct BlockForm<BlockType::kQ4_0> {
  struct Raw {
    uint32_t d;
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In32 at(column);
    const uint8_t* block = row + 18 * at.block;
    return {load<uint16_t>(block), load_eight_of_pairs(block + 2 + at.byte)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    numbers<8>(nibbles(raw.codes, In32(column).shift), values);
    multiply(values, half_of(raw.d));
  }
};

template <>
struct BlockForm<BlockType::kQ4_1> {
  struct Raw {
    uint32_t dm;
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In32 at(column);
    const uint8_t* block = row + 20 * at.block;
    return {load<uint32_t>(block), load_eight_of_words(block + 4 + at.byte)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    numbers<0>(nibbles(raw.codes, In32(column).shift), values);
    transform(values, half_of(raw.dm), half_of(raw.dm >> 16));
  }
};

template <>
struct BlockForm<BlockType::kQ5_0> {
  struct Raw {
    uint32_t d, fifth;
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In32 at(column);
    const uint8_t* block = row + 22 * at.block;
    const uint32_t low = load<uint16_t>(block + 2), high = load<uint16_t>(block + 4);
    return {load<uint16_t>(block), low | high << 16, load_eight_of_pairs(block + 6 + at.byte)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const In32 at(column);
    numbers<16>(joined(nibbles(raw.codes, at.shift), fifth_bits(raw.fifth >> at.first), 0), values);
    multiply(values, half_of(raw.d));
  }
};

template <>
struct BlockForm<BlockType::kQ5_1> {
  struct Raw {
    uint2 head;  // d and m, fifth bits
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In32 at(column);
    const uint8_t* block = row + 24 * at.block;
    return {load<uint2>(block), load<uint2>(block + 8 + at.byte)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const In32 at(column);
    numbers<0>(joined(nibbles(raw.codes, at.shift), fifth_bits(raw.head.y >> at.first), 0), values);
    transform(values, half_of(raw.head.x), half_of(raw.head.x >> 16));
  }
};

/// Signed bytes: the top bit turned they are codes with a bias of 128.
__device__ inline void signed_numbers(uint2 bytes, float (&values)[kOctet]) {
  numbers<128>({bytes.x ^ 0x80808080u, bytes.y ^ 0x80808080u}, values);
}

template <>
struct BlockForm<BlockType::kQ8_0> {
  struct Raw {
    uint32_t d;
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In32 at(column);
    const uint8_t* block = row + 34 * at.block;
    return {load<uint16_t>(block), load_eight_of_pairs(block + 2 + at.first)};
  }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    signed_numbers(raw.codes, values);
    multiply(values, half_of(raw.d));
  }
};

template <>
struct BlockForm<BlockType::kIQ4NL> {
  using Raw = BlockForm<BlockType::kQ4_0>::Raw;
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    return BlockForm<BlockType::kQ4_0>::fetch(row, column);
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    iq4_numbers(raw.codes, In32(column).shift, values);
    multiply(values, half_of(raw.d));
  }
};

/// scales[16], qs[64], d and dmin.
template <>
struct BlockForm<BlockType::kQ2K> {
  struct Raw {
    uint32_t scale, dmin;
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In256 at(column);
    const uint8_t* block = row + 84 * at.block;
    return {block[2 * at.part + at.first / 16], load<uint32_t>(block + 80),
            load_eight_of_words(block + 16 + 32 * (at.part / 4) + at.first)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    numbers<0>(fields(raw.codes, In256(column).part % 4 * 2, 0x03030303u), values);
    transform(values, half_of(raw.dmin) * number(raw.scale & 15), -(half_of(raw.dmin >> 16) * number(raw.scale >> 4)));
  }
};

/// hmask[32], qs[64], scales[12], d.
template <>
struct BlockForm<BlockType::kQ3K> {
  struct Raw {
    uint32_t scale, d;
    uint2 high, codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In256 at(column);
    const uint8_t* block = row + 110 * at.block;
    const unsigned group = 2 * at.part + at.first / 16;
    const uint32_t low = block[96 + group % 8] >> group / 8 * 4 & 15, top = block[104 + group % 4] >> group / 4 * 2 & 3;
    return {low | top << 4, load<uint16_t>(block + 108), load_eight_of_pairs(block + at.first),
            load_eight_of_pairs(block + 32 + 32 * (at.part / 4) + at.first)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const In256 at(column);
    const uint2 high = fields(raw.high, at.part, 0x01010101u);
    numbers<4>(joined(fields(raw.codes, at.part % 4 * 2, 0x03030303u), high, 2), values);
    multiply(values, half_of(raw.d) * number(raw.scale, 32));
  }
};

/// What the first 16 bytes of Q4_K and Q5_K, d, dmin and scales[12], say of sub-block `part`.
__device__ inline void transform_by_head(const uint4& head, unsigned part, float (&values)[kOctet]) {
  const unsigned shift = part % 4 * 8;
  const uint32_t a = head.y >> shift, b = head.z >> shift, c = head.w >> shift;
  const bool first = part < 4;
  const uint32_t scale = first ? a & 63 : (c & 15) | (a >> 2 & 0x30);
  const uint32_t minimum = first ? b & 63 : (c >> 4 & 15) | (b >> 2 & 0x30);
  transform(values, half_of(head.x) * number(scale), -(half_of(head.x >> 16) * number(minimum)));
}

template <>
struct BlockForm<BlockType::kQ4K> {
  struct Raw {
    uint4 head;
    uint2 codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In256 at(column);
    const uint8_t* block = row + 144 * at.block;
    return {load<uint4>(block), load<uint2>(block + 16 + 32 * (at.part / 2) + at.first)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const In256 at(column);
    numbers<0>(nibbles(raw.codes, at.part % 2 * 4), values);
    transform_by_head(raw.head, at.part, values);
  }
};

template <>
struct BlockForm<BlockType::kQ5K> {
  struct Raw {
    uint4 head;
    uint2 high, codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In256 at(column);
    const uint8_t* block = row + 176 * at.block;
    return {load<uint4>(block), load<uint2>(block + 16 + at.first),
            load<uint2>(block + 48 + 32 * (at.part / 2) + at.first)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const In256 at(column);
    const uint2 high = fields(raw.high, at.part, 0x01010101u);
    numbers<0>(joined(nibbles(raw.codes, at.part % 2 * 4), high, 4), values);
    transform_by_head(raw.head, at.part, values);
  }
};

/// ql[128], qh[64], scales[16], d.
template <>
struct BlockForm<BlockType::kQ6K> {
  struct Raw {
    uint32_t scale, d;
    uint2 high, codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In256 at(column);
    const uint8_t* block = row + 210 * at.block;
    const unsigned half = at.part / 4;
    return {block[192 + 2 * at.part + at.first / 16], load<uint16_t>(block + 208),
            load_eight_of_pairs(block + 128 + 32 * half + at.first),
            load_eight_of_pairs(block + 64 * half + 32 * (at.part % 2) + at.first)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const unsigned quarter = In256(column).part % 4;
    const uint2 high = fields(raw.high, 2 * quarter, 0x03030303u);
    numbers<32>(joined(nibbles(raw.codes, quarter / 2 * 4), high, 4), values);
    multiply(values, half_of(raw.d) * number(raw.scale ^ 0x80u, 128));
  }
};

/// d, scales_h, scales_l[4], qs[128].
template <>
struct BlockForm<BlockType::kIQ4XS> {
  struct Raw {
    uint2 head, codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const In256 at(column);
    const uint8_t* block = row + 136 * at.block;
    return {load<uint2>(block), load<uint2>(block + 8 + 16 * at.part + at.first % 16)};
  }
  static __device__ void decode(const Raw& raw, uint32_t column, float (&values)[kOctet]) {
    const In256 at(column);
    const uint32_t scale = (raw.head.y >> 4 * at.part & 15) | (raw.head.x >> (16 + 2 * at.part) & 3) << 4;
    iq4_numbers(raw.codes, at.first / 16 * 4, values);
    multiply(values, half_of(raw.head.x) * number(scale, 32));
  }
};

}  // namespace wan::cuda
