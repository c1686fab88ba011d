#include "base/folder_in_progress.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

/// Whether another file system, or a part of one, is mounted there: nothing can take its name.
bool is_mount_point(const fs::path& folder) {
  struct statx here {};
  const bool known = ::statx(AT_FDCWD, folder.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &here) == 0;
  return known && (here.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
         (here.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

FolderInProgress::FolderInProgress(const fs::path& target, uint64_t needed_bytes) {
  target_ = fs::absolute(target).lexically_normal();
  if (!target_.has_filename()) target_ = target_.parent_path();
  if (fs::is_symlink(target_) && fs::exists(target_)) target_ = fs::canonical(target_);
  const bool there = fs::exists(target_);
  const bool empty = there && fs::is_directory(target_) && fs::is_empty(target_);
  require(!there || empty, fmt::format("{} is there already: name a folder that is new or empty", target_.string()),
          ErrorKind::kUsage);
  require(!there || !is_mount_point(target_),
          fmt::format("{} is a mount point, which cannot be made whole at once: name a folder in it", target_.string()),
          ErrorKind::kUsage);
  require_writable(target_.parent_path(), needed_bytes);
  const fs::path beside = sibling_temporary(target_);
  require(fs::create_directory(beside),
          fmt::format("{} is there already, left by a process that was killed: remove it", beside.string()),
          ErrorKind::kUsage);
  beside_ = beside;  // from here on it is ours to remove
}

FolderInProgress::~FolderInProgress() {
  std::error_code ignored;
  if (!beside_.empty()) fs::remove_all(beside_, ignored);
}

void FolderInProgress::finish() {
  std::error_code failure;
  fs::rename(beside_, target_, failure);
  require(!failure, fmt::format("cannot rename {} to {}: {}", beside_.string(), target_.string(), failure.message()),
          ErrorKind::kRuntime);
  beside_.clear();
}

}  // namespace wan
