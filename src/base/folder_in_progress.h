// A folder of files that means nothing until all of them are there.
#pragma once

#include <cstdint>
#include <filesystem>

namespace wan {

/// A folder made beside its final name, which it takes when complete; otherwise it is removed with all that is in it.
class FolderInProgress {
 public:
  /// Throws Error(kUsage) when `target` is there and not empty, is a mount point, or `needed_bytes` are not free beside
  /// it.
  FolderInProgress(const std::filesystem::path& target, uint64_t needed_bytes);
  ~FolderInProgress();
  FolderInProgress(const FolderInProgress&) = delete;
  FolderInProgress& operator=(const FolderInProgress&) = delete;

  /// Where its files are put.
  const std::filesystem::path& path() const { return beside_; }
  /// Throws Error(kRuntime) when the name cannot be taken.
  void finish();

 private:
  std::filesystem::path target_, beside_;
};

}  // namespace wan
