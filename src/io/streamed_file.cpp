#include "io/streamed_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {

StreamedFile::StreamedFile(const std::filesystem::path& target) : file_(target) {}

void StreamedFile::fail(const char* action) const {
  throw Error(fmt::format("cannot {} {}: {}", action, file_.path().string(), std::strerror(errno)));
}

void StreamedFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  require(!finished(), target().string() + ": written to after it was finished", ErrorKind::kRuntime);
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_.descriptor(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
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

void StreamedFile::finish(Sync sync) { file_.finish(sync); }

}  // namespace wan
