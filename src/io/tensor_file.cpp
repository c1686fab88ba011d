// Opens tensor files by content and hands out views of the mapped bytes.
#include "io/tensor_file.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/gguf.h"
#include "io/printable.h"
#include "io/pth.h"
#include "io/safetensors.h"
#include "io/tensor_file_builder.h"

namespace wan {
namespace {

bool is_json_object(std::span<const std::byte> bytes) {
  constexpr std::byte kByteOrderMark[] = {std::byte{0xEF}, std::byte{0xBB}, std::byte{0xBF}};
  if (bytes.size() > 3 && std::equal(std::begin(kByteOrderMark), std::end(kByteOrderMark), bytes.begin()))
    bytes = bytes.subspan(3);
  for (std::byte byte : bytes) {
    const auto c = static_cast<char>(byte);
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return c == '{';
  }
  return false;
}

/// Elements from the first to the last that `tensor` reaches, both included; 0 when it has none.
int64_t extent(const StoredTensor& tensor) {
  int64_t last = 0;
  for (int i = 0; i < tensor.shape.rank(); ++i) {
    if (tensor.shape[i] == 0) return 0;
    last += (tensor.shape[i] - 1) * tensor.strides[static_cast<size_t>(i)];
  }
  return last + 1;
}

}  // namespace

uint64_t StoredTensor::bytes() const {
  const auto count = static_cast<uint64_t>(shape.count());
  if (block == BlockType::kNone) return count * size_of(dtype);
  return count / static_cast<uint64_t>(traits_of(block).values) * traits_of(block).bytes;
}

std::string_view StoredTensor::type_name() const {
  return block == BlockType::kNone ? name_of(dtype) : traits_of(block).name;
}

struct TensorFile::AlignedCopies {
  std::mutex mutex;
  std::map<std::string, Tensor, std::less<>> by_name;
};

TensorFile::TensorFile() : copies_(std::make_unique<AlignedCopies>()) {}
TensorFile::TensorFile(TensorFile&&) noexcept = default;
TensorFile& TensorFile::operator=(TensorFile&&) noexcept = default;
TensorFile::~TensorFile() = default;

TensorFile TensorFile::open(const std::filesystem::path& path) {
  TensorFileBuilder builder(path);
  MappedFile file(path);
  const auto bytes = file.bytes();
  if (looks_like_safetensors(bytes)) {
    read_safetensors(builder, std::move(file));
  } else if (looks_like_zip(bytes)) {
    read_pth(builder, std::move(file));
  } else if (looks_like_gguf(bytes)) {
    read_gguf(builder, std::move(file));
  } else if (is_json_object(bytes)) {
    read_safetensors_index(builder, file);
  } else {
    const bool legacy = bytes.size() > 1 && bytes[0] == std::byte{0x80} && bytes[1] == std::byte{0x02};
    throw Error(
        ErrorKind::kInput,
        fmt::format("{}: neither a safetensors file, nor an index of shards, nor a zip-based .pth, nor GGUF{}",
                    path.string(),
                    legacy ? "; it is a bare pickle as torch wrote before 1.6: save it again with a newer torch" : ""));
  }
  return std::move(builder).finish();
}

const StoredTensor* TensorFile::find(std::string_view name) const {
  const auto at =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const StoredTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

const StoredTensor& TensorFile::at(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr)
    throw Error(ErrorKind::kInput,
                fmt::format("{} has no tensor '{}' among its {}", path_.string(), printable(name), tensors_.size()));
  return *tensor;
}

TensorView TensorFile::view(const StoredTensor& tensor) const {
  require(tensor.block == BlockType::kNone,
          fmt::format("{}: tensor '{}' is stored in blocks of {}, where elements of a plain type are needed",
                      path_.string(), printable(tensor.name), tensor.type_name()));
  const std::byte* data = files_[static_cast<size_t>(tensor.file)].bytes().data() + tensor.offset;
  TensorView view(const_cast<std::byte*>(data), tensor.dtype, tensor.shape, Memory::kHost);
  view.strides = tensor.strides;
  if (reinterpret_cast<uintptr_t>(data) % size_of(tensor.dtype) == 0) return view;
  const std::lock_guard lock(copies_->mutex);
  auto at = copies_->by_name.find(tensor.name);
  if (at == copies_->by_name.end()) {
    Tensor copy = host_tensor(tensor.dtype, {extent(tensor)});
    std::memcpy(copy->data, data, copy->bytes());
    at = copies_->by_name.emplace(tensor.name, std::move(copy)).first;
  }
  view.data = at->second->data;
  return view;
}

std::span<const std::byte> TensorFile::bytes_of(const StoredTensor& tensor) const {
  require_op(tensor.contiguous, "the tensor is not contiguous");
  return files_[static_cast<size_t>(tensor.file)].bytes().subspan(tensor.offset, tensor.bytes());
}

std::vector<double> TensorFile::numbers(std::string_view key) const {
  return gguf_numbers(files_.front().bytes(), array_at(key, MetadataArray::Kind::kNumbers));
}

std::vector<std::string_view> TensorFile::strings(std::string_view key) const {
  return gguf_strings(files_.front().bytes(), array_at(key, MetadataArray::Kind::kStrings));
}

const MetadataArray& TensorFile::array_at(std::string_view key, MetadataArray::Kind kind) const {
  const auto at = arrays_.find(key);
  require(at != arrays_.end() && at->second.kind == kind,
          fmt::format("{} has no array of {} under the key '{}'", path_.string(),
                      kind == MetadataArray::Kind::kNumbers ? "numbers" : "texts", printable(key)));
  return at->second;
}

uint64_t TensorFile::total_bytes() const {
  uint64_t total = 0;
  for (const StoredTensor& tensor : tensors_) total += tensor.bytes();
  return total;
}

int TensorFileBuilder::add_file(MappedFile file) {
  file_.files_.push_back(std::move(file));
  return static_cast<int>(file_.files_.size()) - 1;
}

const std::string* TensorFileBuilder::metadata(const std::string& key) const {
  const auto at = file_.metadata_.find(key);
  return at != file_.metadata_.end() ? &at->second : nullptr;
}

const MetadataArray* TensorFileBuilder::array(std::string_view key) const {
  const auto at = file_.arrays_.find(key);
  return at != file_.arrays_.end() ? &at->second : nullptr;
}

TensorFile TensorFileBuilder::finish() && {
  auto& tensors = file_.tensors_;
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors.begin(), tensors.end(),
                                        [](const StoredTensor& a, const StoredTensor& b) { return a.name == b.name; });
  if (twice != tensors.end())
    throw Error(ErrorKind::kInput,
                fmt::format("{}: tensor '{}' is there twice, in {} and {}", path().string(), printable(twice->name),
                            file(twice->file).path().string(), file((twice + 1)->file).path().string()));
  return std::move(file_);
}

Shape checked_shape(std::span<const uint64_t> extents, DType dtype, const std::string& context) {
  require(extents.size() <= kMaxRank,
          fmt::format("{}: {} axes, at most {} are supported", context, extents.size(), kMaxRank));
  std::optional<uint64_t> bytes = size_of(dtype);
  std::array<int64_t, kMaxRank> checked{};
  for (size_t i = 0; i < extents.size(); ++i) {
    if (bytes) bytes = checked_multiply(*bytes, std::max<uint64_t>(extents[i], 1));
    checked[i] = static_cast<int64_t>(extents[i]);
  }
  require(bytes && *bytes <= INT64_MAX, context + ": its shape overflows 64 bits");
  return Shape(std::span<const int64_t>(checked.data(), extents.size()));
}

std::array<int64_t, kMaxRank> row_major_strides(const Shape& shape) {
  return TensorView(nullptr, DType::kF32, shape, Memory::kHost).strides;
}

}  // namespace wan
