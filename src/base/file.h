// Files: read-only mappings, and writing beside the target then renaming, so that no partial file is left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace wan {

/// A whole file mapped read-only. Move-only; unmaps and closes on destruction.
class MappedFile {
 public:
  /// Throws Error(kInput) naming the path when it is missing, not a regular file, or cannot be mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return descriptor_; }  // for pread; stays owned by this object

 private:
  void close() noexcept;
  std::filesystem::path path_;
  int descriptor_ = -1;
  const void* data_ = nullptr;
  size_t size_ = 0;
};

/// The file's text. Throws Error(kInput) when missing or larger than `max_bytes`.
std::string read_text(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{64} << 20);

/// A path beside `target`, of this process on this machine, for a folder that will be renamed onto it; files: PartFile.
std::filesystem::path sibling_temporary(const std::filesystem::path& target);

/// By a PartFile (base/output_file.h), or through a character device. Throws Error(kUsage, kRuntime) naming the path.
void write_atomically(const std::filesystem::path& target, std::string_view content);

/// Throws Error(kUsage) unless a file can be created in `folder` (created if missing) and `needed_bytes` are free
/// there.
void require_writable(const std::filesystem::path& folder, uint64_t needed_bytes);

}  // namespace wan
