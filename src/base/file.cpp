#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file_pointer.h"
#include "base/output_file.h"

namespace wan {
namespace {

std::string reason() { return std::strerror(errno); }

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something else";
}

/// Opens without waiting, as a pipe that nobody writes to would make us, and without making a terminal ours.
int open_regular(const std::filesystem::path& path, struct stat& status) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0 && errno != ENXIO)
    throw Error(ErrorKind::kInput, fmt::format("cannot open {}: {}", path.string(), reason()));
  const bool known = descriptor >= 0 ? ::fstat(descriptor, &status) == 0 : ::stat(path.c_str(), &status) == 0;
  if (descriptor >= 0 && known && S_ISREG(status.st_mode)) return descriptor;
  if (descriptor >= 0) ::close(descriptor);
  throw Error(ErrorKind::kInput, fmt::format("{} is not a regular file but {}", path.string(),
                                             known ? kind_of(status.st_mode) : "something else"));
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_all(int descriptor, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error(fmt::format("cannot write {}: {}", path.string(), reason()));
    content.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  struct stat status {};
  descriptor_ = open_regular(path, status);
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (data == MAP_FAILED) {
    const std::string why = reason();
    close();
    throw Error(ErrorKind::kRuntime, fmt::format("cannot map {}: {}", path.string(), why));
  }
  data_ = data;
  if (size_ > kLongestPointer || !is_pointer(text_of(bytes()))) return;
  close();
  throw Error(
      ErrorKind::kInput,
      fmt::format("{} is a pointer of git-lfs or git-annex, not the file that it stands for: fetch that with `git "
                  "lfs pull` or `git annex get`, or download it again",
                  path.string()));
}

MappedFile::~MappedFile() { close(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  close();
  path_ = std::move(other.path_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void MappedFile::close() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<void*>(data_), size_);
  if (descriptor_ >= 0) ::close(descriptor_);
  data_ = nullptr;
  descriptor_ = -1;
  size_ = 0;
}

std::string read_text(const std::filesystem::path& path, uint64_t max_bytes) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  require(bytes.size() <= max_bytes, fmt::format("{} has {} bytes, more than the {} allowed for a file of its kind",
                                                 path.string(), bytes.size(), max_bytes));
  std::string_view text = text_of(bytes);
  require(!text.starts_with("\xFF\xFE") && !text.starts_with("\xFE\xFF"),
          fmt::format("{} is text in UTF-16: save it as UTF-8", path.string()));
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return std::string(text);
}

void write_atomically(const std::filesystem::path& target, std::string_view content) {
  require_output(target, Devices::kWriteThrough);
  std::error_code missing;
  if (std::filesystem::is_character_file(target, missing)) {
    const Descriptor device(::open(target.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if (!device.open()) throw Error(fmt::format("cannot open {}: {}", target.string(), reason()));
    write_all(device.get(), content, target);
    return;
  }
  PartFile file(target);
  write_all(file.descriptor(), content, file.path());
  file.finish(Sync::kOnDisk);
}

void require_writable(const std::filesystem::path& folder, uint64_t needed_bytes) {
  const std::filesystem::path where = folder.empty() ? std::filesystem::path(".") : folder;
  std::error_code failure;
  std::filesystem::create_directories(where, failure);
  require(!failure, fmt::format("cannot create folder {}: {}", where.string(), failure.message()), ErrorKind::kUsage);
  try {
    const PartFile probe(where / "write-probe");
  } catch (const Error& problem) {
    throw Error(ErrorKind::kUsage, fmt::format("cannot write in {}: {}", where.string(), problem.what()));
  }
  struct statvfs disk {};
  if (::statvfs(where.c_str(), &disk) != 0) return;
  const uint64_t free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  require(free_bytes >= needed_bytes,
          fmt::format("{} has {} bytes free, the run may need {}: free some space or choose another folder",
                      where.string(), free_bytes, needed_bytes),
          ErrorKind::kUsage);
}

}  // namespace wan
