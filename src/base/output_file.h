// The one door by which files are written: the target is judged before any work, the file grows beside it under a name
// that no prepared link can take, and takes the target's name only when it is complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/subprocess.h"

namespace wan {

/// Whether a finished file is on the disk or may still be on its way there: what can be made again need not wait.
enum class Sync { kOnDisk, kCached };

/// What a target that is a character device, such as /dev/null, means: it is refused, or written through.
enum class Devices { kRefuse, kWriteThrough };

/// Throws Error(kUsage) naming the target unless it is absent or a regular file, or a device that may be written
/// through: folders, links, devices, FIFOs and sockets are never replaced.
void require_output(const std::filesystem::path& target, Devices devices = Devices::kRefuse);

/// Throws Error(kUsage) naming two of the options that mean one file or folder, however they spell it. Each is an
/// option's name and its path; empty paths are left out.
void require_distinct(const std::vector<std::pair<std::string, std::filesystem::path>>& paths);

/// A file beside its target, until it is complete. Its name is `NAME.PID.HOST.part`, with HOST eight digits of a digest
/// of the host's name; a second one of the same name in this process has PID-1, and so on. It is made by this process
/// alone (O_EXCL, O_NOFOLLOW) and locked (flock) while it is written.
class PartFile {
 public:
  /// Judges the target as require_output does. Throws Error(kRuntime) when the file cannot be created.
  explicit PartFile(const std::filesystem::path& target);
  ~PartFile();  // removes what is unfinished
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  int descriptor() const { return descriptor_.get(); }
  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& target() const { return target_; }
  bool finished() const { return !descriptor_.open(); }
  /// Syncs the file, gives it the target's name, syncs the folder; kCached leaves both syncs out. Throws
  /// Error(kRuntime).
  void finish(Sync sync);

 private:
  [[noreturn]] void fail(const char* action) const;
  std::filesystem::path target_, path_;
  Descriptor descriptor_;
};

/// A file that means nothing until the work it belongs to is over, such as one frame of a video: part files are such
/// files of themselves. Until it is kept or dropped, remove_unfinished_files removes it.
class UnfinishedFile {
 public:
  /// Before the file is made.
  explicit UnfinishedFile(std::filesystem::path path);
  ~UnfinishedFile();  // the file stays
  UnfinishedFile(UnfinishedFile&& other) noexcept;
  UnfinishedFile& operator=(UnfinishedFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;  // empty: moved from
};

/// Removes every part file and every other unfinished file of this process. From then on whoever makes or finishes one
/// waits for ever: for a thread that ends the process next, whatever the others are doing.
void remove_unfinished_files() noexcept;

/// Brings a file that is complete, and its name, to the disk. Throws Error(kRuntime).
void sync_to_disk(const std::filesystem::path& file);

/// Removes the part files in `folder`, two folders deep, whose process was on this machine and is gone. Only for who
/// keeps others out of the folder. Returns how many; what cannot be read or removed is left.
int64_t remove_left_parts(const std::filesystem::path& folder);

}  // namespace wan
