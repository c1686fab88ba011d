#include "model/random_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "backend/seeded.h"
#include "base/error.h"
#include "tensor/encode.h"

namespace wan {
namespace {

constexpr BlockMix kMixOfQ4KM{"Q4_K_M", 15, BlockType::kQ4K, BlockType::kQ6K};
constexpr BlockMix kMixOfQ5KM{"Q5_K_M", 17, BlockType::kQ5K, BlockType::kQ6K};
constexpr BlockMix kMixOfQ8{"Q8_0", 7, BlockType::kQ8_0, BlockType::kQ8_0};

// Of the codes below, over all of which values are spread evenly: their deviation, and the integers that scale them.
// A sub-block's factor and offset are such that the mean is 0: factor * mean code = offset.
constexpr float kQ4Deviation = 4.609772f;   // of 0 .. 15, mean 7.5
constexpr float kQ5Deviation = 9.233093f;   // of 0 .. 31, mean 15.5
constexpr float kQ6Deviation = 18.472954f;  // of -32 .. 31
constexpr float kSubScale = 32, kQ6Scale = 16;
constexpr int kQ4Minimum = 60, kQ4Ratio = 4;  // dmin = 4 d: 4 * 60 = 32 * 7.5
constexpr int kQ5Minimum = 62, kQ5Ratio = 8;  // dmin = 8 d: 8 * 62 = 32 * 15.5

/// The normal deviate that a share `p` of all lies below: Abramowitz and Stegun, 26.2.23, to 4.5e-4.
double quantile(double p) {
  const double tail = std::min(p, 1 - p), t = std::sqrt(-2 * std::log(tail));
  const double z =
      t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return p < 0.5 ? -z : z;
}

struct ByteCodes {
  std::array<uint8_t, 256> codes{};  // by a random byte
  float deviation = 1;               // of what they mean
};

/// Codes of 8 bits by which an even byte becomes a normal value of deviation `spread`.
template <typename Encode, typename Decode>
ByteCodes normal_codes(double spread, Encode encode, Decode decode) {
  ByteCodes result;
  double squares = 0;
  for (size_t i = 0; i < 256; ++i) {
    result.codes[i] = encode(static_cast<float>(spread * quantile((static_cast<double>(i) + 0.5) / 256)));
    const double value = decode(result.codes[i]);
    squares += value * value;
  }
  result.deviation = static_cast<float>(std::sqrt(squares / 256));
  return result;
}

const ByteCodes& int8_codes() {
  static const ByteCodes codes = normal_codes(
      42, [](float value) { return static_cast<uint8_t>(static_cast<int8_t>(std::lround(value))); },
      [](uint8_t code) { return static_cast<double>(static_cast<int8_t>(code)); });
  return codes;
}

const ByteCodes& e4m3_codes() {
  static const ByteCodes codes = normal_codes(
      128, [](float value) { return to_e4m3(value); },
      [](uint8_t code) { return static_cast<double>(values_of_bytes(DType::kF8E4M3)[code]); });
  return codes;
}

void put_half(std::byte* at, float value) {
  const uint16_t bits = to_f16(value).bits;
  std::memcpy(at, &bits, sizeof bits);
}

/// The twelve bytes of eight equal sub-block scales and minimums of 6 bits, as Q4_K and Q5_K lay them out.
void put_k_scales(std::byte* at, int scale, int minimum) {
  for (int j = 0; j < 4; ++j) {
    at[j] = static_cast<std::byte>(scale | scale >> 4 << 6);
    at[j + 4] = static_cast<std::byte>(minimum | minimum >> 4 << 6);
    at[j + 8] = static_cast<std::byte>((scale & 15) | (minimum & 15) << 4);
  }
}

/// Gives a block of random bits its scales.
void scale_block(BlockType type, float deviation, std::byte* block) {
  switch (type) {
    case BlockType::kQ4K:
    case BlockType::kQ5K: {
      const bool is_q4 = type == BlockType::kQ4K;
      const float d = to_float(to_f16(deviation / (kSubScale * (is_q4 ? kQ4Deviation : kQ5Deviation))));
      put_half(block, d);
      put_half(block + 2, d * static_cast<float>(is_q4 ? kQ4Ratio : kQ5Ratio));
      return put_k_scales(block + 4, static_cast<int>(kSubScale), is_q4 ? kQ4Minimum : kQ5Minimum);
    }
    case BlockType::kQ6K:
      std::fill_n(block + 192, 16, static_cast<std::byte>(kQ6Scale));
      return put_half(block + 208, deviation / (kQ6Scale * kQ6Deviation));
    case BlockType::kQ8_0: {
      for (int i = 0; i < 32; ++i) {
        std::byte& code = block[2 + i];
        code = static_cast<std::byte>(int8_codes().codes[std::to_integer<size_t>(code)]);
      }
      return put_half(block, deviation / int8_codes().deviation);
    }
    default: throw Error("random weights are not made as " + std::string(traits_of(type).name));
  }
}

/// Bytes [begin, end) of a stream of random bits.
void put_random(uint64_t key, size_t begin, size_t end, std::byte* out) {
  constexpr size_t kWord = sizeof(uint64_t);
  for (size_t at = begin; at < end;) {
    const uint64_t bits = mix_bits(key + at / kWord * kSeededStride);
    const size_t inside = at % kWord, count = std::min(kWord - inside, end - at);
    std::memcpy(out, reinterpret_cast<const std::byte*>(&bits) + inside, count);
    out += count;
    at += count;
  }
}

}  // namespace

const BlockMix* mix_of(StoredAs stored) {
  switch (stored) {
    case StoredAs::kQ4KM: return &kMixOfQ4KM;
    case StoredAs::kQ5KM: return &kMixOfQ5KM;
    case StoredAs::kQ8_0: return &kMixOfQ8;
    case StoredAs::kF32:
    case StoredAs::kBF16:
    case StoredAs::kFp8Scaled: break;
  }
  return nullptr;
}

BlockType block_type_of(const BlockMix& mix, std::string_view name, const Shape& shape) {
  if (shape.rank() != 2 || !name.starts_with("blocks.") || name.ends_with("modulation")) return BlockType::kNone;
  const bool is_finer = name.ends_with(".v.weight") || name.ends_with("ffn.2.weight");
  return is_finer ? mix.finer : mix.matrices;
}

std::optional<PackedForm> random_form(StoredAs stored, const WeightPart& part) {
  const bool is_matrix = part.shape.rank() == 2 && part.source.starts_with("blocks.");
  if (!is_matrix || stored == StoredAs::kF32) return std::nullopt;
  if (stored == StoredAs::kBF16) return PackedForm{DType::kBF16, BlockType::kNone, PackedScale::kNone};
  const BlockMix* const mix = mix_of(stored);
  if (mix == nullptr) return PackedForm{DType::kF8E4M3, BlockType::kNone, PackedScale::kMatrix};
  const PackedForm form{DType::kF32, block_type_of(*mix, part.source, part.shape), PackedScale::kNone};
  // As llama-quantize falls back to.
  return form.fits(part.shape[1]) ? form : PackedForm{DType::kBF16, BlockType::kNone, PackedScale::kNone};
}

float random_factor(const PackedForm& form, const Initializer& init) {
  return form.scale == PackedScale::kMatrix ? init.deviation / e4m3_codes().deviation : 1;
}

void make_packed_rows(const PackedForm& form, const Initializer& init, uint64_t key, int64_t columns, int64_t begin,
                      int64_t end, std::byte* out) {
  const size_t row_bytes = form.row_bytes(columns);
  const size_t bytes = static_cast<size_t>(end - begin) * row_bytes;
  put_random(key, static_cast<size_t>(begin) * row_bytes, static_cast<size_t>(end) * row_bytes, out);
  if (form.block == BlockType::kNone) {
    for (size_t i = 0; i < bytes; ++i)
      out[i] = static_cast<std::byte>(e4m3_codes().codes[std::to_integer<size_t>(out[i])]);
    return;
  }
  for (size_t block = 0; block < bytes; block += traits_of(form.block).bytes)
    scale_block(form.block, init.deviation, out + block);
}

}  // namespace wan
