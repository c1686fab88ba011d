#include "model/weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "backend/backend.h"
#include "backend/seeded.h"
#include "base/error.h"
#include "model/lora_patches.h"
#include "model/random_codes.h"
#include "model/weight_file.h"
#include "model/weight_packing.h"

namespace wan {
namespace {

constexpr size_t kSlotAlignment = 256;

template <typename From>
float widen(From value);
template <>
float widen(float value) {
  return value;
}
template <>
float widen(BF16 value) {
  return to_float(value);
}
template <>
float widen(F16 value) {
  return to_float(value);
}
template <>
float widen(double value) {
  return static_cast<float>(value);
}

template <typename From>
void convert_from(const void* from, int64_t count, DType to_dtype, void* to) {
  const From* source = static_cast<const From*>(from);
  if (to_dtype == DType::kF32) {
    float* out = static_cast<float*>(to);
    for (int64_t i = 0; i < count; ++i) out[i] = widen(source[i]);
    return;
  }
  BF16* out = static_cast<BF16*>(to);
  for (int64_t i = 0; i < count; ++i) out[i] = to_bf16(widen(source[i]));
}

/// FNV-1a.
uint64_t hash_name(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (unsigned char c : name) hash = (hash ^ c) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

void WeightLayout::add(std::string name, DType dtype, const Shape& shape, std::vector<Source> sources) {
  bytes_ = (bytes_ + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
  WeightSlot slot{std::move(name), dtype, shape, bytes_, {}};
  int64_t elements = 0;
  for (Source& source : sources) {
    const int64_t count = source.shape.count();
    slot.parts.push_back({std::move(source.name), source.shape, elements, source.init});
    elements += count;
  }
  require_op(elements == shape.count(), "parts of slot " + slot.name + " do not fill " + shape.text());
  bytes_ += static_cast<size_t>(elements) * size_of(dtype);
  slots_.push_back(std::move(slot));
}

void WeightLayout::add(std::string name, DType dtype, const Shape& shape, std::string source, Initializer init) {
  add(std::move(name), dtype, shape, std::vector<Source>{{std::move(source), shape, init}});
}

TensorView WeightLayout::view(TensorView slab, std::string_view name) const {
  for (const WeightSlot& slot : slots_)
    if (slot.name == name)
      return {static_cast<std::byte*>(slab.data) + slot.offset, slot.dtype, slot.shape, slab.memory};
  throw Error(fmt::format("no weight slot named {}", name));
}

WeightSource WeightSource::from_file(const WeightFile& file) {
  WeightSource source;
  source.kind_ = Kind::kFile;
  source.file_ = &file;
  return source;
}

WeightSource WeightSource::random(uint64_t seed, DType stored) {
  require_op(stored == DType::kF32 || stored == DType::kBF16, "random weights are F32 or BF16");
  WeightSource source;
  source.kind_ = Kind::kRandom;
  source.seed_ = seed;
  source.stored_ = stored;
  return source;
}

Component dit_component(size_t expert) {
  require_op(expert < 2, "random weights are made for two experts at most");
  return expert == 0 ? Component::kDit : Component::kLowNoiseDit;
}

WeightSource random_weights(Component component, uint64_t seed) {
  return WeightSource::random(seed + static_cast<uint64_t>(component),
                              component == Component::kTextEncoder ? DType::kBF16 : DType::kF32);
}

WeightSource WeightSource::as(StoredAs stored) const {
  require_op(kind_ == Kind::kRandom && stored_ == DType::kF32, "only random weights of F32 are stored in another form");
  WeightSource source = *this;
  source.stored_as_ = stored;
  return source;
}

WeightSource WeightSource::shapes_only() { return {}; }

WeightSource WeightSource::with(const WeightPatches& patches) const {
  WeightSource source = *this;
  source.patches_ = &patches;
  return source;
}

bool WeightSource::is_patched() const { return patches_ != nullptr && !patches_->empty(); }

std::span<const PatchTerm> WeightSource::terms(const WeightPart& part) const {
  return is_patched() ? patches_->terms(part.source) : std::span<const PatchTerm>();
}

/// Nothing where it is not known, and for parts that are no matrices.
std::optional<PackedForm> WeightSource::stored_form(const WeightPart& part) const {
  if (part.shape.rank() < 2 || kind_ == Kind::kShapesOnly) return std::nullopt;
  if (kind_ == Kind::kRandom)
    return random_form(stored_as_, part).value_or(PackedForm{stored_, BlockType::kNone, PackedScale::kNone});
  return packed_form(file_->at(part.source));
}

/// Whether a random part is made of codes and scales.
bool WeightSource::is_coded(const WeightPart& part) const {
  const auto form = kind_ == Kind::kRandom ? random_form(stored_as_, part) : std::nullopt;
  return form && form->dtype != DType::kBF16;
}

PackedPart WeightSource::packed(const WeightPart& part, DType dtype) const {
  const PackedForm as_read{dtype, BlockType::kNone, PackedScale::kNone};
  const auto added = terms(part);
  const bool are_products = std::ranges::all_of(added, [](const PatchTerm& term) { return term.change->is_product(); });
  if (!are_products || part.shape.rank() < 2) return {as_read, 1, {}, true};
  const std::optional<PackedForm> stored = stored_form(part);
  const int64_t columns = part.shape.count() / part.shape[0];
  const bool is_smaller = stored && stored->row_bytes(columns) < as_read.row_bytes(columns);
  if (added.empty() && !is_smaller) return {as_read, 1, {}, true};
  const PackedForm form = stored.value_or(PackedForm{DType::kF32, BlockType::kNone, PackedScale::kNone});
  float factor = 1;
  if (is_coded(part)) factor = random_factor(form, part.init);
  if (kind_ == Kind::kFile && stored) factor = packed_factor(file_->file(), file_->at(part.source));
  return {form, factor, added, false};
}

void WeightSource::read_packed(const WeightPart& part, const PackedForm& form, int64_t begin, int64_t end,
                               std::byte* out) const {
  const int64_t columns = part.shape.count() / part.shape[0];
  const bool is_float = form.block == BlockType::kNone && (form.dtype == DType::kF32 || form.dtype == DType::kBF16);
  if (is_float && form.scale == PackedScale::kNone)
    return read_base(part, begin * columns, end * columns, form.dtype, out);
  if (kind_ == Kind::kRandom) return make_packed_rows(form, part.init, key_of(part), columns, begin, end, out);
  if (!pack_rows(file_->file(), file_->at(part.source), form, begin, end, out)) refuse(part, begin, end);
}

void WeightSource::read_scales(const WeightPart& part, const PackedForm& form, int64_t begin, int64_t end,
                               std::byte* out) const {
  if (form.scale == PackedScale::kNone || kind_ == Kind::kRandom) return;
  if (!pack_scales(file_->file(), file_->at(part.source), form, begin, end, out)) refuse(part, begin, end);
}

/// Throws what is wrong with the values of these rows, if something is.
void WeightSource::refuse(const WeightPart& part, int64_t begin, int64_t end) const {
  const int64_t columns = part.shape.count() / part.shape[0];
  std::vector<BF16> bad(static_cast<size_t>((end - begin) * columns));
  file_->read(part.source, begin * columns, end * columns, DType::kBF16, bad.data());
}

void WeightSource::read(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const {
  if (kind_ == Kind::kShapesOnly) return;
  if (terms(part).empty()) return read_base(part, begin, end, dtype, out);
  const int64_t count = end - begin;
  std::vector<float> sums(dtype == DType::kF32 ? 0 : static_cast<size_t>(count));
  float* const values = dtype == DType::kF32 ? static_cast<float*>(out) : sums.data();
  read_base(part, begin, end, DType::kF32, values);
  patches_->apply(part.source, begin, end, values);
  if (values != out) convert_elements(values, DType::kF32, count, dtype, out);
}

void WeightSource::read_base(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const {
  if (kind_ == Kind::kShapesOnly) return;
  if (kind_ == Kind::kFile) {
    file_->read(part.source, begin, end, dtype, out);
    return;
  }
  if (is_coded(part)) return read_coded(part, begin, end, dtype, out);
  read_seeded(part, begin, end, dtype, out);
}

void WeightSource::read_seeded(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const {
  const uint64_t key = key_of(part);
  const auto form = random_form(stored_as_, part);
  const bool is_rounded = stored_ == DType::kBF16 || (form && form->dtype == DType::kBF16);
  constexpr int64_t kBatch = 1024;
  float values[kBatch];
  for (int64_t first = begin; first < end; first += kBatch) {
    const int64_t count = std::min(kBatch, end - first);
    for (int64_t i = 0; i < count; ++i)
      values[i] = seeded_value(key, static_cast<uint64_t>(first + i), part.init.mean, part.init.deviation);
    if (is_rounded)
      for (int64_t i = 0; i < count; ++i) values[i] = round_to_bf16(values[i]);
    convert_elements(values, DType::kF32, count, dtype,
                     static_cast<std::byte*>(out) + (first - begin) * static_cast<int64_t>(size_of(dtype)));
  }
}

/// Row by row.
void WeightSource::read_coded(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const {
  const int64_t columns = part.shape[1];
  const PackedForm form = *random_form(stored_as_, part);
  std::vector<std::byte> codes(form.row_bytes(columns));
  std::vector<float> values(static_cast<size_t>(columns));
  const TensorView bytes(codes.data(), DType::kU8, {std::ssize(codes)}, Memory::kHost);
  for (int64_t at = begin; at < end;) {
    const int64_t row = at / columns, first = at % columns, last = std::min(columns, first + end - at);
    make_packed_rows(form, part.init, key_of(part), columns, row, row + 1, codes.data());
    decode_packed({form, 1, columns, bytes, {}, random_factor(form, part.init), 0}, 0, 1, values.data());
    convert_elements(values.data() + first, DType::kF32, last - first, dtype,
                     static_cast<std::byte*>(out) + (at - begin) * static_cast<int64_t>(size_of(dtype)));
    at += last - first;
  }
}

uint64_t WeightSource::key_of(const WeightPart& part) const { return mix_bits(seed_ ^ hash_name(part.source)); }

bool WeightSource::can_make_on_device(DType dtype) const {
  // Stored in BF16 and used in F32 they would not have been rounded.
  return kind_ == Kind::kRandom && (stored_ == DType::kF32 || dtype == DType::kBF16);
}

bool WeightSource::can_make_on_device(const WeightLayout& layout) const {
  constexpr int64_t kHundred = 100;
  if (kind_ != Kind::kRandom) return false;
  int64_t all = 0, others = 0;
  for (const WeightSlot& slot : layout.slots()) {
    if (std::ranges::any_of(slot.parts, [&](const WeightPart& part) { return is_coded(part); })) return false;
    all += slot.shape.count();
    if (!can_make_on_device(slot.dtype)) others += slot.shape.count();
  }
  return others * kHundred <= all;
}

bool WeightSource::can_make_on_device(const WeightPart& part, DType dtype) const {
  return can_make_on_device(dtype) && !is_coded(part);
}

void WeightSource::make_on_device(Backend& backend, const WeightPart& part, int64_t first, TensorView out,
                                  Queue queue) const {
  backend.fill_normal_from(out, key_of(part), static_cast<uint64_t>(first), part.init.mean, part.init.deviation, queue);
}

void convert_elements(const void* from, DType from_dtype, int64_t count, DType to_dtype, void* to) {
  require_op(to_dtype == DType::kF32 || to_dtype == DType::kBF16, "weights are kept as F32 or BF16");
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, static_cast<size_t>(count) * size_of(to_dtype));
    return;
  }
  switch (from_dtype) {
    case DType::kF32: return convert_from<float>(from, count, to_dtype, to);
    case DType::kBF16: return convert_from<BF16>(from, count, to_dtype, to);
    case DType::kF16: return convert_from<F16>(from, count, to_dtype, to);
    case DType::kF64: return convert_from<double>(from, count, to_dtype, to);
    default: throw Error(ErrorKind::kInput, fmt::format("weights stored as {} cannot be used", name_of(from_dtype)));
  }
}

}  // namespace wan
