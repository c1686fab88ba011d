// Walks the header once with a cursor that cannot leave the file. What a file claims to have much of costs it bytes, so
// memory stays within a small multiple of the header.
#include "io/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/gguf_types.h"
#include "io/printable.h"

namespace wan {
namespace {

using namespace gguf;

constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 16;
constexpr uint64_t kMaxNameBytes = 1 << 12;  // of a key or a tensor
constexpr uint64_t kMaxTextBytes = 1 << 20;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr int kMaxArrayDepth = 4;
constexpr std::string_view kOriginalShape = "comfy.gguf.orig_shape.";

/// Bytes of a value of a type that has no length of its own.
uint64_t size_of_value(uint32_t type) {
  constexpr std::array<uint64_t, kTypes> kSizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kSizes[type];
}

/// ggml's names of types that are not read, for messages.
std::string_view unread_type_name(uint32_t id) {
  switch (id) {
    case 9: return "Q8_1";
    case 15: return "Q8_K";
    case 16: return "IQ2_XXS";
    case 17: return "IQ2_XS";
    case 18: return "IQ3_XXS";
    case 19: return "IQ1_S";
    case 21: return "IQ3_S";
    case 22: return "IQ2_S";
    case 24: return "I8";
    case 25: return "I16";
    case 26: return "I32";
    case 27: return "I64";
    case 28: return "F64";
    case 29: return "IQ1_M";
    case 34: return "TQ1_0";
    case 35: return "TQ2_0";
    case 39: return "MXFP4";
    case 40: return "NVFP4";
    default: return "unknown";
  }
}

/// The value at `at` as double; a 64-bit integer beyond 2^53 is rounded.
double number_at(std::span<const std::byte> bytes, uint64_t at, uint32_t type) {
  const auto take = [&]<typename Raw>(Raw) { return read_little_endian<Raw>(bytes, at); };
  switch (type) {
    case kI8: return static_cast<int8_t>(take(uint8_t{}));
    case kU16: return take(uint16_t{});
    case kI16: return static_cast<int16_t>(take(uint16_t{}));
    case kU32: return take(uint32_t{});
    case kI32: return static_cast<int32_t>(take(uint32_t{}));
    case kF32: return std::bit_cast<float>(take(uint32_t{}));
    case kU64: return static_cast<double>(take(uint64_t{}));
    case kI64: return static_cast<double>(static_cast<int64_t>(take(uint64_t{})));
    case kF64: return std::bit_cast<double>(take(uint64_t{}));
    default: return take(uint8_t{});
  }
}

/// A value that is neither text nor array, as metadata() has it.
std::string text_of_value(std::span<const std::byte> bytes, uint64_t at, uint32_t type) {
  switch (type) {
    case kBool: return read_little_endian<uint8_t>(bytes, at) != 0 ? "true" : "false";
    case kU64: return fmt::format("{}", read_little_endian<uint64_t>(bytes, at));
    case kI64: return fmt::format("{}", static_cast<int64_t>(read_little_endian<uint64_t>(bytes, at)));
    case kF32: return fmt::format("{}", std::bit_cast<float>(read_little_endian<uint32_t>(bytes, at)));
    default: return fmt::format("{}", number_at(bytes, at, type));
  }
}

std::string_view text_at(std::span<const std::byte> bytes, uint64_t at, uint64_t length) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, length};
}

class GgufReader {
 public:
  GgufReader(TensorFileBuilder& builder, int file)
      : builder_(builder), file_(file), path_(builder.file(file).path().string()), bytes_(builder.file(file).bytes()) {}

  void read() {
    position_ = kMagic.size();
    check_version();
    const auto tensors = take<uint64_t>(), keys = take<uint64_t>();
    if (tensors > kMaxTensors)
      fail(fmt::format("it claims {} tensors, at most {} are supported", tensors, kMaxTensors));
    if (keys > kMaxKeys) fail(fmt::format("it claims {} keys, at most {} are supported", keys, kMaxKeys));
    for (uint64_t i = 0; i < keys; ++i) read_key();
    read_facts();
    for (uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
  }

 private:
  struct Entry {
    StoredTensor tensor;
    uint64_t relative = 0;  // to the data's beginning
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}", path_, what));
  }
  [[noreturn]] void fail_at(std::string_view tensor, const std::string& what) const {
    fail(fmt::format("tensor '{}': {}", printable(tensor), what));
  }

