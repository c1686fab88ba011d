#include "measure/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"

namespace wan::measure {
namespace {

namespace fs = std::filesystem;

bool kernel_tells(const MappedFile& file) {
  struct stat facts {};
  if (::fstat(file.descriptor(), &facts) != 0) return false;
  return ::geteuid() == 0 || facts.st_uid == ::geteuid() || ::access(file.path().c_str(), W_OK) == 0;
}

}  // namespace

void read_through(const std::vector<fs::path>& files) {
  constexpr size_t kChunk = size_t{4} << 20;  // large enough for the storage's best rate
  std::vector<char> buffer(kChunk);
  for (const fs::path& path : files) {
    const MappedFile file(path);
    ssize_t got = 0;
    do {
      got = ::read(file.descriptor(), buffer.data(), buffer.size());
    } while (got > 0 || (got < 0 && errno == EINTR));
    require(got == 0, fmt::format("cannot read {}: {}", path.string(), std::strerror(errno)));
  }
}

void evict(const std::vector<fs::path>& files) {
  for (const fs::path& path : files) {
    const MappedFile file(path);
    // Neither failure is an error: what stayed is measured afterwards.
    static_cast<void>(::fdatasync(file.descriptor()));
    static_cast<void>(::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED));
  }
}

Measured<double> share_resident(const std::vector<fs::path>& files) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t pages = 0, resident = 0;
  for (const fs::path& path : files) {
    if (fs::file_size(path) == 0) continue;
    const MappedFile file(path);
    if (!kernel_tells(file)) return absent<double>("not_owned");
    std::vector<unsigned char> states((file.bytes().size() + page - 1) / page);
    void* begin = const_cast<std::byte*>(file.bytes().data());  // mincore only looks
    if (::mincore(begin, file.bytes().size(), states.data()) != 0) return absent<double>("not_supported");
    pages += states.size();
    resident += static_cast<size_t>(
        std::count_if(states.begin(), states.end(), [](unsigned char state) { return (state & 1) != 0; }));
  }
  if (pages == 0) return absent<double>("no_files");
  return measured(double(resident) / double(pages), "mincore");
}

PageCache page_cache_of(const Measured<double>& share) {
  if (!share.has()) return PageCache::kUnknown;
  if (*share.value >= kHotShare) return PageCache::kHot;
  return *share.value <= 1 - kHotShare ? PageCache::kEvicted : PageCache::kUnknown;
}

}  // namespace wan::measure
