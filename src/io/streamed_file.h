// A file written front to back beside its target, which takes the target's name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/output_file.h"

namespace wan {

class StreamedFile {
 public:
  /// Throws Error(kUsage) for a target that must not be replaced, Error(kRuntime) when the file cannot be created.
  explicit StreamedFile(const std::filesystem::path& target);

  /// Throws Error(kRuntime), also on a full disk.
  void append(std::span<const std::byte> bytes);
  /// Replaces bytes that were appended before. Throws Error(kRuntime).
  void overwrite(uint64_t offset, std::span<const std::byte> bytes);
  /// Bytes appended so far.
  uint64_t size() const { return size_; }
  const std::filesystem::path& target() const { return file_.target(); }
  bool finished() const { return file_.finished(); }
  /// Syncs when asked to, and renames; nothing can be written afterwards. Throws Error(kRuntime).
  void finish(Sync sync = Sync::kOnDisk);

 private:
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  [[noreturn]] void fail(const char* action) const;

  PartFile file_;
  uint64_t size_ = 0;
};

}  // namespace wan
