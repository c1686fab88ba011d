#include "model/weight_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include <fmt/format.h>

#include "base/error.h"
#include "io/printable.h"
#include "model/weights.h"

namespace wan {
namespace {

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }
uint16_t bits_of(BF16 value) { return value.bits; }

/// Has its sign's bit set where a number's exponent is all ones, infinity or NaN: adding the exponent's lowest bit
/// carries into the sign's place then.
uint32_t mark_of(uint32_t bits) { return (bits & 0x7f800000u) + 0x00800000u; }
uint16_t mark_of(uint16_t bits) { return static_cast<uint16_t>((bits & 0x7f80u) + 0x0080u); }
bool is_set(uint32_t mark) { return (mark & 0x80000000u) != 0; }
bool is_set(uint16_t mark) { return (mark & 0x8000u) != 0; }

/// The first value that is no finite number, or `count`.
template <typename T>
int64_t first_bad(const T* values, int64_t count) {
  decltype(bits_of(T{})) marks = 0;  // of all, without a branch a value: the common answer is that none is set
  for (int64_t i = 0; i < count; ++i) marks |= mark_of(bits_of(values[i]));
  if (!is_set(marks)) return count;
  return std::find_if(values, values + count, [](T value) { return is_set(mark_of(bits_of(value))); }) - values;
}

void decode_rounded(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, BF16* out) {
  constexpr int64_t kBatch = 2048;
  std::array<float, kBatch> values;
  for (int64_t first = begin; first < end; first += kBatch) {
    const int64_t count = std::min(kBatch, end - first);
    decode(file, weight, first, first + count, values.data());
    for (int64_t i = 0; i < count; ++i) out[first - begin + i] = to_bf16(values[static_cast<size_t>(i)]);
  }
}

/// Where values from `begin` on lie one behind the other as floats of 16 or 32 bits, fit to be converted from there;
/// nullptr for every other form.
const std::byte* elements_at(const TensorFile& file, const StoredWeight& weight, int64_t begin) {
  const StoredTensor& values = *weight.values;
  const bool is_float = values.dtype == DType::kF32 || values.dtype == DType::kF16 || values.dtype == DType::kBF16;
  if (weight.scheme != WeightScheme::kPlain || !is_float || !values.contiguous || values.block != BlockType::kNone)
    return nullptr;
  const std::byte* from = file.bytes_of(values).data() + begin * static_cast<int64_t>(size_of(values.dtype));
  return reinterpret_cast<uintptr_t>(from) % size_of(values.dtype) == 0 ? from : nullptr;
}

/// Values that are read and looked at together: they are still in the nearest cache then.
constexpr int64_t kPiece = 8192;

/// Writes values [begin, end); how many of them, from the first on, are finite numbers.
int64_t read_piece(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, DType dtype,
                   void* out) {
  const int64_t count = end - begin;
  if (dtype == DType::kF32) {
    decode(file, weight, begin, end, static_cast<float*>(out));
    return first_bad(static_cast<const float*>(out), count);
  }
  if (const std::byte* from = elements_at(file, weight, begin))
    convert_elements(from, weight.values->dtype, count, DType::kBF16, out);
  else
    decode_rounded(file, weight, begin, end, static_cast<BF16*>(out));
  return first_bad(static_cast<const BF16*>(out), count);
}

}  // namespace

const StoredWeight* WeightFile::find(std::string_view name) const {
  const auto at =
      std::lower_bound(weights_.begin(), weights_.end(), name,
                       [](const StoredWeight& weight, std::string_view wanted) { return weight.name < wanted; });
  return at != weights_.end() && at->name == name ? &*at : nullptr;
}

const StoredWeight& WeightFile::at(std::string_view name) const {
  const StoredWeight* weight = find(name);
  if (weight == nullptr)
    throw Error(ErrorKind::kInput, fmt::format("{} has no tensor {}: a {} does not have it", file_.path().string(),
                                               printable(name), name_of(part())));
  return *weight;
}

void WeightFile::read(const StoredWeight& weight, int64_t begin, int64_t end, DType dtype, void* out) const {
  require_op(dtype == DType::kF32 || dtype == DType::kBF16, "weights are read as F32 or BF16");
  require_op(begin >= 0 && begin <= end && end <= weight.shape.count(), "a range beyond " + weight.name);
  auto* to = static_cast<std::byte*>(out);
  for (int64_t first = begin; first < end; first += kPiece) {
    const int64_t last = std::min(end, first + kPiece);
    const int64_t good = first + read_piece(file_, weight, first, last, dtype, to);
    if (good != last)
      throw Error(ErrorKind::kInput,
                  fmt::format("{}: {} holds NaN or infinity at value {} of {}: the file is damaged "
                              "or was badly converted, take another one",
                              file_.path().string(), printable(weight.values->name), good, weight.shape.count()));
    to += static_cast<size_t>(last - first) * size_of(dtype);
  }
}

}  // namespace wan
