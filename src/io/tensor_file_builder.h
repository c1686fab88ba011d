// What the format readers fill: collects mapped files and tensors, checks what is common to all formats, gives the
// TensorFile.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_file.h"

namespace wan {

class TensorFileBuilder {
 public:
  explicit TensorFileBuilder(const std::filesystem::path& path) { file_.path_ = path; }

  /// Takes the file over; the index that StoredTensor::file wants.
  int add_file(MappedFile file);
  const MappedFile& file(int index) const { return file_.files_[static_cast<size_t>(index)]; }
  const std::vector<StoredTensor>& tensors() const { return file_.tensors_; }
  void add_tensor(StoredTensor tensor) { file_.tensors_.push_back(std::move(tensor)); }
  void add_metadata(std::string key, std::string value) {
    file_.metadata_.insert_or_assign(std::move(key), std::move(value));
  }
  void add_array(std::string key, const MetadataArray& array) { file_.arrays_.insert_or_assign(std::move(key), array); }
  /// The value under `key`, or nullptr.
  const std::string* metadata(const std::string& key) const;
  const MetadataArray* array(std::string_view key) const;
  void set_format(std::string format) { file_.format_ = std::move(format); }
  const std::filesystem::path& path() const { return file_.path_; }

  /// Sorts by name. Throws Error(kInput) when two tensors share a name.
  TensorFile finish() &&;

 private:
  TensorFile file_;
};

/// Throws Error(kInput), its message begun with `context`, unless the extents form a Shape: at most six, none negative,
/// and neither their product nor that of the non-zero ones times the element size overflows int64. Returns the Shape.
Shape checked_shape(std::span<const uint64_t> extents, DType dtype, const std::string& context);

/// Row-major strides of `shape`, in elements.
std::array<int64_t, kMaxRank> row_major_strides(const Shape& shape);

}  // namespace wan