  /// Passes over `size` bytes and returns where they begin.
  uint64_t skip(uint64_t size) {
    if (!within(position_, size, bytes_.size()))
      fail(fmt::format("its header goes on beyond the file's {} bytes: is it truncated?", bytes_.size()));
    return std::exchange(position_, position_ + size);
  }
  template <typename T>
  T take() {
    return read_little_endian<T>(bytes_, skip(sizeof(T)));
  }
  std::string_view take_text(uint64_t most, const char* what) {
    const auto length = take<uint64_t>();
    if (length > most) fail(fmt::format("{} of {} bytes, at most {} are supported", what, length, most));
    return text_at(bytes_, skip(length), length);
  }

  void check_version() {
    const auto version = take<uint32_t>();
    if (version != 0 && (version & 0xffff) == 0) fail("a big-endian GGUF file; take or make the little-endian one");
    if (version != 2 && version != 3)
      fail(fmt::format("GGUF version {}, expected 2 or 3: convert it again with newer tools", version));
    builder_.set_format(fmt::format("GGUF {}", version));
  }

  void read_key() {
    const std::string key(take_text(kMaxNameBytes, "a key"));
    const auto type = take<uint32_t>();
    if (!keys_.insert(key).second) fail(fmt::format("key '{}' is there twice", printable(key)));
    if (type >= kTypes) fail(fmt::format("key '{}' is of type {}, which GGUF does not have", printable(key), type));
    if (type == kArray) return builder_.add_array(key, take_array(key, 1));
    if (type == kString) return builder_.add_metadata(key, std::string(take_text(kMaxTextBytes, "a text")));
    builder_.add_metadata(key, text_of_value(bytes_, skip(size_of_value(type)), type));
  }

  MetadataArray take_array(const std::string& key, int depth) {
    if (depth > kMaxArrayDepth) fail(fmt::format("key '{}': arrays nested too deeply", printable(key)));
    MetadataArray array;
    array.type = take<uint32_t>();
    array.count = take<uint64_t>();
    array.offset = position_;
    if (array.type >= kTypes)
      fail(fmt::format("key '{}': an array of type {}, which GGUF does not have", printable(key), array.type));
    if (array.type == kString) {
      array.kind = MetadataArray::Kind::kStrings;
      for (uint64_t i = 0; i < array.count; ++i) skip(take<uint64_t>());
    } else if (array.type == kArray) {
      array.kind = MetadataArray::Kind::kArrays;
      for (uint64_t i = 0; i < array.count; ++i) take_array(key, depth + 1);
    } else {
      const auto size = checked_multiply(array.count, size_of_value(array.type));
      if (!size) fail(fmt::format("key '{}': {} entries", printable(key), array.count));
      skip(*size);
    }
    array.bytes = position_ - array.offset;
    return array;
  }

  /// What the metadata says about the file itself.
  void read_facts() {
    const auto number = [&](const char* key, uint64_t otherwise) {
      const std::string* text = builder_.metadata(key);
      if (text == nullptr) return otherwise;
      const bool digits = !text->empty() && text->size() < 10 && text->find_first_not_of("0123456789") == text->npos;
      if (!digits) fail(fmt::format("key '{}' is '{}', expected a whole number", key, printable(*text)));
      return static_cast<uint64_t>(std::stoull(*text));
    };
    alignment_ = number("general.alignment", alignment_);
    if (!std::has_single_bit(alignment_) || alignment_ > kMaxAlignment)
      fail(fmt::format("general.alignment is {}, expected a power of two up to {}", alignment_, kMaxAlignment));
    const uint64_t parts = number("split.count", 0);
    if (parts > 1) fail(fmt::format("one of {} parts of a split GGUF: join them with gguf-split --merge", parts));
  }

  void read_tensor() {
    const std::string_view name = take_text(kMaxNameBytes, "a tensor's name");
    if (name.empty()) fail("a tensor without a name");
    const auto axes = take<uint32_t>();
    if (axes > kMaxAxes) fail_at(name, fmt::format("{} axes, at most {} are supported", axes, kMaxAxes));
    std::vector<uint64_t> extents(axes);
    for (uint64_t& extent : extents) extent = take<uint64_t>();
    std::reverse(extents.begin(), extents.end());
    Entry entry;
    StoredTensor& tensor = entry.tensor;
    tensor.name = name;
    set_type(tensor, take<uint32_t>());
    tensor.shape = checked_shape(extents, widest(tensor), fmt::format("{}: tensor '{}'", path_, printable(name)));
    check_blocks(tensor);
    entry.relative = take<uint64_t>();
    apply_original_shape(tensor);
    tensor.strides = row_major_strides(tensor.shape);
    tensor.file = file_;
    entries_.push_back(std::move(entry));
  }

  /// No type has more bytes a value.
  static DType widest(const StoredTensor& tensor) {
    return tensor.block == BlockType::kNone ? tensor.dtype : DType::kI32;
  }

