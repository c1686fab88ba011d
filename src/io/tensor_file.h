// Named tensors in files, whatever the format: safetensors (single or sharded) and torch's .pth, memory-mapped.
// Files are hostile: every offset, count and size is checked before use; nothing in a file is ever executed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace wan {

/// Where one tensor lies and what it is.
struct StoredTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::array<int64_t, kMaxRank> strides{};  // elements; differs from row-major only in .pth files
  int file = 0;                             // index into TensorFile::files()
  uint64_t offset = 0;                      // bytes from the file's beginning to the first element
  bool contiguous = true;

  uint64_t bytes() const { return static_cast<uint64_t>(shape.count()) * size_of(dtype); }
};

/// A set of named tensors in one or more mapped files. Move-only.
class TensorFile {
 public:
  /// `.safetensors`, `.safetensors.index.json` or `.pth`, told by content. Throws Error(kInput) naming file and defect.
  static TensorFile open(const std::filesystem::path& path);

  /// In name order.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;
  /// Throws Error naming the file and the missing tensor.
  const StoredTensor& at(std::string_view name) const;
  /// A read-only view of the mapped bytes (strided when the file says so).
  TensorView view(const StoredTensor& tensor) const;
  TensorView view(std::string_view name) const { return view(at(name)); }
  const std::vector<MappedFile>& files() const { return files_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }  // safetensors' __metadata__
  const std::filesystem::path& path() const { return path_; }
  uint64_t total_bytes() const;

 private:
  friend class TensorFileBuilder;
  std::filesystem::path path_;
  std::vector<MappedFile> files_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Writes a safetensors file: header first from the declared tensors, then data streamed in declaration order; lands under its
/// final name only on `finish`. 64-bit sizes throughout, so a 20 GB file needs no 20 GB of memory.
class SafetensorsWriter {
 public:
  struct Declared {
    std::string name;
    DType dtype;
    Shape shape;
  };
  SafetensorsWriter(const std::filesystem::path& path, std::vector<Declared> tensors, std::map<std::string, std::string> metadata = {});
  ~SafetensorsWriter();  // removes the unfinished file
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  /// Appends bytes; throws when more than declared arrive or the disk is full.
  void write(std::span<const std::byte> bytes);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan
