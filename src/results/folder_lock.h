// Keeps two runs out of one folder.
#pragma once

#include <filesystem>

#include "base/subprocess.h"

namespace wan {

/// Held from construction to destruction, or to the end of the process however that comes.
class FolderLock {
 public:
  /// Locks the file `.lock` in the folder, which is made if missing and stays. Throws Error(kUsage) when another
  /// process holds it, Error(kRuntime) when it cannot be written.
  explicit FolderLock(const std::filesystem::path& folder);

 private:
  Descriptor descriptor_;
};

}  // namespace wan