  void set_type(StoredTensor& tensor, uint32_t id) const {
    const auto at =
        std::find_if(kTensorTypes.begin(), kTensorTypes.end(), [&](const TensorType& type) { return type.id == id; });
    if (at == kTensorTypes.end())
      fail_at(tensor.name,
              fmt::format("its type {} ({}) is not read; take a file of another quantisation, such as Q8_0 or Q4_K_M",
                          id, unread_type_name(id)));
    tensor.dtype = at->dtype;
    tensor.block = at->block;
  }

  void check_blocks(const StoredTensor& tensor) const {
    if (tensor.block == BlockType::kNone) return;
    const int64_t values = traits_of(tensor.block).values;
    if (tensor.shape.rank() == 0 || tensor.shape[-1] % values != 0)
      fail_at(tensor.name, fmt::format("its shape {} has rows that are no multiple of {}'s {} values",
                                       tensor.shape.text(), tensor.type_name(), values));
  }

  void apply_original_shape(StoredTensor& tensor) const {
    const MetadataArray* array = builder_.array(fmt::format("{}{}", kOriginalShape, tensor.name));
    if (array == nullptr) return;
    const std::string where = fmt::format("{}: tensor '{}': the shape in its metadata", path_, printable(tensor.name));
    require(array->kind == MetadataArray::Kind::kNumbers && array->count <= kMaxAxes,
            where + " is no short list of numbers");
    std::vector<uint64_t> extents;
    for (double extent : gguf_numbers(bytes_, *array)) {
      require(extent >= 1 && extent <= 0x1p31 && extent == static_cast<double>(static_cast<uint64_t>(extent)),
              where + " holds something else than a size");
      extents.push_back(static_cast<uint64_t>(extent));
    }
    const Shape shape = checked_shape(extents, widest(tensor), where);
    require(shape.count() == tensor.shape.count(),
            fmt::format("{}, {}, has other than the {} values of {}", where, shape.text(), tensor.shape.count(),
                        tensor.shape.text()));
    tensor.shape = shape;
  }

  /// Data begin at the first multiple of the alignment behind the table; every tensor lies on one, and none on another.
  void place_tensors() {
    const uint64_t begin = (position_ + alignment_ - 1) / alignment_ * alignment_;
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.relative < b.relative; });
    uint64_t reached = 0;
    for (Entry& entry : entries_) {
      StoredTensor& tensor = entry.tensor;
      const uint64_t bytes = tensor.bytes();
      const auto offset = checked_add(begin, entry.relative);
      if (!offset || !within(*offset, bytes, bytes_.size()))
        fail_at(tensor.name, fmt::format("its {} bytes at {} of the data end beyond the file's {}: is it truncated?",
                                         bytes, entry.relative, bytes_.size()));
      if (entry.relative % alignment_ != 0)
        fail_at(tensor.name,
                fmt::format("it begins at {} of the data, which is no multiple of {}", entry.relative, alignment_));
      if (entry.relative < reached)
        fail_at(tensor.name, fmt::format("it begins at {} of the data, within the tensor before it", entry.relative));
      reached = entry.relative + bytes;
      tensor.offset = *offset;
      builder_.add_tensor(std::move(tensor));
    }
  }

  TensorFileBuilder& builder_;
  int file_;
  std::string path_;
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
  uint64_t alignment_ = kAlignment;
  std::set<std::string> keys_;
  std::vector<Entry> entries_;
};

}  // namespace

bool looks_like_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() && text_at(bytes, 0, kMagic.size()) == kMagic;
}

void read_gguf(TensorFileBuilder& builder, MappedFile file) {
  const int index = builder.add_file(std::move(file));
  GgufReader(builder, index).read();
}

std::vector<double> gguf_numbers(std::span<const std::byte> file, const MetadataArray& array) {
  std::vector<double> numbers;
  numbers.reserve(array.count);
  const uint64_t size = size_of_value(array.type);
  for (uint64_t i = 0; i < array.count; ++i) numbers.push_back(number_at(file, array.offset + i * size, array.type));
  return numbers;
}

std::vector<std::string_view> gguf_strings(std::span<const std::byte> file, const MetadataArray& array) {
  std::vector<std::string_view> texts;
  texts.reserve(array.count);
  uint64_t at = array.offset;
  for (uint64_t i = 0; i < array.count; ++i) {
    const auto length = read_little_endian<uint64_t>(file, at);
    texts.push_back(text_at(file, at + sizeof(uint64_t), length));
    at += sizeof(uint64_t) + length;
  }
  return texts;
}

}  // namespace wan
