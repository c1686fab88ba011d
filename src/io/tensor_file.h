// Named tensors in files, whatever the format: safetensors (single or sharded), torch's .pth and GGUF, memory-mapped.
// Files are hostile: every offset, count and size is checked before use; nothing in a file is ever executed.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "io/streamed_file.h"
#include "tensor/blocks.h"
#include "tensor/tensor.h"

namespace wan {

/// Where one tensor lies and what it is.
struct StoredTensor {
  std::string name;
  DType dtype = DType::kF32;  // of an element; kU8 where it is stored in blocks
  Shape shape;
  std::array<int64_t, kMaxRank> strides{};  // elements; differs from row-major only in .pth files
  int file = 0;                             // index into TensorFile::files()
  uint64_t offset = 0;                      // bytes from the file's beginning to the first element
  bool contiguous = true;
  BlockType block = BlockType::kNone;  // else row-major in blocks of several values, which may span rows

  /// What it takes in the file.
  uint64_t bytes() const;
  /// "BF16", "Q4_K".
  std::string_view type_name() const;
};

/// An array in a GGUF file's metadata, left where it lies: a vocabulary has a quarter of a million entries.
struct MetadataArray {
  enum class Kind : uint8_t { kNumbers, kStrings, kArrays };
  Kind kind = Kind::kNumbers;
  uint32_t type = 0;    // GGUF's number of the entries' type
  uint64_t count = 0;   // entries
  uint64_t offset = 0;  // bytes from the beginning of files()[0] to the first entry
  uint64_t bytes = 0;
};

/// A set of named tensors in one or more mapped files. Move-only.
class TensorFile {
 public:
  TensorFile();  // an empty set
  TensorFile(TensorFile&&) noexcept;
  TensorFile& operator=(TensorFile&&) noexcept;
  ~TensorFile();
  /// `.safetensors`, `.safetensors.index.json`, `.pth` or `.gguf`, told by content. Reads headers only, never the data.
  /// Throws Error(kInput) naming file and defect.
  static TensorFile open(const std::filesystem::path& path);

  /// In name order.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;
  /// Throws Error naming the file and the missing tensor.
  const StoredTensor& at(std::string_view name) const;
  /// A view of the mapped bytes, which must not be written to (strided when the file says so). Thread-safe. Where the
  /// file put a tensor at an address unfit for its type, which no common writer does, the view is of an aligned copy
  /// made on first use. Throws Error(kInput) for a tensor stored in blocks, which has no elements to point at.
  TensorView view(const StoredTensor& tensor) const;
  TensorView view(std::string_view name) const { return view(at(name)); }
  /// What the file has for a contiguous tensor, at any address, blocks included. Thread-safe.
  std::span<const std::byte> bytes_of(const StoredTensor& tensor) const;
  const std::vector<MappedFile>& files() const { return files_; }
  /// safetensors' __metadata__; of GGUF every value that is no array, numbers in decimal, booleans as true and false.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Of GGUF; by key.
  const std::map<std::string, MetadataArray, std::less<>>& arrays() const { return arrays_; }
  /// All entries of an array, numbers of any type as double. Throw Error(kInput) that names the file and the key when
  /// it is not there or of another kind. The texts lie in the file.
  std::vector<double> numbers(std::string_view key) const;
  std::vector<std::string_view> strings(std::string_view key) const;
  /// "safetensors", "pth", "GGUF 3"; empty for an empty set.
  const std::string& format() const { return format_; }
  const std::filesystem::path& path() const { return path_; }
  /// Sum of the tensors' bytes.
  uint64_t total_bytes() const;

 private:
  friend class TensorFileBuilder;
  const MetadataArray& array_at(std::string_view key, MetadataArray::Kind kind) const;
  struct AlignedCopies;
  std::filesystem::path path_;
  std::vector<MappedFile> files_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, MetadataArray, std::less<>> arrays_;
  std::string format_;
  std::unique_ptr<AlignedCopies> copies_;
};

/// Writes a safetensors file: header first from the declared tensors, then data streamed in declaration order; lands
/// under its final name only on `finish`. 64-bit sizes throughout, so a 20 GB file needs no 20 GB of memory.
class SafetensorsWriter {
 public:
  struct Declared {
    std::string name;
    DType dtype;
    Shape shape;
  };
  /// Throws Error(kRuntime) when the file cannot be created or two tensors share a name. Declare the widest element
  /// types first, so that every tensor is aligned for its type.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<Declared> tensors,
                    std::map<std::string, std::string> metadata = {});
  ~SafetensorsWriter();  // removes the unfinished file
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  /// Appends bytes; throws when more than declared arrive or the disk is full.
  void write(std::span<const std::byte> bytes);
  /// Throws Error(kRuntime) when fewer bytes than declared arrived, or on a full disk.
  void finish(Sync sync = Sync::kOnDisk);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan
