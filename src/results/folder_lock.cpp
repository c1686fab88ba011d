#include "results/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>

#include "base/error.h"

namespace wan {
namespace {

Error failure(const std::filesystem::path& file, std::string_view doing) {
  return Error(
      fmt::format("{}: cannot {} the file that keeps other runs out: {}", file.string(), doing, std::strerror(errno)));
}

/// Whether the lock could be had. A suite that was killed while it started a process leaves it held for a moment, by
/// the child that has not yet reached its program.
bool locked(int descriptor) {
  constexpr std::chrono::milliseconds kPatience{2000}, kBetween{10};
  for (std::chrono::milliseconds waited{0}; ::flock(descriptor, LOCK_EX | LOCK_NB) != 0; waited += kBetween) {
    if (errno != EWOULDBLOCK || waited >= kPatience) return false;
    std::this_thread::sleep_for(kBetween);
  }
  return true;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / ".lock";
  descriptor_ = Descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
  if (!descriptor_.open()) throw failure(file, "open");
  if (locked(descriptor_.get())) return;
  if (errno != EWOULDBLOCK) throw failure(file, "lock");
  throw Error(ErrorKind::kUsage, fmt::format("{}: another wanbench is running in this folder; wait for it to end or "
                                             "choose another --output",
                                             folder.string()));
}

}  // namespace wan
