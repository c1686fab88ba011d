#include "io/streamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"

namespace wan {

StreamedFile::StreamedFile(const std::filesystem::path& target) : target_(target), beside_(sibling_temporary(target)) {
  descriptor_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("create");
}

StreamedFile::~StreamedFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(beside_.c_str());
}

void StreamedFile::fail(const char* action) const {
  throw Error(fmt::format("cannot {} {}: {}", action, beside_.string(), std::strerror(errno)));
}

void StreamedFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  require(!finished(), target_.string() + ": written to after it was finished", ErrorKind::kRuntime);
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
}

void StreamedFile::append(std::span<const std::byte> bytes) {
  write_at(size_, bytes);
  size_ += bytes.size();
}

void StreamedFile::overwrite(uint64_t offset, std::span<const std::byte> bytes) {
  require_op(offset <= size_ && bytes.size() <= size_ - offset, "only what was appended can be replaced");
  write_at(offset, bytes);
}

void StreamedFile::finish(Sync sync) {
  require(!finished(), target_.string() + ": finished twice", ErrorKind::kRuntime);
  if (sync == Sync::kOnDisk && ::fsync(descriptor_) != 0) fail("sync");
  if (::rename(beside_.c_str(), target_.c_str()) != 0) fail("rename");
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0) fail("close");
}

}  // namespace wan
