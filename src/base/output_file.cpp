#include "base/output_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPartSuffix = ".part";
constexpr size_t kHostDigits = 8;
constexpr size_t kLongestName = 255;  // of a file, in bytes, on what Linux mounts

/// What is unfinished, of the whole process: a signal comes to the process, not to who writes. Never destroyed, since
/// the process may end while others still write.
struct Unfinished {
  std::mutex mutex;
  std::set<fs::path> paths;
};

Unfinished& unfinished() {
  static Unfinished* const all = new Unfinished;
  return *all;
}

std::string reason() { return std::strerror(errno); }

/// Process numbers mean something on one machine only. A digest: a host's name may be longer than a file's.
std::string host_digits() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return sha256_hex(name.data()).substr(0, kHostDigits);
}

fs::path part_name(const fs::path& target, int attempt) {
  const std::string end = fmt::format(".{}{}.{}{}", ::getpid(), attempt == 0 ? "" : fmt::format("-{}", attempt),
                                      host_digits(), kPartSuffix);
  std::string name = target.filename().string();
  if (name.size() + end.size() > kLongestName && name.size() <= kLongestName) name.resize(kLongestName - end.size());
  return target.parent_path() / (name + end);
}

std::string kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder: name a file in it";
  if (S_ISLNK(mode)) return "a link, which is not replaced: name the file it leads to, or remove it";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device, which is not replaced: name a file";
  if (S_ISFIFO(mode)) return "a FIFO, which is not replaced: name a file";
  return "no regular file and is not replaced: name another";
}

bool is_device(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISCHR(status.st_mode);
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

void sync_folder(const fs::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder that may be written but not read cannot be synced, and some file systems know no sync of folders.
  if (!descriptor.open()) return;
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != EROFS)
    throw Error(fmt::format("cannot sync the folder {}: {}", folder.string(), reason()));
}

/// Where a path leads, with links of folders resolved; what is missing stays as it is written.
fs::path resolved(const fs::path& path) {
  std::error_code failure;
  fs::path found = fs::weakly_canonical(fs::absolute(path), failure);
  if (failure) found = fs::absolute(path).lexically_normal();
  return found.has_filename() ? found : found.parent_path();
}

/// The process that a part file's name tells, where it was on this machine.
std::optional<pid_t> writer_of(const std::string& name, const std::string& host) {
  const std::string end = fmt::format(".{}{}", host, kPartSuffix);
  if (!name.ends_with(end)) return std::nullopt;
  const size_t dot = name.rfind('.', name.size() - end.size() - 1);
  if (name.size() == end.size() || dot == std::string::npos) return std::nullopt;
  const char *begin = name.data() + dot + 1, *stop = name.data() + name.size() - end.size();
  pid_t pid = 0;
  const auto [after, error] = std::from_chars(begin, stop, pid);
  if (error != std::errc() || pid <= 0 || (after != stop && *after != '-')) return std::nullopt;
  return pid;
}

/// A process that nobody has waited for yet is as gone as one that was.
bool is_gone(pid_t pid) {
  if (::kill(pid, 0) != 0) return errno == ESRCH;
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(stat, text);
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() &&
         (text[name_end + 2] == 'Z' || text[name_end + 2] == 'X');
}

/// A writer holds the lock of its file: numbers of processes are given again, and are others in another container.
bool remove_unlocked(const fs::path& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!descriptor.open() || ::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) return false;
  return ::unlink(file.c_str()) == 0;
}

}  // namespace

void require_output(const fs::path& target, Devices devices) {
  struct stat status {};
  if (::lstat(target.c_str(), &status) != 0) {
    require(target.has_filename(), fmt::format("{} names no file", target.string()), ErrorKind::kUsage);
    return;  // absent, or in a folder that the making of the file will complain of
  }
  if (S_ISREG(status.st_mode) || (devices == Devices::kWriteThrough && is_device(target))) return;
  throw Error(ErrorKind::kUsage, fmt::format("{} is {}", target.string(), kind_of(status.st_mode)));
}

void require_distinct(const std::vector<std::pair<std::string, fs::path>>& paths) {
  std::map<fs::path, std::string> seen;
  for (const auto& [option, path] : paths) {
    if (path.empty() || is_device(path)) continue;
    const auto [found, fresh] = seen.emplace(resolved(path), option);
    require(fresh, fmt::format("{} and {} both mean {}: name two", found->second, option, found->first.string()),
            ErrorKind::kUsage);
  }
}

PartFile::PartFile(const fs::path& target) : target_(target) {
  require_output(target);
  constexpr int kMostTries = 1000;
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    path_ = part_name(target, attempt);
    const std::lock_guard lock(unfinished().mutex);
    descriptor_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (descriptor_.open()) unfinished().paths.insert(path_);
    if (descriptor_.open()) break;
    if (errno != EEXIST) fail("create");
  }
  if (!descriptor_.open()) fail("create");
  ::flock(descriptor_.get(), LOCK_EX | LOCK_NB);  // where it cannot be had, the process's number must do
}

PartFile::~PartFile() {
  if (!descriptor_.open()) return;
  const std::lock_guard lock(unfinished().mutex);
  ::unlink(path_.c_str());
  unfinished().paths.erase(path_);
}

void PartFile::fail(const char* action) const {
  throw Error(ErrorKind::kRuntime, fmt::format("cannot {} {}: {}", action, path_.string(), reason()));
}

void PartFile::finish(Sync sync) {
  require(!finished(), target_.string() + ": finished twice", ErrorKind::kRuntime);
  if (sync == Sync::kOnDisk && ::fsync(descriptor_.get()) != 0) fail("sync");
  require_output(target_);  // much may have happened since it was judged
  {
    const std::lock_guard lock(unfinished().mutex);
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail("rename");
    unfinished().paths.erase(path_);
  }
  if (::close(descriptor_.release()) != 0) fail("close");
  if (sync == Sync::kOnDisk) sync_folder(folder_of(target_));
}

UnfinishedFile::UnfinishedFile(fs::path path) : path_(std::move(path)) {
  const std::lock_guard lock(unfinished().mutex);
  unfinished().paths.insert(path_);
}

UnfinishedFile::UnfinishedFile(UnfinishedFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}

UnfinishedFile::~UnfinishedFile() {
  if (path_.empty()) return;
  const std::lock_guard lock(unfinished().mutex);
  unfinished().paths.erase(path_);
}

void remove_unfinished_files() noexcept {
  unfinished().mutex.lock();  // and never unlocked
  for (const fs::path& path : unfinished().paths) ::unlink(path.c_str());
}

void sync_to_disk(const fs::path& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!descriptor.open() || ::fsync(descriptor.get()) != 0)
    throw Error(fmt::format("cannot sync {}: {}", file.string(), reason()));
  sync_folder(folder_of(file));
}

fs::path sibling_temporary(const fs::path& target) { return part_name(target, 0); }

int64_t remove_left_parts(const fs::path& folder) {
  constexpr int kDeepest = 2;
  const std::string host = host_digits();
  std::vector<fs::path> left;
  std::error_code error;
  auto it = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() >= kDeepest) it.disable_recursion_pending();
    std::error_code ignored;
    if (it->symlink_status(ignored).type() != fs::file_type::regular) continue;
    const std::optional<pid_t> writer = writer_of(it->path().filename().string(), host);
    if (writer && is_gone(*writer)) left.push_back(it->path());
  }
  int64_t removed = 0;
  for (const fs::path& file : left) removed += remove_unlocked(file) ? 1 : 0;
  return removed;
}

}  // namespace wan
