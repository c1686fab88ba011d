#include "io/gguf_writer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/gguf_types.h"
#include "io/streamed_file.h"

namespace wan {
namespace {

constexpr uint32_t kVersion = 3;
constexpr std::array<std::byte, gguf::kAlignment> kPadding{};

template <typename T>
void put(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xff));
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}

void put_key(std::string& out, const GgufWriter::Key& key) {
  put_text(out, key.first);
  if (const auto* text = std::get_if<std::string>(&key.second)) {
    put<uint32_t>(out, gguf::kString);
    put_text(out, *text);
  } else {
    put<uint32_t>(out, gguf::kU32);
    put<uint32_t>(out, std::get<uint32_t>(key.second));
  }
}

uint64_t padding_behind(uint64_t bytes) { return (gguf::kAlignment - bytes % gguf::kAlignment) % gguf::kAlignment; }

/// GGUF's number of a tensor's type. Throws Error(kRuntime) where it has none, or rows are no whole blocks.
uint32_t type_of(const std::string& where, const GgufWriter::Declared& tensor) {
  const auto type = std::find_if(gguf::kTensorTypes.begin(), gguf::kTensorTypes.end(), [&](const gguf::TensorType& t) {
    return t.block == tensor.block && (t.block != BlockType::kNone || t.dtype == tensor.dtype);
  });
  require(type != gguf::kTensorTypes.end(), fmt::format("{}: GGUF has no tensors of {}", where, name_of(tensor.dtype)),
          ErrorKind::kRuntime);
  require(tensor.shape.rank() <= static_cast<int>(gguf::kMaxAxes),
          fmt::format("{}: {} axes, GGUF has {} at most", where, tensor.shape.rank(), gguf::kMaxAxes),
          ErrorKind::kRuntime);
  const bool whole = tensor.block == BlockType::kNone ||
                     (tensor.shape.rank() > 0 && tensor.shape[-1] % traits_of(tensor.block).values == 0);
  require(whole, fmt::format("{}: rows of {} are no whole blocks", where, tensor.shape.text()), ErrorKind::kRuntime);
  return type->id;
}

std::optional<uint64_t> bytes_of(const GgufWriter::Declared& tensor) {
  const auto count = static_cast<uint64_t>(tensor.shape.count());
  if (tensor.block == BlockType::kNone) return checked_multiply(count, size_of(tensor.dtype));
  const BlockTraits& traits = traits_of(tensor.block);
  return checked_multiply(count / static_cast<uint64_t>(traits.values), traits.bytes);
}

}  // namespace

struct GgufWriter::State {
  explicit State(const std::filesystem::path& path) : file(path) {}

  StreamedFile file;
  std::vector<uint64_t> sizes;  // of the tensors, in bytes
  size_t begun = 0;             // tensors
  uint64_t remaining = 0;       // bytes of the last one begun

  void pad() {
    if (begun > 0) file.append(std::span(kPadding).first(padding_behind(sizes[begun - 1])));
  }
  /// Ends the tensor that is complete and begins one that wants data. False when there is none.
  bool open_next() {
    while (remaining == 0 && begun < sizes.size()) {
      pad();
      remaining = sizes[begun++];
    }
    return remaining > 0;
  }
};

GgufWriter::GgufWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors,
                       const std::vector<Key>& keys) {
  std::string header(gguf::kMagic);
  put<uint32_t>(header, kVersion);
  put<uint64_t>(header, tensors.size());
  put<uint64_t>(header, keys.size());
  for (const Key& key : keys) put_key(header, key);
  std::set<std::string_view> names;
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const Declared& tensor : tensors) {
    const std::string where = fmt::format("{}: tensor '{}'", path.string(), tensor.name);
    require(!tensor.name.empty() && names.insert(tensor.name).second, where + " has no name, or that of another",
            ErrorKind::kRuntime);
    const uint32_t type = type_of(where, tensor);
    const auto bytes = bytes_of(tensor);
    const auto end = bytes ? checked_add(offset, *bytes) : std::nullopt;
    const auto next = end ? checked_add(*end, padding_behind(*end)) : std::nullopt;
    require(next.has_value(), where + " overflows 64 bits", ErrorKind::kRuntime);
    put_text(header, tensor.name);
    put<uint32_t>(header, static_cast<uint32_t>(tensor.shape.rank()));
    for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis)
      put<uint64_t>(header, static_cast<uint64_t>(tensor.shape[axis]));
    put<uint32_t>(header, type);
    put<uint64_t>(header, offset);
    sizes.push_back(*bytes);
    offset = *next;
  }
  header.append(padding_behind(header.size()), '\0');
  state_ = std::make_unique<State>(path);
  state_->sizes = std::move(sizes);
  state_->file.append(std::as_bytes(std::span(header)));
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (!state_->open_next())
      throw Error(fmt::format("{}: {} bytes more than declared", state_->file.target().string(), bytes.size()));
    const size_t count = std::min<uint64_t>(bytes.size(), state_->remaining);
    state_->file.append(bytes.first(count));
    state_->remaining -= count;
    bytes = bytes.subspan(count);
  }
}

void GgufWriter::finish(Sync sync) {
  if (state_->open_next())
    throw Error(fmt::format("{}: {} bytes of its tensor {} were never written, nor what follows it",
                            state_->file.target().string(), state_->remaining, state_->begun - 1));
  state_->pad();
  state_->file.finish(sync);
}

}  // namespace wan
