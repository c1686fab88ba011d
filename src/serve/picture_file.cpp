#include "serve/picture_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/output_file.h"
#include "io/png_text.h"

namespace wan::serve {

void write_picture(const std::filesystem::path& file, int64_t width, int64_t height, std::span<const uint8_t> rgb) {
  const std::string text = png_text(static_cast<int>(width), static_cast<int>(height), rgb);
  PartFile part(file);
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(part.descriptor(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Error(fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)));
    done += static_cast<size_t>(count);
  }
  part.finish(Sync::kCached);
}

}  // namespace wan::serve
