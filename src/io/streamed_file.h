// A file written front to back beside its target, which takes the target's name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace wan {

/// Whether a finished file is on the disk or may still be on its way there: what can be made again need not wait.
enum class Sync { kOnDisk, kCached };

class StreamedFile {
 public:
  /// Throws Error(kRuntime) when the file cannot be created.
  explicit StreamedFile(const std::filesystem::path& target);
  ~StreamedFile();  // removes what is unfinished
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  /// Throws Error(kRuntime), also on a full disk.
  void append(std::span<const std::byte> bytes);
  /// Replaces bytes that were appended before. Throws Error(kRuntime).
  void overwrite(uint64_t offset, std::span<const std::byte> bytes);
  /// Bytes appended so far.
  uint64_t size() const { return size_; }
  const std::filesystem::path& target() const { return target_; }
  bool finished() const { return descriptor_ < 0; }
  /// Syncs when asked to, and renames; nothing can be written afterwards. Throws Error(kRuntime).
  void finish(Sync sync = Sync::kOnDisk);

 private:
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path target_;
  std::filesystem::path beside_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace wan
