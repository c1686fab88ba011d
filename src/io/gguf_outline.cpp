// Outlines of GGUF files. Source: ggml's docs/gguf.md.
#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/file_outline.h"
#include "io/printable.h"

namespace wan {
namespace {

constexpr uint64_t kMagicBytes = 4;
constexpr uint32_t kMostAxes = 5;
constexpr int kMostNesting = 4;
constexpr uint64_t kMostText = uint64_t{1} << 20;
constexpr uint64_t kDefaultAlignment = 32;

/// Of metadata values, by their number in the file; 0: of no fixed size.
constexpr std::array<uint8_t, 13> kValueBytes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
constexpr uint32_t kU32 = 4, kText = 8, kU64 = 10;

struct BlockType {
  uint32_t number;
  std::string_view name;
  uint64_t elements, bytes;  // of a block
};
constexpr std::array kTypes{
    BlockType{0, "F32", 1, 4},       BlockType{1, "F16", 1, 2},         BlockType{2, "Q4_0", 32, 18},
    BlockType{3, "Q4_1", 32, 20},    BlockType{6, "Q5_0", 32, 22},      BlockType{7, "Q5_1", 32, 24},
    BlockType{8, "Q8_0", 32, 34},    BlockType{10, "Q2_K", 256, 84},    BlockType{11, "Q3_K", 256, 110},
    BlockType{12, "Q4_K", 256, 144}, BlockType{13, "Q5_K", 256, 176},   BlockType{14, "Q6_K", 256, 210},
    BlockType{20, "IQ4_NL", 32, 18}, BlockType{23, "IQ4_XS", 256, 136}, BlockType{30, "BF16", 1, 2},
};

/// Thrown where the file ends before what it promises.
struct CutOff {};

class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  void read(FileOutline& outline) {
    at_ = kMagicBytes;
    const auto version = take<uint32_t>();
    require(version == 2 || version == 3, fmt::format("{}: GGUF version {}, expected 2 or 3{}", where_, version,
                                                      version == 0x03000000 ? ": it is a big-endian file" : ""));
    const auto tensors = take<uint64_t>(), values = take<uint64_t>();
    for (uint64_t i = 0; i < values; ++i) read_value(outline);
    std::vector<OutlineTensor> found;
    uint64_t data_bytes = 0;
    for (uint64_t i = 0; i < tensors; ++i) data_bytes = std::max(data_bytes, read_tensor(found));
    const uint64_t data_begin = (at_ + alignment_ - 1) / alignment_ * alignment_;
    outline.needed_bytes = checked_add(data_begin, data_bytes).value_or(UINT64_MAX);
    if (data_bytes == 0) outline.needed_bytes = at_;
    outline.tensors = std::move(found);
  }

 private:
  template <typename T>
  T take() {
    if (!within(at_, sizeof(T), bytes_.size())) throw CutOff{};
    const T value = read_little_endian<T>(bytes_, at_);
    at_ += sizeof(T);
    return value;
  }
  void pass(uint64_t count, uint64_t size) {
    const auto length = checked_multiply(count, size);
    if (!length || !within(at_, *length, bytes_.size())) throw CutOff{};
    at_ += *length;
  }
  std::string take_text() {
    const auto size = take<uint64_t>();
    if (!within(at_, size, bytes_.size())) throw CutOff{};
    require(size <= kMostText, fmt::format("{}: a name of {} bytes, more than any has", where_, size));
    const std::string text(reinterpret_cast<const char*>(bytes_.data() + at_), size);
    at_ += size;
    return text;
  }
  void pass_values(uint32_t type, uint64_t count, int depth) {
    require(type < kValueBytes.size() && depth <= kMostNesting,
            fmt::format("{}: a value of type {}, {} lists deep, which no GGUF file has", where_, type, depth));
    if (kValueBytes[type] != 0) return pass(count, kValueBytes[type]);
    for (uint64_t i = 0; i < count; ++i) {
      if (type == kText) {
        pass(take<uint64_t>(), 1);
      } else {
        const auto inner = take<uint32_t>();
        pass_values(inner, take<uint64_t>(), depth + 1);
      }
    }
  }
  void read_value(FileOutline& outline) {
    const std::string key = take_text();
    const auto type = take<uint32_t>();
    if (key == "general.architecture" && type == kText) {
      outline.architecture = take_text();
    } else if (key == "general.alignment" && (type == kU32 || type == kU64)) {
      alignment_ = type == kU32 ? take<uint32_t>() : take<uint64_t>();
      require(alignment_ > 0 && alignment_ <= kMostText,
              fmt::format("{}: general.alignment is {}, expected 1 to {}", where_, alignment_, kMostText));
    } else {
      pass_values(type, 1, 0);
    }
  }
  /// Returns where its data end, from where those of all begin.
  uint64_t read_tensor(std::vector<OutlineTensor>& tensors) {
    OutlineTensor tensor;
    tensor.name = take_text();
    const auto axes = take<uint32_t>();
    require(axes <= kMostAxes, fmt::format("{}: tensor '{}' has {} axes, expected at most {}", where_,
                                           printable(tensor.name), axes, kMostAxes));
    std::optional<uint64_t> elements = 1;
    for (uint32_t i = 0; i < axes; ++i) {
      tensor.shape.push_back(take<uint64_t>());
      if (elements) elements = checked_multiply(*elements, tensor.shape.back());
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());  // the file has the fastest axis first
    const auto number = take<uint32_t>();
    const auto begin = take<uint64_t>();
    const auto type =
        std::find_if(kTypes.begin(), kTypes.end(), [&](const BlockType& t) { return t.number == number; });
    tensor.type = type == kTypes.end() ? fmt::format("type {}", number) : std::string(type->name);
    tensors.push_back(std::move(tensor));
    if (type == kTypes.end() || !elements) return begin;
    const auto size = checked_multiply(*elements / type->elements, type->bytes);
    return size ? checked_add(begin, *size).value_or(UINT64_MAX) : UINT64_MAX;
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  uint64_t at_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
};

}  // namespace

FileOutline outline_of_gguf(std::span<const std::byte> bytes, const std::string& where) {
  FileOutline outline;
  GgufReader reader(bytes, where);
  try {
    reader.read(outline);
  } catch (const CutOff&) {
    outline.tensors.clear();
    outline.needed_bytes = bytes.size() + 1;
  }
  return outline;
}

}  // namespace wan
